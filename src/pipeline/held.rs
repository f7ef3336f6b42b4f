//! Records between the thread that reads and the tasks that settle them.
//!
//! Owns: what the two say to each other, and the count of what is under way. Must not know: Kafka's client, what a step does.
//!
//! Invariant: each record that is handed over comes back once, settled or not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::progress::Ticket;
use crate::consume::received::Received;
use crate::failure::Failure;

/// A record that is handed over.
#[derive(Debug)]
pub(super) struct Handed {
    /// By which it is known again.
    pub tag: Tag,
    /// The record.
    pub record: Received,
}

/// By which a record is known that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    /// Of its progress.
    pub ticket: Ticket,
    /// The bytes that count for it.
    pub bytes: u64,
}

/// To the tasks.
#[derive(Debug)]
pub(super) enum Order {
    /// Settle it.
    Settle(Box<Handed>),
    /// Give back what is of these partitions, or of all; what is under way has this long.
    Withdraw(Option<Vec<i32>>, Duration),
}

/// Back from the tasks.
#[derive(Debug)]
pub(super) enum Answer {
    /// A record comes back.
    Back {
        /// Which.
        tag: Tag,
        /// Whether it is settled.
        settled: bool,
    },
    /// A step failed: it ends here.
    Failed(Failure),
}

/// What is handed over and did not come back.
#[derive(Debug, Default)]
pub(super) struct Held {
    records: BTreeMap<i32, usize>,
    bytes: u64,
}

impl Held {
    /// A record goes.
    pub(super) fn add(&mut self, tag: Tag) {
        *self.records.entry(tag.ticket.partition).or_default() += 1;
        self.bytes += tag.bytes;
    }

    /// A record comes back.
    ///
    /// # Panics
    /// When it was not handed over.
    pub(super) fn take(&mut self, tag: Tag) {
        let partition = tag.ticket.partition;
        let count = self.records.get_mut(&partition);
        let count = count.expect("what comes back was handed over");
        *count -= 1;
        if *count == 0 {
            self.records.remove(&partition);
        }
        self.bytes -= tag.bytes;
    }

    /// How many there are, of these partitions or of all.
    pub(super) fn records(&self, of: Option<&[i32]>) -> usize {
        match of {
            None => self.records.values().sum(),
            Some(partitions) => partitions
                .iter()
                .filter_map(|partition| self.records.get(partition))
                .sum(),
        }
    }

    /// The bytes that count for all.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
