//! What a reader counts beside mails: records that are no mails, and records that ringpost did not write.
//!
//! Owns: which records these are, and the lines about them. Must not know: the output.
//! Invariants: each kind is named once when it first appears, and counted at the end.

use crate::command::consume::format::Received;
use crate::command::consume::{counted, say};

/// What every version of ringpost's own records begins its `ce_type` with.
const OUR_TYPES: &str = "io.ringpost.mail.";

/// The counts of one run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    tombstones: u64,
    foreign: u64,
}

impl Notes {
    /// A record without a value, which deletes a key in a compacted topic.
    pub fn tombstone(&mut self, partition: i32, offset: i64) {
        self.tombstones += 1;
        if self.tombstones == 1 {
            say(&format!(
                "partition {partition}, offset {offset}: a record without a value (a tombstone) is no mail and is passed over; \
                 so are others"
            ));
        }
    }

    /// A record that is written to the output.
    pub fn written(&mut self, received: &Received) {
        let ours = received
            .text_header("ce_type")
            .is_some_and(|kind| kind.starts_with(OUR_TYPES));
        if ours {
            return;
        }
        self.foreign += 1;
        if self.foreign == 1 {
            say(&format!(
                "partition {}, offset {}: not written by ringpost (no ce_type {OUR_TYPES}…); it is kept as it is, and so are \
                 others",
                received.partition, received.offset
            ));
        }
    }

    /// Says the counts, where there is something to say.
    pub fn end(&self) {
        if self.tombstones > 0 {
            say(&format!(
                "{} without a value passed over",
                counted(self.tombstones, "record")
            ));
        }
        if self.foreign > 0 {
            say(&format!(
                "{} kept that ringpost did not write",
                counted(self.foreign, "record")
            ));
        }
    }
}
