//! What is wrong with the flags of `ringpost consume`, the environment or the file.
//!
//! Owns: the texts, and whose each mistake is. Must not know: how flags are read.
//!
//! Invariant: no value of a property gets into a text, as it may be a password.

use std::path::PathBuf;

use crate::command::cluster::Mistake;
use crate::consume::filter::FilterError;
use crate::consume::moment::NotAMoment;
use crate::consume::output::OpenError;
use crate::failure::{Blame, Blamed};

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    #[error("--group is empty; leave it out to read without a group")]
    EmptyGroup,
    #[error("--format maildir needs --output FOLDER")]
    MaildirWithoutFolder,
    #[error(
        "--format eml needs --output FOLDER, or --count 1 to write one message to standard output"
    )]
    EmlWithoutFolder,
    #[error(
        "{flag} cannot be used with --group: a group shares the partitions among its members and knows how far each was read; \
         leave one of them out"
    )]
    WithGroup { flag: &'static str },
    #[error("--offset needs --partition N: an offset is one of a partition")]
    OffsetWithoutPartition,
    #[error("{first} and {second} both say where to start: leave one of them out")]
    TwoStarts {
        first: &'static str,
        second: &'static str,
    },
    #[error("--since {text:?} {why}")]
    Since { text: String, why: NotAMoment },
    #[error(
        "--foreign cannot be used with --filter, which takes records of ringpost only: leave one of them out"
    )]
    ForeignWithFilter,
    #[error("--parsed needs --format json")]
    ParsedWithoutJson,
    #[error(
        "--raw is for --format eml, mbox and maildir; json has the message as it is, in message_base64"
    )]
    RawWithoutMessages,
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Cluster(#[from] Mistake),
    #[error("cannot open --output {}: {source}", .path.display())]
    Output { path: PathBuf, source: OpenError },
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        match self {
            Self::Output { source, .. } => source.blame(),
            Self::Cluster(mistake) => mistake.blame(),
            Self::EmptyGroup
            | Self::WithGroup { .. }
            | Self::OffsetWithoutPartition
            | Self::TwoStarts { .. }
            | Self::Since { .. }
            | Self::ForeignWithFilter
            | Self::ParsedWithoutJson
            | Self::RawWithoutMessages
            | Self::Filter(_)
            | Self::MaildirWithoutFolder
            | Self::EmlWithoutFolder => Blame::Operator,
        }
    }
}
