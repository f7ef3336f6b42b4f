//! What is wrong with the flags of `ringpost forward`, the environment or the files.
//!
//! Owns: the texts, and whose each mistake is. Must not know: how flags are read.
//!
//! Invariant: no password gets into a text.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::command::cluster::Mistake;
use crate::consume::filter::FilterError;
use crate::failure::{Blame, Blamed};
use crate::forward::http::file::FileFault;
use crate::forward::smtp::address::NoAddress;

/// Why nothing is forwarded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    #[error("--group is empty: name the group that keeps how far mail was forwarded")]
    EmptyGroup,
    #[error("--dead-letter {topic:?} is the topic that is read: name another one")]
    OwnDeadLetter { topic: String },
    /// The address is not shown: a password may be in it.
    #[error("--to: {0}")]
    NoAddress(NoAddress),
    #[error("--password-file {} {fault}", .path.display())]
    Password { path: PathBuf, fault: FileFault },
    #[error(
        "--to {url:?} names a user, but there is no password: name its file with --password-file, or set \
         RINGPOST_FORWARD_PASSWORD"
    )]
    NoPassword { url: String },
    #[error("there is a password, but --to names no user: smtp://user@host")]
    NoUser,
    #[error("--to {url:?} would send the password in clear: use smtps:// or ?starttls=required")]
    PasswordInClear { url: String },
    #[error("--password-file {} is empty: its first line is the password", .path.display())]
    EmptyPassword { path: PathBuf },
    #[error("{flag} is for {scheme}, and --to is something else")]
    OtherScheme {
        flag: &'static str,
        scheme: &'static str,
    },
    #[error(
        "--admin {address}: {source}; choose another address, or stop the process that is using it"
    )]
    Admin {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("a runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Cluster(#[from] Mistake),
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        match self {
            Self::Cluster(mistake) => mistake.blame(),
            Self::Admin { .. } | Self::Runtime(_) => Blame::Machine,
            Self::EmptyGroup
            | Self::OwnDeadLetter { .. }
            | Self::NoAddress(_)
            | Self::Password { .. }
            | Self::NoPassword { .. }
            | Self::NoUser
            | Self::PasswordInClear { .. }
            | Self::EmptyPassword { .. }
            | Self::OtherScheme { .. }
            | Self::Filter(_) => Blame::Operator,
        }
    }
}
