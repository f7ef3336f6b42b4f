//! Why the broker inside this process does not start.
//!
//! Owns: the texts.

use std::io;

use rdkafka::error::KafkaError;

use crate::failure::{Blame, Blamed};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A thread did not start.
    #[error("the embedded broker's {which} did not start: {source}")]
    Thread {
        /// Which of its threads.
        which: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// Its thread ended before it had an answer.
    #[error("the embedded broker's thread ended at once")]
    Ended,
    /// librdkafka did not make it, or not with this topic.
    #[error("the embedded broker did not start with topic {topic:?}: {source}")]
    NotStarted {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: KafkaError,
    },
}

impl Blamed for BrokerError {
    fn blame(&self) -> Blame {
        match self {
            Self::Thread { .. } | Self::NotStarted { .. } => Blame::Machine,
            Self::Ended => Blame::Bug,
        }
    }
}
