//! What librdkafka reports beside the records: how its connections are, and which partitions the group gave or took.
//!
//! Owns: the queue of changes between librdkafka's callback and the reader. Must not know: what is read.
//!
//! Invariant: the reader answers a change, after what was read has been committed; only while the client is being
//! closed does the callback answer itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::{Broker, Statistics};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr as RespErr;

use super::answer::give_up_whatever;
use crate::consume::line::Say;
use crate::kafka::lock::lock;
use crate::kafka::reach::Said;

/// Partitions that the group gave or took.
#[derive(Debug)]
pub enum Change {
    /// They are this member's from now on.
    Given(TopicPartitionList),
    /// They are not any more.
    Taken(TopicPartitionList),
}

/// What librdkafka reports beside the records: what it says of its connections, and that partitions were given or taken.
pub struct Reports {
    say: Say,
    said: Said,
    connected: AtomicBool,
    changes: Mutex<VecDeque<Change>>,
    closing: AtomicBool,
    seen: Mutex<Seen>,
}

/// What librdkafka's statistics say, where they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The ends of partitions, as far as they are known.
    pub ends: BTreeMap<i32, i64>,
    /// Whether no broker is connected.
    pub is_alone: bool,
}

impl Reports {
    /// Nothing was reported yet.
    pub fn new(say: Say) -> Self {
        Self {
            say,
            said: Said::default(),
            connected: AtomicBool::new(false),
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// What is known of the way to the brokers.
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// What the last statistics said.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// The client is about to be closed: from now on the callback answers the group itself.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// The brokers have answered once.
    pub fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.said.forget();
    }

    /// The next change that the loop has not answered.
    pub fn take_change(&self) -> Option<Change> {
        lock(&self.changes).pop_front()
    }

    /// The partitions that changes take which the loop has not answered.
    pub fn taken(&self) -> Vec<i32> {
        let changes = lock(&self.changes);
        let taken = changes.iter().filter_map(|change| match change {
            Change::Taken(partitions) => Some(partitions),
            Change::Given(_) => None,
        });
        let elements = taken.flat_map(TopicPartitionList::elements);
        elements.map(|element| element.partition()).collect()
    }

    /// Whether there is one.
    pub fn has_change(&self) -> bool {
        !lock(&self.changes).is_empty()
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // Until the brokers have answered once, an error is the reason of a failure and is reported there, once.
        if level as i32 <= RDKafkaLogLevel::Error as i32 && self.connected.load(Ordering::Relaxed) {
            (self.say)(&format!("librdkafka: {message}"));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.said.note(code, reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics
            .topics
            .values()
            .flat_map(|topic| &topic.partitions);
        let known = partitions.filter(|(_, partition)| partition.hi_offset >= 0);
        let is_up = |broker: &Broker| broker.state == "UP";
        *lock(&self.seen) = Seen {
            ends: known
                .map(|(&id, partition)| (id, partition.hi_offset))
                .collect(),
            is_alone: !statistics.brokers.values().any(is_up),
        };
    }
}

impl ConsumerContext for Reports {
    /// Called inside a poll. What was read has to be committed before partitions go, which is the loop's business.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let given = matches!(what, RespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        if self.closing.load(Ordering::Relaxed) {
            // An answer to a client that is closed already would never return.
            if !consumer.closed() {
                give_up_whatever(consumer, given, partitions);
            }
            return;
        }
        let change = if given {
            Change::Given(partitions.clone())
        } else {
            Change::Taken(partitions.clone())
        };
        lock(&self.changes).push_back(change);
    }
}
