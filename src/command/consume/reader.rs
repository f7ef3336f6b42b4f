//! The reading loop: records from the partitions of one topic into an output, in batches.
//!
//! Owns: the consumer, where each partition stands, when reading is over, when offsets are committed. Must not know:
//! what form the output has.
//! Invariants: an offset is committed only after the output was flushed with its record in it; without a group nothing
//! is committed.
//! BUGS: with `until_end` a topic that is written to without pause is never at its end. Without a group the partitions
//! are those that the topic had at the start. In a group, what was read of a partition that is then taken away is
//! read again by its next owner.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::format::Received;
use super::output::Output;

/// How long brokers have to answer before it is an error.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);
/// One try of a request, short enough that librdkafka's reasons are collected in between.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// How long a poll waits for the first record of a batch.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// Records of a batch: what is repeated at most, in a group, when the process is killed.
const BATCH_RECORDS: u64 = 1_000;
/// Rounds without a record (2 s at `POLL_WAIT`) after which the broker's word that a partition ends counts although
/// its watermark is higher: the last offsets can be transaction markers, which no consumer sees.
const QUIET_ROUNDS: u32 = 20;

/// What to read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group; none: every partition, nothing committed.
    pub group: Option<String>,
    /// Start at the oldest record, or at the end. In a group: only where it has no offset yet.
    pub from_beginning: bool,
    /// Stop where every partition is at its end.
    pub until_end: bool,
    /// Stop after so many records.
    pub count: Option<u64>,
    /// More librdkafka properties.
    pub properties: Vec<(String, String)>,
    /// How long brokers have to answer: `BROKER_WAIT`, less in tests.
    pub broker_wait: Duration,
}

/// Why reading stopped before its end.
#[derive(Debug)]
pub enum Failure {
    /// A property that librdkafka refuses: wrong usage.
    Property(String),
    /// Kafka: the whole text for the operator.
    Kafka(String),
    /// The output.
    Output(io::Error),
}

/// What librdkafka reports beside the records: its last reason, and that partitions were given or taken.
#[derive(Default)]
pub struct Reports {
    reason: Mutex<Option<String>>,
    connected: AtomicBool,
    rebalances: AtomicU64,
    assigned_once: AtomicBool,
}

impl Reports {
    fn keep(&self, reason: &str) {
        let mut kept = self
            .reason
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        *kept = Some(reason.to_owned());
    }

    fn reason(&self) -> Option<String> {
        let kept = self
            .reason
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        kept.clone()
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // Until the brokers have answered once, an error is the reason of a failure and told there, once.
        if level as i32 <= RDKafkaLogLevel::Error as i32 && self.connected.load(Ordering::Relaxed) {
            eprintln!("ringpost consume: librdkafka: {message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "1/1 brokers are down" says less than the reason before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.keep(reason);
        }
    }
}

impl ConsumerContext for Reports {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.assigned_once.store(true, Ordering::Relaxed);
        }
        self.rebalances.fetch_add(1, Ordering::Relaxed);
    }
}

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
    consumer.context().connected.store(true, Ordering::Relaxed);
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

fn create(plan: &Plan) -> Result<BaseConsumer<Reports>, Failure> {
    let mut config = ClientConfig::new();
    for (name, value) in &plan.properties {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &plan.brokers)
        // The client needs a name to assign partitions by hand; no group of that name is joined or written to.
        .set(
            "group.id",
            plan.group.as_deref().unwrap_or("ringpost-consume"),
        )
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set(
            "auto.offset.reset",
            if plan.from_beginning {
                "earliest"
            } else {
                "latest"
            },
        )
        .set_log_level(RDKafkaLogLevel::Error);
    config
        .create_with_context(Reports::default())
        .map_err(|error| match error {
            KafkaError::ClientConfig(_, reason, name, value) => {
                Failure::Property(format!("--property {name}={value}: {reason}"))
            }
            other => Failure::Kafka(format!("cannot create the Kafka consumer: {other}")),
        })
}

