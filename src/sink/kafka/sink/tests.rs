//! The sink against the in-process broker: every record is reported once, to its worker, with the verdict on it.

use std::collections::HashSet;

use bytes::BytesMut;
use rdkafka::config::ClientConfig;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::*;
use crate::config::{Config, Topics};
use crate::failure::{Blame, Blamed};
use crate::limits::{LARGE_RECORD_OCTETS, RECORD_OVERHEAD_OCTETS};
use crate::sink::embedded::broker::EmbeddedBroker;

const TOPIC: &str = "mail";
/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

fn cluster(brokers: String, delivery_timeout: Duration) -> Cluster {
    let mut kafka = Config::default().kafka;
    (kafka.topic, kafka.delivery_timeout) = (TOPIC.to_owned(), delivery_timeout);
    let topics = Topics::one(TOPIC);
    Cluster {
        brokers,
        kafka,
        topics,
    }
}

/// What a sink of this many workers is made of, and its wakers.
fn parts(message_size: u64, workers: usize) -> (Parts, Vec<Arc<Notify>>) {
    let wakers: Vec<_> = (0..workers).map(|_| Arc::new(Notify::new())).collect();
    let setup = Setup {
        wakers: wakers.clone(),
        observe: Box::new(|_| {}),
    };
    (Parts::new(message_size, setup), wakers)
}

fn record(text: &str) -> Box<Record> {
    let mut record = Record::default().keyed(b"");
    record.value = BytesMut::from(text).into();
    record.push("ce_id", text.as_bytes());
    record.push("ce_smtpfrom", b"");
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
    sink: KafkaSink,
    wakers: Vec<Arc<Notify>>,
    reports: Vec<Reports>,
}

fn start(cluster: &Cluster, message_size: u64, workers: usize) -> Started {
    let (parts, wakers) = parts(message_size, workers);
    let (sink, reports) = KafkaSink::start(cluster, parts).unwrap();
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
        let submission = started.sink.submit(
            TopicPlace::FIRST,
            ticket(number, workers),
            record(&number.to_string()),
        );
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
                assert_eq!(
                    *report.record.value,
                    *report.ticket.slot.to_string().as_bytes()
                );
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
    started.sink.drain(PATIENCE);
    for receiver in &started.reports {
        let end = receiver.try_recv().map(|batch| batch.len());
        assert_eq!(end, Err(crossbeam_channel::TryRecvError::Disconnected));
    }
}

#[tokio::test]
async fn each_record_is_reported_once_to_its_worker() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 8).unwrap();
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 1_000_000, 2);
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
        started
            .sink
            .submit(TopicPlace::FIRST, ticket(0, 2), record("late")),
        Submission::Done(Outcome::Refused(Refusal::StorageUnavailable), _)
    ));
}

#[test]
fn a_record_goes_to_its_topic_and_its_report_names_it() {
    let mut config = Config::default();
    config.kafka.large_topic = Some("other".to_owned());
    let topics = config.topics();
    let broker = EmbeddedBroker::start(&topics, 1).unwrap();
    let cluster = Cluster {
        topics: topics.clone(),
        ..cluster(broker.bootstrap(), PATIENCE)
    };
    let started = start(&cluster, 1_000_000, 1);
    let places: Vec<TopicPlace> = topics.iter().map(|(place, _)| place).collect();
    for number in 0..9_u32 {
        let topic = places[usize::from(number % 3 == 0)];
        let record = record(&number.to_string());
        let submission = started.sink.submit(topic, ticket(number, 1), record);
        assert!(matches!(submission, Submission::Pending), "{submission:?}");
    }
    let mut reported = 0;
    while reported < 9 {
        for report in started.reports[0].recv_timeout(PATIENCE).unwrap() {
            let expected = places[usize::from(report.ticket.slot % 3 == 0)];
            assert_eq!((report.topic, report.outcome), (expected, Outcome::Stored));
            reported += 1;
        }
    }
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let asking: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .unwrap();
    let count = |topic| asking.fetch_watermarks(topic, 0, PATIENCE).unwrap().1;
    assert_eq!((count(TOPIC), count("other")), (6, 3));
    nothing_more(&started);
}

