//! Two servers in turn.

use std::process::Command;

use crate::support::sink::Sink;
use crate::support::{nobody, number, run};

/// Compares two servers with so many messages a turn, which has to succeed; its JSON.
fn compared(options: &[&str], messages: &str) -> serde_json::Value {
    let load = ["--json", "--", "--messages", messages];
    let words = [&["compare"][..], options, &load].concat();
    let output = run(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn two_servers_are_compared_in_turn() {
    let (one, two) = (Sink::start(), Sink::start());
    let (a, b) = (one.address.to_string(), two.address.to_string());
    let (a_pid, b_pid) = (one.child.id().to_string(), two.child.id().to_string());
    let words = [
        "--a", &a, "--b", &b, "--a-pid", &a_pid, "--b-pid", &b_pid, "--rounds", "2", "--warmup",
        "1",
    ];
    let compared = compared(&words, "300");
    for side in ["a", "b"] {
        assert_eq!(compared[side]["turns"].as_array().map(Vec::len), Some(2));
        assert_eq!(number(&compared, &format!("/{side}/turns/1/accepted")), 300);
    }
    assert!(
        compared["throughput_ratio"]["median"]
            .as_f64()
            .is_some_and(|ratio| ratio > 0.0)
    );
}

#[test]
fn compare_starts_and_stops_a_server() {
    let free = nobody();
    let other = Sink::start();
    let (a, b) = (free.to_string(), other.address.to_string());
    let command = format!(
        "{} sink --listen {a}",
        env!("CARGO_BIN_EXE_ringpost-loadtest")
    );
    let words = [
        "--a",
        &a,
        "--b",
        &b,
        "--a-start",
        &command,
        "--rounds",
        "1",
        "--warmup",
        "0",
    ];
    compared(&words, "50");
    assert!(
        std::net::TcpStream::connect(free).is_err(),
        "it was stopped"
    );
    let fails = run(&["compare", "--a", &a, "--b", &b, "--a-start", "false"]);
    assert_eq!(fails.status.code(), Some(1));
    let text = String::from_utf8_lossy(&fails.stderr);
    assert!(text.contains("ended before it greeted"), "{text}");
}

#[test]
fn what_a_compared_server_says_goes_to_a_file_and_its_end_is_shown_when_it_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = nobody();
    let other = Sink::start();
    let (a, b) = (free.to_string(), other.address.to_string());
    let compare = |command: &str| {
        Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
            .env("TMPDIR", folder.path())
            .args(["compare", "--a", &a, "--b", &b, "--a-name", "mine"])
            .args(["--a-start", command, "--rounds", "1", "--warmup", "0"])
            .args(["--", "--messages", "20"])
            .output()
            .expect("it runs")
    };
    let path_of = |said: &str| {
        let line = said
            .lines()
            .find(|line| line.starts_with("what mine says goes to "));
        let path = line
            .and_then(|line| line.split(' ').nth(5))
            .expect("a path");
        std::path::PathBuf::from(path.trim_end_matches(','))
    };
    let sink = env!("CARGO_BIN_EXE_ringpost-loadtest");
    let output = compare(&format!(
        "/bin/sh -c 'echo on stdout; echo on stderr >&2; exec {sink} sink --listen {a}'"
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("on std"), "{said}");
    let path = path_of(&said);
    assert!(path.starts_with(folder.path()), "{said}");
    let kept = std::fs::read_to_string(path).expect("it is there");
    assert!(
        kept.contains("on stdout") && kept.contains("on stderr"),
        "{kept}"
    );

    let output = compare(
        "/bin/sh -c 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done; printf \"cannot \\033[31mbind\\n\" >&2; exit 3'",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ended before it greeted"), "{said}");
    assert!(said.contains("exit status: 3"), "{said}");
    assert!(said.contains("cannot ?[31mbind"), "{said}");
    assert!(
        said.contains("\n  500\n") && !said.contains("\n  400\n"),
        "the end: {said}"
    );

    let nobody = run(&["compare", "--a", &a, "--b", &b, "--", "--messages", "20"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("A: connection refused by"), "{said}");
}
