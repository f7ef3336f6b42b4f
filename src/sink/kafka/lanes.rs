//! The producers of one sink: a lane for records of usual size, and one for large ones. Each produces to every topic.
//!
//! Owns: which producer a record takes, and what concerns all producers at once. Must not know: workers, sessions; when a
//! batch is closed early is `closing`'s.
//!
//! librdkafka writes the requests for a broker in turn on one connection, so a record of 50 MiB in front of a small one
//! would delay it by all its bytes. A second producer has its own connection. Records of different lanes may be
//! stored in another order than they came in; Kafka's order holds within a partition, and mail promises none.
//!
//! An idempotent producer can end for good: librdkafka calls that fatal, and the producer takes no record any more. Its poll thread
//! replaces it and sees its last reports ([`Poller`]).
//!
//! Invariants: the first lane is for usual records and is always there; the second exists if the largest message that
//! is taken would use it. All have the same settings, so that a limit in them is one of each lane.
//!
//! BUGS: large records delay each other. Each lane has its own connections to each broker.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::closing::Closing;
use super::librdkafka::Producer;
use super::statistics::{Held, Joined, MOST_LANES};
use super::verdict::delivery_outcome;
use crate::config::{TopicPlace, Topics};
use crate::limits::{LARGE_RECORD_OCTETS, RECORD_OVERHEAD_OCTETS};
use crate::mail::record::Record;
use crate::sink::condition::BrokerCondition;
use crate::sink::report::{Report, Ticket};

/// Names of the lanes' poll threads.
const NAMES: [&str; MOST_LANES] = ["kafka-poll", "kafka-poll-big"];

/// How long a flush that closes batches goes on: long enough for the brokers' threads to see it. librdkafka takes no less.
const CLOSING: Duration = Duration::from_millis(1);

/// Least time from one replacement of a lane's producer to the next, so that an error that every producer meets costs little.
const REPLACE_PAUSE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Lanes {
    producers: Vec<ArcSwap<Producer>>,
    /// What every producer is made of.
    settings: ClientConfig,
    topics: Topics,
    joined: Arc<Joined>,
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
        assert!((1..=NAMES.len()).contains(&lanes));
        let mut all = Self {
            producers: Vec::new(),
            settings: settings.clone(),
            topics: topics.clone(),
            joined: Arc::new(joined),
            closing: Closing::default(),
        };
        for lane in 0..lanes {
            let producer = all.make(lane)?;
            all.producers.push(ArcSwap::from_pointee(producer));
        }
        Ok(all)
    }

    fn make(&self, lane: usize) -> Result<Producer, KafkaError> {
        let events = Box::new(Joined::lane(&self.joined, lane));
        Producer::new(&self.settings, &self.topics, events, delivery_outcome)
    }

    /// The names of the lanes' threads, in the order of the lanes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().take(self.producers.len())
    }

    /// The producer of a lane, as it is now.
    pub(super) fn producer(&self, lane: usize) -> Arc<Producer> {
        self.producers[lane].load_full()
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
        self.producers[lane]
            .load()
            .produce(topic, ticket, record, partition)?;
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
            self.producer(0).flush(CLOSING);
        };
        self.closing.run(flush, stopping);
    }

    /// Records without a report and events not yet polled, of all lanes.
    #[cfg(test)]
    pub(super) fn outstanding(&self) -> usize {
        let producers = self.producers.iter();
        producers.map(|one| one.load().outstanding()).sum()
    }

    /// Whether records of usual size are under way. A large one takes its time, and says nothing of the brokers.
    pub(super) fn has_small_under_way(&self) -> bool {
        self.producers[0].load().outstanding() > 0
    }

    /// How the brokers are.
    pub(super) fn brokers(&self) -> Vec<BrokerCondition> {
        self.joined.brokers()
    }

    /// Which brokers were given records of usual size.
    pub(super) fn held(&self) -> Held {
        self.joined.held()
    }

    /// Waits up to `within` for what is under way in all lanes, then gives up on the rest. Other threads must poll.
    pub(super) fn flush_or_purge(&self, within: Duration) {
        let deadline = Instant::now() + within;
        for producer in &self.producers {
            // The lanes after this one send meanwhile, so they have had as long.
            let left = deadline.saturating_duration_since(Instant::now());
            let producer = producer.load_full();
            if !producer.flush(left) {
                producer.purge();
            }
        }
    }
}

/// What the poll thread of a lane polls: the lane's producer, and the one before it until its last record is reported.
pub(super) struct Poller<'a> {
    lanes: &'a Lanes,
    lane: usize,
    producer: Arc<Producer>,
    /// The one that ended. It takes no record, so what it has left only gets less.
    ended: Option<Arc<Producer>>,
    replaced: Option<Instant>,
}

impl<'a> Poller<'a> {
    pub(super) fn new(lanes: &'a Lanes, lane: usize) -> Self {
        let producer = lanes.producer(lane);
        Self {
            lanes,
            lane,
            producer,
            ended: None,
            replaced: None,
        }
    }

    /// Waits up to `timeout` for an event, and takes reports until there are `most`. False if there was nothing.
    pub(super) fn poll(
        &mut self,
        timeout: Duration,
        most: usize,
        reports: &mut Vec<Report>,
    ) -> bool {
        self.replace_if_ended();
        let late = self.poll_ended(reports);
        let timeout = if late { Duration::ZERO } else { timeout };
        let some = self.producer.poll(timeout, reports);
        if some {
            while reports.len() < most && self.producer.poll(Duration::ZERO, reports) {}
        }
        some || late
    }

    /// Records without a report, and events not yet polled.
    pub(super) fn outstanding(&self) -> usize {
        let ended = self.ended.as_ref().map_or(0, |ended| ended.outstanding());
        ended + self.producer.outstanding()
    }

    /// Gives up on all that is under way.
    pub(super) fn purge(&self) {
        if let Some(ended) = &self.ended {
            ended.purge();
        }
        self.producer.purge();
    }

    /// Takes what there is of the one that ended, and lets go of it after its last report.
    fn poll_ended(&mut self, reports: &mut Vec<Report>) -> bool {
        let Some(ended) = &self.ended else {
            return false;
        };
        if ended.poll(Duration::ZERO, reports) {
            return true;
        }
        match ended.outstanding() {
            // A worker that took it before it was replaced may still hand it a record.
            0 if Arc::strong_count(ended) == 1 => self.ended = None,
            0 => {}
            // It fails them itself in time; no sender has to wait for that.
            _ => ended.purge(),
        }
        false
    }

    fn replace_if_ended(&mut self) {
        let recently = self.replaced.is_some_and(|at| at.elapsed() < REPLACE_PAUSE);
        if self.ended.is_some() || recently || !self.producer.has_ended() {
            return;
        }
        self.replaced = Some(Instant::now());
        let reason = self.producer.why_ended();
        match self.lanes.make(self.lane) {
            Ok(producer) => {
                let producer = Arc::new(producer);
                self.lanes.producers[self.lane].store(Arc::clone(&producer));
                self.ended = Some(std::mem::replace(&mut self.producer, producer));
                tracing::warn!(
                    "librdkafka's producer ended, and another one takes its place: {reason}"
                );
            }
            Err(error) => tracing::error!(
                "librdkafka's producer ended: {reason}; no other could be made, so mail gets 451 until one can: {error}"
            ),
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
