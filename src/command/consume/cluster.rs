//! The client of the cluster: made from a plan, it finds the topic, and its errors become an operator's text.
//!
//! Owns: the client's settings, what librdkafka reports beside records, how long brokers have to answer. Must not know: where
//! reading stands, nor the output.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr as RespErr;

use super::reader::membership::{Change, Changes};
use super::say;
use super::stop::Stop;

/// How long brokers have to answer before it is an error.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// One try of a request, short enough that librdkafka's reasons are collected in between.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Pause before a request that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that leaves listens for the group's last words.
const LEAVE_WAIT: Duration = Duration::from_millis(20);
/// The longest time of that, should it never fall silent.
const LEAVE_LONGEST: Duration = Duration::from_secs(5);
/// How long a broker has to take a connection, when it is asked why none answers.
const PROBE_WAIT: Duration = Duration::from_millis(300);

/// How long the group keeps the partitions of a member that was killed. librdkafka's own 45 s are a long silence for
/// whoever starts again; heartbeats come from a thread of their own, so that a slow disk does not end a session.
const SESSION_TIMEOUT_MS: &str = "10000";

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
    /// Stop after so many mails.
    pub count: Option<u64>,
    /// More librdkafka properties.
    pub properties: Properties,
    /// How long brokers have to answer: `BROKER_WAIT`, less in tests.
    pub broker_wait: Duration,
    /// Asks to stop before the end.
    pub stop: Stop,
}

/// librdkafka properties by name; a debug print has the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(String, String)>);

impl std::fmt::Debug for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Properties {
    fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter().rev();
        given
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The text without any value of these: librdkafka repeats what it refuses, whole or an item of it in quotes, and that
    /// may be a password.
    fn hidden_in(&self, text: &str) -> String {
        const SHORTEST: usize = 4;
        let values = || self.0.iter().map(|(_, value)| value.as_str());
        let mut hidden = text.to_owned();
        for value in values().filter(|value| value.len() >= SHORTEST) {
            hidden = hidden.replace(value, "…");
        }
        let quoted = |(at, part): (usize, &str)| {
            let of_a_value = at % 2 == 1 && values().any(|value| value.contains(part));
            if of_a_value {
                "…".to_owned()
            } else {
                part.to_owned()
            }
        };
        let parts: Vec<String> = hidden.split('"').enumerate().map(quoted).collect();
        parts.join("\"")
    }
}

impl Plan {
    /// Whether `session.timeout.ms` is the client's to set; in the newer protocol the broker says it.
    fn has_session_timeout(&self) -> bool {
        self.properties.get("group.protocol") != Some("consumer")
    }

    /// After how long the group gives a killed member up, as the end of a sentence.
    pub(super) fn session(&self) -> String {
        if !self.has_session_timeout() {
            return String::new();
        }
        let given = self.properties.get("session.timeout.ms");
        let milliseconds = given.unwrap_or(SESSION_TIMEOUT_MS).parse::<u64>();
        milliseconds.map_or_else(
            |_| String::new(),
            |milliseconds| {
                format!(
                    ", {} s after its last heartbeat",
                    milliseconds.div_ceil(1000)
                )
            },
        )
    }
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
    /// A signal, before there was anything to stop.
    Stopped,
}

/// What librdkafka reports beside the records: its last reason, and that partitions were given or taken.
#[derive(Default)]
pub struct Reports {
    reason: Mutex<Option<String>>,
    connected: AtomicBool,
    changes: Mutex<Changes>,
    closing: AtomicBool,
}

impl Reports {
    /// The brokers have answered once.
    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// The next change that the loop has not answered.
    pub(super) fn take_change(&self) -> Option<Change> {
        locked(&self.changes).pop_front()
    }

    /// Whether there is one.
    pub(super) fn has_change(&self) -> bool {
        !locked(&self.changes).is_empty()
    }

