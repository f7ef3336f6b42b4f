//! Why records cannot be written, in an operator's words.
//!
//! Owns: which failures pass, the texts of the others, and whose each is. Must not know: how a record is written.
//!
//! Invariant: no value of a property gets into a text.

use std::io;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::place::Place;
use crate::failure::{Blame, Blamed};
use crate::kafka::name::named;
use crate::kafka::properties::Refused;
use crate::kafka::search::Answer;
use crate::kafka::topic::NoTopic;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// librdkafka does not take the properties.
    #[error("a property ([kafka.properties], --property, --properties-file): {}", .0.why())]
    Properties(#[from] Refused),
    /// A thread does not start.
    #[error("a thread for records to write did not start: {0}")]
    Thread(#[source] io::Error),
    /// It was asked to stop before.
    #[error("stopped before the topic was found")]
    Stopped,
    /// No broker answers.
    #[error("brokers {brokers} do not answer: {reason}")]
    Silent {
        /// The list.
        brokers: String,
        /// Why.
        reason: String,
    },
    /// There is no such topic.
    #[error(
        "topic {topic:?} ({flag}) does not exist on brokers {brokers}: create it, for example with `kafka-topics.sh --create \
         --bootstrap-server {brokers} --topic {topic}`, or name another"
    )]
    NoTopic {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
        /// The flag that names it.
        flag: &'static str,
    },
    /// The right to write is missing.
    #[error(
        "topic {topic:?} ({flag}) on brokers {brokers}: not authorized; grant it with `kafka-acls.sh --bootstrap-server \
         {brokers} --add --allow-principal User:NAME --operation Write --topic {topic}` (NAME is the user at the brokers)"
    )]
    Denied {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
        /// The flag that names it.
        flag: &'static str,
    },
    /// The topic does not take a record of this size.
    #[error(
        "topic {topic:?} ({flag}) on brokers {brokers} does not take a record of this size: raise its max.message.bytes to \
         that of the topic which is read"
    )]
    TooLarge {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
        /// The flag that names it.
        flag: &'static str,
    },
    /// Kafka refuses.
    #[error("topic {topic:?} ({flag}) on brokers {brokers}: {}", named(*.code))]
    Refused {
        /// The list.
        brokers: String,
        /// The topic.
        topic: String,
        /// The flag that names it.
        flag: &'static str,
        /// With this code.
        code: Code,
    },
}

impl Blamed for WriteError {
    fn blame(&self) -> Blame {
        match self {
            Self::Properties(refused) => refused.blame(),
            Self::Thread(_) => Blame::Machine,
            Self::Stopped
            | Self::Silent { .. }
            | Self::NoTopic { .. }
            | Self::Denied { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. } => Blame::Cluster,
        }
    }
}

/// Whether a record that was not written may be later.
pub(super) fn passes(code: Code) -> bool {
    !matches!(
        code,
        Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::MessageSizeTooLarge
            | Code::InvalidRecord
            | Code::InvalidRequiredAcks
            | Code::Fatal
    )
}

impl WriteError {
    /// From the code of a record that was not written.
    pub(super) fn of(place: &Place, code: Code) -> Self {
        let (brokers, topic, flag) = (place.brokers.clone(), place.topic.clone(), place.flag);
        match code {
            Code::UnknownTopic | Code::UnknownTopicOrPartition => Self::NoTopic {
                brokers,
                topic,
                flag,
            },
            Code::TopicAuthorizationFailed => Self::Denied {
                brokers,
                topic,
                flag,
            },
            Code::MessageSizeTooLarge => Self::TooLarge {
                brokers,
                topic,
                flag,
            },
            code => Self::Refused {
                brokers,
                topic,
                flag,
                code,
            },
        }
    }

    /// From the cluster's answer to the question for the topic, which has no partitions.
    pub(super) fn no_topic(place: &Place, answer: &Answer) -> Self {
        let code = match answer {
            Ok(_) => Code::LeaderNotAvailable,
            Err(NoTopic::Missing(_) | NoTopic::Unnamed(_)) => Code::UnknownTopicOrPartition,
            Err(NoTopic::Hidden) => Code::TopicAuthorizationFailed,
            Err(NoTopic::Unnameable) => Code::InvalidTopic,
            Err(NoTopic::Odd(code)) => *code,
        };
        Self::of(place, code)
    }
}
