//! Why the topic cannot be read or written, in an operator's words.
//!
//! Owns: the texts, and the commands in them that fix it. Must not know: how a trouble was found.
//!
//! Invariant: a text names what, where and the fix, and no value of a property.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::failure::{Blame, Blamed};
use crate::kafka::name::named;
use crate::kafka::properties::Refused;
use crate::kafka::topic::NoTopic;

/// Why nothing can be read, or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No broker answers, for these reasons.
    Silent(String),
    /// The topic does not exist, in a cluster of this many brokers.
    Missing(usize),
    /// This client may not describe the topic.
    Hidden,
    /// This client may not read it.
    Unreadable,
    /// This client may not write to it.
    Unwritable,
    /// The cluster says something else of it.
    Odd(String),
    /// This many of its partitions have no leader.
    Leaderless(usize),
    /// It is being read: this many records so far.
    Reading(u64),
}

impl Trouble {
    /// From the cluster's answer.
    pub(super) fn no_topic(why: NoTopic) -> Self {
        match why {
            NoTopic::Unnamed(brokers) | NoTopic::Missing(brokers) => Self::Missing(brokers),
            NoTopic::Hidden => Self::Hidden,
            NoTopic::Unnameable => Self::Odd(named(Code::InvalidTopic)),
            NoTopic::Odd(code) => Self::Odd(named(code)),
        }
    }

    /// From the error of a record that was not written.
    pub(super) fn of_write(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed) => Self::Unwritable,
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Self::Missing(0),
            Some(code) => Self::Odd(named(code)),
            None => Self::Odd(error.to_string()),
        }
    }

    /// For an operator: what, where, and the fix.
    pub fn text(&self, brokers: &str, topic: &str) -> String {
        let grant = |operation: &str| {
            format!(
                "grant it with `kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:NAME --operation \
                 {operation} --topic {topic}` (NAME is ringpost's user at the brokers)"
            )
        };
        match self {
            Self::Silent(reason) => format!("no broker of {brokers} answers: {reason}"),
            Self::Missing(count) => {
                let replicas = match count {
                    0 => 3,
                    count => (*count).min(3),
                };
                format!(
                    "topic {topic:?} does not exist on brokers {brokers}: create it with `kafka-topics.sh --create \
                     --bootstrap-server {brokers} --topic {topic} --partitions 1 --replication-factor {replicas} --config \
                     cleanup.policy=compact`, or correct recipients.topic"
                )
            }
            Self::Hidden => format!(
                "topic {topic:?} cannot be seen on brokers {brokers}: the operation Describe is missing; {}",
                grant("Describe")
            ),
            Self::Unreadable => format!(
                "topic {topic:?} on brokers {brokers} may not be read: the operation Read is missing; {}",
                grant("Read")
            ),
            Self::Unwritable => format!(
                "topic {topic:?} on brokers {brokers} may not be written: the operation Write is missing; {}",
                grant("Write")
            ),
            Self::Odd(what) => format!("topic {topic:?} on brokers {brokers}: {what}"),
            Self::Leaderless(count) => format!(
                "topic {topic:?} on brokers {brokers}: {count} of its partitions have no leader; start the brokers that hold them"
            ),
            Self::Reading(records) => {
                format!("topic {topic:?} is being read: {records} records so far")
            }
        }
    }
}

/// A trouble that ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Where the topic is, and what is wrong.
    #[error("{0}")]
    Trouble(String),
    /// librdkafka does not take the properties.
    #[error(transparent)]
    Properties(#[from] Refused),
    /// The command was stopped.
    #[error("stopped before it was done")]
    Stopped,
    /// A thread does not start.
    #[error("a thread for recipients.topic does not start: {0}")]
    Thread(#[source] std::io::Error),
}

impl Blamed for Failed {
    fn blame(&self) -> Blame {
        match self {
            Self::Trouble(_) | Self::Stopped => Blame::Cluster,
            Self::Properties(refused) => refused.blame(),
            Self::Thread(_) => Blame::Machine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_the_topic_and_what_fixes_it() {
        for (trouble, parts) in [
            (
                Trouble::Silent("k:9092 refuses".to_owned()),
                &["k:9092 refuses"][..],
            ),
            (
                Trouble::Missing(1),
                &[
                    "--create",
                    "--topic who",
                    "cleanup.policy=compact",
                    "--replication-factor 1",
                ],
            ),
            (Trouble::Missing(0), &["--replication-factor 3"]),
            (Trouble::Missing(9), &["--replication-factor 3"]),
            (Trouble::Hidden, &["--operation Describe", "--topic who"]),
            (Trouble::Unreadable, &["--operation Read"]),
            (Trouble::Unwritable, &["--operation Write"]),
            (Trouble::Odd("X (y)".to_owned()), &["\"who\"", "X (y)"]),
            (Trouble::Leaderless(2), &["2 of its partitions"]),
            (Trouble::Reading(17), &["17 records"]),
        ] {
            let text = trouble.text("k:9092", "who");
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
