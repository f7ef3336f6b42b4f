//! Whether the kernel lets us use io_uring: a ring with our flags, and what to do where there is none.

use std::io;

use rustix::io::Errno;
use tokio_uring::Builder;

use crate::failure::{Blame, Blamed};
use crate::limits::{COMPLETION_ENTRIES_MAXIMUM, SUBMISSION_ENTRIES};

/// The ring of a worker that serves up to `connections`.
pub(super) fn ring(connections: usize) -> Builder {
    let mut builder = tokio_uring::builder();
    builder
        .entries(SUBMISSION_ENTRIES)
        .uring_builder(&flags(connections));
    builder
}

/// The flags are not optional: without cooperative task running the kernel interrupts the worker for every completion, which
/// nearly doubles the cost of a lightly loaded server.
fn flags(connections: usize) -> io_uring::Builder {
    let wanted = u32::try_from(connections.saturating_mul(2)).unwrap_or(u32::MAX);
    let completions = wanted
        .clamp(4 * SUBMISSION_ENTRIES, COMPLETION_ENTRIES_MAXIMUM)
        .next_power_of_two();
    let mut flags = tokio_uring::uring_builder();
    flags
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    flags
}

/// No ring can be made here: the cause and the fix, in one line for an operator.
#[derive(Debug, thiserror::Error)]
#[error("io_uring is unavailable: {cause}: {fix}")]
pub struct Unavailable {
    #[source]
    cause: io::Error,
    fix: String,
}

impl Unavailable {
    pub(super) fn new(cause: io::Error) -> Self {
        let fix = advice(&cause);
        Self { cause, fix }
    }

    /// Whether the kernel, or a filter in front of it, does not offer io_uring or forbids it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.code(), Some(Errno::NOSYS | Errno::PERM | Errno::INVAL))
    }

    /// Whether a ring would exceed the memory that the user may lock: the kernel counts the rings of all processes of a user.
    pub fn is_shortage_of_memory(&self) -> bool {
        self.code() == Some(Errno::NOMEM)
    }

    fn code(&self) -> Option<Errno> {
        self.cause.raw_os_error().map(Errno::from_raw_os_error)
    }
}

impl Blamed for Unavailable {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Makes a ring, enters it, and drops it again: a filter may allow the one and forbid the other.
///
/// # Errors
/// [`Unavailable`].
pub fn io_uring() -> Result<(), Unavailable> {
    let ring = flags(1).build(SUBMISSION_ENTRIES);
    ring.and_then(|ring| ring.submit())
        .map(drop)
        .map_err(Unavailable::new)
}

/// What helps against an error of io_uring_setup.
fn advice(error: &io::Error) -> String {
    let disabled =
        std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    match (code, disabled.trim()) {
        (Some(Errno::PERM), "1" | "2") => {
            format!("kernel.io_uring_disabled is {}; allow it with: sysctl -w kernel.io_uring_disabled=0", disabled.trim())
        }
        (Some(Errno::PERM), _) => "a seccomp filter forbids it, as the default one of Docker and containerd does; to allow it: \
                             docker run --security-opt seccomp=deploy/seccomp.json (SystemCallFilter=@aio of systemd)"
            .to_owned(),
        (Some(Errno::NOSYS), _) => "this kernel has none (Linux 6.0 or later is needed), or a seccomp filter or a sandbox hides it; \
                              to allow it under Podman: podman run --security-opt seccomp=deploy/seccomp.json"
            .to_owned(),
        (Some(Errno::INVAL), _) => "this kernel does not know the flags COOP_TASKRUN, TASKRUN_FLAG and SINGLE_ISSUER; \
                              Linux 6.0 or later is needed"
            .to_owned(),
        (Some(Errno::NOMEM), _) => "locked memory is limited, for all processes of a user together; raise it with: ulimit -l unlimited (LimitMEMLOCK= of systemd, \
                              docker run --ulimit memlock=-1)"
            .to_owned(),
        (Some(Errno::MFILE), _) => "too few files may be open; raise the limit (LimitNOFILE= of systemd, ulimit -n)".to_owned(),
        _ => "see the kernel's log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Unavailable;
    use std::io::Error;

    #[test]
    fn each_cause_has_its_fix() {
        for (code, fix) in [(38, "Linux 6.0"), (22, "Linux 6.0"), (12, "LimitMEMLOCK=")] {
            let text = Unavailable::new(Error::from_raw_os_error(code)).to_string();
            assert!(text.starts_with("io_uring is unavailable: "), "{text}");
            assert!(text.contains(fix), "{text}");
        }
        let denied = Unavailable::new(Error::from_raw_os_error(1)).to_string();
        assert!(denied.contains("seccomp") || denied.contains("io_uring_disabled"));
    }
}
