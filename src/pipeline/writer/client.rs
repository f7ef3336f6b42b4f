//! librdkafka's producer, as a writer of single records needs it.
//!
//! Owns: its settings, the thread that polls it. Must not know: what is written, what is tried again.
//!
//! Invariant: each record that librdkafka takes has one report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use tokio::sync::oneshot;

use super::error::WriteError;
use super::place::Place;
use crate::consume::stop::Stop;
use crate::kafka::oauth::keeper::Kept;
use crate::kafka::properties::{Refused, tokens, usable};
use crate::kafka::reach::Said;
use crate::kafka::search::{self, Answer, Caller, Ended, Search, SoFar};
use crate::kafka::topic::NoTopic;
use crate::kafka::way::Way;

/// The longest poll of the thread, and so of its end.
const POLL: Duration = Duration::from_millis(100);
/// One try of the search for the topic, and when it ends if all brokers are known to be unreachable.
const TRY_WAIT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(1_500);
/// librdkafka's own bound: the topic decides what is too large.
const MESSAGE_MAX: &str = "1000000000";

/// What becomes of a record goes here.
pub(super) type Report = Box<oneshot::Sender<Result<(), Code>>>;

/// What librdkafka reports.
#[derive(Default)]
struct Reports(Arc<Said>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if let Some(code) = error.rdkafka_error_code() {
            self.0.note(code, reason);
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Report;

    fn delivery(&self, result: &DeliveryResult<'_>, report: Report) {
        let outcome = match result {
            Ok(_) => {
                self.0.forget();
                Ok(())
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(Code::Fail)),
        };
        // A caller that gave up does not ask.
        let _ = report.send(outcome);
    }
}

/// The producer, and the thread that polls it once there is one.
pub(super) struct Client {
    producer: Arc<Kept<BaseProducer<Reports>>>,
    said: Arc<Said>,
    stop: Arc<AtomicBool>,
    thread: std::sync::OnceLock<JoinHandle<()>>,
}

impl search::Client for BaseProducer<Reports> {
    fn metadata(&self, topic: &str, timeout: Duration) -> Result<Metadata, KafkaError> {
        self.client().fetch_metadata(Some(topic), timeout)
    }

    fn listen(&self, within: Duration) {
        self.poll(within);
    }
}

impl Client {
    /// With the properties of the operator; nothing is asked of the brokers yet.
    pub(super) fn new(place: &Place) -> Result<Self, WriteError> {
        let mut settings = ClientConfig::new();
        settings
            .set("client.id", "ringpost")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("linger.ms", "5")
            // A key goes to the partition in which Java's clients put it.
            .set("partitioner", "murmur2_random")
            .set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in place.properties.pairs() {
            settings.set(name, value);
        }
        settings
            .set("bootstrap.servers", &place.brokers)
            .set("acks", "all")
            .set("message.max.bytes", MESSAGE_MAX)
            .set("delivery.timeout.ms", "30000")
            .set("allow.auto.create.topics", "false");
        usable(|name| place.properties.get(name))?;
        let (settings, tokens) = tokens(&settings)?;
        let said = Arc::new(Said::default());
        let producer: BaseProducer<Reports> = settings
            .create_with_context(Reports(Arc::clone(&said)))
            .map_err(|error| Refused::new(error, place.properties.pairs()))?;
        let heard = Arc::clone(&said);
        let told = move |why: Option<&str>| heard.note_token(why);
        let producer = Kept::new(producer, tokens, told).map_err(WriteError::Thread)?;
        Ok(Self {
            producer: Arc::new(producer),
            said,
            stop: Arc::default(),
            thread: std::sync::OnceLock::new(),
        })
    }

    /// Waits for the topic.
    pub(super) fn find(
        &self,
        place: &Place,
        wait: Duration,
        stop: &Stop,
    ) -> Result<(), WriteError> {
        let way = Way::of(|name| place.properties.get(name));
        let search = Search {
            brokers: &place.brokers,
            way: &way,
            topic: &place.topic,
            limit: wait,
            longest_try: TRY_WAIT,
            hopeless_after: PATIENCE.min(wait),
        };
        let settles = |answer: &Answer| match answer {
            Ok(info) => !info.partitions.is_empty(),
            Err(NoTopic::Missing(_) | NoTopic::Hidden | NoTopic::Unnameable) => true,
            Err(NoTopic::Unnamed(_) | NoTopic::Odd(_)) => false,
        };
        let caller = Caller {
            settles: &settles,
            stop: &|| stop.asked(),
            waiting: &mut |_: SoFar<'_>| {},
        };
        match search.run(&**self.producer, &self.said, caller) {
            Ended::Stopped(_) => Err(WriteError::Stopped),
            Ended::Answered(Ok(info)) if !info.partitions.is_empty() => Ok(()),
            Ended::Answered(answer) => Err(WriteError::no_topic(place, &answer)),
            Ended::Silent { reason, .. } => Err(WriteError::Silent {
                brokers: place.brokers.clone(),
                reason,
            }),
        }
    }

    /// From now on reports come without a call.
    pub(super) fn poll_by_itself(&self) -> Result<(), WriteError> {
        let (producer, stop) = (Arc::clone(&self.producer), Arc::clone(&self.stop));
        let body = move || {
            while !stop.load(Ordering::Relaxed) {
                producer.poll(POLL);
            }
        };
        let thread = std::thread::Builder::new().name("kafka-write".to_owned());
        let thread = thread.spawn(body).map_err(WriteError::Thread)?;
        let first = self.thread.set(thread);
        assert!(first.is_ok(), "the thread is started once");
        Ok(())
    }

    /// Gives librdkafka a record, of which it makes a copy.
    pub(super) fn send(&self, record: BaseRecord<'_, [u8], [u8], Report>) -> Result<(), Code> {
        let sent = self.producer.send(record);
        sent.map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Fail))
    }

    /// What is known of the way to the brokers.
    pub(super) fn reason(&self, code: Code) -> String {
        self.said.reason(code)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _: Result<(), _> = thread.join();
        }
    }
}
