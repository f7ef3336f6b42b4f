//! One transaction through a session, from the pipelined group to the 250: what the protocol costs beside the network.

mod support;

use std::time::Instant;

use divan::{AllocProfiler, Bencher, black_box};
use support::{Driven, REPLIES, data, greeted, transaction};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = [100, 4 << 10, 50 << 10])]
fn one_transaction(bencher: Bencher, size: usize) {
    let (mut replies, mut data) = (Vec::new(), data(size, false));
    let mut session = greeted(&mut replies);
    let now = Instant::now();
    bencher.bench_local(|| {
        transaction(&mut session, black_box(&mut data), &mut replies, now);
        assert_eq!(replies, REPLIES);
    });
}

/// Banner, EHLO and QUIT: what a connection adds.
#[divan::bench]
fn greeting(bencher: Bencher) {
    let policy = support::policy();
    let now = Instant::now();
    let mut replies = Vec::new();
    bencher.bench_local(|| {
        replies.clear();
        let mut driven = Driven::begun(std::sync::Arc::clone(&policy), now);
        let commands = black_box(b"EHLO client.example.com\r\nQUIT\r\n".as_slice());
        driven.session.receive(commands, now, &mut driven.output);
        driven.take(&mut replies);
        assert!(replies.starts_with(b"220 ") && replies.ends_with(b"221 2.0.0 Bye\r\n"));
    });
}
