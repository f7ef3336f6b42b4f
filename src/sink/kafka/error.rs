//! Why the sink does not start.
//!
//! Owns: the texts. Must not know: what librdkafka refuses, which is `kafka::properties`'s.

use std::io;

use crate::failure::{Blame, Blamed};
use crate::kafka::properties::Refused;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// librdkafka does not take the properties.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No name of `kafka.brokers` resolves.
    #[error(
        "kafka.brokers: {list}: no name in it resolves; correct the list, or the resolver of this machine"
    )]
    Unresolved {
        /// The list.
        list: String,
    },
    /// A thread did not start.
    #[error("the thread {name} did not start: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

impl Blamed for StartError {
    fn blame(&self) -> Blame {
        match self {
            Self::Refused(refused) => refused.blame(),
            // The list may be right, and the resolver down.
            Self::Unresolved { .. } => Blame::Cluster,
            Self::Thread { .. } => Blame::Machine,
        }
    }
}
