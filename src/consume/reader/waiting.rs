//! The wait for a group that has not given any partitions.
//!
//! Owns: how long that is worth waiting for, and the lines about it. Must not know: which partitions they are.

use std::time::{Duration, Instant};

use crate::consume::line::Say;

/// How long the wait for a group is silent, and how long between two lines about it.
const SILENCE: Duration = Duration::from_millis(1500);
const REPEAT: Duration = Duration::from_secs(15);

/// How long a member without partitions may still be given some: in the cooperative protocols it is given none at first.
const EMPTY_GRACE: Duration = Duration::from_secs(5);

/// The wait for the group.
#[derive(Debug)]
pub(super) struct Waiting {
    say: Say,
    group: String,
    session: String,
    /// Since when partitions are awaited; none while there are some.
    since: Option<Instant>,
    /// When the group answered with none.
    empty: Option<Instant>,
    said: Option<Instant>,
}

impl Waiting {
    /// A wait that begins now.
    pub(super) fn begin(group: &str, session: String, say: Say) -> Self {
        Self {
            say,
            group: group.to_owned(),
            session,
            since: Some(Instant::now()),
            empty: None,
            said: None,
        }
    }

    /// Every partition was taken.
    pub(super) fn again(&mut self) {
        *self = Self::begin(&self.group, std::mem::take(&mut self.session), self.say);
    }

    /// Whether partitions may still come. A group that goes on without giving any has more members than partitions.
    pub(super) fn is_waiting(&self) -> bool {
        self.since.is_some() && self.empty.is_none_or(|empty| empty.elapsed() < EMPTY_GRACE)
    }

    /// Says from time to time that there is a wait; `exists` says whether the topic is there, where that is known.
    pub(super) fn tick(&mut self, exists: impl FnOnce() -> Option<bool>) {
        let Some(since) = self.since else { return };
        let due = match self.said {
            None => since.elapsed() >= SILENCE,
            Some(said) => said.elapsed() >= REPEAT,
        };
        if !due {
            return;
        }
        self.said = Some(Instant::now());
        let (group, waited) = (&self.group, since.elapsed().as_secs());
        if self.empty.is_some() && exists() == Some(false) {
            (self.say)(&format!(
                "group {group:?} gave this member no partitions ({waited} s so far): the topic no longer exists, as after \
                 it was deleted; it will be read once it exists again"
            ));
        } else if self.empty.is_some() {
            (self.say)(&format!(
                "group {group:?} gave this member no partitions ({waited} s so far): its other members hold them all"
            ));
        } else {
            (self.say)(&format!(
                "waiting for group {group:?} to assign partitions ({waited} s so far); another member of it, also one that was \
                 killed, may hold them until its session times out{}",
                self.session
            ));
        }
    }

    /// The group has answered, and this member has this many partitions now.
    pub(super) fn answered(&mut self, partitions: usize) {
        if partitions == 0 {
            self.empty = self.empty.or_else(|| Some(Instant::now()));
            return;
        }
        self.since = None;
        self.empty = None;
        if self.said.take().is_some() {
            (self.say)(&format!(
                "group {:?} assigned {partitions} partitions",
                self.group
            ));
        }
    }
}
