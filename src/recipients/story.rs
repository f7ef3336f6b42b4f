//! What the log says of the topic: while it is waited for, once it is read, and when it is away and back.
//!
//! Owns: the lines, and how often they come. Must not know: how it is read.
//!
//! Invariants: a wait of any length has a line when it takes long, one a minute, and one when it is over; a trouble has to
//! last for [`CONFIRM`] looks before it is one.

use std::time::{Duration, Instant};

use super::place::Place;
use super::trouble::Trouble;
use crate::smtp::directory::Counts;

/// A wait that is over sooner has no line.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Pause between lines that say the same.
const REPEAT: Duration = Duration::from_secs(60);
/// Looks in a row that have to find a trouble.
const CONFIRM: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Story {
    began: Instant,
    said: Option<Instant>,
    /// Looks in a row that found a trouble.
    troubled: u32,
    /// When the recipients were last known to be complete.
    in_step: Instant,
    away: bool,
}

impl Story {
    /// It begins.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            said: None,
            troubled: 0,
            in_step: now,
            away: false,
        }
    }

    fn may_say(&mut self, first: Duration) -> bool {
        let due = match self.said {
            None => self.began.elapsed() >= first,
            Some(said) => said.elapsed() >= REPEAT,
        };
        if due {
            self.said = Some(Instant::now());
        }
        due
    }

    /// It is not read yet.
    pub(super) fn waits(&mut self, trouble: &Trouble, place: &Place) {
        if self.may_say(PATIENCE) {
            let why = place.text(trouble);
            tracing::warn!(
                topic = place.topic,
                seconds = self.began.elapsed().as_secs(),
                "waiting for recipients.topic before ready: {why}; until it is read, recipients that no list names get 451"
            );
        }
    }

    /// It was read.
    pub(super) fn loaded(&mut self, place: &Place, counts: Counts, records: u64, invalid: u64) {
        let milliseconds = self.began.elapsed().as_millis() as u64;
        tracing::info!(
            topic = place.topic,
            addresses = counts.addresses,
            domain_count = counts.whole + counts.below,
            records,
            invalid,
            milliseconds,
            "recipients read"
        );
        if counts.all() == 0 {
            tracing::warn!(
                topic = place.topic,
                "recipients.topic names nobody: every recipient that no list names is refused with 550; `ringpost recipients \
                 add` or `import` names recipients"
            );
        }
        (self.said, self.in_step) = (None, Instant::now());
    }

    /// The topic is followed, and each partition is at its end.
    pub(super) fn in_step(&mut self, place: &Place) {
        if std::mem::take(&mut self.away) {
            tracing::info!(
                topic = place.topic,
                seconds = self.in_step.elapsed().as_secs(),
                "recipients.topic is back: changes are in force again"
            );
        }
        (self.troubled, self.said, self.in_step) = (0, None, Instant::now());
    }

    /// A look at the topic while it is followed found this.
    pub(super) fn troubled(&mut self, trouble: &Trouble, place: &Place) {
        self.troubled += 1;
        let due = self.said.is_none_or(|said| said.elapsed() >= REPEAT);
        if self.troubled >= CONFIRM && due {
            (self.said, self.away) = (Some(Instant::now()), true);
            tracing::warn!(
                topic = place.topic,
                seconds = self.in_step.elapsed().as_secs(),
                "recipients.topic is away: {}; the recipients that are known stay in force, and changes wait",
                place.text(trouble)
            );
        }
    }

    /// For how long the recipients may lack changes.
    pub(super) fn behind(&self) -> Duration {
        self.in_step.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            brokers: "k:1".to_owned(),
            topic: "who".to_owned(),
            properties: Vec::new(),
        }
    }

    #[test]
    fn a_trouble_has_to_last_and_is_over_once_all_is_read() {
        let mut story = Story::new();
        let trouble = Trouble::Silent("no".to_owned());
        story.in_step(&place());
        story.troubled(&trouble, &place());
        assert!(!story.away);
        story.troubled(&trouble, &place());
        assert!(story.away);
        story.in_step(&place());
        assert!(!story.away);
        story.troubled(&trouble, &place());
        assert!(!story.away);
    }
}
