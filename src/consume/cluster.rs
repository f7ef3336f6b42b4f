//! The client of the cluster: made from a plan, it finds the topic, and its errors become an operator's text.
//!
//! Owns: the client's settings, what librdkafka reports beside records, how long brokers have to answer. Must not know: where
//! reading stands, nor the output.

use std::io;
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
use super::stop::Stop;
use crate::command::consume::say;
use crate::kafka::name::named;
use crate::kafka::properties::{Refused, readable};
use crate::kafka::reach::{self, Said};

/// How long brokers have to answer before it is an error.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// What a client is called that reads without a group.
const NO_GROUP: &str = "ringpost-consume";

/// One try of a request, short enough that librdkafka's reasons are collected in between.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Pause before a request that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that leaves listens for the group's last words.
const LEAVE_WAIT: Duration = Duration::from_millis(20);
/// The longest time of that, should it never fall silent.
const LEAVE_LONGEST: Duration = Duration::from_secs(5);
/// The first try; later ones take longer.
const FIRST_TRY: Duration = Duration::from_millis(250);
/// What librdkafka has not said by then of its connections is looked for.
const PROBE_AFTER: Duration = Duration::from_millis(700);
/// A wait that is longer is worth a word; brokers that are all known to be out of reach by then are given up.
const PATIENCE: Duration = Duration::from_millis(1_500);

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

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
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

/// What librdkafka reports beside the records: what it says of its connections, and that partitions were given or taken.
#[derive(Default)]
pub struct Reports {
    said: Said,
    connected: AtomicBool,
    changes: Mutex<Changes>,
    closing: AtomicBool,
}

