//! The requests of a reader: which partitions a topic has, and where each of them begins and ends.
//!
//! Owns: how long brokers have to answer, and what their answers mean to a reader. Must not know: how far reading is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::reports::Reports;
use crate::consume::failure::{Halt, ReadError, Why, is_denied};
use crate::consume::plan::Plan;
use crate::kafka::name::named;
use crate::kafka::search::{Answer, Caller, Client, Ended, Search, SoFar};
use crate::kafka::topic::{self, NoTopic};
use crate::kafka::way::Way;

/// One try of a request, short enough that librdkafka's reasons are collected in between.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Pause before a request that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// If all brokers are known to be unreachable by then, the search ends.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Only polls hand over what librdkafka knows about its connections, an event each.
const EVENTS: usize = 20;

impl Client for BaseConsumer<Reports> {
    fn metadata(&self, topic: &str, timeout: Duration) -> Result<Metadata, KafkaError> {
        self.fetch_metadata(Some(topic), timeout)
    }

    fn listen(&self, within: Duration) {
        // Nothing is subscribed yet, so no record gets lost.
        let _ = self.poll(within);
        for _ in 0..EVENTS {
            let _ = self.poll(Duration::ZERO);
        }
    }
}

/// The partitions of the topic, once the brokers answer.
///
/// # Errors
/// Where they do not, or there is no such topic to read, or reading is to stop.
pub fn find_topic(consumer: &BaseConsumer<Reports>, plan: &Plan) -> Result<Vec<i32>, Halt> {
    let said = consumer.context().said();
    let way = Way::of(|name| plan.properties.get(name));
    let search = Search {
        brokers: &plan.brokers,
        way: &way,
        topic: &plan.topic,
        limit: plan.broker_wait,
        longest_try: TRY_WAIT,
        hopeless_after: PATIENCE.min(plan.broker_wait),
    };
    let mut waiting = |so_far: SoFar<'_>| {
        let reason = match so_far {
            SoFar::Answered(answer) => not_yet(plan, answer),
            SoFar::Silent(code) => said.reason(code),
        };
        (plan.say)(&format!(
            "brokers {} have not answered yet; waiting up to {} s: {reason}",
            plan.brokers,
            plan.broker_wait.as_secs(),
        ));
    };
    let caller = Caller {
        settles: &settles,
        stop: &|| plan.stop.asked(),
        waiting: &mut waiting,
    };
    match search.run(consumer, said, caller) {
        Ended::Stopped(_signal) => Err(Halt::Stopped),
        Ended::Answered(Ok(info)) if !info.partitions.is_empty() => Ok(info.partitions),
        Ended::Answered(answer) => Err(unusable(plan, &answer).into()),
        Ended::Silent { reason, hopeless } if hopeless => {
            let brokers = plan.brokers.clone();
            Err(ReadError::OutOfReach { brokers, reason }.into())
        }
        Ended::Silent { reason, .. } => Err(ReadError::no_answer(plan, reason).into()),
    }
}

/// Whether no other answer is worth waiting for: a topic that was made this moment has no partitions or leaders yet.
fn settles(answer: &Answer) -> bool {
    match answer {
        Ok(info) => !info.partitions.is_empty(),
        Err(NoTopic::Missing(_) | NoTopic::Hidden | NoTopic::Unnameable) => true,
        Err(NoTopic::Unnamed(_) | NoTopic::Odd(_)) => false,
    }
}

/// What an answer without partitions means, once no other one is waited for.
fn unusable(plan: &Plan, answer: &Answer) -> ReadError {
    match answer {
        Err(NoTopic::Missing(_)) => ReadError::NoTopic {
            brokers: plan.brokers.clone(),
            topic: plan.topic.clone(),
        },
        Err(NoTopic::Hidden) => ReadError::unreadable(plan, Why::topic_denied(plan)),
        Err(NoTopic::Unnameable) => ReadError::unreadable(plan, Why::Code(Code::InvalidTopic)),
        Ok(_) | Err(NoTopic::Unnamed(_) | NoTopic::Odd(_)) => {
            ReadError::no_answer(plan, not_yet(plan, answer))
        }
    }
}

