//! Why an output cannot be opened.
//!
//! Owns: the errors, their texts, and whose each is. Must not know: how an output is opened.

use std::io;
use std::path::PathBuf;

use crate::failure::{Blame, Blamed};

/// Why an output cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal beside it is not one that can be continued.
    #[error("{}: {mismatch}", .path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        mismatch: Mismatch,
    },
    /// Another process writes to it.
    #[error("another ringpost consume is writing to it: give each its own --output")]
    Busy,
    /// The file system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a journal cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// It is something else, or damaged.
    #[error(
        "is not a journal of ringpost consume ({0}): move it away to go on at the group's offsets"
    )]
    NoJournal(#[source] serde_json::Error),
    /// Another version wrote it.
    #[error(
        "is a journal of version {found}, and this is version {known}: use the ringpost that wrote it"
    )]
    Version {
        /// Its version.
        found: u32,
        /// The version that is known.
        known: u32,
    },
    /// The output holds records in another form.
    #[error("the output holds --format {found}, not {wanted}: name another --output")]
    Format {
        /// The form that it holds.
        found: String,
        /// The form that was asked for.
        wanted: String,
    },
}

impl Blamed for OpenError {
    fn blame(&self) -> Blame {
        match self {
            Self::Journal { .. } => Blame::Operator,
            Self::Busy | Self::Io(_) => Blame::Machine,
        }
    }
}
