//! Command lines and addresses: time and allocations for each.

mod support;

use divan::{AllocProfiler, Bencher, black_box};
use ringpost_proto::smtp::address;
use ringpost_proto::smtp::command::{self, Command};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const LINES: [&str; 6] = [
    "EHLO client.example.com",
    "MAIL FROM:<sender@example.com>",
    "MAIL FROM:<bounce+list=user@lists.example.com> SIZE=48213 BODY=8BITMIME SMTPUTF8",
    "RCPT TO:<recipient@example.net>",
    "DATA",
    "QUIT",
];

#[divan::bench(args = LINES)]
fn line(bencher: Bencher, line: &str) {
    let verb = command::parse(line.as_bytes()).0;
    let expected = line[..4].to_ascii_lowercase();
    assert_eq!(verb.label(), expected);
    bencher.bench(|| {
        let (verb, command) = command::parse(black_box(line.as_bytes()));
        assert!(command.is_ok());
        verb
    });
}

/// What is refused must not cost more than what is taken.
#[divan::bench(args = ["GET / HTTP/1.1", "MAIL FROM:<a@-b.example>", "RCPT TO:<a@b.example> NOTIFY=NEVER"])]
fn refused(bencher: Bencher, line: &str) {
    bencher.bench(|| {
        let (verb, command): (_, Result<Command, _>) = command::parse(black_box(line.as_bytes()));
        assert!(command.is_err());
        verb
    });
}

const PATHS: [(&str, usize); 6] = [
    ("<>", 0),
    ("<recipient@example.net>", 9),
    ("<first.last+tag@a.b.c.d.e.example.net>", 14),
    ("<\"quoted \\\" local\"@example.net>", 17),
    ("<user@[IPv6:2001:db8::1]>", 4),
    ("<jörg@exämple.de>", 5),
];

#[divan::bench(args = PATHS)]
fn path(bencher: Bencher, (path, local_part): &(&str, usize)) {
    bencher.bench(|| {
        let (mailbox, rest) = address::path(black_box(path.as_bytes())).expect("well formed");
        let length = mailbox
            .as_ref()
            .map_or(0, |mailbox| mailbox.local_part().len());
        assert!(rest.is_empty() && length == *local_part);
        mailbox
    });
}
