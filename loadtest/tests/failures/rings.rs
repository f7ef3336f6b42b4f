//! Machines and containers where io_uring is refused: epoll is used, or one line says why not, and nothing hangs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::filter::{self, Filter, REGISTER, SETUP};
use crate::support::{interrupt, nobody, number};

const ENOMEM: u32 = 12;
const ENOSYS: u32 = 38;
const BINARY: &str = env!("CARGO_BIN_EXE_ringpost-loadtest");

/// Starts the sink under the filter, sends it mail, and stops it.
fn sends_by_epoll(filter: &Filter) {
    let mut sink = filter
        .command(BINARY)
        .args(["sink", "--listen", "127.0.0.1:0", "--threads", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut output = BufReader::new(sink.stdout.take().expect("piped"));
    let mut ready = String::new();
    output.read_line(&mut ready).expect("a line");
    let address = ready.trim().strip_prefix("ready smtp=").expect("ready");
    for words in [
        &["--messages", "200", "--threads", "2"][..],
        &["--messages", "100", "--rate", "1000", "--transfer", "bdat"],
        &["--messages", "20", "--per-connection", "1", "--no-pipeline"],
        &["--messages", "10", "--idle", "20"],
    ] {
        let run = filter
            .command(BINARY)
            .args([address, "--json", "--allow-less"])
            .args(words)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(0), "{words:?}: {said}");
        let note = "epoll is used, which costs this side more, because io_uring is unavailable: ";
        let notes = said.lines().filter(|line| line.starts_with(note));
        assert_eq!(notes.count(), 1, "{said}");
        let report: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        assert_eq!(report["own"]["io"], "epoll", "{report}");
        let sent: u64 = words[1].parse().expect("a number");
        assert_eq!(number(&report, "/messages/accepted"), sent, "{report}");
    }
    interrupt(&sink);
    let ended = sink.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// One line for each of these, which says why nothing was done.
fn ends_with_one_line(filter: &Filter, more: &[&str], part: &str) {
    let address = nobody().to_string();
    let run = [&address[..], "--threads", "2", "--messages", "1"];
    let sink = ["sink", "--listen", "127.0.0.1:0", "--threads", "2"];
    for words in [&run[..], &sink[..]] {
        let mut command = filter.command(BINARY);
        let output = command.args(words).args(more).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert_eq!(output.stdout, b"", "{words:?}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
        let start = "ringpost-loadtest: io_uring is unavailable: ";
        assert!(said.starts_with(start), "{words:?}: {said}");
        let is_machines = said.contains("sysctl -w kernel.io_uring_disabled=0");
        assert!(said.contains(part) || is_machines, "{part}: {said}");
    }
}

#[test]
fn where_io_uring_is_refused_epoll_is_used_unless_io_uring_was_asked_for() {
    for (profile, part) in [
        (
            filter::default(),
            "docker run --security-opt seccomp=deploy/seccomp.json",
        ),
        (filter::default_answering(&[SETUP], ENOSYS), "Linux 6.0"),
        // A ring that can be made and not be used.
        (filter::default_with(&[SETUP, REGISTER]), "seccomp"),
    ] {
        let Some(filter) = Filter::new(&profile) else {
            return;
        };
        sends_by_epoll(&filter);
        ends_with_one_line(&filter, &["--io", "io_uring"], part);
    }
}

#[test]
fn a_shortage_is_no_reason_to_use_epoll() {
    let Some(filter) = Filter::new(&filter::default_answering(&[SETUP], ENOMEM)) else {
        return;
    };
    ends_with_one_line(&filter, &[], "ulimit -l");
}
