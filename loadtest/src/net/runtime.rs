//! What a thread's tasks run in.

use std::io;

use thiserror::Error;
use tokio::task::LocalSet;

use super::choice::{self, Io, Unavailable};
use crate::failure::{Blame, Blamed};

/// See the module. One for each thread.
pub(crate) enum Runtime {
    IoUring(tokio_uring::Runtime),
    Epoll {
        // Dropped first: its tasks hold sockets of the runtime.
        tasks: LocalSet,
        runtime: tokio::runtime::Runtime,
    },
}

/// A thread has none.
#[derive(Debug, Error)]
pub(crate) enum NoRuntime {
    #[error(transparent)]
    IoUring(#[from] Unavailable),
    #[error("epoll: {0}; if too few files may be open, raise the limit with: ulimit -n")]
    Epoll(#[source] io::Error),
}

impl Blamed for NoRuntime {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

impl Runtime {
    /// A ring has so many entries, and room for so many completions; epoll has no such limits.
    ///
    /// # Errors
    /// [`NoRuntime`].
    pub(crate) fn new(io: Io, entries: u32, completions: u32) -> Result<Runtime, NoRuntime> {
        match io {
            Io::IoUring => {
                let ring = choice::ring(entries, completions)?;
                let runtime = tokio_uring::Runtime::new(&ring).map_err(Unavailable::from)?;
                Ok(Runtime::IoUring(runtime))
            }
            Io::Epoll => {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let runtime = builder.enable_all().build().map_err(NoRuntime::Epoll)?;
                let tasks = LocalSet::new();
                Ok(Runtime::Epoll { tasks, runtime })
            }
        }
    }

    /// Runs a future, and what it spawns, until it ends.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self {
            Runtime::IoUring(runtime) => runtime.block_on(future),
            Runtime::Epoll { tasks, runtime } => runtime.block_on(tasks.run_until(future)),
        }
    }
}
