//! What a worker stamps its mails with: queue ids, and dates as texts.
//!
//! Owns: the generator and the texts of the present second. Must not know: the clock; the time comes in.
//!
//! Invariant: an id is given once. The cells are borrowed within one call; [`Identities::with_rfc5322`] takes a closure, which
//! cannot await.

use std::cell::RefCell;

use jiff::Timestamp;

use crate::mail::date::{Dates, RFC3339_LENGTH};
use crate::mail::id::{Generator, QueueId};

/// See the module.
pub struct Identities {
    ids: RefCell<Generator>,
    dates: RefCell<Dates>,
}

impl Identities {
    /// With this worker's own generator.
    pub fn new(ids: Generator) -> Self {
        Self {
            ids: RefCell::new(ids),
            dates: RefCell::default(),
        }
    }

    /// The id of a mail that comes at `time`.
    pub fn next_id(&self, time: Timestamp) -> QueueId {
        let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
        self.ids.borrow_mut().next(milliseconds)
    }

    /// `2026-01-01T00:00:00.000Z`.
    pub fn rfc3339(&self, time: Timestamp) -> [u8; RFC3339_LENGTH] {
        self.dates.borrow_mut().rfc3339(time)
    }

    /// Lends `Thu, 01 Jan 2026 00:00:00 +0000`.
    pub fn with_rfc5322<R>(&self, time: Timestamp, read: impl FnOnce(&str) -> R) -> R {
        read(self.dates.borrow_mut().rfc5322(time))
    }
}
