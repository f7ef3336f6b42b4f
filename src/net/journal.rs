//! The log lines of one worker's messages, refusals and traced connections, until they are handed over.
//!
//! Owns: what has been gathered, and the wake-up of the task that hands it over. Must not know: how a line looks; where it goes.
//!
//! Invariant: the first line that waits wakes [`Journal::waiting`]. The lines are borrowed within one call, never over an
//! await.

use std::cell::RefCell;
use std::time::Instant;

use tokio::sync::Notify;

use crate::mail::envelope::Client;
use crate::telemetry::message_log::{Gathered, Line, MessageLog, RefusedLine};
use crate::telemetry::trace_log::TraceLine;

/// See the module.
pub struct Journal {
    /// Where the lines go; none without such lines.
    log: Option<MessageLog>,
    gathered: RefCell<Gathered>,
    /// Woken when lines wait.
    first: Notify,
}

impl Journal {
    /// For lines that go to `log`.
    pub fn new(log: Option<MessageLog>) -> Self {
        Self {
            log,
            gathered: RefCell::default(),
            first: Notify::new(),
        }
    }

    /// Whether messages and refusals have lines.
    pub fn is_kept(&self) -> bool {
        self.log.as_ref().is_some_and(MessageLog::tells_messages)
    }

    /// Adds the line of a message, or counts it among those that the storage did not take.
    pub fn add(&self, line: Line<'_>, now: Instant) {
        let Some(log) = self.log.as_ref().filter(|log| log.tells_messages()) else {
            return;
        };
        let mut gathered = self.gathered.borrow_mut();
        if log.writes_message(&mut gathered, line.outcome, now) && log.add(&mut gathered, line) {
            self.first.notify_one();
        }
    }

    /// Adds the line of a refusal, or counts it in its flood. `time` is the present one of RFC 3339, made where it is needed.
    pub fn add_refused(&self, line: RefusedLine<'_>, now: Instant, time: impl FnOnce() -> String) {
        let Some(log) = &self.log else {
            return;
        };
        let mut gathered = self.gathered.borrow_mut();
        if log.writes(&mut gathered, line.why, line.client.ip(), now)
            && log.add_refused(&mut gathered, &time(), line)
        {
            self.first.notify_one();
        }
    }

    /// Adds a line of a trace, or counts it.
    pub fn add_trace(
        &self,
        client: &Client,
        line: TraceLine<'_>,
        now: Instant,
        time: impl FnOnce() -> String,
    ) {
        if let Some(log) = &self.log
            && log.add_trace(&mut self.gathered.borrow_mut(), client, line, now, time)
        {
            self.first.notify_one();
        }
    }

    /// Adds the counts of what was left out and is over, or of all.
    pub fn end_floods(&self, now: Instant, all: bool, time: impl Fn() -> String) {
        if let Some(log) = &self.log
            && log.end_floods(&mut self.gathered.borrow_mut(), now, all, time)
        {
            self.first.notify_one();
        }
    }

    /// Waits until lines wait.
    pub async fn waiting(&self) {
        self.first.notified().await;
    }

    /// Hands over the lines that wait.
    pub fn hand_over(&self) {
        if let Some(log) = &self.log {
            log.hand_over(&mut self.gathered.borrow_mut());
        }
    }
}
