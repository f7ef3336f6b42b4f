//! Programs under the seccomp profile of a container, as an engine would run them.
//!
//! Owns: the profiles, and how one becomes the filter of a process. Must not know: what runs under it.
//!
//! BUGS: a filter is tried, not an engine: capabilities, namespaces and limits are those of the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::tools;

const SCRIPT: &str = include_str!("under_seccomp.py");

/// The three calls of io_uring.
pub const SETUP: &str = "io_uring_setup";
pub const ENTER: &str = "io_uring_enter";
pub const REGISTER: &str = "io_uring_register";

/// Calls that Linux 3.10 does not have, those that a program could miss.
pub const SINCE_LINUX_3_10: [&str; 33] = [
    "cachestat",
    "clone3",
    "close_range",
    "copy_file_range",
    "epoll_pwait2",
    "execveat",
    "faccessat2",
    "fchmodat2",
    "futex_requeue",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "getrandom",
    ENTER,
    REGISTER,
    SETUP,
    "io_pgetevents",
    "map_shadow_stack",
    "membarrier",
    "memfd_create",
    "memfd_secret",
    "mlock2",
    "openat2",
    "pidfd_open",
    "pidfd_send_signal",
    "pkey_alloc",
    "preadv2",
    "pwritev2",
    "renameat2",
    "rseq",
    "sched_getattr",
    "sched_setattr",
    "statx",
];

/// The profile in deploy/.
pub fn ours() -> Value {
    let text = include_str!("../../deploy/seccomp.json");
    serde_json::from_str(text).expect("JSON")
}

/// The profile that a container has if nobody asks for another.
pub fn default() -> Value {
    let text = include_str!("default_seccomp.json");
    serde_json::from_str(text).expect("JSON")
}

/// The default profile, and these calls allowed.
pub fn default_with(calls: &[&str]) -> Value {
    and(
        default(),
        json!({"names": calls, "action": "SCMP_ACT_ALLOW"}),
    )
}

/// The default profile, and these calls refused with another error.
pub fn default_answering(calls: &[&str], errno: u32) -> Value {
    let mut profile = default();
    // A filter takes one answer for a call.
    for rule in profile["syscalls"].as_array_mut().expect("rules") {
        let names = rule["names"].as_array_mut().expect("names");
        names.retain(|name| !calls.contains(&name.as_str().expect("a name")));
    }
    let rule = json!({"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": errno});
    and(profile, rule)
}

fn and(mut profile: Value, rule: Value) -> Value {
    let rules = profile["syscalls"].as_array_mut();
    rules.expect("a profile has rules").push(rule);
    profile
}

/// A profile that programs can be run under.
pub struct Filter {
    python: PathBuf,
    folder: tempfile::TempDir,
}

impl Filter {
    /// Nothing where this machine has no filters, with the reason on standard error.
    pub fn new(profile: &Value) -> Option<Self> {
        let python = tools::find_or_skip("python3")?;
        let folder = tempfile::tempdir().expect("a folder");
        let filter = Self { python, folder };
        std::fs::write(filter.profile(), profile.to_string()).expect("written");
        let tried = filter.command("/bin/true").output().expect("python runs");
        let said = String::from_utf8_lossy(&tried.stderr);
        if tried.status.code() == Some(75) {
            tools::say_skipped(&format!("no filter: {said}"));
            return None;
        }
        assert!(tried.status.success(), "{said}");
        Some(filter)
    }

    /// A program under it. The process becomes the program.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", SCRIPT])
            .arg(self.profile())
            .arg(program);
        command
    }

    /// A folder that lives as long as the filter.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn profile(&self) -> PathBuf {
        self.folder().join("profile.json")
    }
}
