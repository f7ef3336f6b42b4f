//! Names added to the topic and removed from it, each confirmed by every in-sync replica.
//!
//! Owns: the order of writing and waiting. Must not know: where the changes come from.
//!
//! Invariant: what is counted as written was confirmed; after the first record that was not, no more are handed over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::place::{Heard, Place};
use super::trouble::{Failed, Trouble};
use crate::kafka::lock::lock;

/// Longest time of one look at the topic, and of all before the first record.
const LOOK_WAIT: Duration = Duration::from_secs(1);
const TOPIC_WAIT: Duration = Duration::from_secs(10);
/// If no broker can be reached by then, the wait ends.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Longest wait for reports before it is asked again whether to stop.
const POLL: Duration = Duration::from_millis(100);

/// A record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its key.
    pub key: Vec<u8>,
    /// Whether it names; without that it is a tombstone.
    pub named: bool,
}

/// What delivery reports say.
#[derive(Default)]
struct Reports {
    heard: Heard,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    stored: AtomicU64,
    failed: Mutex<Option<KafkaError>>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.heard.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.heard.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.counts.stored.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                lock(&self.counts.failed).get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// Writes all changes and waits until each is confirmed.
///
/// # Errors
/// What keeps them from being written, and how many were; or the command was stopped.
pub fn write(
    place: &Place,
    changes: impl Iterator<Item = Change>,
    stop: &dyn Fn() -> bool,
) -> Result<(), Failed> {
    let counts = Arc::new(Counts::default());
    let heard = Heard::default();
    let reports = Reports {
        heard: heard.clone(),
        counts: Arc::clone(&counts),
    };
    let producer = place.producer(reports, &heard)?;
    find(place, &producer, stop)?;
    let mut handed = 0;
    for change in changes {
        if stop() {
            return Err(Failed::Stopped);
        }
        hand_over(place, &producer, &change)?;
        handed += 1;
        if lock(&counts.failed).is_some() {
            break;
        }
    }
    while producer.in_flight_count() > 0 {
        if stop() {
            return Err(Failed::Stopped);
        }
        producer.poll(POLL);
    }
    let records = counts.stored.load(Ordering::Relaxed);
    match lock(&counts.failed).take() {
        None => {
            assert_eq!(records, handed, "each record has its report");
            Ok(())
        }
        Some(error) => {
            let trouble = match error.rdkafka_error_code() {
                Some(Code::MessageTimedOut) => {
                    Trouble::Silent(producer.context().heard.0.reason(Code::MessageTimedOut))
                }
                _ => Trouble::of_write(&error),
            };
            let text = place.text(&trouble);
            Err(Failed::Trouble(format!(
                "{text}; {records} records were written"
            )))
        }
    }
}

/// Waits for the topic.
fn find(
    place: &Place,
    producer: &BaseProducer<Reports>,
    stop: &dyn Fn() -> bool,
) -> Result<(), Failed> {
    let began = Instant::now();
    loop {
        if stop() {
            return Err(Failed::Stopped);
        }
        let answer = producer
            .client()
            .fetch_metadata(Some(&place.topic), LOOK_WAIT);
        // Polls alone hand over what librdkafka knows of its connections.
        producer.poll(Duration::ZERO);
        let heard = &producer.context().heard;
        let trouble = match place.read(answer, heard) {
            Ok(info) if !info.partitions.is_empty() => return Ok(()),
            Ok(_) => Trouble::Odd("it has no partitions yet".to_owned()),
            Err(trouble) => trouble,
        };
        let waited = began.elapsed();
        let hopeless = waited >= PATIENCE && place.is_hopeless(heard);
        let settled = matches!(trouble, Trouble::Missing(_) | Trouble::Hidden);
        if settled || hopeless || waited >= TOPIC_WAIT {
            return Err(place.failed(&trouble));
        }
        producer.poll(POLL);
    }
}

fn hand_over(
    place: &Place,
    producer: &BaseProducer<Reports>,
    change: &Change,
) -> Result<(), Failed> {
    let mut record = BaseRecord::<[u8], [u8]>::to(&place.topic).key(&change.key);
    if change.named {
        record = record.payload(&[]);
    }
    loop {
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((error, back)) if error.rdkafka_error_code() == Some(Code::QueueFull) => {
                producer.poll(POLL);
                record = back;
            }
            Err((error, _)) => return Err(place.failed(&Trouble::of_write(&error))),
        }
    }
}