/// The partitions of the topic, once the brokers answer.
fn find_topic(consumer: &BaseConsumer<Reports>, plan: &Plan) -> Result<Vec<i32>, Failure> {
    let deadline = Instant::now() + plan.broker_wait;
    let topic = &plan.topic;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match consumer.fetch_metadata(Some(topic), TRY_WAIT.min(left)) {
            Ok(metadata) => match metadata.topics().iter().find(|found| found.name() == topic) {
                Some(found) => match found.error().map(RDKafkaErrorCode::from) {
                    None if !found.partitions().is_empty() => {
                        return Ok(found.partitions().iter().map(|one| one.id()).collect());
                    }
                    Some(
                        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
                    ) => {
                        return Err(Failure::Kafka(format!(
                            "topic {topic:?} does not exist on brokers {}: create it, or name another with --topic",
                            plan.brokers
                        )));
                    }
                    Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed)
                    | Some(code @ RDKafkaErrorCode::InvalidTopic) => {
                        return Err(unavailable(plan, &code.to_string()));
                    }
                    // A topic that was made this moment has no leaders yet.
                    Some(code) => code.to_string(),
                    None => "the topic has no partitions yet".to_owned(),
                },
                None => "the brokers' answer does not name the topic".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        // Only a poll hands over what librdkafka knows about the connection.
        let _ = consumer.poll(Duration::ZERO);
        if Instant::now() >= deadline {
            let reason = awaited_reason(consumer).unwrap_or(error);
            return Err(unreachable_brokers(plan, &reason));
        }
    }
}

/// What librdkafka knows of the connection. It may stand behind other events in the queue, and each poll hands over one:
/// so a bounded number of them, none longer than a moment.
fn awaited_reason(consumer: &BaseConsumer<Reports>) -> Option<String> {
    for _ in 0..REASON_POLLS {
        if let Some(reason) = consumer.context().reason() {
            return Some(reason);
        }
        let _ = consumer.poll(Duration::from_millis(50));
    }
    consumer.context().reason()
}

/// Polls for the reason of a failure before it is told without one.
const REASON_POLLS: usize = 20;

fn unavailable(plan: &Plan, reason: &str) -> Failure {
    Failure::Kafka(format!(
        "cannot read topic {:?} on brokers {}: {reason}",
        plan.topic, plan.brokers
    ))
}

