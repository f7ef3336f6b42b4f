//! What the group says: partitions given and taken, and how long they are waited for.
//!
//! Owns: the queue of changes between librdkafka's callback and the reading loop, and the lines about waiting. Must not
//! know: positions or the output.
//! Invariants: a change is answered (assign, unassign) by the loop, after what was read has been committed; only while the
//! client is being closed the callback answers itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::topic_partition_list::TopicPartitionList;

use crate::command::consume::say;

/// Partitions that the group gave or took.
#[derive(Debug)]
pub(in crate::command::consume) enum Change {
    /// They are this member's from now on.
    Given(TopicPartitionList),
    /// They are not any more.
    Taken(TopicPartitionList),
}

/// Changes in their order.
pub(in crate::command::consume) type Changes = VecDeque<Change>;

/// How long a group is waited for in silence, and between two lines about it.
const SILENCE: Duration = Duration::from_millis(1500);
const REPEAT: Duration = Duration::from_secs(15);

/// The wait for the group.
#[derive(Debug)]
pub(super) struct Waiting {
    group: String,
    session: String,
    /// Since when partitions are awaited; none while there are some.
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Waiting {
    /// A wait that begins now.
    pub fn begin(group: &str, session: String) -> Self {
        Self {
            group: group.to_owned(),
            session,
            since: Some(Instant::now()),
            said: None,
        }
    }

    /// Partitions were taken.
    pub fn again(&mut self) {
        self.since = Some(Instant::now());
        self.said = None;
    }

    /// Whether nothing is assigned.
    pub fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// Says once in a while that there is a wait.
    pub fn tick(&mut self) {
        let Some(since) = self.since else { return };
        let due = match self.said {
            None => since.elapsed() >= SILENCE,
            Some(said) => said.elapsed() >= REPEAT,
        };
        if !due {
            return;
        }
        self.said = Some(Instant::now());
        say(&format!(
            "waiting for group {:?} to assign partitions ({} s so far); another member of it, also one that was killed, may \
             hold them until its session times out{}",
            self.group,
            since.elapsed().as_secs(),
            self.session
        ));
    }

    /// Partitions were given: ends the wait, with a line if it was spoken of.
    pub fn over(&mut self, partitions: &[i32]) {
        self.since = None;
        if partitions.is_empty() {
            say(&format!(
                "group {:?} has a member for every partition already: nothing is assigned to this one",
                self.group
            ));
        } else if self.said.take().is_some() {
            say(&format!(
                "group {:?} assigned {} partitions",
                self.group,
                partitions.len()
            ));
        }
    }
}
