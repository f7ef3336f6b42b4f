//! Machines and containers where io_uring is refused: one line with the cause and the fix, and nothing hangs.

use crate::support::filter::{self, Filter, REGISTER, SETUP};
use crate::support::nobody;

const ENOSYS: u32 = 38;

#[test]
fn where_io_uring_is_refused_one_line_says_why_and_what_helps() {
    let address = nobody().to_string();
    let run = [&address[..], "--threads", "2", "--messages", "1"];
    let sink = ["sink", "--listen", "127.0.0.1:0", "--threads", "2"];
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
        for words in [&run[..], &sink[..]] {
            let mut command = filter.command(env!("CARGO_BIN_EXE_ringpost-loadtest"));
            let output = command.args(words).output().expect("it runs");
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
}
