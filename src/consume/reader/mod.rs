//! The reader: yields the records of one topic with their positions, and commits the offsets that its caller names.
//!
//! Owns: the client, the position in each partition, what the group gives and takes. Must not know: what becomes of a record.
//!
//! Its methods: `poll` gives what comes next; `uncommitted` says what was read, and `commit` commits it or a part of it;
//! `follow_group` answers the group, after what was read has been committed; `is_at_end` says whether there is more to come.
//!
//! Invariants: nothing is committed unless the caller says so; without a group nothing is. Partitions are given back in
//! `follow_group` alone. However reading ends, the group is left.
//!
//! BUGS: without a group the partitions are those that the topic had at the start.

mod begin;
mod notes;
mod position;
mod record;
mod resume;
mod start;
mod waiting;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::answer::{give_up, take_over};
use super::client::ask::{self, exists, find_topic, watermarks};
use super::client::member::{create, leave};
use super::client::reports::{Change, Reports, Seen};
use super::failure::{Halt, ReadError, is_denied};
use super::line::Lines;
use super::mark::{Marks, Source};
use super::plan::{Plan, Start};
use super::received::Received;
use crate::kafka::oauth::keeper::Kept;
use begin::Beginnings;
use notes::Notes;
use position::Position;
use waiting::Waiting;

/// How long the cluster's id is waited for; it has come with the topic's partitions.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(1);

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// A mail.
    Mail(Received),
    /// A record that is no mail: it has no value, or ringpost did not write it.
    NoMail {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// Something that is no record.
    Passed,
    /// Nothing, within the wait.
    Nothing,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The group has the offsets.
    Kept,
    /// The partitions are other members' now, and so are their records: join again.
    Lost,
}

/// See the module.
pub struct Reader<'a> {
    consumer: Kept<BaseConsumer<Reports>>,
    /// Asks for watermarks over its own connection: on the other one each request would wait for a fetch, which an idle
    /// partition holds for half a second. It subscribes to nothing, so it is no member of the group.
    asking: Kept<BaseConsumer<Reports>>,
    plan: &'a Plan,
    /// Under which name offsets are known; none without a group.
    source: Option<Source>,
    positions: BTreeMap<i32, Position>,
    /// The wait for the group; none without one.
    waiting: Option<Waiting>,
    notes: Notes,
    /// The high watermarks when the end was looked for last.
    ends: Option<BTreeMap<i32, i64>>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        leave(&self.consumer, self.plan.group.is_some());
    }
}

impl<'a> Reader<'a> {
    /// Finds the topic; then joins the group, or begins to read every partition.
    ///
    /// # Errors
    /// Where that cannot be done, or reading is to stop.
    ///
    /// # Panics
    /// If the plan names partitions or an offset for a group.
    pub fn open(plan: &'a Plan) -> Result<Self, Halt> {
        let is_by_hand = !plan.partitions.is_empty() || matches!(plan.start, Start::Offset(_));
        assert!(
            plan.group.is_none() || !is_by_hand,
            "a group decides about partitions and offsets itself"
        );
        let asking = create(plan)?;
        let partitions = start::partitions(plan, find_topic(&asking, plan)?)?;
        asking.context().connected();
        start::caveat(&asking, plan).into_iter().for_each(plan.say);
        let source = plan.group.as_ref().map(|group| Source {
            cluster: asking
                .client()
                .fetch_cluster_id(CLUSTER_ID_WAIT)
                .unwrap_or_default(),
            topic: plan.topic.clone(),
            group: group.clone(),
        });
        // Made after the search, which polls: librdkafka says once that a client has no right to its group, and it looks for
        // the group as soon as it is made.
        let consumer = create(plan)?;
        consumer.context().connected();
        let mut reader = Self {
            consumer,
            asking,
            plan,
            source,
            positions: BTreeMap::new(),
            waiting: None,
            notes: Notes::new(plan.say, plan.foreign),
            ends: None,
        };
        reader.start(&partitions)?;
        Ok(reader)
    }

    /// Subscribes, or assigns every partition at the offset to start from.
    fn start(&mut self, partitions: &[i32]) -> Result<(), Halt> {
        if let Some(group) = &self.plan.group {
            self.waiting = Some(Waiting::begin(
                group,
                self.plan.session(),
                (self.plan.say, self.plan.note),
            ));
            return self.subscribe();
        }
        let mut starts = TopicPartitionList::new();
        for &partition in partitions {
            let next = start::of_partition(&self.asking, self.plan, partition)?;
            self.positions.insert(partition, Position::at(next, None));
            self.add(&mut starts, partition, next)?;
        }
        let assigned = self.consumer.assign(&starts);
        assigned.map_err(|error| self.failed(&error))
    }

    fn subscribe(&self) -> Result<(), Halt> {
        let subscribed = self.consumer.subscribe(&[self.plan.topic.as_str()]);
        subscribed.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &KafkaError) -> Halt {
        ReadError::of(self.plan, error).into()
    }

