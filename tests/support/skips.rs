//! What a run of the tests skipped, and the line that says so at its end.
//!
//! Owns: the file of a run, which every test program of it adds to, and the sum. A run is a cargo process: the parent of its test
//! programs. Must not know: why a test skips.
//!
//! Invariants: a run reads no other run's file, since the name has the parent's id and the time of its start; files of runs that
//! are over are removed by the next sum.
//!
//! BUGS: without /proc every run with the same parent is one. Other runners than cargo are not summed up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

/// Says on standard error, where the test harness cannot swallow it, that the test of this thread does not run, or not the
/// whole of it.
pub fn say(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("{test}: {}\n", reason.replace('\n', "; "));
    // `eprintln!` is captured while a test runs, and shown only if it fails.
    let mut stderr = std::io::stderr();
    write!(stderr, "skipped: {line}").expect("standard error takes a line");
    note(&line);
}

/// Adds the line to the file of this run. A folder that cannot be written costs the sum, and no test.
fn note(line: &str) {
    let Some(file) = file_of(parent_id()) else {
        return;
    };
    let _ = std::fs::create_dir_all(folder());
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file);
    if let Ok(mut file) = file {
        let _ = file.write_all(line.as_bytes());
    }
}

/// The sum, as the last test target of a run prints it.
pub fn report() {
    // A runner that asks for the names of tests gets none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let noted = file_of(parent_id()).and_then(|file| std::fs::read_to_string(file).ok());
    println!("{}", sum(&noted.unwrap_or_default()));
    remove_stale();
}

/// Whether another package's target will print the sum of this run.
pub fn is_for_the_workspace() -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", parent_id())).unwrap_or_default();
    line.split(|&octet| octet == 0)
        .any(|word| matches!(word, b"--workspace" | b"--all"))
}

/// One line: how many tests, and for each reason how many.
fn sum(noted: &str) -> String {
    let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
    let mut tests: Vec<&str> = Vec::new();
    for (test, reason) in noted.lines().filter_map(|line| line.split_once(": ")) {
        let of_reason = reasons.entry(reason).or_default();
        if !of_reason.contains(&test) {
            of_reason.push(test);
        }
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    if tests.is_empty() {
        return "skipped: no test".to_owned();
    }
    let mut reasons: Vec<(&str, usize)> = reasons
        .iter()
        .map(|(reason, tests)| (*reason, tests.len()))
        .collect();
    reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let mut line = format!("skipped, in whole or in part: {} of the tests", tests.len());
    for (place, (reason, count)) in reasons.iter().enumerate() {
        let separator = if place == 0 { ": " } else { "; " };
        write!(line, "{separator}{reason} ({count})").expect("a String takes all text");
    }
    line
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped")
}

/// The file of the run whose process this is; none where there is no such process.
fn file_of(process: u32) -> Option<PathBuf> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything; the start is the twentieth word after it (proc_pid_stat(5)).
    let (_, words) = stat.rsplit_once(')')?;
    let started = words.split_whitespace().nth(19)?;
    Some(folder().join(format!("{process}-{started}")))
}

/// Removes the files of processes that are gone.
fn remove_stale() {
    let files = std::fs::read_dir(folder());
    for file in files.into_iter().flatten().flatten() {
        let process = file.file_name();
        let process = process.to_string_lossy();
        let process = process.split('-').next().and_then(|id| id.parse().ok());
        if process.and_then(file_of) != Some(file.path()) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}
