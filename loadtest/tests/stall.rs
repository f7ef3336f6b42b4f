//! The test that a closed loop cannot pass: a server that stalls for one second, and percentiles that arithmetic knows.

mod support;

use std::time::Duration;

use support::{Behaviour, Server, number, report};

/// 1,000 messages at 200 a second. With message 400 the server stops answering for one second: the 200 messages that are
/// meant to start within it wait for its end, the first of them 1 s, the last 5 ms, evenly spread; the other 800 wait next
/// to nothing. So a tenth of all wait longer than 500 ms, a hundredth longer than 950 ms, half of them hardly at all.
#[test]
fn a_stall_of_one_second_shows_in_the_percentiles_as_arithmetic_says() {
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        stall: Some((400, Duration::from_secs(1))),
        ..Behaviour::default()
    });
    let report = report(
        server.address,
        &[
            "--rate",
            "200",
            "--messages",
            "1000",
            "--connections",
            "10",
            "--size",
            "1k",
        ],
    );
    assert_eq!(number(&report, "/messages/accepted"), 1000);
    assert_eq!(server.messages(), 1000);
    let milliseconds =
        |name: &str| number(&report, &format!("/latency_microseconds/whole/{name}")) / 1000;
    // Never below what arithmetic says, but for the precision of a histogram; above it by what a busy machine adds.
    let slack = 400;
    let expect = |name: &str, least: u64| {
        let measured = milliseconds(name);
        assert!(
            (least..least + slack).contains(&measured),
            "{name}: {measured} ms, expected {least} ms: {report}"
        );
    };
    expect("p90", 495);
    expect("p95", 745);
    expect("p99", 945);
    expect("max", 999);
    expect("p50", 0);
    // The same messages measured from their actual starts: ten connections were stuck, and no more than that shows.
    let reply = number(&report, "/latency_microseconds/reply/p95") / 1000;
    assert!(
        reply < 495,
        "measured from the actual start a stall hides: p95 {reply} ms"
    );
}

/// What was never sent waited, too: a server that stalls to the end of the run cannot hide the rest.
#[test]
fn messages_that_were_due_and_not_sent_count() {
    let server = Server::start(Behaviour {
        stall: Some((1, Duration::from_secs(3))),
        ..Behaviour::default()
    });
    let report = report(
        server.address,
        &[
            "--rate",
            "100",
            "--duration",
            "2s",
            "--connections",
            "2",
            "--size",
            "1k",
        ],
    );
    let (accepted, unsent) = (
        number(&report, "/messages/accepted"),
        number(&report, "/messages/unsent"),
    );
    assert_eq!(accepted + unsent, 200, "{report}");
    assert!(unsent >= 190, "{report}");
    assert_eq!(number(&report, "/latency_microseconds/whole/count"), 200);
    assert!(
        number(&report, "/latency_microseconds/whole/p50") >= 990_000,
        "{report}"
    );
}
