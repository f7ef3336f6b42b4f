//! Programs of other packages that tests drive the server with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where a program is, or `skipped: <reason>` on standard error, where the test harness cannot swallow it. Postfix's
/// tools are in /usr/sbin, which is not on everybody's PATH.
pub fn find_or_skip(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// The same for a program that RINGPOST_REQUIRE_TOOLS does not ask for.
pub fn find_or_say(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        say_skipped(&format!("{program} is not installed"));
    }
    found
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

/// Says that a test does not run, and why. With RINGPOST_REQUIRE_TOOLS=1 that is a failure.
pub fn skip(reason: &str) {
    let required = std::env::var("RINGPOST_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "RINGPOST_REQUIRE_TOOLS=1, but {reason}");
    say_skipped(reason);
}

/// The same where RINGPOST_REQUIRE_TOOLS does not ask for it.
pub fn say_skipped(reason: &str) {
    let test = std::thread::current();
    let name = test.name().unwrap_or("a test");
    writeln!(std::io::stderr(), "skipped: {name}: {reason}").expect("standard error takes a line");
}

/// Runs it to its end with this standard input.
///
/// # Panics
/// When it ends with another code than 0.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