#[test]
fn values_keys_and_headers_arrive_as_they_were() {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Headers, Message};
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 1_000_000, 1);
    let bytes: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let mut sent = Record::default().keyed(b"key");
    sent.value = BytesMut::from(&bytes[..]).into();
    sent.push("ce_smtpto", b"[\"a\"]");
    sent.push("ce_smtpfrom", b"");
    started
        .sink
        .submit(TopicPlace::FIRST, ticket(0, 1), Box::new(sent));
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
    assert_eq!(message.payload(), Some(&bytes[..]));
    assert_eq!(message.key(), Some(&b"key"[..]));
    let headers: Vec<_> = message.headers().unwrap().iter().collect();
    assert_eq!(
        (headers[0].key, headers[0].value),
        ("ce_smtpto", Some(&b"[\"a\"]"[..]))
    );
    assert_eq!(
        (headers[1].key, headers[1].value),
        ("ce_smtpfrom", Some(&b""[..]))
    );
}

#[test]
fn records_for_a_broker_that_is_gone_come_back_refused() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 2).unwrap();
    broker.set_down(true);
    let cluster = cluster(broker.bootstrap(), Duration::from_secs(1));
    let started = start(&cluster, 1_000_000, 2);
    submit(&started, 100);
    for outcome in gather(&started, 100) {
        assert!(
            matches!(
                outcome,
                Outcome::Refused(Refusal::StorageTimedOut | Refusal::StorageUnavailable)
            ),
            "{outcome:?}"
        );
    }
    nothing_more(&started);
}

#[test]
fn a_brokers_verdict_decides_the_refusal() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 1_000_000, 1);
    for (error, refusal) in [
        (
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            Refusal::StorageRefused,
        ),
        (
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Refusal::StorageTooBig,
        ),
    ] {
        broker.run(move |mock| {
            mock.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &[error]);
        });
        submit(&started, 1);
        assert_eq!(gather(&started, 1), [Outcome::Refused(refusal)]);
    }
    submit(&started, 1);
    assert_eq!(gather(&started, 1), [Outcome::Stored]);
}

#[test]
fn a_producer_that_ended_is_replaced() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let mut cluster = cluster(broker.bootstrap(), PATIENCE);
    let on = ("enable.idempotence".to_owned(), "true".to_owned());
    cluster.kafka.properties = [on].into_iter().collect();
    let started = start(&cluster, 1_000_000, 1);
    submit(&started, 1);
    assert_eq!(gather(&started, 1), [Outcome::Stored]);
    broker.set_down(true);
    submit(&started, 3);
    started.sink.shared.lanes.producer(0).end();
    // What it had is reported, and none of it as stored.
    for outcome in gather(&started, 3) {
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
    broker.set_down(false);
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(
            Instant::now() < deadline,
            "no other producer takes its place"
        );
        let number = ticket(0, 1);
        match started.sink.submit(TopicPlace::FIRST, number, record("0")) {
            Submission::Pending => break,
            Submission::Done(outcome, _) => assert!(matches!(outcome, Outcome::Refused(_))),
        }
        std::thread::yield_now();
    }
    assert_eq!(gather(&started, 1), [Outcome::Stored]);
}

#[test]
fn a_record_that_no_broker_has_confirmed_is_not_stored() {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let mut cluster = cluster(broker.bootstrap(), PATIENCE);
    // A request for each record, several at once, the first of which fails: librdkafka takes its record for stored when the next
    // one is.
    cluster.kafka.properties = [
        ("enable.idempotence", "true"),
        ("batch.num.messages", "1"),
        ("linger.ms", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    let started = start(&cluster, 1_000_000, 1);
    submit(&started, 1);
    assert_eq!(gather(&started, 1), [Outcome::Stored]);
    broker.run(|mock| {
        let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION];
        mock.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &errors);
    });
    submit(&started, 20);
    let outcomes = gather(&started, 20);
    let stored = outcomes.iter().filter(|one| **one == Outcome::Stored);
    let said = 1 + stored.count() as i64;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .unwrap();
    let (_, end) = consumer.fetch_watermarks(TOPIC, 0, PATIENCE).unwrap();
    assert!(
        said <= end,
        "{said} are said to be stored, {end} are: {outcomes:?}"
    );
}

#[test]
fn a_record_that_is_too_big_is_refused_at_once() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 1_000, 1);
    let big = "x".repeat(1_000 + RECORD_OVERHEAD_OCTETS + 1);
    assert!(matches!(
        started
            .sink
            .submit(TopicPlace::FIRST, ticket(0, 1), record(&big)),
        Submission::Done(Outcome::Refused(Refusal::StorageTooBig), _)
    ));
    nothing_more(&started);
}

