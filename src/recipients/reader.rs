//! The records of all partitions of the topic, from the first on, without a group.
//!
//! Owns: which partitions are read, and how far. Must not know: what a record means.
//!
//! [`Reader::look`] asks for the topic and takes up partitions that are new; [`Reader::read`] gives the records that came;
//! [`Reader::is_loaded`] says once whether each partition was read to its end, [`Reader::is_in_step`] whether it is so now.
//!
//! Invariant: a record is given once, as long as its partition keeps its offsets.
//!
//! BUGS: right after a failover a leader may take its partition to be shorter than it is, so the end has to hold for
//! [`SETTLE`]; a leader that is behind for longer is believed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::place::{Heard, Place};
use super::trouble::{Failed, Trouble};
use crate::kafka::oauth::keeper::Kept;

/// How long all partitions have to be at their ends before the topic counts as read.
const SETTLE: Duration = Duration::from_millis(150);
/// Pause before partitions that could not be read are tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// A record of the topic.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its time stamp in milliseconds; 0 where it has none.
    pub time: i64,
    /// Its key; empty where it has none.
    pub key: &'a [u8],
    /// Whether it has a value, even an empty one: without one it is a tombstone.
    pub named: bool,
}

/// See the module.
pub(super) struct Reader {
    consumer: Kept<BaseConsumer<Heard>>,
    place: Place,
    partitions: BTreeMap<i32, Position>,
    /// Since when each partition has been at its end at least once.
    ended: Option<Instant>,
    /// What a fetch was refused with, until partitions are tried again.
    refused: Option<(Trouble, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    /// The offset to read next; none before the first record.
    next: Option<i64>,
    at_end: bool,
    was_at_end: bool,
}

impl Reader {
    /// Of this topic; nothing is asked yet.
    ///
    /// # Errors
    /// A property that librdkafka refuses, or a thread that does not start.
    pub(super) fn new(place: &Place) -> Result<Self, Failed> {
        Ok(Self {
            consumer: place.consumer()?,
            place: place.clone(),
            partitions: BTreeMap::new(),
            ended: None,
            refused: None,
        })
    }

    /// Asks for the topic, up to `wait`, and begins to read partitions that are new.
    ///
    /// # Errors
    /// What is wrong with the cluster, the topic, or the right to read it.
    pub(super) fn look(&mut self, wait: Duration) -> Result<(), Trouble> {
        let answer = self.consumer.fetch_metadata(Some(&self.place.topic), wait);
        let info = self.place.read(answer, self.consumer.context())?;
        let known = |partition: &i32| self.partitions.contains_key(partition);
        let stale = self
            .refused
            .as_ref()
            .is_some_and(|(_, since)| since.elapsed() >= AGAIN);
        if stale || !info.partitions.iter().all(known) {
            self.take_up(&info.partitions)?;
        }
        if stale {
            // Their ends are reported again, if they can be read now.
            let positions = self.partitions.values_mut();
            positions.for_each(|position| position.at_end = false);
        }
        if let Some((trouble, _)) = &self.refused {
            return Err(trouble.clone());
        }
        match info.leaderless {
            0 if info.partitions.is_empty() => {
                Err(Trouble::Odd("it has no partitions yet".to_owned()))
            }
            0 => Ok(()),
            count => Err(Trouble::Leaderless(count)),
        }
    }

    /// Whether no broker can be reached, so that waiting is of no use.
    pub(super) fn is_hopeless(&self) -> bool {
        self.place.is_hopeless(self.consumer.context())
    }

    /// Reads these partitions: new ones from their beginning, the others from where they are.
    fn take_up(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        let odd = |error: KafkaError| Trouble::Odd(error.to_string());
        let mut list = TopicPartitionList::new();
        for &partition in partitions {
            let position = self.partitions.entry(partition).or_insert(Position {
                next: None,
                at_end: false,
                was_at_end: false,
            });
            let offset = position.next.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.place.topic, partition, offset)
                .map_err(odd)?;
        }
        self.refused = None;
        self.consumer.assign(&list).map_err(odd)
    }

    /// Waits up to `wait` for a record, and gives it and what else is here, `most` at most. How many.
    pub(super) fn read(
        &mut self,
        wait: Duration,
        most: usize,
        take: &mut dyn FnMut(&Record<'_>),
    ) -> usize {
        let (mut count, mut wait) = (0, wait);
        while count < most {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    count += 1;
                    let (partition, offset) = (message.partition(), message.offset());
                    if let Some(position) = self.partitions.get_mut(&partition) {
                        again(partition, position.next, offset);
                        (position.next, position.at_end) = (Some(offset + 1), false);
                    }
                    take(&Record {
                        partition,
                        offset,
                        time: message.timestamp().to_millis().unwrap_or(0),
                        key: message.key().unwrap_or_default(),
                        named: message.payload().is_some(),
                    });
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(position) = self.partitions.get_mut(&partition) {
                        (position.at_end, position.was_at_end) = (true, true);
                    }
                }
                Some(Err(error)) => self.note(&error),
            }
            wait = Duration::ZERO;
        }
        let all = !self.partitions.is_empty() && self.each(|position| position.was_at_end);
        if all && self.ended.is_none() {
            self.ended = Some(Instant::now());
        }
        count
    }

    fn note(&mut self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        tracing::debug!(target: "librdkafka", %error, "recipients.topic");
        // librdkafka tries again by itself, and `look` sees what lasts. Without a group no right to one is needed.
        if code == Some(Code::TopicAuthorizationFailed) {
            self.refused = Some((Trouble::Unreadable, Instant::now()));
        }
    }

    fn each(&self, is: impl Fn(&Position) -> bool) -> bool {
        self.partitions.values().all(is)
    }

    /// Whether each partition was read to its end.
    pub(super) fn is_loaded(&self) -> bool {
        self.ended.is_some_and(|since| since.elapsed() >= SETTLE)
    }

    /// Whether each partition is at its end.
    pub(super) fn is_in_step(&self) -> bool {
        self.each(|position| position.at_end)
    }
}

/// Says that a partition goes on before where it was.
fn again(partition: i32, next: Option<i64>, offset: i64) {
    if let Some(next) = next.filter(|&next| offset < next) {
        tracing::warn!(
            partition,
            offset,
            reached = next,
            "a partition of recipients.topic begins again, as after the topic was made again or cut: recipients that were known \
             stay in force until they are removed, or ringpost is restarted"
        );
    }
}
