//! Which engine serves: the one that the operator asks for, or, where that is left open, the best that the kernel allows.
//!
//! Invariant: where io_uring was asked for, nothing else serves; a shortage of open files is an error, never a reason to take the
//! other engine, which needs as many.

use super::probe::{self, Unavailable};
use crate::config::IoChoice;
use crate::failure::{Blame, Blamed};
use crate::telemetry::metrics::Io;

/// What was chosen.
#[derive(Debug)]
pub struct Chosen {
    /// The engine that serves.
    pub io: Io,
    /// Why it is not io_uring, where that was wanted.
    pub because: Option<Unavailable>,
}

/// The engine that was asked for cannot be used here.
#[derive(Debug, thiserror::Error)]
#[error("{0}; or serve without it: server.io = \"epoll\" (--io epoll)")]
pub struct NoEngine(#[source] Unavailable);

impl Blamed for NoEngine {
    fn blame(&self) -> Blame {
        self.0.blame()
    }
}

impl Chosen {
    /// What an operator should know of the choice, in one line; nothing where it is the one that was asked for.
    pub fn warning(&self) -> Option<String> {
        let because = self.because.as_ref()?;
        Some(format!("{} serves, because {because}", self.io.label()))
    }
}

/// Chooses, and asks the kernel where that matters.
///
/// # Errors
/// [`NoEngine`].
pub fn choose(wanted: IoChoice) -> Result<Chosen, NoEngine> {
    decide(wanted, probe::io_uring)
}

fn decide(
    wanted: IoChoice,
    probe: impl FnOnce() -> Result<(), Unavailable>,
) -> Result<Chosen, NoEngine> {
    let (io, because) = match wanted {
        IoChoice::Epoll => (Io::Epoll, None),
        IoChoice::IoUring => {
            probe().map_err(NoEngine)?;
            (Io::IoUring, None)
        }
        IoChoice::Auto => match probe() {
            Ok(()) => (Io::IoUring, None),
            Err(unavailable) if unavailable.is_refusal() || unavailable.is_shortage_of_memory() => {
                (Io::Epoll, Some(unavailable))
            }
            Err(unavailable) => return Err(NoEngine(unavailable)),
        },
    };
    Ok(Chosen { io, because })
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    fn told(wanted: IoChoice, errno: Option<Errno>) -> Result<(Io, Option<String>), String> {
        let probe = || match errno {
            None => Ok(()),
            Some(errno) => {
                let code = io::Error::from_raw_os_error(errno.raw_os_error());
                Err(Unavailable::new(code))
            }
        };
        let chosen = decide(wanted, probe).map_err(|error| error.to_string())?;
        Ok((chosen.io, chosen.warning()))
    }

    #[test]
    fn a_refusal_of_the_kernel_or_of_memory_leads_to_epoll_and_nothing_else_does() {
        for errno in [Errno::NOSYS, Errno::PERM, Errno::INVAL, Errno::NOMEM] {
            let (io, warning) = told(IoChoice::Auto, Some(errno)).unwrap();
            assert_eq!(io, Io::Epoll, "{errno}");
            let warning = warning.expect("it is said");
            let start = "epoll serves, because io_uring is unavailable: ";
            assert!(warning.starts_with(start), "{warning}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ACCESS] {
            let error = told(IoChoice::Auto, Some(errno)).unwrap_err();
            assert!(error.starts_with("io_uring is unavailable: "), "{error}");
            assert!(error.contains("server.io = \"epoll\""), "{error}");
        }
        assert_eq!(told(IoChoice::Auto, None), Ok((Io::IoUring, None)));
    }

    #[test]
    fn what_is_asked_for_serves_or_nothing_does() {
        assert_eq!(told(IoChoice::IoUring, None), Ok((Io::IoUring, None)));
        for errno in [Errno::NOSYS, Errno::PERM, Errno::INVAL, Errno::NOMEM] {
            told(IoChoice::IoUring, Some(errno)).unwrap_err();
            let epoll = told(IoChoice::Epoll, Some(errno));
            assert_eq!(
                epoll,
                Ok((Io::Epoll, None)),
                "nothing is asked of the kernel"
            );
        }
    }
}