    fn add(&self, list: &mut TopicPartitionList, partition: i32, next: i64) -> Result<(), Halt> {
        list.add_partition_offset(&self.plan.topic, partition, Offset::Offset(next))
            .map_err(|error| self.failed(&error))
    }

    /// Under which name offsets are known; none without a group.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Waits up to this long for what comes next.
    ///
    /// # Errors
    /// Where the cluster refuses, or librdkafka cannot recover by itself.
    pub fn poll(&mut self, wait: Duration) -> Result<Polled, Halt> {
        // Taken apart, as the record borrows from the client.
        let Self {
            consumer,
            positions,
            notes,
            plan,
            ..
        } = self;
        match consumer.poll(wait) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => Ok(take(&message, plan, positions, notes)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(position) = positions.get_mut(&partition) {
                    position.end();
                }
                Ok(Polled::Passed)
            }
            Some(Err(error)) if passes(&error) => Ok(Polled::Passed),
            // Without a group no coordinator is needed, nor a right to one.
            Some(Err(error)) if plan.group.is_none() && is_of_a_group(&error) => Ok(Polled::Passed),
            Some(Err(error)) => Err(ReadError::of(plan, &error).into()),
        }
    }

    /// Whether the group gave or took partitions, so that it is time to commit and to follow it.
    pub fn group_has_news(&self) -> bool {
        self.consumer.context().has_change()
    }

    /// Partitions that the group has taken: [`Self::follow_group`] gives them back.
    pub fn taken(&self) -> Vec<i32> {
        self.consumer.context().taken()
    }

    /// What librdkafka's statistics said last, where `statistics.interval.ms` asks for them.
    pub fn seen(&self) -> Seen {
        self.consumer.context().seen()
    }

    /// Where these partitions end, as far as brokers say it within a moment. For those that are paused: where others end,
    /// [`Self::seen`] says, which learns it with their records.
    pub fn ends(&self, partitions: impl Iterator<Item = i32>) -> BTreeMap<i32, i64> {
        ask::ends(&self.asking, self.plan, partitions)
    }

    /// The offset to read next of each partition that is read.
    pub fn positions(&self) -> impl Iterator<Item = (i32, i64)> {
        let positions = self.positions.iter();
        positions.map(|(&partition, position)| (partition, position.next))
    }

    /// Partitions that are read.
    pub fn partitions(&self) -> impl Iterator<Item = i32> {
        self.positions.keys().copied()
    }

    /// Brings no more records of these partitions, although polls go on, which the group asks for.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn pause(&self, partitions: &[i32]) -> Result<(), Halt> {
        let paused = self.consumer.pause(&self.listed(partitions));
        paused.map_err(|error| self.failed(&error))
    }

    /// Brings their records again, from where they were paused.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn resume(&self, partitions: &[i32]) -> Result<(), Halt> {
        let resumed = self.consumer.resume(&self.listed(partitions));
        resumed.map_err(|error| self.failed(&error))
    }

    fn listed(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            list.add_partition(&self.plan.topic, partition);
        }
        list
    }

    /// In a group: what was read and is not committed.
    pub fn uncommitted(&self) -> Marks {
        if self.plan.group.is_none() {
            return Marks::new();
        }
        let positions = self.positions.iter();
        let read = positions.filter(|(_, position)| !position.is_settled());
        read.map(|(partition, position)| (*partition, position.mark()))
            .collect()
    }

    /// Partitions of which the group has committed all that was read.
    pub fn settled(&self) -> Vec<i32> {
        let positions = self.positions.iter();
        let settled = positions.filter(|(_, position)| position.is_settled());
        settled.map(|(partition, _)| *partition).collect()
    }

    /// Commits what was read up to these marks.
    ///
    /// # Errors
    /// Where the cluster does not take the offsets.
    ///
    /// # Panics
    /// Without a group, without marks, and for partitions or records that were not read.
    pub fn commit(&mut self, marks: &Marks) -> Result<Committed, Halt> {
        let group = self.plan.group.as_ref();
        let group = group.expect("nothing is committed without a group");
        assert!(!marks.is_empty(), "there is something to commit");
        let mut offsets = TopicPartitionList::new();
        for (&partition, mark) in marks {
            assert!(
                self.positions.contains_key(&partition),
                "offsets of others are not committed"
            );
            self.add(&mut offsets, partition, mark.next)?;
        }
        match self.consumer.commit(&offsets, CommitMode::Sync) {
            Ok(()) => {}
            Err(error) if lost_membership(&error) => return Ok(Committed::Lost),
            Err(error) if is_denied(&error) => return Err(self.failed(&error)),
            Err(source) => {
                return Err(Halt::Failed(ReadError::Commit {
                    brokers: self.plan.brokers.clone(),
                    group: group.clone(),
                    source: Box::new(source),
                }));
            }
        }
        for (partition, mark) in marks {
            if let Some(position) = self.positions.get_mut(partition) {
                position.commit(mark.next);
            }
        }
        Ok(Committed::Kept)
    }

    /// Begins as a new member, at what the group has committed.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn join_again(&mut self) -> Result<(), Halt> {
        self.positions.clear();
        self.consumer.unsubscribe();
        if let Some(waiting) = &mut self.waiting {
            waiting.again();
        }
        self.subscribe()
    }

    /// In a group: answers what it gave and took. `held` says what is known of partitions beside the group's offsets.
    ///
    /// # Errors
    /// Where the brokers do not say how far a partition was read, or reading is to stop.
    pub fn follow_group(&mut self, held: impl Fn(&Source) -> Marks) -> Result<(), Halt> {
        while let Some(change) = self.consumer.context().take_change() {
            self.ends = None;
            match change {
                Change::Given(given) => {
                    let held = self.source.as_ref().map(&held).unwrap_or_default();
                    self.begin(&given, &held)?;
                }
                Change::Taken(taken) => self.give_back(&taken)?,
            }
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.tick(|| exists(&self.asking, self.plan));
        }
        Ok(())
    }

    fn give_back(&mut self, taken: &TopicPartitionList) -> Result<(), Halt> {
        for element in taken.elements() {
            self.positions.remove(&element.partition());
        }
        give_up(&self.consumer, taken).map_err(|error| self.failed(&error))?;
        if let (true, Some(waiting)) = (self.positions.is_empty(), &mut self.waiting) {
            waiting.again();
        }
        Ok(())
    }

    /// Finds where each partition begins and reads them from there.
    fn begin(&mut self, given: &TopicPartitionList, held: &Marks) -> Result<(), Halt> {
        let mut starts = TopicPartitionList::new();
        let mut lines = Lines::default();
        let beginnings = Beginnings {
            plan: self.plan,
            asking: &self.asking,
        };
        for (partition, committed) in self.committed(given)? {
            let mark = held.get(&partition);
            let position = beginnings.of(partition, committed, mark, &mut lines)?;
            self.add(&mut starts, partition, position.next)?;
            self.positions.insert(partition, position);
        }
        lines.texts().iter().for_each(|line| (self.plan.say)(line));
        take_over(&self.consumer, &starts).map_err(|error| self.failed(&error))?;
        if let Some(waiting) = &mut self.waiting {
            waiting.answered(self.positions.len());
        }
        Ok(())
    }

    /// The group's offsets of these partitions.
    fn committed(&self, given: &TopicPartitionList) -> Result<Vec<(i32, Option<i64>)>, Halt> {
        if given.count() == 0 {
            return Ok(Vec::new());
        }
        let committed = self
            .consumer
            .committed_offsets(given.clone(), self.plan.broker_wait)
            .map_err(|error| self.failed(&error))?;
        let elements = committed.elements();
        let offsets = elements.iter().map(|element| {
            let offset = match element.offset() {
                Offset::Offset(next) => Some(next),
                _ => None,
            };
            (element.partition(), offset)
        });
        Ok(offsets.collect())
    }

    /// Whether every partition was read up to its high watermark, and two looks at the watermarks agree: the first after a
    /// failover can be too low. `quiet` says that no record came for some time: then the broker's word that a partition ends
    /// counts although its watermark is higher, as the last offsets can be transaction markers, which no consumer sees.
    ///
    /// # Errors
    /// Where the brokers do not answer, or reading is to stop.
    pub fn is_at_end(&mut self, quiet: bool) -> Result<bool, Halt> {
        if self.waiting.as_ref().is_some_and(Waiting::is_waiting) {
            return Ok(false);
        }
        let (mut ends, mut reached) = (BTreeMap::new(), true);
        for (&partition, position) in &self.positions {
            let (_, end) = watermarks(&self.asking, self.plan, partition)?;
            ends.insert(partition, end);
            reached &= position.next >= end || (position.is_at_end() && quiet);
        }
        let agreed = self.ends.as_ref() == Some(&ends);
        self.ends = Some(ends);
        Ok(agreed && reached)
    }

    /// Says what was counted beside mails.
    pub fn sum_up(&self) {
        self.notes.end();
    }
}

fn take(
    message: &BorrowedMessage<'_>,
    plan: &Plan,
    positions: &mut BTreeMap<i32, Position>,
    notes: &mut Notes,
) -> Polled {
    let (partition, offset) = (message.partition(), message.offset());
    // What was fetched for an assignment that is over belongs to another member.
    let Some(position) = positions.get_mut(&partition) else {
        return Polled::Passed;
    };
    if offset < position.next {
        notes.begins_again(partition, offset, position.next);
    }
    let Some(value) = message.payload() else {
        notes.tombstone(partition, offset);
        position.no_mail(offset, message.timestamp().to_millis());
        return Polled::NoMail { partition, offset };
    };
    let received = record::received(message, value);
    if !received.is_ours() {
        notes.foreign(&received);
        if !plan.foreign {
            position.no_mail(offset, received.timestamp);
            return Polled::NoMail { partition, offset };
        }
    }
    position.mail(&received);
    Polled::Mail(received)
}

/// Errors of a poll from which librdkafka tries to recover by itself.
fn passes(error: &KafkaError) -> bool {
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
    error.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed)
}

fn lost_membership(error: &KafkaError) -> bool {
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
