//! Where finished lines go, in which form, from which level on. One for the whole process; cheap to clone.
//!
//! Owns: the way from a line to the queue. Must not know: which lines there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::Level;

use super::line::{Form, Writer};
use super::queue::Queue;
use crate::mail::date::Dates;

/// See the module.
#[derive(Debug, Clone)]
pub struct Lines {
    queue: Queue,
    form: Form,
    /// The least severe level that is written.
    least: Arc<AtomicU8>,
}

impl Lines {
    pub(super) fn new(queue: Queue, form: Form, least: Level) -> Self {
        let lines = Self {
            queue,
            form,
            least: Arc::default(),
        };
        lines.set_level(least);
        lines
    }

    /// Changes the least severe level that is written.
    pub(super) fn set_level(&self, least: Level) {
        self.least.store(verbosity(least), Ordering::Relaxed);
    }

    /// Whether lines of this level are written.
    pub(super) fn takes(&self, level: Level) -> bool {
        verbosity(level) <= self.least.load(Ordering::Relaxed)
    }

    /// Writes one line, now: its message, then the fields that `fields` adds. For lines that may come with every mail of a command
    /// that has no workers.
    pub fn say(&self, level: Level, message: &str, fields: impl FnOnce(&mut Writer<'_>)) {
        if self.takes(level) {
            self.say_anyway(level, message, fields);
        }
    }

    /// The same for a line of which another filter has decided.
    pub(super) fn say_anyway(
        &self,
        level: Level,
        message: &str,
        fields: impl FnOnce(&mut Writer<'_>),
    ) {
        let now = Dates::default().rfc3339(jiff::Timestamp::now());
        let now = std::str::from_utf8(&now).expect("a date is ASCII");
        let mut octets = Vec::with_capacity(256);
        let mut line = self.begin(&mut octets, level, now, message);
        fields(&mut line);
        line.end();
        self.hand_over(octets, 1);
    }

    /// Begins a line among others that are gathered.
    pub(super) fn begin<'a>(
        &self,
        lines: &'a mut Vec<u8>,
        level: Level,
        time: &str,
        message: &str,
    ) -> Writer<'a> {
        Writer::begin(lines, self.form, level, time, message)
    }

    /// Hands over whole lines, `count` of them.
    pub(super) fn hand_over(&self, lines: Vec<u8>, count: u64) {
        self.queue.hand_over(lines, count);
    }
}

/// The place of a level in the order from the most severe one.
fn verbosity(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}
