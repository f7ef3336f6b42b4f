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
    /// The address is shown without its user, who may have a password.
    #[error("--to {to:?}: {fault}")]
    NoAddress { to: String, fault: NoAddress },
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

/// What was given with --to, without what may be a secret: the user and the password, the query.
pub(super) fn shown(to: &str) -> String {
    let (to, query) = match to.find(['?', '#']) {
        Some(at) => (&to[..at], format!("{}…", &to[at..=at])),
        None => (to, String::new()),
    };
    let (scheme, rest) = match to.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), to),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => rest.to_owned(),
    };
    scheme + &rest + &query
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        match self {
            Self::Cluster(mistake) => mistake.blame(),
            Self::Admin { .. } | Self::Runtime(_) => Blame::Machine,
            Self::EmptyGroup
            | Self::OwnDeadLetter { .. }
            | Self::NoAddress { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for (to, text) in [
            ("127.0.0.1:8000/mail", "127.0.0.1:8000/mail"),
            ("htp://127.0.0.1/", "htp://127.0.0.1/"),
            ("smtp://u:hunter2@r.example", "smtp://…@r.example"),
            ("u:hunter2@r.example", "…@r.example"),
            ("smtp://u:hun@ter2@r.example", "smtp://…@r.example"),
            ("https://a.example/?key=hunter2", "https://a.example/?…"),
            ("https://a.example/#hunter2", "https://a.example/#…"),
        ] {
            assert_eq!(shown(to), text);
        }
    }
}
