//! One piece of work, repeated: what `benches/instructions` counts instructions of.
//!
//! Usage: workload NAME COUNT. Without arguments (`cargo bench`, `cargo test`) each runs a few times, checked as always.

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use ringpost_proto::smtp::data::Decoder;
use ringpost_proto::smtp::{address, command};
use support::{REPLIES, data, greeted, transaction};

type Work = fn(u32);

const WORKLOADS: [(&str, Work); 6] = [
    ("command_mail", |count| {
        line(
            count,
            b"MAIL FROM:<sender@example.com> SIZE=4096 BODY=8BITMIME",
        );
    }),
    ("command_rcpt", |count| {
        line(count, b"RCPT TO:<recipient@example.net>")
    }),
    ("address_path", path),
    ("data_4096", |count| decode(count, false)),
    ("data_4096_stuffed", |count| decode(count, true)),
    ("session_transaction", session),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = arguments.as_slice() else {
        WORKLOADS.iter().for_each(|(_, work)| work(3));
        return ExitCode::SUCCESS;
    };
    let work = WORKLOADS.iter().find(|(known, _)| known == name);
    let (Some((_, work)), Ok(count)) = (work, count.parse()) else {
        let names: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "workload: give one of {} and a count, not {name} {count}",
            names.join(", ")
        );
        return ExitCode::from(2);
    };
    work(count);
    ExitCode::SUCCESS
}

fn line(count: u32, line: &[u8]) {
    for _ in 0..count {
        assert!(command::parse(black_box(line)).1.is_ok());
    }
}

fn path(count: u32) {
    for _ in 0..count {
        let path = address::path(black_box(b"<first.last+tag@mail.example.net>"));
        assert!(path.is_ok_and(|(mailbox, _)| mailbox.is_some()));
    }
}

/// The copy of the input is counted with it, so that a stuffed one is there each time.
fn decode(count: u32, stuffed: bool) {
    let data = data(4096, stuffed);
    let mut piece = data.clone();
    for _ in 0..count {
        piece.copy_from_slice(&data);
        assert!(Decoder::default().decode(black_box(&mut piece)).ended);
    }
}

fn session(count: u32) {
    let (mut replies, mut data) = (Vec::new(), data(4096, false));
    let mut session = greeted(&mut replies);
    let now = Instant::now();
    for _ in 0..count {
        transaction(&mut session, &mut data, &mut replies, now);
        assert_eq!(replies, REPLIES);
    }
}
