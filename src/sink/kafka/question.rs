//! What is asked about a cluster and a topic.
//!
//! Owns: the questions and their names, as `ringpost check` prints them. Must not know: any answer.

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether the cluster answers.
    Brokers,
    /// Whether the producer waits for Kafka's own acknowledgement of each record.
    Idempotence,
    /// Whether the topic can take records.
    Topic,
    /// How many copies of each record there are.
    Replicas,
    /// How many of them have a record that is acknowledged.
    InSync,
    /// Whether a replica that lacks records may become the leader.
    Election,
    /// Whether the topic keeps every record.
    Cleanup,
    /// How long it keeps them.
    Retention,
    /// Whether a record is on a disk when it is acknowledged.
    Flush,
    /// Whether this client may write to it.
    Write,
    /// Whether the topic takes the largest message.
    Size,
}

impl Question {
    /// As `ringpost check` prints it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brokers => "brokers",
            Self::Idempotence => "idempotence",
            Self::Topic => "topic",
            Self::Replicas => "replicas",
            Self::InSync => "in_sync",
            Self::Election => "election",
            Self::Cleanup => "cleanup",
            Self::Retention => "retention",
            Self::Flush => "flush",
            Self::Write => "write",
            Self::Size => "size",
        }
    }
}
