//! The sink that stores: the producers for all workers and their poll threads.
//!
//! Owns: what librdkafka's errors mean for a sender, the threads that carry reports to their workers, the thread that
//! watches the topic. Must not know: sessions, replies; which producer a record takes is `lanes`', when a batch is closed
//! early is `closing`'s, what is asked of the topic is `topic`'s, raw pointers are `librdkafka`'s.
//!
//! ```text
//!   workers ── submit ──▶ a lane's Producer ──▶ brokers
//!      ▲                     │ reports
//!      └── channel, notify ──┴── the lane's poll thread: one batch and one wake-up a worker
//! ```
//!
//! Invariants: a record that `submit` calls pending is reported once; a poll thread ends only when nothing of its lane is
//! under way.
//!
//! BUGS: a record that is submitted while [`KafkaSink::shutdown`] runs may go without a report; its memory is freed with
//! the sink.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Notify;

pub use super::librdkafka::{Events, Traced};

use super::lanes::Lanes;
use super::properties::{explain, producer_config};
use super::topic::look;
use super::{Outcome, Report, Sink, Submission, Ticket};
use crate::config;
use crate::limits::REPORT_BATCHES;
use crate::mail::record::Record;
use crate::smtp::refusal::Refusal;

/// Longest wait of the poll thread for an event: bounds how late it sees that it is to stop.
pub(super) const POLL: Duration = Duration::from_millis(100);
/// Reports gathered before they are sent on, so that a flood cannot keep the first of them waiting.
const REPORTS_A_ROUND: usize = 4096;
/// How long the most records that were under way at once are remembered, at least (see `closing`): longer than any linger
/// and round trip together, so that it covers what one batch takes.
const WINDOW: Duration = Duration::from_millis(200);
/// Pause between two looks at the topic, and the longest that one takes.
const WATCH_PAUSE: Duration = Duration::from_secs(2);
const WATCH_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the sink did not start: an operator's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Produces records to one topic.
pub struct KafkaSink {
    shared: Arc<Shared>,
    workers: usize,
    /// The poll thread of each lane, and the thread that closes batches.
    carriers: Mutex<Vec<JoinHandle<()>>>,
    /// The watching thread, and the channel whose end stops it.
    watcher: Mutex<Option<(JoinHandle<()>, Sender<()>)>>,
}

struct Shared {
    lanes: Lanes,
    topic: String,
    ready: AtomicBool,
    closed: AtomicBool,
    stopping: AtomicBool,
}

impl KafkaSink {
    /// Starts the producers and their threads. `message_size` is the largest message in octets; `wakers` has one entry per
    /// worker, notified once per batch that its receiver gets. Needs no broker to be up.
    #[allow(clippy::type_complexity)]
    pub fn start(
        config: &config::Kafka,
        message_size: u64,
        wakers: Vec<Arc<Notify>>,
    ) -> Result<(Arc<Self>, Vec<Receiver<Vec<Report>>>), StartError> {
        Self::start_with(config, message_size, wakers, Box::new(Traced))
    }

