//! What a reader counts beside mails: records that are no mails, and records that ringpost did not write.
//!
//! Owns: which records these are, and the lines about them. Must not know: the output.
//! Invariants: each kind is named once when it first appears, and counted at the end.

use std::time::{Duration, Instant};

use crate::command::consume::{counted, say};
use crate::consume::format::Received;

/// What every version of ringpost's own records begins its `ce_type` with.
const OUR_TYPES: &str = "io.ringpost.mail.";

/// The counts of one run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    tombstones: u64,
    foreign: u64,
    again: Option<Instant>,
}

/// How long one line stands for all partitions that begin again.
const AGAIN: Duration = Duration::from_secs(60);

/// Lines about partitions: what is the same for several is said once.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<(String, Vec<i32>)>);

impl Lines {
    /// Takes a line about a partition.
    pub fn add(&mut self, partition: i32, text: String) {
        match self.0.iter_mut().find(|(same, _)| *same == text) {
            Some((_, partitions)) => partitions.push(partition),
            None => self.0.push((text, vec![partition])),
        }
    }

    fn texts(mut self) -> Vec<String> {
        let lines = self.0.iter_mut().map(|(text, partitions)| {
            partitions.sort_unstable();
            let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
            let plural = if numbers.len() == 1 { "" } else { "s" };
            format!("partition{plural} {}: {text}", numbers.join(", "))
        });
        lines.collect()
    }

    /// Says them.
    pub fn say(self) {
        for text in self.texts() {
            say(&text);
        }
    }
}

impl Notes {
    /// A partition goes on at an offset that was passed before.
    pub fn begins_again(&mut self, partition: i32, offset: i64, reached: i64) {
        if self.again.is_some_and(|said| said.elapsed() < AGAIN) {
            return;
        }
        self.again = Some(Instant::now());
        say(&format!(
            "partition {partition}: it begins again at offset {offset}, as after the topic was made again or cut; what was read \
             up to {reached} stays; other partitions that do so are not named"
        ));
    }

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
            .attributes()
            .kind
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_for_several_partitions_is_one_line() {
        let mut lines = Lines::default();
        for (partition, text) in [(2, "made again"), (7, "cut"), (0, "made again")] {
            lines.add(partition, text.to_owned());
        }
        assert_eq!(
            lines.texts(),
            ["partitions 0, 2: made again", "partition 7: cut"]
        );
    }
}
