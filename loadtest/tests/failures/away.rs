//! Servers that go away, that stop answering, or that never work for a shape.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Behaviour, Server, dialogue, number, report, run, serve, willing};

#[test]
fn a_server_that_goes_away_in_the_middle_is_counted_and_shown() {
    for (words, ended_by) in [
        (&["--duration", "1500ms"][..], "duration"),
        (&["--duration", "1500ms", "--rate", "200"], "duration"),
        (&["--messages", "100000", "--max-errors", "20"], "errors"),
    ] {
        let gone = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&gone);
        let address = serve(move |stream, _| {
            if shared.load(Ordering::Relaxed) {
                return;
            }
            let shared = Arc::clone(&shared);
            dialogue(stream, "220 mx", move |line, lines| {
                if lines > 200 {
                    shared.store(true, Ordering::Relaxed);
                }
                if shared.load(Ordering::Relaxed) {
                    return "421 4.3.2 Going down";
                }
                willing(line)
            });
        });
        let words = [&["--connections", "2"][..], words].concat();
        let report = report(address, &words);
        assert_eq!(report["ended_by"], ended_by, "{report}");
        assert!(report["start_error"].is_null(), "{report}");
        assert!(number(&report, "/messages/accepted") > 10, "{report}");
        assert!(number(&report, "/errors/421") > 0, "{report}");
        assert!(number(&report, "/errors/closed") > 2, "{report}");
        let reasons = report["reasons"].as_array().expect("a list");
        let said = |error: &str, text: &str| {
            reasons.iter().any(|reason| {
                reason["error"] == error
                    && reason["text"].as_str().is_some_and(|is| is.contains(text))
            })
        };
        assert!(said("421", "Going down"), "{report}");
        assert!(said("closed", "the connection"), "{report}");
    }
}

#[test]
fn a_server_that_greets_and_never_answers_a_message_ends_the_run_soon() {
    for (answer, kind) in [
        ("421 4.3.2 Not now", "421"),
        ("Hello there", "protocol"),
        ("250 2.1.0 Ok\r\n354 Too early", "protocol"),
    ] {
        let address = serve(move |stream, _| {
            dialogue(stream, "220 mx", move |line, _| {
                if line.starts_with("MAIL") {
                    answer
                } else {
                    willing(line)
                }
            });
        });
        for load in [&["--rate", "100"][..], &[]] {
            let words: Vec<&str> = ["--duration", "1h"].iter().chain(load).copied().collect();
            let report = report(address, &words);
            assert_eq!(report["ended_by"], "errors", "{answer}: {report}");
            assert!(
                number(&report, &format!("/errors/{kind}")) >= 20,
                "{report}"
            );
            assert_eq!(report["passed"], false);
        }
    }
}

#[test]
fn a_shape_that_never_works_is_given_up_and_time_counts_to_the_end() {
    let clear = serve(|stream, _| dialogue(stream, "220 mx", |line, _| willing(line)));
    let mix = [
        "--mix",
        "50% --tls starttls",
        "--mix",
        "50% --per-connection 1",
    ];
    for load in [
        &["--messages", "100"][..],
        &["--messages", "100", "--rate", "1000", "--threads", "2"],
    ] {
        let report = report(clear, &[&mix[..], load].concat());
        assert_eq!(
            report["shapes_given_up"][0]["shape"], "50% --tls starttls",
            "{report}"
        );
        assert_eq!(report["ended_by"], "messages", "{report}");
        assert_eq!(report["passed"], false, "{report}");
        assert!(
            (20..100).contains(&number(&report, "/errors_total")),
            "{report}"
        );
        // The back-off between twenty failures of five connections takes its time, though the good half was soon done.
        let (elapsed, cpu) = (&report["elapsed_seconds"], &report["own"]["cpu_seconds"]);
        assert!(
            elapsed.as_f64() > Some(0.05) && cpu.as_f64() < elapsed.as_f64().map(|wall| 2.5 * wall),
            "{report}"
        );
    }
    let output = run(&[&[&clear.to_string()[..], "--messages", "100"], &mix[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("gave up      --mix '50% --tls starttls', which never worked, after 2"),
        "{text}"
    );
}

#[test]
fn a_server_that_was_away_for_a_while_is_the_limit() {
    let dropped = Arc::new(AtomicU64::new(0));
    let (gone, shared) = (Arc::new(AtomicBool::new(false)), Arc::clone(&dropped));
    let address = serve(move |stream, _| {
        // Two senders wait 10, 20, 40 ... 200 ms between these: half a second or more.
        if gone.load(Ordering::SeqCst) && shared.fetch_add(1, Ordering::SeqCst) < 14 {
            return;
        }
        let gone = Arc::clone(&gone);
        dialogue(stream, "220 mx", move |line, lines| {
            if lines == 60 {
                gone.store(true, Ordering::SeqCst);
            }
            if gone.load(Ordering::SeqCst) && lines == 60 {
                return "421 4.3.2 Going down";
            }
            willing(line)
        });
    });
    let words = ["--connections", "2", "--rate", "100", "--messages", "200"];
    let report = report(address, &words);
    assert!(number(&report, "/messages/accepted") > 100, "{report}");
    assert!(dropped.load(Ordering::SeqCst) >= 14);
    assert_eq!(report["limit"]["by"], "server", "{report}");
    let text = report["limit"]["text"].as_str().expect("a text");
    assert!(
        text.contains("away for about") && text.contains("connections failed"),
        "{text}"
    );
}

#[test]
fn a_rate_that_was_not_reached_is_no_limit_and_holds_no_bound() {
    let slow = Server::start(Behaviour {
        keep: Some(Arc::new(|_, _| {
            std::thread::sleep(std::time::Duration::from_millis(20))
        })),
        ..Behaviour::default()
    });
    // One connection takes at most fifty a second.
    for bound in [&["--messages", "60"][..], &["--duration", "500ms"]] {
        let words = [&["--rate", "500", "--connections", "1"][..], bound].concat();
        let report = report(slow.address, &words);
        assert_eq!(report["rate_reached"], false, "{report}");
        assert_ne!(report["limit"]["by"], "rate", "{report}");
    }
    let words = [
        "--rate",
        "500",
        "--connections",
        "1",
        "--duration",
        "200ms",
        "--search",
        "p99<1h",
    ];
    let found = report(slow.address, &words);
    let steps = found["steps"].as_array().expect("steps");
    assert_eq!(steps[0]["holds"], false, "{found}");
    assert_eq!(steps[0]["rate_reached"], false, "{found}");
}

#[test]
fn a_run_that_sent_all_its_messages_before_its_time_took_no_longer_than_that() {
    let server = Server::start(Behaviour::default());
    for load in [&[][..], &["--rate", "1000"]] {
        let words = [&["--messages", "50", "--duration", "1h"][..], load].concat();
        let report = report(server.address, &words);
        assert_eq!(report["ended_by"], "messages", "{report}");
        assert!(
            report["elapsed_seconds"].as_f64() < Some(1800.0),
            "{report}"
        );
    }
}