    /// As [`Self::start`], with a taker of librdkafka's errors, log lines and statistics.
    #[allow(clippy::type_complexity)]
    pub fn start_with(
        config: &config::Kafka,
        message_size: u64,
        wakers: Vec<Arc<Notify>>,
        events: Box<dyn Events>,
    ) -> Result<(Arc<Self>, Vec<Receiver<Vec<Report>>>), StartError> {
        let settings = producer_config(config, message_size).map_err(StartError)?;
        let lanes = Lanes::start(&settings, &config.topic, message_size, events)
            .map_err(|error| StartError(explain(&error)))?;
        let shared = Arc::new(Shared {
            lanes,
            topic: config.topic.clone(),
            ready: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let workers = wakers.len();
        let (routes, receivers): (Vec<_>, Vec<_>) = wakers
            .into_iter()
            .map(|waker| {
                let (sender, receiver) = bounded(REPORT_BATCHES);
                (Route { sender, waker }, receiver)
            })
            .unzip();
        let sink = Self {
            shared: shared.clone(),
            workers,
            carriers: Mutex::new(Vec::new()),
            watcher: Mutex::new(None),
        };
        // Dropping `sink` on an error below stops what has been started.
        for (lane, name) in shared.lanes.names().enumerate() {
            let (shared, routes) = (shared.clone(), routes.clone());
            let poller = spawn(name, move || {
                poll(&shared, lane, &routes);
            })?;
            lock(&sink.carriers).push(poller);
        }
        drop(routes);
        let closer = spawn("kafka-close", {
            let shared = shared.clone();
            move || shared.lanes.close_batches(&shared.stopping)
        })?;
        lock(&sink.carriers).push(closer);
        let (alive, stop) = bounded(0);
        let watcher = spawn("kafka-watch", move || watch(&shared, &stop))?;
        *lock(&sink.watcher) = Some((watcher, alive));
        Ok((Arc::new(sink), receivers))
    }

    /// Whether the topic and a leader of each partition were seen at the last look, some seconds ago at most.
    pub fn ready(&self) -> bool {
        self.shared.ready.load(Ordering::Relaxed)
    }

    /// Records without a report, and events not yet served; after a shutdown, events that nobody will serve.
    pub fn outstanding(&self) -> usize {
        self.shared.lanes.outstanding()
    }

    /// Takes no more records, waits `within` for those under way, gives up on the rest, and ends the threads when every
    /// report has been delivered. Blocks. Call it when the workers have stopped submitting.
    pub fn shutdown(&self, within: Duration) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.ready.store(false, Ordering::Relaxed);
        let carriers = std::mem::take(&mut *lock(&self.carriers));
        if !carriers.is_empty() {
            self.shared.lanes.flush_or_purge(within);
            self.shared.stopping.store(true, Ordering::SeqCst);
        }
        for thread in carriers {
            thread.thread().unpark();
            // A panic of the thread has been printed already; nothing is left to do about it here.
            let _ = thread.join();
        }
        let watcher = lock(&self.watcher).take();
        if let Some((thread, alive)) = watcher {
            drop(alive);
            let _ = thread.join();
        }
        // It may have finished a look in between.
        self.shared.ready.store(false, Ordering::Relaxed);
    }
}

impl Sink for KafkaSink {
    fn submit(&self, ticket: Ticket, record: Box<Record>) -> Submission {
        assert!((ticket.worker as usize) < self.workers, "{ticket:?}");
        if self.shared.closed.load(Ordering::Relaxed) {
            let refusal = Refusal::KafkaUnavailable;
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        match self.shared.lanes.produce(ticket, record) {
            Ok(()) => Submission::Pending,
            Err((code, record)) => Submission::Done(Outcome::Refused(refusal(code)), record),
        }
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("topic", &self.shared.topic)
            .finish_non_exhaustive()
    }
}

/// The way to one worker.
#[derive(Clone)]
struct Route {
    sender: Sender<Vec<Report>>,
    waker: Arc<Notify>,
}

fn poll(shared: &Shared, lane: usize, routes: &[Route]) {
    let producer = shared.lanes.producer(lane);
    let (mut reports, mut window) = (Vec::new(), Instant::now());
    loop {
        // Read before the wait: what was under way when it was set is either counted below or reported by now.
        let stopping = shared.stopping.load(Ordering::SeqCst);
        let some = producer.poll(POLL, &mut reports);
        let window_over = window.elapsed() > WINDOW;
        if window_over {
            window = Instant::now();
        }
        if some {
            while reports.len() < REPORTS_A_ROUND && producer.poll(Duration::ZERO, &mut reports) {}
        }
        shared.lanes.reported(lane, reports.len(), window_over);
        if some {
            deliver(&mut reports, routes);
        }
        if stopping {
            if producer.outstanding() == 0 {
                return;
            }
            producer.purge();
        }
    }
}

/// Sends each worker its share of the reports, and wakes it once.
fn deliver(reports: &mut Vec<Report>, routes: &[Route]) {
    if reports.is_empty() {
        return;
    }
    let mut batches: Vec<Vec<Report>> = routes.iter().map(|_| Vec::new()).collect();
    for report in reports.drain(..) {
        batches[report.ticket.worker as usize].push(report);
    }
    for (route, batch) in routes.iter().zip(batches) {
        // An error means that the worker is gone, and with it everyone who waits for these.
        if !batch.is_empty() && route.sender.send(batch).is_ok() {
            route.waker.notify_one();
        }
    }
}

fn watch(shared: &Shared, stop: &Receiver<()>) {
    loop {
        let seen = look(shared.lanes.producer(0), &shared.topic, WATCH_TIMEOUT);
        let ready = matches!(seen, Ok(Some(_))) && !shared.closed.load(Ordering::SeqCst);
        shared.ready.store(ready, Ordering::Relaxed);
        // Nothing is ever sent: the channel's end is the sign.
        if stop.recv_timeout(WATCH_PAUSE) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// What a failure to take a record, or to deliver it, means for the sender.
fn refusal(code: Code) -> Refusal {
    match code {
        Code::QueueFull => Refusal::KafkaQueueFull,
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            Refusal::KafkaTooBig
        }
        Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut => {
            Refusal::KafkaTimedOut
        }
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::BrokerTransportFailure
        | Code::NetworkException
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::BrokerNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::ReplicaNotAvailable
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::ISRInsufficient
        | Code::KafkaStorageError
        | Code::PurgeQueue
        | Code::PurgeInflight => Refusal::KafkaUnavailable,
        _ => Refusal::KafkaRefused,
    }
}

pub(super) fn delivery_outcome(code: Code) -> Outcome {
    Outcome::Refused(refusal(code))
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| StartError(format!("the thread {name} did not start: {error}")))
}

/// The state behind these locks is whole between any two statements, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use bytes::BytesMut;
    use rdkafka::config::ClientConfig;
    use rdkafka::types::RDKafkaRespErr;

