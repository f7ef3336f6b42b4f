//! The producers of one sink: a lane for records of usual size, and one for large ones. Each produces to every topic.
//!
//! Owns: which producer a record takes, and what concerns all producers at once. Must not know: workers, sessions; when a
//! batch is closed early is `closing`'s.
//!
//! librdkafka writes the requests for a broker in turn on one connection, so a record of 50 MiB in front of a small one
//! would delay it by all its bytes. A second producer has its own connection. Records of different lanes may be
//! stored in another order than they came in; Kafka's order holds within a partition, and mail promises none.
//!
//! Invariants: the first lane is for usual records and is always there; the second exists if the largest message that
//! is taken would use it. All have the same settings, so that a limit in them is one of each lane.
//!
//! BUGS: large records delay each other. Each lane has its own connections to each broker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::closing::Closing;
use super::librdkafka::Producer;
use super::statistics::{Joined, MOST_LANES};
use super::verdict::delivery_outcome;
use crate::config::{TopicPlace, Topics};
use crate::limits::{LARGE_RECORD_OCTETS, RECORD_OVERHEAD_OCTETS};
use crate::mail::record::Record;
use crate::sink::report::Ticket;

/// Names of the lanes' poll threads.
const NAMES: [&str; MOST_LANES] = ["kafka-poll", "kafka-poll-big"];

/// How long a flush that closes batches goes on: long enough for the brokers' threads to see it. librdkafka takes no less.
const CLOSING: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct Lanes {
    producers: Vec<Producer>,
    /// Of the first lane: a batch of large records is full at once.
    closing: Closing,
}

impl Lanes {
    /// Makes the producers; no broker is contacted yet. `message_size` is the largest message in bytes.
    pub(super) fn start(
        settings: &ClientConfig,
        topics: &Topics,
        message_size: u64,
        joined: Joined,
    ) -> Result<Self, KafkaError> {
        let largest = message_size.saturating_add(RECORD_OVERHEAD_OCTETS as u64);
        let lanes = match largest < LARGE_RECORD_OCTETS as u64 {
            true => 1,
            false => NAMES.len(),
        };
        let joined = Arc::new(joined);
        let producers = (0..lanes).map(|lane| {
            let events = Box::new(Joined::lane(&joined, lane));
            Producer::new(settings, topics, events, delivery_outcome)
        });
        let producers: Vec<Producer> = producers.collect::<Result<_, _>>()?;
        assert!((1..=NAMES.len()).contains(&producers.len()));
        Ok(Self {
            producers,
            closing: Closing::default(),
        })
    }

    /// The names of the lanes' threads, in the order of the lanes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().take(self.producers.len())
    }

    /// The producer of a lane.
    pub(super) fn producer(&self, lane: usize) -> &Producer {
        &self.producers[lane]
    }

    /// The lane that a record takes.
    fn of(&self, record: &Record) -> usize {
        let large = record.value.len() >= LARGE_RECORD_OCTETS;
        if large { self.producers.len() - 1 } else { 0 }
    }

    /// Hands a record to the producer of its lane; never blocks. On an error the record comes back.
    pub(super) fn produce(
        &self,
        topic: TopicPlace,
        ticket: Ticket,
        record: Box<Record>,
        partition: Option<i32>,
    ) -> Result<(), (RDKafkaErrorCode, Box<Record>)> {
        let lane = self.of(&record);
        self.producers[lane].produce(topic, ticket, record, partition)?;
        if lane == 0 && self.closing.submitted() {
            self.closing.close();
        }
        Ok(())
    }

    /// What a lane's poll thread has seen: this many reports, and whether a window of time is over.
    pub(super) fn reported(&self, lane: usize, count: usize, window_over: bool) {
        if lane == 0 {
            self.closing.reported(count);
            if window_over {
                self.closing.turn();
            }
        }
    }

    /// The thread that closes batches, until it is unparked with `stopping` set.
    pub(super) fn close_batches(&self, stopping: &AtomicBool) {
        let flush = || {
            self.producers[0].flush(CLOSING);
        };
        self.closing.run(flush, stopping);
    }

    /// Records without a report and events not yet polled, of all lanes.
    pub(super) fn outstanding(&self) -> usize {
        self.producers.iter().map(Producer::outstanding).sum()
    }

    /// Waits up to `within` for what is under way in all lanes, then gives up on the rest. Other threads must poll.
    pub(super) fn flush_or_purge(&self, within: Duration) {
        let deadline = Instant::now() + within;
        for producer in &self.producers {
            // The lanes after this one send meanwhile, so they have had as long.
            let left = deadline.saturating_duration_since(Instant::now());
            if !producer.flush(left) {
                producer.purge();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::librdkafka::Traced;
    use super::*;

    fn lanes(message_size: u64) -> Lanes {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", "127.0.0.1:1");
        let joined = Joined::new(Box::new(Traced), Box::new(|_| {}));
        Lanes::start(&settings, &Topics::one("mail"), message_size, joined).unwrap()
    }

    fn record(bytes: usize) -> Record {
        let mut record = Record::default();
        record.value = BytesMut::zeroed(bytes).into();
        record
    }

    #[test]
    fn a_record_takes_the_lane_of_its_size() {
        let lanes = lanes(25 << 20);
        assert_eq!(lanes.names().collect::<Vec<_>>(), NAMES);
        for (bytes, lane) in [
            (0, 0),
            (LARGE_RECORD_OCTETS - 1, 0),
            (LARGE_RECORD_OCTETS, 1),
            (LARGE_RECORD_OCTETS + 1, 1),
        ] {
            assert_eq!(lanes.of(&record(bytes)), lane, "{bytes}");
        }
    }

    #[test]
    fn there_is_one_lane_where_no_record_is_large() {
        let smallest = (LARGE_RECORD_OCTETS - RECORD_OVERHEAD_OCTETS) as u64;
        assert_eq!(lanes(smallest).names().count(), 2);
        let lanes = lanes(smallest - 1);
        assert_eq!(lanes.names().count(), 1);
        // librdkafka refuses it for its size; it must get as far.
        assert_eq!(lanes.of(&record(LARGE_RECORD_OCTETS)), 0);
    }
}