impl Reports {
    /// The brokers have answered once.
    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
        self.said.forget();
    }

    /// The next change that the loop has not answered.
    pub(super) fn take_change(&self) -> Option<Change> {
        locked(&self.changes).pop_front()
    }

    /// Whether there is one.
    pub(super) fn has_change(&self) -> bool {
        !locked(&self.changes).is_empty()
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
        if let Some(code) = error.rdkafka_error_code() {
            self.said.note(code, reason);
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
        .set("group.id", plan.group.as_deref().unwrap_or(NO_GROUP))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // Brokers may make a topic for whoever asks for it; whoever misspells one is to be told.
        .set("allow.auto.create.topics", "false")
        // Where reading begins is always said; this is for a partition that was cut while it was read: none is skipped.
        .set("auto.offset.reset", "earliest")
        .set_log_level(RDKafkaLogLevel::Error);
    readable(|name| plan.properties.get(name)).map_err(refused)?;
    config
        .create_with_context(Reports::default())
        .map_err(|error| refused(Refused::new(error, plan.properties.pairs())))
}

fn refused(refused: Refused) -> Failure {
    let wrong = |name: &str, why: &str| {
        Failure::Property(format!(
            "property {name:?} (--property, [kafka.properties] or RINGPOST_KAFKA_PROPERTIES): {why}"
        ))
    };
    match &refused {
        Refused::Unreadable { key, .. } => wrong(key, &refused.why()),
        Refused::OfJava { key, instead } => wrong(key, instead),
        Refused::One { key, reason } => wrong(key, reason),
        Refused::Together { reason, .. } => {
            Failure::Property(format!("librdkafka refuses the properties: {reason}"))
        }
        Refused::NotStarted(error) => {
            Failure::Kafka(format!("cannot create the Kafka consumer: {error}"))
        }
    }
}

/// The partitions of the topic, once the brokers answer.
pub(super) fn find_topic(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
) -> Result<Vec<i32>, Failure> {
    let began = Instant::now();
    let topic = &plan.topic;
    let said = &consumer.context().said;
    let (mut told, mut probed, mut tried) = (false, false, FIRST_TRY);
    loop {
        if plan.stop.asked().is_some() {
            return Err(Failure::Stopped);
        }
        let left = plan.broker_wait.saturating_sub(began.elapsed());
        let answer = consumer.fetch_metadata(Some(topic), tried.min(left));
        let not_yet = match &answer {
            Ok(metadata) => match partitions_of(metadata, plan)? {
                Ok(partitions) => return Ok(partitions),
                Err(not_yet) => Some(not_yet),
            },
            Err(_) => None,
        };
        // Only polls hand over what librdkafka knows about the connection, an event each.
        for _ in 0..REASON_POLLS {
            let _ = consumer.poll(Duration::ZERO);
        }
        let waited = began.elapsed();
        if not_yet.is_none() && waited >= PROBE_AFTER && !std::mem::replace(&mut probed, true) {
            let protocol = plan.properties.get("security.protocol");
            said.probe(&plan.brokers, reach::in_clear(protocol));
        }
        let hopeless = not_yet.is_none() && said.hopeless(&plan.brokers);
        let reason = || {
            not_yet
                .clone()
                .unwrap_or_else(|| said.reason(code_of(answer.as_ref().err())))
        };
        if hopeless && waited >= PATIENCE.min(plan.broker_wait) {
            return Err(Failure::Kafka(format!(
                "brokers {}: {}",
                plan.brokers,
                reason()
            )));
        }
        if waited >= plan.broker_wait {
            return Err(unreachable_brokers(plan, &reason()));
        }
        if waited >= PATIENCE && !std::mem::replace(&mut told, true) {
            say(&format!(
                "brokers {} have not answered yet; waiting up to {} s: {}",
                plan.brokers,
                plan.broker_wait.as_secs(),
                reason()
            ));
        }
        tried = (tried * 2).min(TRY_WAIT);
        if not_yet.is_some() || hopeless {
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}

fn code_of(error: Option<&KafkaError>) -> RDKafkaErrorCode {
    error
        .and_then(KafkaError::rdkafka_error_code)
        .unwrap_or(RDKafkaErrorCode::Fail)
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
        Some(Code::TopicAuthorizationFailed) => Err(unavailable(plan, &topic_denied(plan))),
        Some(Code::InvalidTopic) => Err(unavailable(plan, &named(Code::InvalidTopic))),
        // A topic that was made this moment has no leaders yet.
        Some(code) => Ok(Err(format!("topic {topic:?}: {}", named(code)))),
        None => Ok(Err(format!("topic {topic:?} has no partitions yet"))),
    }
}

/// Whether the topic is there, as far as the brokers say at once.
pub(super) fn exists(consumer: &BaseConsumer<Reports>, plan: &Plan) -> Option<bool> {
    let metadata = consumer.fetch_metadata(Some(&plan.topic), TRY_WAIT).ok()?;
    let topics = metadata.topics();
    let found = topics.iter().find(|found| found.name() == plan.topic)?;
    Some(!matches!(
        found.error().map(RDKafkaErrorCode::from),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    ))
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
            Err(error) if is_denied(&error) => return Err(failed(plan, &error)),
            Err(error) if tried + TRY_WAIT >= deadline => {
                return Err(unreachable_brokers(
                    plan,
                    &consumer.context().said.reason(code_of(Some(&error))),
                ));
            }
            // Some errors come back at once; asking again without a pause would only load the broker.
            Err(_) => std::thread::sleep(RETRY_PAUSE),
        }
    }
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

/// What a request's error means for an operator.
pub(super) fn failed(plan: &Plan, error: &KafkaError) -> Failure {
    use RDKafkaErrorCode as Code;
    let reason = match error.rdkafka_error_code() {
        Some(Code::GroupAuthorizationFailed) => group_denied(plan),
        Some(Code::TopicAuthorizationFailed) => topic_denied(plan),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            "it does not exist any more (UNKNOWN_TOPIC_OR_PARTITION): it was deleted".to_owned()
        }
        Some(code) => named(code),
        None => error.to_string(),
    };
    unavailable(plan, &reason)
}

/// Whether a right is missing, so that asking again is of no use.
pub(super) fn is_denied(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed)
    )
}

fn topic_denied(plan: &Plan) -> String {
    let topic = &plan.topic;
    format!(
        "not authorized (TOPIC_AUTHORIZATION_FAILED): the operation Read on the topic is missing; {}",
        grant(plan, &format!("--topic {topic}"))
    )
}

fn group_denied(plan: &Plan) -> String {
    let group = plan.group.as_deref().unwrap_or(NO_GROUP);
    format!(
        "group {group:?}: not authorized (GROUP_AUTHORIZATION_FAILED): the operation Read on the group is missing; {}",
        grant(plan, &format!("--group {group}"))
    )
}

fn grant(plan: &Plan, resource: &str) -> String {
    format!(
        "grant it with `kafka-acls.sh --bootstrap-server {} --add --allow-principal User:NAME --operation Read {resource}` \
         (NAME is consume's at the brokers)",
        plan.brokers
    )
}

fn unreachable_brokers(plan: &Plan, reason: &str) -> Failure {
    Failure::Kafka(format!(
        "brokers {} gave no usable answer within {} s: {reason}",
        plan.brokers,
        plan.broker_wait.as_secs()
    ))
}