    use super::*;
    use crate::limits::{LARGE_RECORD_OCTETS, RECORD_OVERHEAD_OCTETS};
    use crate::sink::embedded::EmbeddedBroker;

    const TOPIC: &str = "mail";
    /// Ends a test that would hang; nothing is measured against it.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn config(brokers: String, delivery_timeout: Duration) -> config::Kafka {
        config::Kafka {
            brokers: config::Brokers::List(brokers),
            topic: TOPIC.into(),
            key: config::RecordKey::None,
            delivery_timeout,
            properties: BTreeMap::new(),
        }
    }

    fn record(text: &str) -> Box<Record> {
        let mut record = Record::default().keyed(b"");
        record.value = BytesMut::from(text);
        record.push("ce_id", text.as_bytes());
        record.push("smtp_from", b"");
        Box::new(record)
    }

    fn ticket(number: u32, workers: u32) -> Ticket {
        Ticket {
            worker: number % workers,
            slot: number,
            turn: u64::from(number) * 7,
        }
    }

    struct Started {
        sink: Arc<KafkaSink>,
        wakers: Vec<Arc<Notify>>,
        reports: Vec<Receiver<Vec<Report>>>,
    }

    fn start(config: &config::Kafka, message_size: u64, workers: usize) -> Started {
        let wakers: Vec<_> = (0..workers).map(|_| Arc::new(Notify::new())).collect();
        let (sink, reports) = KafkaSink::start(config, message_size, wakers.clone()).unwrap();
        Started {
            sink,
            wakers,
            reports,
        }
    }

    /// Submits records 0..count, whose value is their number, all pending.
    fn submit(started: &Started, count: u32) {
        let workers = started.reports.len() as u32;
        for number in 0..count {
            let submission = started
                .sink
                .submit(ticket(number, workers), record(&number.to_string()));
            assert!(matches!(submission, Submission::Pending), "{submission:?}");
        }
    }

    /// Gathers `count` reports, checking that each is at its own worker, for its own record, and came once.
    fn gather(started: &Started, count: usize) -> Vec<Outcome> {
        let mut seen = HashSet::new();
        let mut outcomes = Vec::new();
        let workers = started.reports.len() as u32;
        for (worker, receiver) in started.reports.iter().enumerate() {
            let share = (count + started.reports.len() - 1 - worker) / started.reports.len();
            let mut left = share;
            while left > 0 {
                let batch = receiver.recv_timeout(PATIENCE).expect("a batch");
                assert!(!batch.is_empty());
                for report in batch {
                    assert_eq!(report.ticket.worker as usize, worker);
                    assert_eq!(report.ticket, ticket(report.ticket.slot, workers));
                    assert_eq!(report.record.value, report.ticket.slot.to_string());
                    assert!(seen.insert(report.ticket), "{:?} twice", report.ticket);
                    outcomes.push(report.outcome);
                    left -= 1;
                }
            }
        }
        outcomes
    }