/// Why an answer does not help yet.
fn not_yet(plan: &Plan, answer: &Answer) -> String {
    let topic = &plan.topic;
    match answer {
        Ok(_) => format!("topic {topic:?} has no partitions yet"),
        Err(NoTopic::Odd(code)) => format!("topic {topic:?}: {}", named(*code)),
        Err(NoTopic::Unnamed(_) | NoTopic::Missing(_) | NoTopic::Hidden | NoTopic::Unnameable) => {
            "the brokers' answer does not name the topic".to_owned()
        }
    }
}

/// Whether the topic is there, as far as the brokers say at once.
pub fn exists(consumer: &BaseConsumer<Reports>, plan: &Plan) -> Option<bool> {
    let metadata = consumer.fetch_metadata(Some(&plan.topic), TRY_WAIT).ok()?;
    match topic::read(&metadata, &plan.topic) {
        Err(NoTopic::Unnamed(_)) => None,
        Err(NoTopic::Missing(_)) => Some(false),
        Ok(_) | Err(NoTopic::Hidden | NoTopic::Unnameable | NoTopic::Odd(_)) => Some(true),
    }
}

/// The low and the high watermark of a partition, asked for until the brokers have had their time.
///
/// # Errors
/// Where they gave none, or reading is to stop.
pub fn watermarks(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
) -> Result<(i64, i64), Halt> {
    persistently(consumer, plan, || {
        consumer.fetch_watermarks(&plan.topic, partition, TRY_WAIT)
    })
}

/// The offset of the first record of a partition that has this time stamp of Kafka's or a later one; none where all are older.
/// Asked for until the brokers have had their time.
///
/// # Errors
/// Where they gave no answer, or reading is to stop.
pub fn first_since(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    partition: i32,
    time: Timestamp,
) -> Result<Option<i64>, Halt> {
    let since = Offset::Offset(time.as_millisecond().max(0));
    persistently(consumer, plan, || {
        let mut times = TopicPartitionList::new();
        times.add_partition_offset(&plan.topic, partition, since)?;
        let offsets = consumer.offsets_for_times(times, TRY_WAIT)?;
        let found = offsets.find_partition(&plan.topic, partition);
        let found = found.ok_or(KafkaError::OffsetFetch(Code::UnknownPartition))?;
        found.error()?;
        Ok(match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    })
}

/// The ends of these partitions, as far as brokers say them within a moment: one request for each broker.
pub fn ends(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    partitions: impl Iterator<Item = i32>,
) -> BTreeMap<i32, i64> {
    let mut latest = TopicPartitionList::new();
    for partition in partitions {
        // In place of a time, the protocol takes a word for the end.
        let added = latest.add_partition_offset(&plan.topic, partition, Offset::End);
        added.expect("the end is an offset");
    }
    let Ok(offsets) = consumer.offsets_for_times(latest, TRY_WAIT) else {
        return BTreeMap::new();
    };
    let elements = offsets.elements();
    let known = elements
        .iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(end) if element.error().is_ok() => Some((element.partition(), end)),
            _ => None,
        });
    known.collect()
}

/// Makes a request again until it has an answer, or the brokers have had their time.
fn persistently<T>(
    consumer: &BaseConsumer<Reports>,
    plan: &Plan,
    ask: impl Fn() -> Result<T, KafkaError>,
) -> Result<T, Halt> {
    let deadline = Instant::now() + plan.broker_wait;
    loop {
        if plan.stop.asked().is_some() {
            return Err(Halt::Stopped);
        }
        let tried = Instant::now();
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if is_denied(&error) => return Err(ReadError::of(plan, &error).into()),
            Err(error) if tried + TRY_WAIT >= deadline => {
                let said = consumer.context().said();
                let reason = said.reason(error.rdkafka_error_code().unwrap_or(Code::Fail));
                return Err(ReadError::no_answer(plan, reason).into());
            }
            // Some errors come back at once; asking again without a pause would only load the broker.
            Err(_) => std::thread::sleep(RETRY_PAUSE),
        }
    }
}
