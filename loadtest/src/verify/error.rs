//! Why the topic could not be read back.
//!
//! Invariant: no text holds the value of a `--kafka` property, which may be a secret.

use std::io;

use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::failure::{Blame, Blamed};

/// Why the topic could not be read back.
#[derive(Debug, Error)]
pub(crate) enum VerifyError {
    /// The brokers do not answer, or not about this topic.
    #[error(
        "--verify: topic {topic} at {brokers}: {source}; give brokers that answer and a topic that exists"
    )]
    Brokers {
        /// The topic.
        topic: String,
        /// Where it was asked for.
        brokers: String,
        /// What the client library says.
        source: Box<KafkaError>,
    },
    /// The brokers answer, and have no such topic.
    #[error("--verify: topic {topic} at {brokers}: it does not exist; create it, or give another")]
    NoTopic {
        /// The topic.
        topic: String,
        /// Where it was asked for.
        brokers: String,
    },
    /// A property without a value.
    #[error("--kafka {name:?}: give name=value, e.g. security.protocol=SSL")]
    Property {
        /// What stands where its name should.
        name: String,
    },
    /// The client library does not take a property.
    #[error("--kafka: {}; see librdkafka's CONFIGURATION.md", without_value(.0))]
    Client(#[source] Box<KafkaError>),
    /// There is no thread for the reader.
    #[error("--verify: {0}")]
    Spawn(#[source] io::Error),
    /// The reader panicked.
    #[error("the reader panicked; its message is above")]
    Panicked,
    /// A signal came while it waited for the brokers.
    #[error("stopped by a signal while it waited for {brokers}")]
    Stopped {
        /// The brokers.
        brokers: String,
    },
}

/// The library's error; its own text of a refused property ends with the value.
fn without_value(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, problem, name, _) => format!("{problem} ({name})"),
        other => other.to_string(),
    }
}

impl Blamed for VerifyError {
    fn blame(&self) -> Blame {
        match self {
            // What the brokers and their client library take is known only once they are asked: the run has begun.
            VerifyError::Brokers { .. }
            | VerifyError::NoTopic { .. }
            | VerifyError::Property { .. }
            | VerifyError::Client(_) => Blame::Server,
            VerifyError::Spawn(_) | VerifyError::Panicked | VerifyError::Stopped { .. } => {
                Blame::Machine
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_property_is_in_no_error() {
        let error = rdkafka::ClientConfig::new()
            .set("sasl.pasword", "open sesame")
            .create::<rdkafka::consumer::BaseConsumer>()
            .map_err(|error| VerifyError::Client(error.into()))
            .err()
            .expect("no such property")
            .to_string();
        assert!(error.contains("sasl.pasword"), "{error}");
        assert!(!error.contains("sesame"), "{error}");
    }
}
