//! The signals that a server obeys.
//!
//! Owns: which signal means what. Must not know: what is done about it.

use std::fmt;

use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind, signal};

use crate::failure::{Blame, Blamed};

/// What is waited for: from here on, none of these signals ends the process by itself.
pub(super) struct Signals {
    /// SIGTERM and SIGINT.
    pub stop: Stop,
    /// SIGHUP.
    pub reload: unix::Signal,
}

/// The signals that stop the server, each time one comes.
pub(super) struct Stop {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

/// A signal that stops the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// What service managers send.
    Terminate,
    /// Ctrl-C.
    Interrupt,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Signals are not available.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be waited for: {0}")]
pub(super) struct Error(#[source] std::io::Error);

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

impl Signals {
    /// Waits for them from now on, in this runtime.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn inside(runtime: &Runtime) -> Result<Self, Error> {
        let _inside = runtime.enter();
        let of = |kind| signal(kind).map_err(Error);
        Ok(Self {
            stop: Stop {
                terminate: of(SignalKind::terminate())?,
                interrupt: of(SignalKind::interrupt())?,
            },
            reload: of(SignalKind::hangup())?,
        })
    }
}

impl Stop {
    /// Waits until one comes. Dropped before that, it has lost none.
    pub(super) async fn asked(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}
