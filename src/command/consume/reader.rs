//! The reading loop: records from the partitions of one topic into an output, in batches.
//!
//! Owns: the consumer, where each partition stands, when reading is over, when offsets are committed. Must not know:
//! what form the output has.
//! Invariants: an offset is committed only after the output was flushed with its record in it; without a group nothing
//! is committed.
//! BUGS: with `until_end` a topic that is written to without pause is never at its end. Without a group the partitions
//! are those that the topic had at the start. In a group, what was read of a partition that is then taken away is
//! read again by its next owner.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::{Failure, Plan, Reports, create, find_topic, unavailable, watermarks};
use super::format::Received;
use super::output::Output;

/// How long a poll waits for the first record of a batch.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Records of a batch: what is repeated at most, in a group, when the process is killed.
const BATCH_RECORDS: u64 = 1_000;

/// Rounds without a record (2 s at `POLL_WAIT`) after which the broker's word that a partition ends counts although
/// its watermark is higher: the last offsets can be transaction markers, which no consumer sees.
const QUIET_ROUNDS: u32 = 20;

/// Where reading of a partition stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// The offset to read next.
    next: i64,
    /// One more than the last offset that was read, if it is not committed yet.
    uncommitted: Option<i64>,
    /// The broker said that the partition ends here, and no record came since.
    at_end: bool,
}

/// Reads what the plan says into the output; returns the number of records.
///
/// # Errors
/// [`Failure`]; what was read before it has been flushed, unless the output failed.
pub fn read(plan: &Plan, output: &mut Output<'_>) -> Result<u64, Failure> {
    let consumer = create(plan)?;
    let partitions = find_topic(&consumer, plan)?;
    consumer.context().connected();
    let mut reader = Reader {
        consumer,
        asking: create(plan)?,
        plan,
        positions: BTreeMap::new(),
        rebalances_seen: 0,
        records: 0,
        quiet_rounds: 0,
        ends: None,
    };
    reader.start(&partitions)?;
    reader.run(output)
}

struct Reader<'a> {
    consumer: BaseConsumer<Reports>,
    /// Asks for watermarks, over a connection of its own: on the other one each request would wait behind a fetch, which
    /// an idle partition holds for half a second. It subscribes to nothing, so it is no member of the group.
    asking: BaseConsumer<Reports>,
    plan: &'a Plan,
    positions: BTreeMap<i32, Position>,
    /// The count of rebalances at which `positions` was last brought up to date.
    rebalances_seen: u64,
    records: u64,
    quiet_rounds: u32,
    /// The high watermarks of the round before this one.
    ends: Option<BTreeMap<i32, i64>>,
}

