//! What is wrong with the flags of `ringpost authenticate`, the environment or the file.
//!
//! Owns: the texts, and whose each mistake is. Must not know: how flags are read.

use std::io;
use std::net::SocketAddr;

use crate::command::cluster::Mistake;
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
    #[error(transparent)]
    Cluster(#[from] Mistake),
    #[error("--filter: {0}")]
    Filter(#[from] FilterError),
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
            Self::Cluster(mistake) => mistake.blame(),
            Self::EmptyGroup | Self::SameTopic(_) | Self::Filter(_) => Blame::Operator,
            Self::Admin { .. } | Self::Runtime(_) => Blame::Machine,
        }
    }
}
