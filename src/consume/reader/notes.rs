//! What a reader counts beside mails: records that are no mails, and records that ringpost did not write.
//!
//! Owns: which records these are, and the lines about them. Must not know: the output.
//! Invariants: each kind is named once when it first appears, and counted at the end.

use std::time::{Duration, Instant};

use crate::consume::line::{Say, counted};
use crate::consume::received::{OUR_TYPES, Received};

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Notes {
    say: Say,
    keeps_foreign: bool,
    tombstones: u64,
    foreign: u64,
    again: Option<Instant>,
}

/// How long one line covers all partitions that begin again.
const AGAIN: Duration = Duration::from_secs(60);

impl Notes {
    /// Nothing was counted yet.
    pub(super) fn new(say: Say, keeps_foreign: bool) -> Self {
        Self {
            say,
            keeps_foreign,
            tombstones: 0,
            foreign: 0,
            again: None,
        }
    }

    /// A partition goes on at an offset that was passed before.
    pub(super) fn begins_again(&mut self, partition: i32, offset: i64, reached: i64) {
        if self.again.is_some_and(|said| said.elapsed() < AGAIN) {
            return;
        }
        self.again = Some(Instant::now());
        (self.say)(&format!(
            "partition {partition}: it begins again at offset {offset}, as after the topic was made again or cut; what was read \
             up to {reached} stays; other partitions that do so are not named"
        ));
    }

    /// A record without a value, which deletes a key in a compacted topic.
    pub(super) fn tombstone(&mut self, partition: i32, offset: i64) {
        self.tombstones += 1;
        if self.tombstones == 1 {
            (self.say)(&format!(
                "partition {partition}, offset {offset}: a record without a value (a tombstone) is no mail and is skipped; \
                 so are others"
            ));
        }
    }

    /// A record that ringpost did not write.
    pub(super) fn foreign(&mut self, received: &Received) {
        self.foreign += 1;
        if self.foreign == 1 {
            let done = if self.keeps_foreign {
                "it is kept as it is, and so are others"
            } else {
                "it is skipped, and so are others"
            };
            (self.say)(&format!(
                "partition {}, offset {}: not written by ringpost (no ce_type {OUR_TYPES}…); {done}",
                received.partition, received.offset
            ));
        }
    }

    /// Says the counts, where there is something to say.
    pub(super) fn end(&self) {
        if self.tombstones > 0 {
            (self.say)(&format!(
                "{} without a value skipped",
                counted(self.tombstones, "record")
            ));
        }
        if self.foreign > 0 {
            (self.say)(&format!(
                "{} {} that ringpost did not write",
                counted(self.foreign, "record"),
                if self.keeps_foreign {
                    "kept"
                } else {
                    "skipped"
                }
            ));
        }
    }
}
