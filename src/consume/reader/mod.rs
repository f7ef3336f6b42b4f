//! The reading loop: records from the partitions of one topic into an output, in batches.
//!
//! Owns: the consumer, where each partition stands, when reading is over, when offsets are committed. Must not know:
//! what form the output has.
//! Invariants: an offset is committed only after the output was flushed with its record in it; without a group nothing
//! is committed. Partitions are given back only after what was read of them is committed. However reading ends, the group
//! is left.
//! BUGS: with `until_end` a topic that is written to without pause is never at its end. Without a group the partitions
//! are those that the topic had at the start. A member that the group gave up while it slept takes its batch back; a
//! stream cannot, and what it printed is read again by the next owner.

pub(super) mod membership;
mod notes;
mod resume;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::{
    Failure, Plan, Reports, create, exists, failed, find_topic, give_up, is_denied, leave,
    take_over, watermarks,
};
use super::format::Received;
use super::output::Output;
use super::output::journal::{Mark, Marks, Source};
use super::stop::Signal;
use crate::command::consume::say;
use membership::{Change, Waiting};
use notes::{Lines, Notes};
use resume::Facts;

/// How long a poll waits for the first record of a batch.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Records of a batch: what is repeated at most, in a group, when the process is killed.
const BATCH_RECORDS: u64 = 1_000;

/// Rounds without a record (2 s at `POLL_WAIT`) after which the broker's word that a partition ends counts although
/// its watermark is higher: the last offsets can be transaction markers, which no consumer sees.
const QUIET_ROUNDS: u32 = 20;

/// How long an offset beyond the end of its partition may be the word of a leader that is not up to date yet.
const CATCH_UP_WAIT: Duration = Duration::from_secs(5);
/// How long the record is looked for by which a topic is known again.
const RECOGNITION_WAIT: Duration = Duration::from_secs(5);
/// How long the cluster's id is waited for; it has come with the topic's partitions.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(1);

/// Where reading of a partition stands.
#[derive(Debug, Clone)]
struct Position {
    /// The offset to read next.
    next: i64,
    /// The group's offset, as far as it is known.
    committed: Option<i64>,
    /// Records were read that are not committed.
    uncommitted: bool,
    /// Id and time stamp of the last record.
    last: (Option<String>, Option<i64>),
    /// The broker said that the partition ends here, and no record came since.
    at_end: bool,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Mails that were written.
    pub mails: u64,
    /// The signal that ended it, if one did.
    pub stopped: Option<Signal>,
}

/// Reads what the plan says into the output.
///
/// # Errors
/// [`Failure`]; what was read before it has been flushed, unless the output failed.
pub fn read(plan: &Plan, output: &mut Output<'_>) -> Result<Outcome, Failure> {
    let consumer = create(plan)?;
    let outcome = with_consumer(plan, &consumer, output);
    leave(&consumer, plan);
    match outcome {
        Err(Failure::Stopped) => Ok(Outcome {
            mails: 0,
            stopped: plan.stop.asked(),
        }),
        other => other,
    }
}

fn with_consumer(
    plan: &Plan,
    consumer: &BaseConsumer<Reports>,
    output: &mut Output<'_>,
) -> Result<Outcome, Failure> {
    let partitions = find_topic(consumer, plan)?;
    consumer.context().connected();
    let source = plan.group.as_ref().map(|group| Source {
        cluster: consumer
            .client()
            .fetch_cluster_id(CLUSTER_ID_WAIT)
            .unwrap_or_default(),
        topic: plan.topic.clone(),
        group: group.clone(),
    });
    let mut reader = Reader {
        consumer,
        asking: create(plan)?,
        plan,
        source,
        positions: BTreeMap::new(),
        waiting: None,
        polled: 0,
        mails: 0,
        notes: Notes::default(),
        quiet_rounds: 0,
        ends: None,
    };
    reader.start(&partitions)?;
    let read = reader.run(output);
    reader.notes.end();
    match read {
        Ok(()) | Err(Failure::Stopped) => {}
        Err(failure) => return Err(failure),
    }
    if let Some(source) = &reader.source {
        let settled = reader.settled();
        output.end_run(source, &settled).map_err(Failure::Output)?;
    }
    Ok(Outcome {
        mails: reader.mails,
        stopped: plan.stop.asked().filter(|_| !reader.counted()),
    })
}

