//! What a traced connection remembers of what has its lines.
//!
//! Owns: the list of it. Must not know: when there is a line.

use std::time::Instant;

use crate::smtp::session::Shown;

/// What a traced connection remembers.
pub(super) struct Trace {
    pub(super) opened: Instant,
    pub(super) shown: Shown,
    /// Whether a command line is going on of which the front was shown.
    pub(super) inside: bool,
    /// Bytes of the replies that wait which have their lines.
    pub(super) told: usize,
    /// Bytes of data without a line.
    pub(super) data: u64,
    /// Why the connection was refused before its session.
    pub(super) refused: Option<&'static str>,
}

impl Trace {
    /// Of a connection that is opened now.
    pub(super) fn new(opened: Instant) -> Self {
        Self {
            opened,
            shown: Shown::default(),
            inside: false,
            told: 0,
            data: 0,
            refused: None,
        }
    }
}
