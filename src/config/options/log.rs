//! The table `[log]`: what is written to standard error.

use ringpost_proto::smtp::access::Network;

use crate::config::row::{Choice, NETWORKS, Switch, rows};

rows! {
    /// What is written to standard error.
    log: Log {
        /// The least severe level that is logged.
        level: LogLevel = "info", Choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ]), reload;

        /// How a log line looks: `text` for people, `json` for one object per line.
        format: LogFormat = "text", Choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);

        /// Whether each message and each refusal gets a line in the log: who sent what to whom, and what became of it.
        /// `docs/logging.md` has the fields. Repeated refusals are counted instead of logged one by one.
        messages: bool = "true", Switch;

        /// Networks whose clients' whole dialogue is logged, to find out why mail of theirs is not taken: each command and each
        /// reply, the TLS handshake, and how the connection ended; message content and what may be a password are left out.
        /// A reload switches it on for connections that are opened afterwards, and off for all of them. `docs/logging.md`
        /// shows one.
        trace_networks: Vec<Network> = "", NETWORKS, reload;
    }
}

/// The least severe level that is logged; a level further down says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What keeps mail from being taken.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `text`: for people.
    Text,
    /// `json`: one object a line.
    Json,
}
