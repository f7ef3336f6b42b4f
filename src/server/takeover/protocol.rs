//! What the two processes of a takeover say to each other.
//!
//! Owns: the messages and their version. Must not know: sockets, who sends what when.
//!
//! A process of another version of ringpost may be on the other side. Fields that one of them does not know are skipped; what
//! changes the meaning of a message is another [`PROTOCOL`], which the running process refuses with a sentence.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The version of these messages.
pub(super) const PROTOCOL: u32 = 1;

/// The first message, by the new process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    /// Its version, for the log.
    pub(super) version: String,
    /// Its process id, for the log.
    pub(super) process: u32,
}

/// What the running process answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// No, for this reason.
    Refused(String),
    /// These sockets, whose descriptors are with the message; `more` follow on request.
    Sockets { list: Vec<Described>, more: bool },
    /// The new process has taken over.
    Yours,
}

/// What the new process says after a message with sockets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// It has them; the next ones, please.
    More,
    /// Its workers serve. The places whose sockets it has no use for are left to the running process, which closes them.
    Serving { unused: Vec<usize> },
}

/// A socket that is passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Described {
    /// What it is called.
    pub(super) purpose: String,
    /// The place of its address among those of the running process.
    pub(super) place: usize,
    /// The address as the running process has it configured; none for the one at which the processes meet.
    pub(super) configured: Option<SocketAddr>,
    /// Whether a supervisor keeps it.
    pub(super) kept: bool,
}

/// What the socket is called at which the two processes meet.
pub(super) const MEETING: &str = "takeover";
