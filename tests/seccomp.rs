//! The real binary under deploy/seccomp.json, as a container engine would run it.

mod support;

use std::process::Command;

use support::ringpost::Ringpost;
use support::tools;
use support::topic::read_topic;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/support/under_seccomp.py"
);
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/seccomp.json");

/// A program under the profile; nothing where that is unavailable, with the reason on standard error.
fn under_seccomp(program: &str) -> Option<Command> {
    let python = tools::find_or_skip("python3")?;
    let filtered = |program: &str| {
        let mut command = Command::new(&python);
        command.args([SCRIPT, PROFILE, program]);
        command
    };
    let tried = filtered("/bin/true").output().unwrap();
    if tried.status.code() == Some(75) {
        tools::say_skipped(&format!(
            "no filter: {}",
            String::from_utf8_lossy(&tried.stderr)
        ));
        return None;
    }
    assert!(
        tried.status.success(),
        "{}",
        String::from_utf8_lossy(&tried.stderr)
    );
    Some(filtered(program))
}

#[test]
fn the_seccomp_profile_allows_all_that_the_server_does() {
    let Some(command) = under_seccomp(env!("CARGO_BIN_EXE_ringpost")) else {
        return;
    };
    let mut ringpost = Ringpost::launch(command, &[]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", ringpost.child.id())).unwrap();
    assert!(status.contains("Seccomp:\t2"), "the filter is on: {status}");
    let mut client = ringpost.client().unwrap();
    // One that fits its first buffer, and one that the ring reads in pieces.
    for octets in [10, 1_000_000] {
        let mut message = vec![b'x'; octets];
        message.extend_from_slice(b"\r\n");
        client.deliver(&message).unwrap();
    }
    assert_eq!(read_topic(&ringpost.kafka, "mail").len(), 2);
    ringpost.signal("HUP");
    let reloaded = "ringpost_reloads_total{result=\"applied\"}";
    while ringpost.metric(reloaded) < 1.0 {
        std::thread::yield_now();
    }
    ringpost.signal("TERM");
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
}
