//! What is wrong with the flags of `ringpost recipients`, the configuration, or a file of recipients.
//!
//! Owns: the texts, and whose each mistake is. Must not know: how flags and files are read.
//!
//! Invariant: no value of a property gets into a text, as it may be a password.

use std::io;
use std::path::PathBuf;

use super::entry::Wrong;
use crate::config::{self, Brokers};
use crate::failure::{Blame, Blamed};

/// Mistakes of a file that are shown.
const SHOWN: usize = 20;

/// Why nothing is done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    /// Every mistake of the configuration.
    #[error(transparent)]
    Configuration(#[from] config::Error),
    #[error(
        "no topic is named: set recipients.topic in the configuration, or use --recipients-topic NAME"
    )]
    NoTopic,
    #[error(
        "kafka.brokers is {0}, which keeps no recipients: name brokers with --brokers host:port (the quick start prints the \
         address of its broker)"
    )]
    InMemory(Brokers),
    /// The text is not shown: all of it may be a password.
    #[error("--property number {number} is not NAME=VALUE, like security.protocol=SSL")]
    NoPair {
        /// Counted from 1.
        number: usize,
    },
    #[error("--domain {domain:?} is no domain name: write one such as example.com")]
    NoDomain { domain: String },
    /// One line each.
    #[error("{}", .0.join("\n"))]
    Names(Vec<String>),
    #[error("{}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}", lines(.path, .wrong))]
    Lines {
        path: PathBuf,
        /// With the number of the line. Never empty.
        wrong: Vec<(usize, Wrong)>,
    },
    #[error(
        "{}: names nobody, so that --replace would remove {count} recipients: if that is wanted, add --allow-empty",
        .path.display()
    )]
    Empty { path: PathBuf, count: usize },
}

fn lines(path: &std::path::Path, wrong: &[(usize, Wrong)]) -> String {
    let shown = wrong.iter().take(SHOWN);
    let mut lines: Vec<String> = shown
        .map(|(line, wrong)| format!("{}:{line}: {wrong}", path.display()))
        .collect();
    if wrong.len() > SHOWN {
        lines.push(format!("and {} more lines", wrong.len() - SHOWN));
    }
    lines.push("nothing was written".to_owned());
    lines.join("\n")
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        match self {
            Self::Configuration(error) => error.blame(),
            Self::NoTopic
            | Self::InMemory(_)
            | Self::NoPair { .. }
            | Self::NoDomain { .. }
            | Self::Names(_)
            | Self::Unreadable { .. }
            | Self::Lines { .. }
            | Self::Empty { .. } => Blame::Operator,
        }
    }
}
