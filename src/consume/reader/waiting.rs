//! The wait for a group that has not given any partitions.
//!
//! Owns: how long that is worth waiting for, and the lines about it. Must not know: which partitions they are.

use std::time::{Duration, Instant};

use crate::consume::line::Say;

/// How long the wait for a group is silent, and how long between two lines about it.
const SILENCE: Duration = Duration::from_millis(1500);
const REPEAT: Duration = Duration::from_secs(10);

/// A wait beyond this is no longer usual.
const USUAL: Duration = Duration::from_secs(8);

/// How long a member without partitions may still be given some: in the cooperative protocols it is given none at first.
const EMPTY_GRACE: Duration = Duration::from_secs(5);

/// The wait for the group.
#[derive(Debug)]
pub(super) struct Waiting {
    say: Say,
    /// For a wait that is usual.
    note: Say,
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
    pub(super) fn begin(group: &str, session: String, (say, note): (Say, Say)) -> Self {
        Self {
            say,
            note,
            group: group.to_owned(),
            session,
            since: Some(Instant::now()),
            empty: None,
            said: None,
        }
    }

    /// Every partition was taken.
    pub(super) fn again(&mut self) {
        let lines = (self.say, self.note);
        *self = Self::begin(&self.group, std::mem::take(&mut self.session), lines);
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
            let tell = match since.elapsed() < USUAL {
                true => self.note,
                false => self.say,
            };
            tell(&format!(
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
            (self.note)(&format!(
                "group {:?} assigned {partitions} partitions",
                self.group
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn line(kind: &str, text: &str) {
        LINES.lock().unwrap().push(format!("{kind}: {text}"));
    }

    fn say(text: &str) {
        line("say", text);
    }

    fn note(text: &str) {
        line("note", text);
    }

    #[test]
    fn a_usual_wait_is_no_trouble_and_a_long_one_is() {
        let mut waiting = Waiting::begin(
            "g",
            ", 10 s after its last heartbeat".to_owned(),
            (say, note),
        );
        let began = |ago| Instant::now().checked_sub(Duration::from_secs(ago));
        waiting.tick(|| None);
        waiting.since = began(2);
        waiting.tick(|| None);
        waiting.tick(|| None);
        waiting.since = began(12);
        waiting.said = began(10);
        waiting.tick(|| None);
        waiting.answered(64);
        let lines = std::mem::take(&mut *LINES.lock().unwrap());
        let begins = [
            "note: waiting for group \"g\" to assign partitions (2 s so far); another member",
            "say: waiting for group \"g\" to assign partitions (12 s so far); another member",
            "note: group \"g\" assigned 64 partitions",
        ];
        assert_eq!(lines.len(), begins.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
    }
}