    fn reason(&self) -> Option<String> {
        locked(&self.reason).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // Until the brokers have answered once, an error is the reason of a failure and told there, once.
        if level as i32 <= RDKafkaLogLevel::Error as i32 && self.connected.load(Ordering::Relaxed) {
            say(&format!("librdkafka: {message}"));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // "1/1 brokers are down" says less than the reason before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *locked(&self.reason) = Some(reason.to_owned());
        }
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
        locked(&self.changes).push_back(change);
    }
}

/// Answers that partitions were given: they are read from the offsets that stand with them.
pub(super) fn take_over(
    consumer: &BaseConsumer<Reports>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Answers that partitions were taken.
pub(super) fn give_up(
    consumer: &BaseConsumer<Reports>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}

/// The same while the group is left, whether they were taken or are given this moment.
fn give_up_whatever(
    consumer: &BaseConsumer<Reports>,
    given: bool,
    partitions: &TopicPartitionList,
) {
    // Nobody is left who could be told of an error. A cooperative client is given partitions before they can be taken.
    let _ = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative if given => consumer.incremental_assign(partitions),
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    };
}

/// Leaves the group, and answers whatever it says meanwhile. The client that is dropped then has nothing left to answer:
/// while it is being closed, librdkafka (2.12) can drop an answer, and whoever gave it waits for ever.
pub(super) fn leave(consumer: &BaseConsumer<Reports>, plan: &Plan) {
    let reports = consumer.context();
    if plan.group.is_some() {
        consumer.unsubscribe();
        let (mut quiet, deadline) = (0, Instant::now() + LEAVE_LONGEST);
        while quiet < 3 && Instant::now() < deadline {
            quiet += 1;
            while let Some(change) = reports.take_change() {
                quiet = 0;
                match change {
                    Change::Given(partitions) => give_up_whatever(consumer, true, &partitions),
                    Change::Taken(partitions) => give_up_whatever(consumer, false, &partitions),
                }
            }
            // A record that was fetched already is dropped: it is not committed.
            if consumer.poll(LEAVE_WAIT).is_some() {
                quiet = 0;
            }
        }
    }
    reports.closing.store(true, Ordering::Relaxed);
}

