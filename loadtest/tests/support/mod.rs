//! Servers for the program to talk to, and ways to run it.

#![allow(dead_code, unused_imports, reason = "each test uses its part")]

pub mod crc32;
#[path = "../../../tests/support/filter.rs"]
pub mod filter;
mod scripted;
mod server;
pub mod sink;
#[path = "../../../tests/support/skips.rs"]
mod skips;
#[path = "../../../tests/support/tools.rs"]
mod tools;

use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub use scripted::{dialogue, hold, nobody, serve, willing};
pub use server::{Behaviour, Keep, Server, Taken, pipelining, tls_settings};

/// Runs the program to its end.
pub fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
        .args(words)
        .output()
        .expect("it runs")
}

/// Runs a load test and reads its JSON.
pub fn report(address: SocketAddr, words: &[&str]) -> Value {
    let address = address.to_string();
    let output = run(&[&[&address[..], "--json", "--quiet"], words].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!(
            "{error}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A whole number in a report.
pub fn number(report: &Value, path: &str) -> u64 {
    report
        .pointer(path)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("no number at {path}: {report}"))
}

/// A run that does not begin: exit status 1, one line on standard error, nothing else.
pub fn one_line(address: impl ToString, words: &[&str]) -> String {
    let address = address.to_string();
    let words = [&[&address[..]], words].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = run(&words);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{words:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&stdout), "", "{words:?}");
    assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    said
}

/// Runs with a page; its HTML and the exit status.
pub fn page(address: SocketAddr, words: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.html");
    let json = folder.path().join("report.json");
    let address = address.to_string();
    let base = [
        &address[..],
        "--quiet",
        "--html",
        path.to_str().expect("UTF-8"),
        "--json-file",
        json.to_str().expect("UTF-8"),
    ];
    let words = [&base[..], words].concat();
    let code = run(&words).status.code();
    let text = std::fs::read_to_string(json).expect("written");
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    (std::fs::read_to_string(path).expect("written"), code)
}

/// Interrupts a program, as Ctrl-C does.
pub fn interrupt(child: &Child) {
    let command = format!("kill -INT {}", child.id());
    let mut shell = Command::new("/bin/sh");
    let killed = shell.args(["-c", &command]).status();
    assert!(killed.expect("a shell").success());
}

/// Starts the program; its standard output and error are for the test.
pub fn start(words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs")
}

/// Fails unless the words are wrong usage (exit status 2), answered with all parts.
pub fn assert_usage(words: &[&str], parts: &[&str]) {
    let output = run(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert_parts(&said, parts);
}

/// Fails unless a text has all parts.
pub fn assert_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}
