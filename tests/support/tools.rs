//! Programs of other packages that tests drive the server with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::skips;

/// Where a program is, or `skipped: <reason>` on standard error, where the test harness cannot swallow it. Postfix's
/// tools are in /usr/sbin, which is not on every PATH.
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
    skips::say(reason);
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

/// A program of Postfix's, which reads a configuration whatever it does. Postfix may be installed without one, or with
/// another one, so it gets an empty one.
pub fn of_postfix(program: &Path) -> Command {
    // Every test writes the same, which is nothing.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postfix-empty");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("main.cf"), "").unwrap();
    let mut command = Command::new(program);
    command.env("MAIL_CONFIG", place);
    command
}

/// Sends a signal, named without SIG, by the shell's own command: no other program is needed.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name])
        .arg(process.to_string())
        .status()
        .expect("/bin/sh runs");
    assert!(status.success(), "SIG{name}");
}
