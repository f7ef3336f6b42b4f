//! Why records cannot be read, in an operator's words.
//!
//! Owns: the errors of reading, their texts, and whose each is. Must not know: how a request is made, which command reads.
//!
//! Invariant: no value of a property gets into a text.

use std::io;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::plan::Plan;
use crate::failure::{Blame, Blamed};
use crate::kafka::name::named;
use crate::kafka::properties::Refused;

/// What a client is called that reads without a group.
pub const NO_GROUP: &str = "ringpost-consume";

/// Why reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// librdkafka does not take the properties.
    #[error("{}", of_properties(.0))]
    Properties(#[source] Refused),
    /// The thread that fetches tokens does not start.
    #[error("the thread kafka-token did not start: {0}")]
    Thread(#[source] io::Error),
    /// Every broker is known to be unreachable.
    #[error("brokers {brokers}: {reason}")]
    OutOfReach {
        /// The list.
        brokers: String,
        /// Why, for each.
        reason: String,
    },
    /// No broker has given a usable answer in time.
    #[error("brokers {brokers} gave no usable answer within {} s: {reason}", .within.as_secs())]
    NoAnswer {
        /// The list.
        brokers: String,
        /// How long they had.
        within: Duration,
        /// Why, as far as it is known.
        reason: String,
    },
    /// There is no such topic.
    #[error(
        "topic {topic:?} does not exist on brokers {brokers}: create it, or name another with --topic"
    )]
    NoTopic {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
    },
    /// The topic has no such partition.
    #[error(
        "topic {topic:?} has no partition {partition}: {} to {} is allowed",
        .there.first().unwrap_or(&0),
        .there.last().unwrap_or(&0)
    )]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition that is missing.
        partition: i32,
        /// Those that are there, sorted.
        there: Vec<i32>,
    },
    /// A partition has no such offset.
    #[error(
        "partition {partition} of topic {topic:?} has no offset {offset}: {low} to {high} is allowed, where {high} is the next \
         record that is written to it"
    )]
    NoOffset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that is missing.
        offset: i64,
        /// The oldest offset that it still has.
        low: i64,
        /// The offset of the next record.
        high: i64,
    },
    /// The brokers answer, and the topic cannot be read.
    #[error("cannot read topic {topic:?} on brokers {brokers}: {why}")]
    Unreadable {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
        /// Why.
        why: Box<Why>,
    },
    /// Records were read, and the group does not take the offsets.
    #[error(
        "cannot commit offsets of group {group:?} on brokers {brokers}: {source}; a file or a folder knows what it holds and \
         is continued by the next run, standard output gets its last records again"
    )]
    Commit {
        /// The list.
        brokers: String,
        /// The group.
        group: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
}

/// Why a topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The right to read the topic is missing.
    #[error(
        "not authorized (TOPIC_AUTHORIZATION_FAILED): the operation Read on the topic is missing; {}",
        grant(.brokers, "--topic", .topic)
    )]
    TopicDenied {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
    },
    /// The right to read as this group is missing.
    #[error(
        "group {group:?}: not authorized (GROUP_AUTHORIZATION_FAILED): the operation Read on the group is missing; {}",
        grant(.brokers, "--group", .group)
    )]
    GroupDenied {
        /// The list.
        brokers: String,
        /// The group.
        group: String,
    },
    /// It was there before.
    #[error("it no longer exists (UNKNOWN_TOPIC_OR_PARTITION): it was deleted")]
    Deleted,
    /// Kafka reports an error.
    #[error("{}", named(*.0))]
    Code(Code),
    /// librdkafka reports an error.
    #[error(transparent)]
    Client(KafkaError),
}

/// Why a reader has nothing to give.
#[derive(Debug)]
pub enum Halt {
    /// It was asked to stop.
    Stopped,
    /// It failed.
    Failed(ReadError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl Blamed for ReadError {
    fn blame(&self) -> Blame {
        match self {
            Self::Properties(refused) => refused.blame(),
            Self::Thread(_) => Blame::Machine,
            Self::NoPartition { .. } | Self::NoOffset { .. } => Blame::Operator,
            Self::OutOfReach { .. }
            | Self::NoAnswer { .. }
            | Self::NoTopic { .. }
            | Self::Unreadable { .. }
            | Self::Commit { .. } => Blame::Cluster,
        }
    }
}

impl ReadError {
    /// What the error of a request means.
    pub fn of(plan: &Plan, error: &KafkaError) -> Self {
        let why = match error.rdkafka_error_code() {
            Some(Code::GroupAuthorizationFailed) => Why::GroupDenied {
                brokers: plan.brokers.clone(),
                group: plan.group.as_deref().unwrap_or(NO_GROUP).to_owned(),
            },
            Some(Code::TopicAuthorizationFailed) => Why::topic_denied(plan),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Why::Deleted,
            Some(code) => Why::Code(code),
            None => Why::Client(error.clone()),
        };
        Self::unreadable(plan, why)
    }

    /// The brokers answer, and the topic cannot be read.
    pub fn unreadable(plan: &Plan, why: Why) -> Self {
        Self::Unreadable {
            brokers: plan.brokers.clone(),
            topic: plan.topic.clone(),
            why: Box::new(why),
        }
    }

    /// The time for an answer is over.
    pub fn no_answer(plan: &Plan, reason: String) -> Self {
        Self::NoAnswer {
            brokers: plan.brokers.clone(),
            within: plan.broker_wait,
            reason,
        }
    }
}

impl Why {
    /// The right to read the topic is missing.
    pub fn topic_denied(plan: &Plan) -> Self {
        Self::TopicDenied {
            brokers: plan.brokers.clone(),
            topic: plan.topic.clone(),
        }
    }
}

/// Whether a right is missing, so that asking again cannot help.
pub fn is_denied(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed)
    )
}

fn of_properties(refused: &Refused) -> String {
    let one = |key: &str, why: &str| {
        format!(
            "property {key:?} (--property, the file of --properties-file, [kafka.properties] or RINGPOST_KAFKA_PROPERTIES): {why}"
        )
    };
    match refused {
        Refused::Unreadable { key, .. } => one(key, &refused.why()),
        Refused::OfJava { key, .. } => one(key, &refused.why()),
        Refused::Tokens { key, why } => one(key, why),
        Refused::Kerberos { .. } => one("sasl.mechanism", &refused.why()),
        Refused::One { key, reason } => one(key, reason),
        Refused::Together { reason, .. } => format!("librdkafka refuses the properties: {reason}"),
        Refused::NotStarted(error) => format!("cannot create the Kafka consumer: {error}"),
    }
}

fn grant(brokers: &str, flag: &str, resource: &str) -> String {
    format!(
        "grant it with `kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:NAME --operation Read {flag} \
         {resource}` (NAME is consume's user at the brokers)"
    )
}