impl Reader<'_> {
    /// Subscribes, or assigns every partition at the offset to start from.
    fn start(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        let topic = self.plan.topic.as_str();
        if self.plan.group.is_some() {
            return self
                .consumer
                .subscribe(&[topic])
                .map_err(|error| unavailable(self.plan, &error.to_string()));
        }
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            let next = self.first_offset(*partition)?;
            self.positions.insert(*partition, Position::at(next));
            assignment
                .add_partition_offset(topic, *partition, Offset::Offset(next))
                .map_err(|error| unavailable(self.plan, &error.to_string()))?;
        }
        self.consumer
            .assign(&assignment)
            .map_err(|error| unavailable(self.plan, &error.to_string()))
    }

    fn run(&mut self, output: &mut Output<'_>) -> Result<u64, Failure> {
        while !self.counted() {
            let before = self.records;
            let batch = self.batch(output);
            if matches!(batch, Err(Failure::Output(_))) {
                return batch.map(|()| self.records);
            }
            output.flush().map_err(Failure::Output)?;
            self.commit()?;
            batch?;
            self.follow_assignment()?;
            self.quiet_rounds = if self.records == before {
                self.quiet_rounds + 1
            } else {
                0
            };
            if self.plan.until_end && self.records == before && self.ended()? {
                break;
            }
        }
        Ok(self.records)
    }

    fn counted(&self) -> bool {
        self.plan.count.is_some_and(|count| self.records >= count)
    }

    /// Reads until nothing is waiting, the batch is full or the count is reached.
    fn batch(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        let full = self.records + BATCH_RECORDS;
        let mut wait = POLL_WAIT;
        while self.records < full && !self.counted() {
            let Some(polled) = self.consumer.poll(wait) else {
                return Ok(());
            };
            match polled {
                Ok(message) => {
                    wait = Duration::ZERO;
                    let received = received(&message);
                    drop(message);
                    output.write(&received).map_err(Failure::Output)?;
                    self.records += 1;
                    let next = received.offset + 1;
                    let position = self
                        .positions
                        .entry(received.partition)
                        .or_insert(Position::at(next));
                    *position = Position::at(next);
                    position.uncommitted = Some(next);
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some(position) = self.positions.get_mut(&partition) {
                        position.at_end = true;
                    }
                }
                Err(error) if passes(&error) => {}
                Err(error) => return Err(unavailable(self.plan, &error.to_string())),
            }
        }
        Ok(())
    }

    /// Commits what was read and flushed; nothing without a group.
    fn commit(&mut self) -> Result<(), Failure> {
        if self.plan.group.is_none() {
            return Ok(());
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, position) in &mut self.positions {
            if let Some(next) = position.uncommitted.take() {
                offsets
                    .add_partition_offset(&self.plan.topic, *partition, Offset::Offset(next))
                    .map_err(|error| unavailable(self.plan, &error.to_string()))?;
            }
        }
        if offsets.count() == 0 {
            return Ok(());
        }
        match self.consumer.commit(&offsets, CommitMode::Sync) {
            Ok(()) => Ok(()),
            // The partitions went to another member in between; it reads these records again.
            Err(error) if lost_membership(&error) => {
                eprintln!(
                    "ringpost consume: offsets not committed, the group was rebalanced: {error}"
                );
                Ok(())
            }
            Err(error) => Err(Failure::Kafka(format!(
                "cannot commit offsets of group {:?} on brokers {}: {error}",
                self.plan.group.as_deref().unwrap_or_default(),
                self.plan.brokers
            ))),
        }
    }

    /// In a group: forgets partitions that were taken, learns where those that were given start.
    fn follow_assignment(&mut self) -> Result<(), Failure> {
        let rebalances = self.consumer.context().rebalances();
        if self.plan.group.is_none() || rebalances == self.rebalances_seen {
            return Ok(());
        }
        let kafka = |error: KafkaError| unavailable(self.plan, &error.to_string());
        let assignment = self.consumer.assignment().map_err(kafka)?;
        let committed = self
            .consumer
            .committed_offsets(assignment, self.plan.broker_wait)
            .map_err(kafka)?;
        let mut positions = BTreeMap::new();
        for element in committed.elements() {
            let partition = element.partition();
            let position = match (self.positions.get(&partition), element.offset()) {
                (Some(known), _) => *known,
                (None, Offset::Offset(next)) => Position::at(next),
                (None, _) => Position::at(self.first_offset(partition)?),
            };
            positions.insert(partition, position);
        }
        self.positions = positions;
        self.rebalances_seen = rebalances;
        self.ends = None;
        Ok(())
    }

    /// Whether every partition was read up to its high watermark, and two reads of the watermarks agree: the first
    /// after a failover can be too low.
    fn ended(&mut self) -> Result<bool, Failure> {
        if self.plan.group.is_some() && !self.consumer.context().assigned_once() {
            return Ok(false);
        }
        let mut ends = BTreeMap::new();
        for partition in self.positions.keys() {
            ends.insert(
                *partition,
                watermarks(&self.asking, self.plan, *partition)?.1,
            );
        }
        let agreed = self.ends.as_ref() == Some(&ends);
        let quiet = self.quiet_rounds >= QUIET_ROUNDS;
        let reached = self.positions.iter().all(|(partition, position)| {
            position.next >= ends[partition] || (position.at_end && quiet)
        });
        self.ends = Some(ends);
        Ok(agreed && reached)
    }

    fn first_offset(&self, partition: i32) -> Result<i64, Failure> {
        let (low, high) = watermarks(&self.asking, self.plan, partition)?;
        Ok(if self.plan.from_beginning { low } else { high })
    }
}

impl Position {
    fn at(next: i64) -> Self {
        Self {
            next,
            uncommitted: None,
            at_end: false,
        }
    }
}

/// Errors of a poll that librdkafka itself goes on trying to get over.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::OperationTimedOut
                | Code::Resolve
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
        )
    )
}

fn lost_membership(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress)
    )
}

fn received(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| {
                (
                    header.key.to_owned(),
                    header.value.unwrap_or_default().to_vec(),
                )
            })
            .collect()
    });
    Received {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers,
        value: message.payload().unwrap_or_default().to_vec(),
    }
}
