//! Which engine is used, and why it is not io_uring.
//!
//! Owns: the question to the kernel, the text of its refusal. Must not know: what an engine is used for.
//!
//! Invariant: where io_uring was asked for nothing else is used; a shortage (memory, open files) is an error, never a reason to
//! use epoll.

use std::io;

use clap::ValueEnum;
use rustix::io::Errno;
use serde::Serialize;
use thiserror::Error;

use crate::failure::{Blame, Blamed};

/// Entries of the ring that only asks.
const TRIED: u32 = 64;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IoChoice {
    /// io_uring where it is allowed, else epoll
    Auto,
    /// io_uring, or nothing
    #[value(name = "io_uring")]
    IoUring,
    /// epoll
    Epoll,
}

/// What is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Io {
    IoUring,
    Epoll,
}

impl Io {
    /// As in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Io::IoUring => "io_uring",
            Io::Epoll => "epoll",
        }
    }
}

/// No ring can be made, or not be used: the cause and the fix, in one line.
#[derive(Debug, Error)]
#[error("io_uring is unavailable: {cause}: {}", fix(cause, &disabled()))]
pub(crate) struct Unavailable {
    #[from]
    #[source]
    cause: io::Error,
}

impl Unavailable {
    /// Whether the kernel, or a filter in front of it, does not offer io_uring or forbids it.
    fn is_refusal(&self) -> bool {
        let code = self.cause.raw_os_error().map(Errno::from_raw_os_error);
        matches!(code, Some(Errno::NOSYS | Errno::PERM | Errno::INVAL))
    }
}

impl Blamed for Unavailable {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// What is used of what is asked for, and why it is not io_uring, if that was wanted.
///
/// # Errors
/// io_uring was asked for, or there is a shortage.
pub(crate) fn choose(wanted: IoChoice) -> Result<(Io, Option<Unavailable>), Unavailable> {
    decide(wanted, try_out)
}

fn decide(
    wanted: IoChoice,
    try_out: fn() -> Result<(), Unavailable>,
) -> Result<(Io, Option<Unavailable>), Unavailable> {
    match wanted {
        IoChoice::Epoll => Ok((Io::Epoll, None)),
        IoChoice::IoUring => try_out().map(|()| (Io::IoUring, None)),
        IoChoice::Auto => match try_out() {
            Ok(()) => Ok((Io::IoUring, None)),
            Err(why) if why.is_refusal() => Ok((Io::Epoll, Some(why))),
            Err(shortage) => Err(shortage),
        },
    }
}

fn try_out() -> Result<(), Unavailable> {
    ring(TRIED, 4 * TRIED).map(drop)
}

/// What a ring with so many entries, and room for so many completions, is made with. It has been made and entered once: a filter
/// may allow the one and forbid the other, which a runtime would not say. It would wait for ever.
pub(super) fn ring(entries: u32, completions: u32) -> Result<tokio_uring::Builder, Unavailable> {
    // Without the first two flags a completion interrupts the thread: it costs up to twice the CPU time.
    let mut flags = tokio_uring::uring_builder();
    flags
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    flags.build(entries)?.submit()?;
    let mut builder = tokio_uring::builder();
    builder.entries(entries).uring_builder(&flags);
    Ok(builder)
}

/// What the kernel says about io_uring in general; nothing before Linux 6.6.
fn disabled() -> String {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default()
}

/// What helps against an error.
fn fix(cause: &io::Error, disabled: &str) -> &'static str {
    match cause.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) if ["1", "2"].contains(&disabled.trim()) => {
            "the kernel forbids it; to allow it: sysctl -w kernel.io_uring_disabled=0"
        }
        Some(Errno::PERM) => {
            "a seccomp filter forbids it, as the default one of Docker and containerd does; to allow it: docker run \
             --security-opt seccomp=deploy/seccomp.json"
        }
        Some(Errno::NOSYS) => {
            "this kernel has none (Linux 6.0 or later is needed), or a seccomp filter or a sandbox hides it; to allow it under \
             Podman: podman run --security-opt seccomp=deploy/seccomp.json"
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

    #[test]
    fn only_a_refusal_leads_to_epoll_and_only_where_that_is_left_open() {
        fn answer<const CODE: i32>() -> Result<(), Unavailable> {
            Err(io::Error::from_raw_os_error(CODE).into())
        }
        for refused in [answer::<38>, answer::<1>, answer::<22>] {
            let (io, why) = decide(IoChoice::Auto, refused).expect("epoll is there");
            assert_eq!(io, Io::Epoll);
            assert!(why.is_some());
            decide(IoChoice::IoUring, refused).expect_err("it was asked for");
        }
        for short in [answer::<12>, answer::<24>] {
            decide(IoChoice::Auto, short).expect_err("a shortage");
        }
        let (io, why) = decide(IoChoice::Epoll, answer::<1>).expect("epoll is there");
        assert!(io == Io::Epoll && why.is_none());
        let (io, why) = decide(IoChoice::Auto, || Ok(())).expect("both are there");
        assert!(io == Io::IoUring && why.is_none());
    }
}
