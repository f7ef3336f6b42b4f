//! The built-in sink, and idle sessions at it.

use crate::support::sink::Sink;
use crate::support::{number, report};

#[test]
fn the_sink_takes_everything_and_idle_sessions_stay() {
    let sink = Sink::start();
    let pid = sink.child.id().to_string();
    let words = [
        "--idle",
        "300",
        "--source",
        "127.0.0.2-127.0.0.5",
        "--messages",
        "500",
        "--duration",
        "10s",
        "--transfer",
        "bdat",
        "--sizes",
        "mailbox-2002",
        "--pid",
        &pid,
    ];
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| *word != "--duration" && *word != "10s")
        .collect();
    let report = report(sink.address, &words);
    assert_eq!(number(&report, "/messages/accepted"), 500, "{report}");
    assert_eq!(number(&report, "/idle/opened"), 300);
    assert_eq!(number(&report, "/idle/closed_by_server"), 0);
    assert!(number(&report, "/server/rss_bytes") > 0);
}

#[test]
fn memory_that_a_used_server_had_already_is_no_false_zero() {
    let sink = Sink::start();
    let pid = sink.child.id().to_string();
    let words = ["--idle", "400", "--messages", "10", "--pid", &pid];
    for _ in 0..3 {
        let report = report(sink.address, &words);
        assert_eq!(number(&report, "/idle/opened"), 400);
        let each = report["idle"]["server_rss_bytes_per_session"].as_f64();
        let note = report["idle"]["server_rss_note"].as_str();
        match (each, note) {
            (Some(each), None) => assert!(each >= 512.0, "{each}"),
            (None, Some(note)) => assert!(
                note.contains("no growth worth a figure above the"),
                "{note}"
            ),
            _ => panic!("a figure or a reason: {report}"),
        }
    }
}