    /// Ends the sink and sees that its poll thread left nothing in the channels.
    fn nothing_more(started: &Started) {
        started.sink.shutdown(PATIENCE);
        for receiver in &started.reports {
            let end = receiver.try_recv().map(|batch| batch.len());
            assert_eq!(end, Err(crossbeam_channel::TryRecvError::Disconnected));
        }
    }

    #[tokio::test]
    async fn each_record_is_reported_once_to_its_worker() {
        let broker = EmbeddedBroker::start(TOPIC, 8).unwrap();
        let started = start(&config(broker.bootstrap(), PATIENCE), 1_000_000, 2);
        submit(&started, 1000);
        let outcomes = gather(&started, 1000);
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored));
        for waker in &started.wakers {
            tokio::time::timeout(PATIENCE, waker.notified())
                .await
                .unwrap();
        }
        nothing_more(&started);
        assert!(matches!(
            started.sink.submit(ticket(0, 2), record("late")),
            Submission::Done(Outcome::Refused(Refusal::KafkaUnavailable), _)
        ));
    }

    #[test]
    fn values_keys_and_headers_arrive_as_they_were() {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        use rdkafka::message::{Headers, Message};
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        let started = start(&config(broker.bootstrap(), PATIENCE), 1_000_000, 1);
        let octets: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let mut sent = Record::default().keyed(b"key");
        sent.value = BytesMut::from(&octets[..]);
        sent.push("smtp_to", b"a");
        sent.push("smtp_to", b"");
        started.sink.submit(ticket(0, 1), Box::new(sent));
        let batch = started.reports[0].recv_timeout(PATIENCE).unwrap();
        assert_eq!(batch[0].outcome, Outcome::Stored);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .set("group.id", "reader")
            .create()
            .unwrap();
        let mut place = rdkafka::TopicPartitionList::new();
        place
            .add_partition_offset(TOPIC, 0, rdkafka::Offset::Beginning)
            .unwrap();
        consumer.assign(&place).unwrap();
        let message = consumer.poll(PATIENCE).expect("a message").unwrap();
        assert_eq!(message.payload(), Some(&octets[..]));
        assert_eq!(message.key(), Some(&b"key"[..]));
        let headers: Vec<_> = message.headers().unwrap().iter().collect();
        assert_eq!(
            (headers[0].key, headers[0].value),
            ("smtp_to", Some(&b"a"[..]))
        );
        assert_eq!(
            (headers[1].key, headers[1].value),
            ("smtp_to", Some(&b""[..]))
        );
    }

    #[test]
    fn records_for_a_broker_that_is_gone_come_back_refused() {
        let broker = EmbeddedBroker::start(TOPIC, 2).unwrap();
        broker.set_down(true);
        let config = config(broker.bootstrap(), Duration::from_secs(1));
        let started = start(&config, 1_000_000, 2);
        submit(&started, 100);
        for outcome in gather(&started, 100) {
            assert!(
                matches!(
                    outcome,
                    Outcome::Refused(Refusal::KafkaTimedOut | Refusal::KafkaUnavailable)
                ),
                "{outcome:?}"
            );
        }
        nothing_more(&started);
    }

    #[test]
    fn a_brokers_verdict_decides_the_refusal() {
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        let started = start(&config(broker.bootstrap(), PATIENCE), 1_000_000, 1);
        for (error, refusal) in [
            (
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
                Refusal::KafkaRefused,
            ),
            (
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                Refusal::KafkaTooBig,
            ),
        ] {
            broker.run(move |cluster| {
                cluster.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &[error]);
            });
            submit(&started, 1);
            assert_eq!(gather(&started, 1), [Outcome::Refused(refusal)]);
        }
        submit(&started, 1);
        assert_eq!(gather(&started, 1), [Outcome::Stored]);
    }

    #[test]
    fn a_record_that_is_too_big_is_refused_at_once() {
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        let started = start(&config(broker.bootstrap(), PATIENCE), 1_000, 1);
        let big = "x".repeat(1_000 + RECORD_OVERHEAD_OCTETS + 1);
        assert!(matches!(
            started.sink.submit(ticket(0, 1), record(&big)),
            Submission::Done(Outcome::Refused(Refusal::KafkaTooBig), _)
        ));
        nothing_more(&started);
    }

    #[test]
    fn shutdown_returns_what_is_pending() {
        let broker = EmbeddedBroker::start(TOPIC, 2).unwrap();
        broker.set_down(true);
        let started = start(&config(broker.bootstrap(), PATIENCE), 1_000_000, 2);
        submit(&started, 500);
        started.sink.shutdown(Duration::ZERO);
        let outcomes = gather(&started, 500);
        let refused = Outcome::Refused(Refusal::KafkaUnavailable);
        assert!(outcomes.iter().all(|outcome| *outcome == refused));
        nothing_more(&started);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        broker.set_down(true);
        let mut config = config(broker.bootstrap(), PATIENCE);
        let properties = &mut config.properties;
        properties.insert("queue.buffering.max.messages".into(), "3".into());
        let started = start(&config, 1_000_000, 1);
        submit(&started, 3);
        assert!(matches!(
            started.sink.submit(ticket(3, 1), record("3")),
            Submission::Done(Outcome::Refused(Refusal::KafkaQueueFull), _)
        ));
        started.sink.shutdown(Duration::ZERO);
        assert_eq!(gather(&started, 3).len(), 3);
    }

    fn large_record() -> Box<Record> {
        record(&"x".repeat(LARGE_RECORD_OCTETS))
    }

    #[test]
    fn large_records_are_stored_and_reported_as_small_ones_are() {
        let broker = EmbeddedBroker::start(TOPIC, 8).unwrap();
        let started = start(&config(broker.bootstrap(), PATIENCE), 25 << 20, 2);
        for number in 0..20 {
            let record = if number % 4 == 0 {
                large_record()
            } else {
                record("small")
            };
            let submission = started.sink.submit(ticket(number, 2), record);
            assert!(matches!(submission, Submission::Pending), "{submission:?}");
        }
        for (worker, receiver) in started.reports.iter().enumerate() {
            let mut seen = HashSet::new();
            while seen.len() < 10 {
                for report in receiver.recv_timeout(PATIENCE).expect("a batch") {
                    let number = report.ticket.slot;
                    assert_eq!(report.ticket, ticket(number, 2));
                    assert_eq!(report.ticket.worker as usize, worker);
                    assert_eq!(report.outcome, Outcome::Stored);
                    let large = report.record.value.len() == LARGE_RECORD_OCTETS;
                    assert_eq!(large, number % 4 == 0);
                    assert!(seen.insert(number), "{number} twice");
                }
            }
        }
        nothing_more(&started);
        assert_eq!(started.sink.outstanding(), 0);
    }

    #[test]
    fn a_full_lane_leaves_the_other_open_and_a_shutdown_empties_both() {
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        broker.set_down(true);
        let mut config = config(broker.bootstrap(), PATIENCE);
        let properties = &mut config.properties;
        properties.insert("queue.buffering.max.messages".into(), "2".into());
        let started = start(&config, 25 << 20, 1);
        let mut number = 0;
        let mut submit = |record| {
            number += 1;
            started.sink.submit(ticket(number, 1), record)
        };
        for lane in [large_record, || record("small")] {
            assert!(matches!(submit(lane()), Submission::Pending));
            assert!(matches!(submit(lane()), Submission::Pending));
            assert!(matches!(
                submit(lane()),
                Submission::Done(Outcome::Refused(Refusal::KafkaQueueFull), _)
            ));
        }
        assert!(started.sink.outstanding() >= 4);
        started.sink.shutdown(Duration::ZERO);
        let outcomes: Vec<_> = started.reports[0]
            .try_iter()
            .flatten()
            .map(|report| report.outcome)
            .collect();
        let refused = Outcome::Refused(Refusal::KafkaUnavailable);
        assert_eq!(outcomes, [refused; 4]);
        nothing_more(&started);
    }

    #[test]
    fn a_wrong_property_is_named_without_its_value() {
        let mut config = config("127.0.0.1:1".into(), PATIENCE);
        let secret = "hunter2".to_owned();
        config
            .properties
            .insert("sasl.pasword".into(), secret.clone());
        let error = KafkaSink::start(&config, 1_000_000, Vec::new()).unwrap_err();
        assert!(error.to_string().contains("sasl.pasword"), "{error}");
        assert!(!error.to_string().contains(&secret), "{error}");
    }
}