struct Reader<'a> {
    consumer: &'a BaseConsumer<Reports>,
    /// Asks for watermarks, over a connection of its own: on the other one each request would wait behind a fetch, which
    /// an idle partition holds for half a second. It subscribes to nothing, so it is no member of the group.
    asking: BaseConsumer<Reports>,
    plan: &'a Plan,
    /// Under which name the output's journal has the offsets; none without a group.
    source: Option<Source>,
    positions: BTreeMap<i32, Position>,
    /// The wait for the group; none without one.
    waiting: Option<Waiting>,
    /// Records of every kind.
    polled: u64,
    mails: u64,
    notes: Notes,
    quiet_rounds: u32,
    /// The high watermarks of the round before this one.
    ends: Option<BTreeMap<i32, i64>>,
}

impl Reader<'_> {
    /// Subscribes, or assigns every partition at the offset to start from.
    fn start(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        if let Some(group) = &self.plan.group {
            self.waiting = Some(Waiting::begin(group, self.plan.session()));
            return self.subscribe();
        }
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            let (low, high) = watermarks(&self.asking, self.plan, *partition)?;
            let next = if self.plan.from_beginning { low } else { high };
            self.positions.insert(*partition, Position::at(next, None));
            assignment
                .add_partition_offset(&self.plan.topic, *partition, Offset::Offset(next))
                .map_err(|error| self.kafka(&error))?;
        }
        self.consumer
            .assign(&assignment)
            .map_err(|error| self.kafka(&error))
    }

    fn subscribe(&self) -> Result<(), Failure> {
        self.consumer
            .subscribe(&[self.plan.topic.as_str()])
            .map_err(|error| self.kafka(&error))
    }

    fn kafka(&self, error: &KafkaError) -> Failure {
        failed(self.plan, error)
    }

    fn run(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        while !self.counted() && self.plan.stop.asked().is_none() {
            let before = self.polled;
            let batch = self.batch(output);
            if matches!(batch, Err(Failure::Output(_))) {
                output.abandon();
                return batch;
            }
            self.save(output)?;
            batch?;
            self.follow_group(output)?;
            self.quiet_rounds = if self.polled == before {
                self.quiet_rounds + 1
            } else {
                0
            };
            if self.plan.until_end && self.polled == before && self.ended()? {
                break;
            }
        }
        Ok(())
    }

    fn counted(&self) -> bool {
        self.plan.count.is_some_and(|count| self.mails >= count)
    }

    /// Reads until nothing is waiting, the batch is full, the count is reached, or something else is to be done first.
    fn batch(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        let full = self.polled + BATCH_RECORDS;
        let mut wait = POLL_WAIT;
        while self.polled < full && !self.counted() && self.plan.stop.asked().is_none() {
            let polled = self.consumer.poll(wait);
            match polled {
                None => return Ok(()),
                Some(Ok(message)) => {
                    wait = Duration::ZERO;
                    self.take(&message, output)?;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(position) = self.positions.get_mut(&partition) {
                        position.at_end = true;
                    }
                }
                Some(Err(error)) if passes(&error) => {}
                // Without a group the group's coordinator is nothing to us: no right to one is needed.
                Some(Err(error)) if self.plan.group.is_none() && is_of_a_group(&error) => {}
                Some(Err(error)) => return Err(self.kafka(&error)),
            }
            if self.consumer.context().has_change() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        message: &BorrowedMessage<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let (partition, offset) = (message.partition(), message.offset());
        // What was fetched for an assignment that is over is somebody else's.
        let Some(position) = self.positions.get_mut(&partition) else {
            return Ok(());
        };
        if offset < position.next {
            self.notes.begins_again(partition, offset, position.next);
        }
        let mut last = (None, message.timestamp().to_millis());
        match message.payload() {
            None => self.notes.tombstone(partition, offset),
            Some(value) => {
                let received = received(message, value);
                output.write(&received).map_err(Failure::Output)?;
                self.notes.written(&received);
                self.mails += 1;
                last.0 = received.attributes().id.map(str::to_owned);
            }
        }
        self.polled += 1;
        position.next = offset + 1;
        position.last = last;
        position.uncommitted = true;
        position.at_end = false;
        Ok(())
    }

    /// Flushes the output, commits what was read, and lets the output deliver it.
    fn save(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        let marks = self.marks();
        if self.source.is_some() && marks.is_empty() {
            return Ok(());
        }
        let progress = self.source.as_ref().map(|source| (source, &marks));
        if let Err(error) = output.flush(progress) {
            output.abandon();
            return Err(Failure::Output(error));
        }
        if progress.is_some() && !self.commit(&marks)? {
            say(
                "this member's partitions went to others of the group before its last records were committed: they are \
                 left to those, and the group is joined again",
            );
            output.take_back().map_err(Failure::Output)?;
            return self.join_again();
        }
        output.deliver().map_err(Failure::Output)
    }

    /// What was read and is not committed.
    fn marks(&self) -> Marks {
        if self.plan.group.is_none() {
            return Marks::new();
        }
        let read = self
            .positions
            .iter()
            .filter(|(_, position)| position.uncommitted);
        read.map(|(partition, position)| (*partition, position.mark()))
            .collect()
    }

    /// Partitions of which the group has committed all that was read.
    fn settled(&self) -> Vec<i32> {
        let settled = self
            .positions
            .iter()
            .filter(|(_, position)| !position.uncommitted);
        settled.map(|(partition, _)| *partition).collect()
    }

    /// Commits; false where the partitions are not this member's any more.
    fn commit(&mut self, marks: &Marks) -> Result<bool, Failure> {
        let mut offsets = TopicPartitionList::new();
        for (partition, mark) in marks {
            offsets
                .add_partition_offset(&self.plan.topic, *partition, Offset::Offset(mark.next))
                .map_err(|error| self.kafka(&error))?;
        }
        match self.consumer.commit(&offsets, CommitMode::Sync) {
            Ok(()) => {}
            Err(error) if lost_membership(&error) => return Ok(false),
            Err(error) if is_denied(&error) => return Err(self.kafka(&error)),
            Err(error) => {
                return Err(Failure::Kafka(format!(
                    "cannot commit offsets of group {:?} on brokers {}: {error}; a file or a folder knows what it holds and \
                     is continued by the next run, standard output gets its last records again",
                    self.plan.group.as_deref().unwrap_or_default(),
                    self.plan.brokers
                )));
            }
        }
        for position in self.positions.values_mut() {
            if std::mem::take(&mut position.uncommitted) {
                position.committed = Some(position.next);
            }
        }
        Ok(true)
    }

    /// Begins as a new member, at what the group has committed.
    fn join_again(&mut self) -> Result<(), Failure> {
        self.positions.clear();
        self.consumer.unsubscribe();
        if let Some(waiting) = &mut self.waiting {
            waiting.again();
        }
        self.subscribe()
    }

    /// In a group: answers what it gave and took. What was read is committed already.
    fn follow_group(&mut self, output: &Output<'_>) -> Result<(), Failure> {
        while let Some(change) = self.consumer.context().take_change() {
            self.ends = None;
            match change {
                Change::Given(given) => self.begin_partitions(&given, output)?,
                Change::Taken(taken) => {
                    for element in taken.elements() {
                        self.positions.remove(&element.partition());
                    }
                    give_up(self.consumer, &taken).map_err(|error| self.kafka(&error))?;
                    if let (true, Some(waiting)) = (self.positions.is_empty(), &mut self.waiting) {
                        waiting.again();
                    }
                }
            }
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.tick(|| exists(&self.asking, self.plan));
        }
        Ok(())
    }

    /// Finds where each partition begins and reads them from there.
    fn begin_partitions(
        &mut self,
        given: &TopicPartitionList,
        output: &Output<'_>,
    ) -> Result<(), Failure> {
        let numbers: Vec<i32> = given.elements().iter().map(|one| one.partition()).collect();
        let held = self
            .source
            .as_ref()
            .map(|source| output.marks(source))
            .unwrap_or_default();
        let mut starts = TopicPartitionList::new();
        let mut lines = Lines::default();
        if !numbers.is_empty() {
            let committed = self
                .consumer
                .committed_offsets(given.clone(), self.plan.broker_wait)
                .map_err(|error| self.kafka(&error))?;
            for element in committed.elements() {
                let partition = element.partition();
                let offset = match element.offset() {
                    Offset::Offset(next) => Some(next),
                    _ => None,
                };
                let position =
                    self.position(partition, offset, held.get(&partition), &mut lines)?;
                starts
                    .add_partition_offset(
                        &self.plan.topic,
                        partition,
                        Offset::Offset(position.next),
                    )
                    .map_err(|error| self.kafka(&error))?;
                self.positions.insert(partition, position);
            }
        }
        lines.say();
        take_over(self.consumer, &starts).map_err(|error| self.kafka(&error))?;
        if let Some(waiting) = &mut self.waiting {
            waiting.answered(self.positions.len());
        }
        Ok(())
    }

    fn position(
        &self,
        partition: i32,
        committed: Option<i64>,
        mark: Option<&Mark>,
        lines: &mut Lines,
    ) -> Result<Position, Failure> {
        let furthest = committed.max(mark.map(|mark| mark.next)).unwrap_or(0);
        let (low, high) = self.settled_watermarks(partition, furthest)?;
        let mut facts = Facts {
            committed,
            mark,
            low,
            high,
            from_beginning: self.plan.from_beginning,
        };
        let mut start = resume::start(&facts);
        if let (true, Some(mark)) = (start.by_output, mark)
            && !self.is_same_topic(partition, mark, (low, high))
        {
            facts.mark = None;
            start = resume::start(&facts);
            start.said = start.said.or_else(|| Some(resume::OTHER_TOPIC.to_owned()));
        }
        if let Some(said) = start.said.take() {
            lines.add(partition, said);
        }
        let mut position = Position::at(start.next, committed);
        if let (true, Some(mark)) = (start.by_output, mark) {
            position.last = (mark.id.clone(), mark.timestamp);
            // The commit that was lost is made up for with the next one.
            position.uncommitted = committed != Some(start.next);
        }
        Ok(position)
    }

    /// The watermarks, once they reach an offset that was read before, or do not for some time: a leader that was chosen
    /// this moment can be behind.
    fn settled_watermarks(&self, partition: i32, reached: i64) -> Result<(i64, i64), Failure> {
        let deadline = Instant::now() + CATCH_UP_WAIT;
        loop {
            let (low, high) = watermarks(&self.asking, self.plan, partition)?;
            if high >= reached || Instant::now() >= deadline {
                return Ok((low, high));
            }
            std::thread::sleep(POLL_WAIT);
        }
    }

    /// Whether the last record that the output holds is in the topic, as it was: a topic that was deleted and made again
    /// has the same name and other records. What can't be compared counts as the same.
    fn is_same_topic(&self, partition: i32, mark: &Mark, (low, high): (i64, i64)) -> bool {
        let last = mark.next - 1;
        if mark.next > high {
            return false;
        }
        if last < low {
            return true;
        }
        let mut one = TopicPartitionList::new();
        let assigned = one
            .add_partition_offset(&self.plan.topic, partition, Offset::Offset(last))
            .and_then(|()| self.asking.assign(&one));
        let deadline = Instant::now() + RECOGNITION_WAIT;
        let mut same = true;
        while assigned.is_ok() && Instant::now() < deadline {
            match self.asking.poll(POLL_WAIT) {
                Some(Ok(message)) => {
                    let found = received(&message, &[]);
                    same = message.offset() != last
                        || (found.timestamp == mark.timestamp
                            && (mark.id.is_none() || found.attributes().id == mark.id.as_deref()));
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                _ => {}
            }
        }
        // Nothing more is read over it; where this fails, what it reads is dropped with it.
        let _ = self.asking.unassign();
        same
    }

    /// Whether every partition was read up to its high watermark, and two reads of the watermarks agree: the first
    /// after a failover can be too low.
    fn ended(&mut self) -> Result<bool, Failure> {
        if self.waiting.as_ref().is_some_and(Waiting::is_waiting) {
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
}

impl Position {
    fn at(next: i64, committed: Option<i64>) -> Self {
        Self {
            next,
            committed,
            uncommitted: false,
            last: (None, None),
            at_end: false,
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            committed: self.committed,
            next: self.next,
            id: self.last.0.clone(),
            timestamp: self.last.1,
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

fn is_of_a_group(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

fn lost_membership(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::StaleMemberEpoch
                | Code::AssignmentLost
        )
    )
}

fn received(message: &BorrowedMessage<'_>, value: &[u8]) -> Received {
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
        value: value.to_vec(),
    }
}
