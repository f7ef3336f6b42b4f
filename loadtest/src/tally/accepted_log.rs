//! The file of `--log`: a line for each message whose acceptance was read.
//!
//! Owns the file. Invariants: it only ever grows by whole lines; a line is in the file at the latest one
//! [`AcceptedLog::flush`] after its reply was read, and the engine flushes every 50 ms; memory is bounded, since a task that fills
//! the buffer writes it.
//!
//! # BUGS
//! - Lines are given to the kernel, not synced to the disk: they survive this process, not the machine.

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::failure::{Blame, Blamed};

/// Bytes that may wait for the next flush.
const BUFFER: usize = 256 * 1024;

/// The file could not be written to its end.
#[derive(Debug, Error)]
#[error("--log: {0}; the file is incomplete")]
pub(crate) struct LogError(#[source] std::io::Error);

impl Blamed for LogError {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Shared by all connections.
pub(crate) struct AcceptedLog {
    state: Mutex<State>,
}

struct State {
    file: File,
    lines: Vec<u8>,
    error: Option<LogError>,
}

impl AcceptedLog {
    /// Writes to an open file.
    pub(crate) fn new(file: File) -> AcceptedLog {
        AcceptedLog {
            state: Mutex::new(State {
                file,
                lines: Vec::with_capacity(BUFFER),
                error: None,
            }),
        }
    }

    /// Adds a line; the lines of a reply are joined by spaces.
    pub(crate) fn append(&self, message_id: &[u8], reply_text: &[u8]) {
        let mut state = self.lock();
        state.lines.extend_from_slice(message_id);
        state.lines.push(b' ');
        state.lines.extend(
            reply_text
                .iter()
                .map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }),
        );
        state.lines.push(b'\n');
        if state.lines.len() >= BUFFER {
            state.write();
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        self.lock().write();
    }

    /// Writes what waits; the first error of all writes, if there was one.
    pub(crate) fn finish(&self) -> Option<LogError> {
        let mut state = self.lock();
        state.write();
        state.error.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        // After an error the file may end inside a line: nothing more is written to it.
        if self.error.is_none()
            && let Err(error) = self.file.write_all(&self.lines)
        {
            self.error = Some(LogError(error));
        }
        self.lines.clear();
    }
}
