//! Why a pipeline ended before its end.
//!
//! Owns: the texts, whose each is, and which of them pass. Must not know: what a step does.

use rdkafka::error::KafkaError;

use crate::consume::failure::{ReadError, Why};
use crate::failure::{Blame, Blamed};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Records cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The last offsets were not committed.
    #[error(
        "cannot commit offsets of group {group:?} on brokers {brokers}: {source}; what was done since the last commit is done \
         again by the next run"
    )]
    Commit {
        /// The list.
        brokers: String,
        /// The group.
        group: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// No thread.
    #[error("the thread that reads did not start: {0}")]
    Thread(#[source] std::io::Error),
}

impl Blamed for PipelineError {
    fn blame(&self) -> Blame {
        match self {
            Self::Read(error) => error.blame(),
            Self::Commit { .. } => Blame::Cluster,
            Self::Thread(_) => Blame::Machine,
        }
    }
}

impl PipelineError {
    /// The end of reading, as the pipeline says it.
    pub(super) fn of(error: ReadError) -> Self {
        match error {
            ReadError::Commit {
                brokers,
                group,
                source,
            } => Self::Commit {
                brokers,
                group,
                source,
            },
            other => Self::Read(other),
        }
    }
}

/// Whether it may pass while the brokers are away or change: then the group is joined again after a while.
pub(super) fn passes(error: &ReadError) -> bool {
    match error {
        ReadError::OutOfReach { .. } | ReadError::NoAnswer { .. } | ReadError::Commit { .. } => {
            true
        }
        ReadError::Unreadable { why, .. } => match **why {
            Why::Code(_) | Why::Client(_) => true,
            Why::TopicDenied { .. } | Why::GroupDenied { .. } | Why::Deleted => false,
        },
        ReadError::Properties(_)
        | ReadError::Thread(_)
        | ReadError::NoTopic { .. }
        | ReadError::NoPartition { .. }
        | ReadError::NoOffset { .. } => false,
    }
}
