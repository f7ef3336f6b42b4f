//! What the kernel allows: whether a ring with our flags is available, and what to do where it cannot.

use std::io;

use tokio_uring::{Builder, Runtime};

use crate::failure::{Blame, Blamed};
use crate::limits::{COMPLETION_ENTRIES_MAXIMUM, SUBMISSION_ENTRIES};

/// The ring of a worker that serves up to `connections`. The flags are not optional: without cooperative task running
/// the kernel interrupts the worker for every completion, which nearly doubles the cost of a lightly loaded server.
pub(super) fn ring(connections: usize) -> Builder {
    let wanted = u32::try_from(connections.saturating_mul(2)).unwrap_or(u32::MAX);
    let completions = wanted
        .clamp(4 * SUBMISSION_ENTRIES, COMPLETION_ENTRIES_MAXIMUM)
        .next_power_of_two();
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    let mut builder = tokio_uring::builder();
    builder.entries(SUBMISSION_ENTRIES).uring_builder(&ring);
    builder
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
}

impl Blamed for Unavailable {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Makes a ring and drops it again.
///
/// # Errors
/// [`Unavailable`].
pub fn io_uring() -> Result<(), Unavailable> {
    match Runtime::new(&ring(1)) {
        Ok(_) => Ok(()),
        Err(error) => Err(Unavailable::new(error)),
    }
}

/// What helps against an error of io_uring_setup.
fn advice(error: &io::Error) -> String {
    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const EMFILE: i32 = 24;
    const EINVAL: i32 = 22;
    const ENOSYS: i32 = 38;
    let disabled =
        std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match (error.raw_os_error(), disabled.trim()) {
        (Some(EPERM), "1" | "2") => {
            format!("kernel.io_uring_disabled is {}; allow it with: sysctl -w kernel.io_uring_disabled=0", disabled.trim())
        }
        (Some(EPERM), _) => "a seccomp filter forbids it, as the default one of containers does; run with the profile \
                             deploy/seccomp.json (docker run --security-opt seccomp=deploy/seccomp.json)"
            .to_owned(),
        (Some(ENOSYS), _) => "this kernel has no io_uring, or a sandbox hides it; Linux 6.0 or later is needed".to_owned(),
        (Some(EINVAL), _) => "this kernel does not know the flags COOP_TASKRUN, TASKRUN_FLAG and SINGLE_ISSUER; \
                              Linux 6.0 or later is needed"
            .to_owned(),
        (Some(ENOMEM), _) => "locked memory is limited; raise it with: ulimit -l unlimited (LimitMEMLOCK= of systemd)".to_owned(),
        (Some(EMFILE), _) => "too few files may be open; raise the limit (LimitNOFILE= of systemd, ulimit -n)".to_owned(),
        _ => "see the kernel's log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Unavailable;
    use std::io::Error;

    #[test]
    fn each_cause_has_its_fix() {
        for (code, fix) in [(38, "Linux 6.0"), (22, "Linux 6.0"), (12, "ulimit -l")] {
            let text = Unavailable::new(Error::from_raw_os_error(code)).to_string();
            assert!(text.starts_with("io_uring is unavailable: "), "{text}");
            assert!(text.contains(fix), "{text}");
        }
        let denied = Unavailable::new(Error::from_raw_os_error(1)).to_string();
        assert!(denied.contains("seccomp") || denied.contains("io_uring_disabled"));
    }
}
