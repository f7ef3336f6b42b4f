//! What a session asks its driver for, and what the driver learns of its input.
//!
//! Owns: the types of the interface. Must not know: when an action is due.
//!
//! A transaction whose message is being admitted or committed is part of the action: the driver has it, and gives it back
//! with the answer. So a driver cannot answer what it was not asked, and has the envelope where it needs it.

use super::about::About;
use crate::smtp::parameter::Chunk;
use crate::smtp::state::Transaction;

/// What the driver is to do.
#[derive(Debug)]
pub enum Action {
    /// Find room for a body, then call [`super::Session::admit`].
    Admit(Admission),
    /// The message is complete: hand it over, then call [`super::Session::resolve`].
    Commit(Commit),
    /// Nothing more of the body is needed; free it.
    Discard,
    /// Write what waits, drop what was read and not yet consumed, shake hands, then call [`super::Session::secured`].
    StartTls,
    /// Write what waits, then close.
    Close,
}

/// A message that is about to be received.
#[derive(Debug)]
#[must_use = "the session waits for its answer"]
pub struct Admission {
    pub(super) transaction: Box<Transaction>,
    /// The chunk that follows; none where DATA was said.
    pub(super) chunk: Option<Chunk>,
}

impl Admission {
    /// Bytes that the client has announced: SIZE= of MAIL, or the size of the first chunk if that is larger.
    pub fn announced(&self) -> Option<u64> {
        let chunk = self.chunk.map(|chunk| chunk.left);
        self.transaction.parameters.size.max(chunk)
    }

    /// Whose message it is.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// What the session is about meanwhile.
    pub fn about(&self) -> About {
        About::transaction(&self.transaction)
    }
}

/// A message that is complete.
#[derive(Debug)]
#[must_use = "the session waits for its answer"]
pub struct Commit {
    pub(super) transaction: Box<Transaction>,
    /// Octets of the message.
    pub size: u64,
    /// Whether it came by DATA and holds a bare CR or a bare LF, which the policy accepts.
    pub bare_newlines: bool,
}

impl Commit {
    /// Whose message it is. It has a recipient.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }
}

/// Which input the session takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// Command lines.
    Commands,
    /// The data of a message, or a chunk of one.
    Data,
    /// The answer to an action: [`super::Session::admit`], [`super::Session::resolve`] or [`super::Session::secured`].
    /// Nothing is read meanwhile.
    Driver,
    /// Nothing any more.
    Nothing,
}

/// What a piece of data came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Octets at the front of the piece that belong to the message.
    pub kept: usize,
    /// Octets of the piece that were data; what follows are commands.
    pub consumed: usize,
    /// Octets to take back from the end of the body.
    pub retracted: usize,
    /// Whether the data, or the chunk, ended.
    pub ended: bool,
}
