//! The topic, as librdkafka sees it: its partitions, and where each of them ends.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::error::VerifyError;
use crate::options::Options;
use crate::signals;

/// How long a request to the brokers may take.
const REQUEST: Duration = Duration::from_secs(20);
/// One try of the first request; a signal is noticed after it.
const LOOK_UP: Duration = Duration::from_secs(1);
/// How long a poll waits for a record.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// The topic, with a consumer of all its partitions.
pub(super) struct Topic {
    /// Reads from where the partitions ended.
    pub consumer: BaseConsumer,
    name: String,
    brokers: String,
    properties: Vec<String>,
    run: String,
}

impl Topic {
    /// Finds where all partitions end, and assigns them from there on; returns these ends.
    pub(super) fn open(options: &Options, run: &str) -> Result<(Topic, Vec<i64>), VerifyError> {
        let (brokers, name) = (
            options.brokers.clone().unwrap_or_default(),
            options.topic.clone().unwrap_or_default(),
        );
        let consumer = consumer(&brokers, &options.kafka, run)?;
        let failed = |source: KafkaError| VerifyError::Brokers {
            topic: name.clone(),
            brokers: brokers.clone(),
            source: source.into(),
        };
        let metadata = look_up(&consumer, &name, &brokers, options.quiet)?.map_err(failed)?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            let topic = name;
            return Err(VerifyError::NoTopic { topic, brokers });
        }
        let ends = ends(&consumer, &name, partitions).map_err(failed)?;
        assign(&consumer, &name, &ends).map_err(failed)?;
        let topic = Topic {
            consumer,
            name,
            brokers,
            properties: options.kafka.clone(),
            run: run.to_owned(),
        };
        Ok((topic, ends))
    }

    /// Makes the consumer again, which reads all partitions from these offsets on. What the old one had fetched is fetched again.
    pub(super) fn renew(&mut self, positions: &[i64]) -> Result<(), VerifyError> {
        let consumer = consumer(&self.brokers, &self.properties, &self.run)?;
        assign(&consumer, &self.name, positions).map_err(|source| VerifyError::Brokers {
            topic: self.name.clone(),
            brokers: self.brokers.clone(),
            source: source.into(),
        })?;
        self.consumer = consumer;
        Ok(())
    }

    /// Where the first partitions end, asked until that time at most.
    pub(super) fn ends(&self, partitions: usize, until: Instant) -> KafkaResult<Vec<i64>> {
        (0..partitions)
            .map(|partition| self.end(partition, until))
            .collect()
    }

    /// Where a partition ends, asked until that time at most.
    pub(super) fn end(&self, partition: usize, until: Instant) -> KafkaResult<i64> {
        let partition = partition as i32;
        let ends = self
            .consumer
            .fetch_watermarks(&self.name, partition, left(until))?;
        Ok(ends.1)
    }
}

/// Where all partitions end.
fn ends(consumer: &BaseConsumer, topic: &str, partitions: usize) -> KafkaResult<Vec<i64>> {
    let partitions = 0..partitions as i32;
    partitions
        .map(|partition| Ok(consumer.fetch_watermarks(topic, partition, REQUEST)?.1))
        .collect()
}

/// Reads each partition from its offset on.
fn assign(consumer: &BaseConsumer, topic: &str, positions: &[i64]) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for (partition, position) in (0..).zip(positions) {
        list.add_partition_offset(topic, partition, Offset::Offset(*position))?;
    }
    consumer.assign(&list)
}

/// Asks for the topic, again and again within the time of a request, so that a signal is noticed meanwhile.
fn look_up(
    consumer: &BaseConsumer,
    topic: &str,
    brokers: &str,
    quiet: bool,
) -> Result<KafkaResult<Metadata>, VerifyError> {
    let until = Instant::now() + REQUEST;
    let mut said = quiet;
    loop {
        let found = consumer.fetch_metadata(Some(topic), LOOK_UP);
        if signals::stopped() {
            let brokers = brokers.to_owned();
            return Err(VerifyError::Stopped { brokers });
        }
        if found.is_ok() || Instant::now() >= until {
            return Ok(found);
        }
        if !said {
            eprintln!("waiting for {brokers}, at most {REQUEST:?}");
            said = true;
        }
    }
}

/// How long a request may take that must be done by then.
fn left(until: Instant) -> Duration {
    let left = until.saturating_duration_since(Instant::now());
    left.clamp(POLL, REQUEST)
}

fn consumer(brokers: &str, properties: &[String], run: &str) -> Result<BaseConsumer, VerifyError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // librdkafka wants a group even where none is used.
        .set("group.id", format!("ringpost-loadtest-{run}"))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        // Find a broker that comes back soon.
        .set("reconnect.backoff.max.ms", "1000");
    for property in properties {
        let Some((name, value)) = property.split_once('=') else {
            let end = property.find([':', ' ']).unwrap_or(property.len());
            let name = property[..end].to_owned();
            return Err(VerifyError::Property { name });
        };
        config.set(name.trim(), value.trim());
    }
    config
        .create()
        .map_err(|error| VerifyError::Client(error.into()))
}
