//! Searches that find nothing, or that end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{
    Behaviour, Server, assert_parts, assert_usage, dialogue, nobody, number, page, pipelining,
    report, run, serve, willing,
};

#[test]
fn a_search_writes_its_page_and_its_steps_and_repeats_what_breaks() {
    let server = pipelining();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let (html, json, csv) = (file("s.html"), file("s.json"), file("s.csv"));
    let address = server.address.to_string();
    let words = [
        &address[..],
        "--rate",
        "100",
        "--duration",
        "300ms",
        "--search",
        "p99<0s",
        "--html",
        html.to_str().expect("UTF-8"),
        "--json-file",
        json.to_str().expect("UTF-8"),
        "--csv",
        csv.to_str().expect("UTF-8"),
        "--quiet",
    ];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1), "no rate holds it");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_parts(
        &text,
        &[
            "asked/s",
            "p99",
            "does not hold at any rate",
            "Why it is the limit: at ",
            "2 of up to 3 runs",
        ],
    );
    let unit = text.lines().nth(1).expect("a step");
    assert!(unit.contains(" \u{b5}s") || unit.contains(" ms"), "{unit}");
    let found: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("written")).expect("JSON");
    assert_eq!(found["unit"], "microseconds");
    let steps = found["steps"].as_array().expect("steps");
    assert_eq!(steps.len() % 2, 0, "each breaks twice: {found}");
    let rows = std::fs::read_to_string(csv).expect("written");
    assert_eq!(rows.lines().count(), 1 + steps.len(), "{rows}");
    assert!(rows.starts_with("asked_messages_per_second,run,"), "{rows}");
    assert_parts(
        found["rule"].as_str().expect("a rule"),
        &["2 of up to 3 runs"],
    );
    assert_parts(
        found["broken_because"].as_str().expect("why"),
        &["run 1: p99 ", "; run 2: p99 "],
    );
    for pair in steps.chunks(2) {
        assert_eq!(pair[0]["rate"], pair[1]["rate"]);
        assert_eq!(
            (&pair[0]["attempt"], &pair[1]["attempt"]),
            (&1.into(), &2.into())
        );
        assert!(
            number(&pair[0], "/accepted") > 0,
            "no line of zeros: {found}"
        );
    }
    let page = std::fs::read_to_string(html).expect("written");
    assert!(page.contains("does not hold at any rate"), "{page}");
    assert!(page.contains("Why it is the limit: at "), "{page}");
    assert!(page.contains("p99&lt;0s"), "{page}");
}

#[test]
fn a_search_that_cannot_begin_writes_why_and_what_nobody_measures_is_refused() {
    let address = nobody();
    let (html, code) = page(address, &["--rate", "100", "--search", "p99<1s"]);
    assert_eq!(code, Some(1));
    assert!(html.contains("is the server running?"), "{html}");
    assert!(
        !html.contains("<svg") && !html.contains("does not hold"),
        "{html}"
    );
    for (bound, option) in [("lost=0", "--verify"), ("server_cpu<1ms", "--pid")] {
        let words = [&address.to_string()[..], "--rate", "100", "--search", bound];
        assert_usage(&words, &[option]);
    }
}

#[test]
fn a_server_that_dies_of_a_search_leaves_its_steps_and_no_zeros() {
    let gone = Arc::new(AtomicU64::new(0));
    let address = serve(move |stream, _| {
        // Room for two steps, then nobody is served any more.
        let gone = Arc::clone(&gone);
        if gone.load(Ordering::Relaxed) >= 60 {
            return;
        }
        dialogue(stream, "220 mx", move |line, _| {
            if line == "." {
                gone.fetch_add(1, Ordering::Relaxed);
            }
            willing(line)
        });
    });
    let words = ["--rate", "100", "--duration", "300ms", "--search", "p99<1h"];
    let found = report(address, &words);
    assert!(
        found["ended_early"]
            .as_str()
            .is_some_and(|why| why.contains("no banner")),
        "{found}"
    );
    for step in found["steps"].as_array().expect("steps") {
        assert!(number(step, "/accepted") > 0, "{found}");
    }
}

#[test]
fn a_server_that_answers_no_message_ends_a_search_without_a_line_of_zeros() {
    let address = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| match line.get(..4) {
            Some("MAIL") => "Not now",
            _ => willing(line),
        });
    });
    let words = ["--rate", "100", "--duration", "300ms", "--search", "p99<1s"];
    let found = report(address, &words);
    assert_eq!(found["steps"].as_array().map(Vec::len), Some(0), "{found}");
    let why = found["ended_early"].as_str().expect("a reason");
    assert_parts(
        why,
        &["at 100/s no message was answered, in two runs", "Not now"],
    );
    let address = address.to_string();
    let output = run(&[&[&address[..], "--quiet"], &words[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("asked/s"), "no table: {text}");
    assert_parts(&text, &["no message was answered", "Not now"]);
}

#[test]
fn a_search_in_which_everything_is_refused_says_why() {
    let refusing = Server::start(Behaviour {
        refuses: true,
        ..Behaviour::default()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder
        .path()
        .join("r.html")
        .to_str()
        .expect("a text")
        .to_owned();
    let address = refusing.address.to_string();
    let words = [
        &address[..],
        "--search",
        "p99<1s",
        "--rate",
        "100",
        "--duration",
        "200ms",
        "--html",
        &html,
    ];
    let output = run(&words);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_parts(
        &text,
        &[
            "550 5.1.1 after RCPT: No such user",
            "hint: ",
            "refuses every message",
        ],
    );
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(page.contains("<b class=\"failed\">"), "{page}");
    let found = report(refusing.address, &words[1..7]);
    assert_eq!(found["reasons"][0]["text"], "No such user", "{found}");
    assert!(found["reasons"][0]["hint"].is_string(), "{found}");
}
