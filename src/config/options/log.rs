//! The table `[log]`: what is written to standard error.

use crate::config::row::{Choice, Switch, rows};

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
