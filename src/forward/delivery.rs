//! One mail on its way to a receiver, and what the receiver said of it.
//!
//! Owns: the seam between what is read and where it goes. Must not know: topics and offsets, which protocol a receiver speaks, when
//! a mail is tried again.
//!
//! Invariant: there is one verdict for each recipient that is still open, in their order.

use std::sync::Arc;
use std::time::Duration;

use crate::consume::received::Received;

/// A mail with the recipients that a receiver has not yet taken or refused.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The record, with the whole message as its value.
    pub record: Arc<Received>,
    /// The envelope's sender; empty for the null sender.
    pub sender: String,
    /// The recipients that are still open, in the order of the record; never empty.
    pub recipients: Vec<String>,
}

/// What a receiver said, or why it said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The reply code of RFC 5321 or the status of RFC 9110; none where there was no answer.
    pub code: Option<u16>,
    /// Its text, or what kept the answer away, on one line.
    pub text: String,
}

/// What becomes of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver is responsible for it now.
    Accepted,
    /// It is tried again.
    Later {
        /// Why.
        answer: Answer,
        /// The receiver asked not to be tried again before this has passed.
        not_before: Option<Duration>,
    },
    /// It is not tried again.
    Refused(Answer),
}

impl Delivery {
    /// The same verdict for every recipient that is open.
    pub fn all(&self, verdict: &Verdict) -> Vec<Verdict> {
        vec![verdict.clone(); self.recipients.len()]
    }
}