#[test]
fn shutdown_returns_what_is_pending() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 2).unwrap();
    broker.set_down(true);
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 1_000_000, 2);
    submit(&started, 500);
    started.sink.drain(Duration::ZERO);
    let outcomes = gather(&started, 500);
    let refused = Outcome::Refused(Refusal::StorageUnavailable);
    assert!(outcomes.iter().all(|outcome| *outcome == refused));
    nothing_more(&started);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    broker.set_down(true);
    let mut cluster = cluster(broker.bootstrap(), PATIENCE);
    let properties = &mut cluster.kafka.properties;
    properties.insert("queue.buffering.max.messages".into(), "3".into());
    let started = start(&cluster, 1_000_000, 1);
    submit(&started, 3);
    assert!(matches!(
        started
            .sink
            .submit(TopicPlace::FIRST, ticket(3, 1), record("3")),
        Submission::Done(Outcome::Refused(Refusal::StorageQueueFull), _)
    ));
    started.sink.drain(Duration::ZERO);
    assert_eq!(gather(&started, 3).len(), 3);
}

fn large_record() -> Box<Record> {
    record(&"x".repeat(LARGE_RECORD_OCTETS))
}

#[test]
fn large_records_are_stored_and_reported_as_small_ones_are() {
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 8).unwrap();
    let started = start(&cluster(broker.bootstrap(), PATIENCE), 25 << 20, 2);
    for number in 0..20 {
        let record = if number % 4 == 0 {
            large_record()
        } else {
            record("small")
        };
        let submission = started
            .sink
            .submit(TopicPlace::FIRST, ticket(number, 2), record);
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
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    broker.set_down(true);
    let mut cluster = cluster(broker.bootstrap(), PATIENCE);
    let properties = &mut cluster.kafka.properties;
    properties.insert("queue.buffering.max.messages".into(), "2".into());
    let started = start(&cluster, 25 << 20, 1);
    let mut number = 0;
    let mut submit = |record| {
        number += 1;
        started
            .sink
            .submit(TopicPlace::FIRST, ticket(number, 1), record)
    };
    for lane in [large_record, || record("small")] {
        assert!(matches!(submit(lane()), Submission::Pending));
        assert!(matches!(submit(lane()), Submission::Pending));
        assert!(matches!(
            submit(lane()),
            Submission::Done(Outcome::Refused(Refusal::StorageQueueFull), _)
        ));
    }
    assert!(started.sink.outstanding() >= 4);
    started.sink.drain(Duration::ZERO);
    let outcomes: Vec<_> = started.reports[0]
        .try_iter()
        .flatten()
        .map(|report| report.outcome)
        .collect();
    let refused = Outcome::Refused(Refusal::StorageUnavailable);
    assert_eq!(outcomes, [refused; 4]);
    nothing_more(&started);
}

#[test]
fn a_wrong_property_is_named_without_its_value() {
    let mut cluster = cluster("127.0.0.1:1".into(), PATIENCE);
    let secret = "hunter2".to_owned();
    cluster
        .kafka
        .properties
        .insert("sasl.pasword".into(), secret.clone());
    let (parts, _) = parts(1_000_000, 0);
    let error = KafkaSink::start(&cluster, parts).unwrap_err();
    assert_eq!(error.blame(), Blame::Operator);
    assert!(error.to_string().contains("sasl.pasword"), "{error}");
    assert!(!error.to_string().contains(&secret), "{error}");
}

/// Keeps the codes of librdkafka's errors.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<RDKafkaErrorCode>>>);

impl Events for Heard {
    fn error(&self, code: RDKafkaErrorCode, _text: &str) {
        lock(&self.0).push(code);
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn brokers_that_go_down_are_told_of_while_the_sink_runs_and_not_after_its_end() {
    let heard = Heard::default();
    let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
    let cluster = cluster(broker.bootstrap(), PATIENCE);
    let start = || {
        let parts = Parts {
            events: Box::new(heard.clone()),
            ..parts(1_000_000, 1).0
        };
        KafkaSink::start(&cluster, parts).unwrap()
    };
    let down = || lock(&heard.0).contains(&RDKafkaErrorCode::AllBrokersDown);

    let (running, _reports) = start();
    wait_until(|| running.ready().is_ok());
    broker.set_down(true);
    wait_until(down);
    broker.set_down(false);
    drop(running);

    let (stopped, _reports) = start();
    wait_until(|| stopped.ready().is_ok());
    stopped.drain(PATIENCE);
    lock(&heard.0).clear();
    drop(broker);
    // librdkafka has seen that the broker is gone, and would say so.
    wait_until(|| stopped.outstanding() > 0);
    drop(stopped);
    assert_eq!(*lock(&heard.0), []);
}
