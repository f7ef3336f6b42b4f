//! What forwarding counts, and why it does not go on.
//!
//! Owns: which event moves which metric. Must not know: pages, records.

use std::sync::Mutex;
use std::time::Duration;

use super::delivery::Verdict;
use crate::kafka::lock::lock;
use crate::telemetry::metrics::{AttemptEnd, Book, RecipientEnd, forward::Handles};

/// See the module. One thread counts.
#[derive(Default)]
pub struct Counts {
    book: Book<Handles>,
    trouble: Mutex<Option<String>>,
}

impl Counts {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.book.render()
    }

    /// Why nothing can be delivered now, as a sentence for an operator.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// The receiver cannot be reached, or it can again.
    pub(super) fn away(&self, why: Option<String>) {
        let away = if why.is_some() { 1.0 } else { 0.0 };
        self.book.handles.receiver_away.set(away);
        *lock(&self.trouble) = why;
    }

    /// An attempt begins.
    pub(super) fn begun(&self) {
        self.book.handles.attempts_running.increment(1);
    }

    /// It ended, also where it was dropped.
    pub(super) fn over(&self) {
        self.book.handles.attempts_running.decrement(1);
    }

    /// An attempt came to this, in this time.
    pub(super) fn attempt(&self, verdicts: &[Verdict], took: Duration) {
        let handles = &self.book.handles;
        self.book.sums.attempt_time.record(took.as_secs_f64());
        handles.attempts.increment(end(verdicts));
        for verdict in verdicts {
            match verdict {
                Verdict::Accepted => handles.recipients.increment(RecipientEnd::Accepted),
                Verdict::Refused(_) => self.refused(),
                Verdict::Later { .. } => {}
            }
        }
    }

    /// A recipient is refused.
    pub(super) fn refused(&self) {
        self.book
            .handles
            .recipients
            .increment(RecipientEnd::Refused);
    }

    /// So many connections were opened so far.
    pub(super) fn connections(&self, opened: u64) {
        self.book.handles.connections.absolute(opened);
    }

    /// A mail begins to wait for another attempt, or ends to.
    pub(super) fn waiting(&self, begins: bool) {
        match begins {
            true => self.book.handles.retries_waiting.increment(1),
            false => self.book.handles.retries_waiting.decrement(1),
        }
    }

    /// A dead letter was written.
    pub(super) fn dead_letter(&self) {
        self.book.handles.dead_letters.increment(1);
    }

    /// A mail is done with, this long after it was read.
    pub(super) fn mail(&self, took: Duration) {
        self.book.handles.mails.increment(1);
        self.book.sums.record_time.record(took.as_secs_f64());
    }
}

fn end(verdicts: &[Verdict]) -> AttemptEnd {
    let later = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Later { answer, .. } => Some(answer),
        Verdict::Accepted | Verdict::Refused(_) => None,
    });
    let all_accepted = verdicts.iter().all(|verdict| *verdict == Verdict::Accepted);
    match later {
        Some(answer) if answer.code.is_none() => AttemptEnd::None,
        Some(_) => AttemptEnd::Later,
        None if all_accepted => AttemptEnd::Accepted,
        None => AttemptEnd::Refused,
    }
}
