//! What is wrong with the flags of `ringpost authenticate`, the environment or the file.
//!
//! Owns: the texts, and whose each mistake is. Must not know: how flags are read.
//!
//! Invariant: no value of a property gets into a text, as it may be a password.

use std::io;
use std::net::SocketAddr;

use crate::config::{self, Brokers};
use crate::consume::filter::FilterError;
use crate::failure::{Blame, Blamed};

/// Why nothing is checked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    #[error("--group is empty: name the consumer group that knows how far the topic was read")]
    EmptyGroup,
    #[error(
        "--to-topic {0:?} is the topic that is read: each mail would be checked again and again; name another one"
    )]
    SameTopic(String),
    /// Every mistake of the configuration.
    #[error(transparent)]
    Configuration(#[from] config::Error),
    #[error("--filter: {0}")]
    Filter(#[from] FilterError),
    #[error(
        "kafka.brokers is {0}, of which nothing can be read: name brokers with --brokers host:port (the quick start \
         prints the address of its broker)"
    )]
    InMemory(Brokers),
    /// The text is not shown: all of it may be a password.
    #[error("--property number {number} is not NAME=VALUE, like security.protocol=SSL")]
    NoPair {
        /// Counted from 1.
        number: usize,
    },
    #[error("--property {name} cannot be set here: {instead}")]
    Taken {
        name: &'static str,
        instead: &'static str,
    },
    #[error(
        "--admin {address}: {source}; choose another address, or stop the process that is using it"
    )]
    Admin {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("a runtime for the network: {0}")]
    Runtime(#[source] io::Error),
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        match self {
            Self::Configuration(error) => error.blame(),
            Self::EmptyGroup
            | Self::SameTopic(_)
            | Self::Filter(_)
            | Self::InMemory(_)
            | Self::NoPair { .. }
            | Self::Taken { .. } => Blame::Operator,
            Self::Admin { .. } | Self::Runtime(_) => Blame::Machine,
        }
    }
}