/// A consumer as the plan has it; nothing is asked of the brokers yet.
pub(super) fn create(plan: &Plan) -> Result<BaseConsumer<Reports>, Failure> {
    let mut config = ClientConfig::new();
    if plan.has_session_timeout() {
        config.set("session.timeout.ms", SESSION_TIMEOUT_MS);
    }
    for (name, value) in &plan.properties.0 {
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
        // Brokers may make a topic for whoever asks for it; whoever misspells one is to be told.
        .set("allow.auto.create.topics", "false")
        // Where reading begins is always said; this is for a partition that was cut while it was read: none is skipped.
        .set("auto.offset.reset", "earliest")
        .set_log_level(RDKafkaLogLevel::Error);
    config
        .create_with_context(Reports::default())
        .map_err(|error| match error {
            KafkaError::ClientConfig(_, reason, name, _) => Failure::Property(format!(
                "property {name:?} (--property, [kafka.properties] or RINGPOST_KAFKA_PROPERTIES): {}",
                plan.properties.hidden_in(&reason)
            )),
            KafkaError::ClientCreation(reason) => Failure::Property(format!(
                "librdkafka refuses the properties: {}",
                plan.properties.hidden_in(&reason)
            )),
            other => Failure::Kafka(format!("cannot create the Kafka consumer: {other}")),
        })
}

/// The partitions of the topic, once the brokers answer.
pub(super) fn find_topic(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
) -> Result<Vec<i32>, Failure> {
    let deadline = Instant::now() + plan.broker_wait;
    let topic = &plan.topic;
    let mut said = false;
    loop {
        if plan.stop.asked().is_some() {
            return Err(Failure::Stopped);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = consumer.fetch_metadata(Some(topic), TRY_WAIT.min(left));
        let (answered, error) = match answer {
            Ok(metadata) => match partitions_of(&metadata, plan)? {
                Ok(partitions) => return Ok(partitions),
                Err(not_yet) => (true, not_yet),
            },
            Err(error) => (false, error.to_string()),
        };
        // Only polls hand over what librdkafka knows about the connection, an event each.
        for _ in 0..REASON_POLLS {
            let _ = consumer.poll(Duration::ZERO);
        }
        if Instant::now() >= deadline {
            let reason = awaited_reason(consumer).unwrap_or_else(|| probed(plan, answered, error));
            return Err(unreachable_brokers(plan, &reason));
        }
        if !std::mem::replace(&mut said, true) {
            let reason = consumer.context().reason();
            say(&format!(
                "brokers {} have not answered yet; waiting up to {} s: {}",
                plan.brokers,
                plan.broker_wait.as_secs(),
                reason.unwrap_or_else(|| probed(plan, answered, error))
            ));
        }
        if answered {
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}

/// The partitions of the topic; or why they are not known yet; or why they will never be.
fn partitions_of(metadata: &Metadata, plan: &Plan) -> Result<Result<Vec<i32>, String>, Failure> {
    use RDKafkaErrorCode as Code;
    let topic = &plan.topic;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Err("the brokers' answer does not name the topic".to_owned()));
    };
    match found.error().map(Code::from) {
        None if !found.partitions().is_empty() => {
            Ok(Ok(found.partitions().iter().map(|one| one.id()).collect()))
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Err(Failure::Kafka(format!(
            "topic {topic:?} does not exist on brokers {}: create it, or name another with --topic",
            plan.brokers
        ))),
        Some(code @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => {
            Err(unavailable(plan, &code.to_string()))
        }
        // A topic that was made this moment has no leaders yet.
        Some(code) => Ok(Err(format!("topic {topic:?}: {code}"))),
        None => Ok(Err(format!("topic {topic:?} has no partitions yet"))),
    }
}

/// Why no broker answers, where librdkafka has not said it: some are connected to, once.
fn probed(plan: &Plan, answered: bool, error: String) -> String {
    const PROBED: usize = 3;
    if answered {
        return error;
    }
    let brokers = plan.brokers.split(',').map(str::trim).take(PROBED);
    let reasons: Vec<String> = brokers
        .map(|broker| format!("{broker}: {}", probe(broker)))
        .collect();
    reasons.join("; ")
}

fn probe(broker: &str) -> String {
    let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
    let with_port = match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:9092"),
    };
    let found = match with_port.to_socket_addrs() {
        Ok(found) => found,
        Err(error) => return format!("the name does not resolve ({error})"),
    };
    let mut reason = "the name has no address".to_owned();
    for address in found {
        match TcpStream::connect_timeout(&address, PROBE_WAIT) {
            Ok(_) => {
                return "takes connections and does not answer as Kafka does (another service, a broker that hangs, or \
                        security.protocol does not fit its listener)"
                    .to_owned();
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                reason = "no answer to a connection (the machine is down, or a firewall drops it)"
                    .to_owned();
            }
            Err(error) => reason = error.to_string(),
        }
    }
    reason
}

/// The low and the high watermark of a partition, asked for until the brokers have had their time.
pub(super) fn watermarks(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
) -> Result<(i64, i64), Failure> {
    let deadline = Instant::now() + plan.broker_wait;
    loop {
        if plan.stop.asked().is_some() {
            return Err(Failure::Stopped);
        }
        let tried = Instant::now();
        match consumer.fetch_watermarks(&plan.topic, partition, TRY_WAIT) {
            Ok(watermarks) => return Ok(watermarks),
            Err(error) if tried + TRY_WAIT >= deadline => {
                return Err(unreachable_brokers(plan, &error.to_string()));
            }
            // Some errors come back at once; asking again without a pause would only load the broker.
            Err(_) => std::thread::sleep(RETRY_PAUSE),
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

/// A failure that has the topic in it.
pub(super) fn unavailable(plan: &Plan, reason: &str) -> Failure {
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
