//! Why a run could not begin, or not be finished.

use std::io;

use thiserror::Error;
use tokio::task::JoinError;

use crate::failure::{Blame, Blamed};
use crate::fault::Fault;
use crate::net::runtime::NoRuntime;

/// Something on this machine, or in this program, did not work.
#[derive(Debug, Error)]
pub(super) enum EngineError {
    /// A thread could not be started.
    #[error("--threads {count}: {source}")]
    Spawn {
        /// How many were asked for.
        count: u32,
        /// Why.
        source: io::Error,
    },
    /// A thread panicked.
    #[error("a thread panicked; its message is above")]
    Panicked,
    /// A thread has nothing to run in.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
    /// The precise timer of the open loop.
    #[error("timer: {0}")]
    Timer(#[source] io::Error),
    /// A task of a thread panicked.
    #[error("{what} failed: {source}")]
    Task {
        /// Which one.
        what: &'static str,
        /// How it ended.
        source: JoinError,
    },
}

impl Blamed for EngineError {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Why nothing was sent.
#[derive(Debug, Error)]
pub(super) enum NotBegun {
    /// A signal came first.
    #[error("stopped by a signal before a connection was open")]
    Stopped,
    /// The server cannot be talked to, or not by as many sessions as were asked for.
    #[error("{line}")]
    Unusable {
        /// What is wrong, and what to do, in one line.
        line: String,
        /// What happened on the connection.
        fault: Fault,
    },
}

impl Blamed for NotBegun {
    fn blame(&self) -> Blame {
        match self {
            NotBegun::Stopped => Blame::Machine,
            NotBegun::Unusable { .. } => Blame::Server,
        }
    }
}
