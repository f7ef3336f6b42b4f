//! The client of the cluster: made from a plan, it finds the topic, and its errors become an operator's text.
//!
//! Owns: the client's settings, what librdkafka reports beside records, how long brokers have to answer. Must not know: where
//! reading stands, nor the output.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long brokers have to answer before it is an error.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// One try of a request, short enough that librdkafka's reasons are collected in between.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Pause before a request that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

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
    /// The brokers have answered once.
    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// How often partitions were given or taken.
    pub(super) fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Relaxed)
    }

    /// Whether partitions were given at least once.
    pub(super) fn assigned_once(&self) -> bool {
        self.assigned_once.load(Ordering::Relaxed)
    }

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

/// A consumer as the plan has it; nothing is asked of the brokers yet.
pub(super) fn create(plan: &Plan) -> Result<BaseConsumer<Reports>, Failure> {
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
pub(super) fn find_topic(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
) -> Result<Vec<i32>, Failure> {
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

/// The low and the high watermark of a partition, asked for until the brokers have had their time.
pub(super) fn watermarks(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
) -> Result<(i64, i64), Failure> {
    let deadline = Instant::now() + plan.broker_wait;
    loop {
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
