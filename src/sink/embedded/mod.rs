//! The sink behind `kafka.brokers = "embedded"`: Kafka's own, on a broker inside this process.
//!
//! Owns: how the two are put together, and what such a broker can keep. Must not know: what a record is; the broker is
//! `broker`'s, records are `kafka`'s.
//!
//! Invariant: the broker outlives what is under way, and ends with the drain.
//!
//! BUGS: not storage; see `broker`.

pub mod broker;
mod error;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::broker::EmbeddedBroker;
use super::condition::Condition;
use super::kafka::settings::{self, Cluster};
use super::kafka::sink::{KafkaSink, Parts};
use super::kafka::spread::Spread;
use super::report::{Submission, Ticket};
use super::seam::{Configured, Description, Keeps, Setup, Sink, Started, Unready};
use crate::config::{self, TopicPlace, Topics};
use crate::failure::Failure;
use crate::kafka::lock::lock;
use crate::limits::{EMBEDDED_MESSAGE_OCTETS, EMBEDDED_PARTITIONS};
use crate::mail::record::Record;
use crate::smtp::refusal::Refusal;
use crate::verdict::{Line, Verdict};

/// `kafka.brokers = "embedded"`.
pub struct Embedded {
    /// `[kafka]`.
    pub kafka: config::Kafka,
    /// The topics that records go to.
    pub topics: Topics,
    /// The largest message in bytes that is wanted.
    pub message_size: u64,
    /// `recipients.topic`, which the broker has as well.
    pub recipients: Option<String>,
}

impl Configured for Embedded {
    fn keeps(&self) -> Keeps {
        Keeps::Memory
    }

    fn check(&self) -> Result<Vec<String>, Failure> {
        Ok(settings::check(&self.kafka, self.message_size)?)
    }

    fn examine(&self, _waiting: &dyn Fn(&str)) -> Vec<Line> {
        let memory =
            "kafka.brokers = \"embedded\": the broker in this process keeps mail in memory only";
        let mut lines = vec![
            (Verdict::Warning, "brokers", memory.to_owned()),
            (
                Verdict::Skipped,
                "topic",
                "the embedded broker creates it".to_owned(),
            ),
        ];
        lines.extend(in_sync(self.kafka.require_in_sync));
        lines.push(size(self.message_size));
        lines
    }

    fn start(&self, setup: Setup) -> Result<Started, Failure> {
        let message_size = self.message_size.min(EMBEDDED_MESSAGE_OCTETS as u64);
        let partitions = i32::try_from(EMBEDDED_PARTITIONS).expect("partitions are few");
        let mut broker = EmbeddedBroker::start(&self.topics, partitions)?;
        if let Some(recipients) = self.recipients.clone() {
            broker.add_topic(recipients)?;
        }
        let spread = self.topics.iter();
        let spread = spread.map(|_| Arc::new(Spread::over(EMBEDDED_PARTITIONS)));
        let spread: Vec<Arc<Spread>> = spread.collect();
        broker.watch(spread.clone())?;
        let cluster = Cluster {
            brokers: broker.bootstrap(),
            kafka: config::Kafka {
                // It is away with its process alone.
                fail_fast_after: Duration::ZERO,
                ..self.kafka.clone()
            },
            topics: self.topics.clone(),
        };
        let parts = Parts {
            spread: Some(spread),
            ..Parts::new(message_size, setup)
        };
        let (kafka, reports) = KafkaSink::start(&cluster, parts)?;
        let sink = EmbeddedSink {
            description: Description {
                keeps: Keeps::Memory,
                ..kafka.describe()
            },
            kafka,
            broker: Mutex::new(Some(broker)),
        };
        Ok(Started {
            sink: Arc::new(sink),
            reports,
        })
    }
}

/// See the module.
struct EmbeddedSink {
    kafka: KafkaSink,
    description: Description,
    /// Gone after the drain: its end counts what it has dropped.
    broker: Mutex<Option<EmbeddedBroker>>,
}

impl Sink for EmbeddedSink {
    fn submit(&self, topic: TopicPlace, ticket: Ticket, record: Box<Record>) -> Submission {
        self.kafka.submit(topic, ticket, record)
    }

    fn closed(&self, topic: TopicPlace) -> Option<Refusal> {
        self.kafka.closed(topic)
    }

    fn ready(&self) -> Result<(), Unready> {
        self.kafka.ready()
    }

    fn condition(&self) -> Condition {
        self.kafka.condition()
    }

    fn drain(&self, within: Duration) {
        self.kafka.drain(within);
        drop(lock(&self.broker).take());
    }

    fn describe(&self) -> Description {
        self.description.clone()
    }
}

/// That one broker in memory has no replicas, where some are required.
fn in_sync(required: usize) -> Option<Line> {
    let text = format!(
        "kafka.require_in_sync = {required}, but the embedded broker keeps one copy, so that all mail gets 451; set \
         kafka.brokers to a cluster"
    );
    (required > 1).then_some((Verdict::Failed, "in_sync", text))
}

/// Whether the broker keeps the largest message that is wanted.
fn size(wanted: u64) -> Line {
    let most = EMBEDDED_MESSAGE_OCTETS as u64;
    if wanted <= most {
        let text = format!("the embedded broker keeps a message of limits.message_size = {wanted}");
        return (Verdict::Ok, "size", text);
    }
    let text = format!(
        "limits.message_size = {wanted} is more than the embedded broker can keep: SIZE will be {most}; a Kafka takes more"
    );
    (Verdict::Warning, "size", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_that_the_broker_can_keep_is_said() {
        let most = EMBEDDED_MESSAGE_OCTETS as u64;
        assert_eq!(size(most).0, Verdict::Ok);
        let line = size(most + 1);
        assert_eq!(line.0, Verdict::Warning);
        assert!(line.2.contains(&format!("SIZE will be {most}")), "{line:?}");
    }
}
