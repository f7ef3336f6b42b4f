//! What refusals say, and how it is shown.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{dialogue, nobody, number, page, report, run, serve, willing};

/// Refuses every recipient, and ends a connection after twenty of them, as ringpost does.
fn refuser() -> SocketAddr {
    serve(|stream, _| {
        let refused = AtomicU64::new(0);
        dialogue(stream, "220 mx", move |line, _| match line.get(..4) {
            Some("RCPT") if refused.fetch_add(1, Ordering::Relaxed) < 20 => {
                "550-5.7.1 Relaying denied:\r\n550 5.7.1 \x1b]0;evil\x07 not \u{202e}here"
            }
            Some("RCPT") => "421 4.7.0 Too many errors",
            Some("DATA") => "554 5.5.1 No valid recipients",
            _ => willing(line),
        });
    })
}

#[test]
fn refusals_show_their_codes_their_text_how_often_and_a_hint() {
    for words in [&[][..], &["--no-pipeline"], &["--rate", "5000"]] {
        let base = [
            "--messages",
            "200",
            "--connections",
            "2",
            "--to",
            "x@load.example",
        ];
        let words = [&base[..], words].concat();
        let address = refuser();
        let result = report(address, &words);
        let reasons = result["reasons"].as_array().expect("a list");
        let first = &reasons[0];
        assert_eq!(first["kind"], "refused", "{result}");
        assert_eq!(first["code"], 550);
        assert_eq!(first["enhanced"], "5.7.1");
        assert_eq!(first["step"], "RCPT");
        assert_eq!(first["text"], "Relaying denied: ?]0;evil? not ?here");
        assert_eq!(first["count"], result["refused_by_code"]["550"]);
        assert!(
            first["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("load.example") && hint.contains("--to")),
            "{first}"
        );
        let closing: Vec<_> = reasons
            .iter()
            .filter(|reason| reason["code"] == 421)
            .collect();
        assert_eq!(closing.len(), 1, "{result}");
        assert_eq!(closing[0]["error"], "421");
        assert_eq!(closing[0]["text"], "Too many errors");
        assert_eq!(closing[0]["count"], result["errors"]["421"]);

        let address = address.to_string();
        let words: Vec<&str> = [&address[..], "--quiet"]
            .iter()
            .chain(&words)
            .copied()
            .collect();
        let output = run(&words);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stdout);
        for part in [
            " x 550 5.7.1 after RCPT: Relaying denied: ?]0;evil? not ?here\n",
            "hint: the server takes no mail for load.example: name a recipient it takes with --to\n",
            " x 421 4.7.0 after RCPT: Too many errors\n",
            "result       failed: ",
            "messages were refused",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("shutdown"), "{text}");
        assert!(
            text.chars()
                .all(|letter| letter == '\n' || !letter.is_control()),
            "{text:?}"
        );
    }
}

#[test]
fn progress_says_once_what_to_do_where_nothing_is_accepted() {
    let address = refuser().to_string();
    let output = run(&[&address[..], "--duration", "2500ms", "--connections", "1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.matches("(").count() >= 2, "{said}");
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    assert!(said.contains("--to"), "{said}");
}

#[test]
fn a_recipient_that_is_refused_within_a_message_is_told_with_its_text() {
    let address = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| {
            if line.starts_with("RCPT") && line.contains("+2@") {
                "450 4.2.0 Come back later"
            } else {
                willing(line)
            }
        });
    });
    let words = ["--messages", "40", "--recipients", "3"];
    let report = report(address, &words);
    assert_eq!(number(&report, "/messages/accepted"), 40, "{report}");
    assert_eq!(number(&report, "/recipients_refused"), 40);
    let reason = &report["reasons"][0];
    assert_eq!(reason["kind"], "recipient", "{report}");
    assert_eq!(reason["text"], "Come back later");
    assert_eq!(reason["count"], 40);
}

#[test]
fn the_page_of_a_failed_run_says_why_before_anything_else_and_draws_nothing_empty() {
    let address = nobody();
    let (html, code) = page(address, &["--duration", "1h", "--rate", "100"]);
    assert_eq!(code, Some(1));
    let why =
        format!("connection refused by {address}: nobody listens there; is the server running?");
    assert!(html.contains(&why), "{html}");
    for absent in [
        "<svg",
        "class=\"tiles\"",
        "0 \u{b5}s",
        "limit was",
        "Phases",
    ] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }

    let (html, code) = page(refuser(), &["--duration", "2500ms", "--connections", "1"]);
    assert_eq!(code, Some(1));
    let place = |part: &str| html.find(part).unwrap_or_else(|| panic!("{part}: {html}"));
    assert!(place("Relaying denied") < place("class=\"tiles\""));
    assert!(place("messages were refused") < place("class=\"tiles\""));
    place("refused");
    place("so there is no latency");
    for absent in [
        "\u{b5}s</b>",
        "limit was",
        "Latency by",
        "\u{1b}",
        "\u{202e}",
    ] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
}
