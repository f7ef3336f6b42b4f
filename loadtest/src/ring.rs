//! The rings: how a thread gets one, and what helps where the kernel refuses it.
//!
//! Owns: the flags of a ring, the text of the refusal. Must not know: what is done with a ring.

use std::io;

use rustix::io::Errno;
use thiserror::Error;
use tokio_uring::Runtime;

use crate::failure::{Blame, Blamed};

/// No ring can be made, or not be used: the cause and the fix, in one line.
#[derive(Debug, Error)]
#[error("io_uring is unavailable: {cause}: {}", fix(cause, &disabled()))]
pub(crate) struct Unavailable {
    #[source]
    cause: io::Error,
}

impl Blamed for Unavailable {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// A runtime whose ring has so many entries, and room for so many completions.
///
/// # Errors
/// [`Unavailable`].
pub(crate) fn runtime(entries: u32, completions: u32) -> Result<Runtime, Unavailable> {
    make(entries, completions).map_err(|cause| Unavailable { cause })
}

fn make(entries: u32, completions: u32) -> io::Result<Runtime> {
    // Without the first two flags a completion interrupts the thread: it costs up to twice the CPU time.
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    // A filter may let a ring be made and not be used. The runtime would not say so: it would wait for ever.
    ring.build(entries)?.submit()?;
    Runtime::new(tokio_uring::builder().entries(entries).uring_builder(&ring))
}

/// What the kernel says about io_uring in general; nothing before Linux 6.6.
fn disabled() -> String {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default()
}

/// What helps against an error.
fn fix(cause: &io::Error, disabled: &str) -> &'static str {
    match cause.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) if ["1", "2"].contains(&disabled.trim()) => {
            "the kernel forbids it; allow it with: sysctl -w kernel.io_uring_disabled=0"
        }
        Some(Errno::PERM) => {
            "a seccomp filter forbids it, as the default one of Docker and containerd does; run the load tester outside of \
             the container, or with the profile deploy/seccomp.json (docker run --security-opt seccomp=deploy/seccomp.json)"
        }
        Some(Errno::NOSYS) => {
            "this kernel has no io_uring (Linux 6.0 or later is needed), or a seccomp filter or a sandbox hides it, as \
             Podman's default filter and gVisor do; run the load tester outside of the container"
        }
        Some(Errno::INVAL) => "this kernel is too old; Linux 6.0 or later is needed",
        Some(Errno::NOMEM) => "locked memory is limited; raise it with: ulimit -l unlimited",
        Some(Errno::MFILE) => "too few files may be open; raise the limit with: ulimit -n",
        _ => "see the kernel's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_fix() {
        let told = |code, disabled| fix(&io::Error::from_raw_os_error(code), disabled);
        assert!(told(1, "2\n").contains("sysctl"));
        for disabled in ["0\n", ""] {
            assert!(told(1, disabled).contains("seccomp=deploy/seccomp.json"));
        }
        for (code, part) in [
            (38, "Linux 6.0"),
            (22, "Linux 6.0"),
            (12, "ulimit -l"),
            (24, "ulimit -n"),
            (5, "log"),
        ] {
            assert!(told(code, "").contains(part), "{code}");
        }
    }
}