fn unreachable_brokers(plan: &Plan, reason: &str) -> Failure {
    Failure::Kafka(format!(
        "brokers {} gave no usable answer within {} s: {reason}",
        plan.brokers,
        plan.broker_wait.as_secs()
    ))
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
        let rebalances = self.consumer.context().rebalances.load(Ordering::Relaxed);
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
        if self.plan.group.is_some()
            && !self
                .consumer
                .context()
                .assigned_once
                .load(Ordering::Relaxed)
        {
            return Ok(false);
        }
        let mut ends = BTreeMap::new();
        for partition in self.positions.keys() {
            ends.insert(*partition, self.watermarks(*partition)?.1);
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
        let (low, high) = self.watermarks(partition)?;
        Ok(if self.plan.from_beginning { low } else { high })
    }

    /// The low and the high watermark, asked for until the brokers have had their time.
    fn watermarks(&self, partition: i32) -> Result<(i64, i64), Failure> {
        let deadline = Instant::now() + self.plan.broker_wait;
        loop {
            let tried = Instant::now();
            match self
                .asking
                .fetch_watermarks(&self.plan.topic, partition, TRY_WAIT)
            {
                Ok(watermarks) => return Ok(watermarks),
                Err(error) if tried + TRY_WAIT >= deadline => {
                    return Err(unreachable_brokers(self.plan, &error.to_string()));
                }
                // Some errors come back at once; asking again without a pause would only load the broker.
                Err(_) => std::thread::sleep(POLL_WAIT),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::super::format;
    use super::*;
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use serde_json::Value;

    fn plan(brokers: String) -> Plan {
        Plan {
            brokers,
            topic: "mail".into(),
            group: None,
            from_beginning: true,
            until_end: true,
            count: None,
            properties: Vec::new(),
            broker_wait: BROKER_WAIT,
        }
    }

    fn produce(brokers: &str, values: &[&str]) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .unwrap();
        for (at, value) in values.iter().enumerate() {
            let headers = OwnedHeaders::new()
                .insert(Header {
                    key: "smtp_from",
                    value: Some("a@example.net"),
                })
                .insert(Header {
                    key: "smtp_to",
                    value: Some("b@example.com"),
                })
                .insert(Header {
                    key: "smtp_to",
                    value: Some("c@example.com"),
                })
                .insert(Header::<&str> {
                    key: "empty",
                    value: None,
                });
            let record = BaseRecord::<str, str>::to("mail")
                .partition(i32::try_from(at % 2).unwrap())
                .payload(value)
                .headers(headers);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(BROKER_WAIT).unwrap();
    }

    fn read_json(plan: &Plan) -> Vec<Value> {
        let mut out = Vec::new();
        let records = {
            let mut output = Output::stream(format::json, &mut out);
            read(plan, &mut output).unwrap()
        };
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len() as u64, records);
        lines
    }

    fn bodies(lines: &[Value]) -> Vec<&str> {
        let mut bodies: Vec<&str> = lines
            .iter()
            .map(|line| line["message_base64"].as_str().unwrap())
            .collect();
        bodies.sort_unstable();
        bodies
    }

    #[test]
    fn reads_every_partition_to_its_end() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mail", 3, 1).unwrap();
        let plan = plan(cluster.bootstrap_servers());
        assert!(read_json(&plan).is_empty());
        produce(&plan.brokers, &["one", "two", "three"]);
        let lines = read_json(&plan);
        assert_eq!(bodies(&lines), ["b25l", "dGhyZWU=", "dHdv"]);
        for line in &lines {
            assert_eq!(line["topic"], "mail");
            assert_eq!(line["mail_from"], "a@example.net");
            assert_eq!(
                line["rcpt_to"],
                serde_json::json!(["b@example.com", "c@example.com"])
            );
            assert_eq!(line["headers"]["empty"], "");
            assert!(line["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
        }
        let counted = Plan {
            count: Some(2),
            until_end: false,
            ..plan.clone()
        };
        assert_eq!(read_json(&counted).len(), 2);
        let from_end = Plan {
            from_beginning: false,
            ..plan
        };
        assert!(read_json(&from_end).is_empty());
    }

    #[test]
    fn a_group_goes_on_where_it_committed() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mail", 2, 1).unwrap();
        let mut plan = plan(cluster.bootstrap_servers());
        plan.group = Some("readers".into());
        // With the default session of 45 s the mock broker lets the next member in late: this test then takes 94 s.
        plan.properties = vec![
            ("session.timeout.ms".into(), "6000".into()),
            ("heartbeat.interval.ms".into(), "500".into()),
        ];
        produce(&plan.brokers, &["one", "two", "three"]);
        plan.count = Some(2);
        let first = read_json(&plan);
        plan.count = None;
        let second = read_json(&plan);
        assert_eq!((first.len(), second.len()), (2, 1));
        let all: Vec<Value> = first.into_iter().chain(second).collect();
        assert_eq!(bodies(&all), ["b25l", "dGhyZWU=", "dHdv"]);
        assert!(read_json(&plan).is_empty());
    }

    /// An output that takes nothing.
    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _octets: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_committed_when_the_output_fails() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mail", 2, 1).unwrap();
        let mut plan = plan(cluster.bootstrap_servers());
        plan.group = Some("readers".into());
        plan.properties = vec![
            ("session.timeout.ms".into(), "6000".into()),
            ("heartbeat.interval.ms".into(), "500".into()),
        ];
        produce(&plan.brokers, &["one", "two"]);
        let failed = read(&plan, &mut Output::stream(format::json, Full));
        assert!(matches!(failed, Err(Failure::Output(_))), "{failed:?}");
        assert_eq!(read_json(&plan).len(), 2);
    }

    #[test]
    fn a_missing_topic_and_a_missing_broker_are_told_apart() {
        let cluster = MockCluster::new(1).unwrap();
        let mut plan = plan(cluster.bootstrap_servers());
        let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
        let Err(Failure::Kafka(text)) = failure else {
            panic!("{failure:?}")
        };
        assert!(text.contains("\"mail\" does not exist"), "{text}");

        // Bound and not listening: nobody else can take the port, and it refuses connections.
        let held =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        held.bind(&any.into()).unwrap();
        let port = held.local_addr().unwrap().as_socket().unwrap().port();
        plan.brokers = format!("127.0.0.1:{port}");
        plan.broker_wait = Duration::from_secs(2);
        let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
        let Err(Failure::Kafka(text)) = failure else {
            panic!("{failure:?}")
        };
        assert!(
            text.contains(&plan.brokers) && text.contains("refused"),
            "{text}"
        );
    }

    #[test]
    fn a_property_that_librdkafka_refuses_is_wrong_usage() {
        let mut plan = plan("127.0.0.1:1".into());
        plan.properties = vec![("no.such.property".into(), "1".into())];
        let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
        let Err(Failure::Property(text)) = failure else {
            panic!("{failure:?}")
        };
        assert!(text.contains("no.such.property"), "{text}");
    }
}
