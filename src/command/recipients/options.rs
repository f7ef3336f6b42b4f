//! The flags of `ringpost recipients`.
//!
//! Owns: the flags, and their help. Must not know: what is done with them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is done with recipients.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// One of the four.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Action {
    /// Name recipients: mail for them is accepted within a second
    #[command(after_help = "Examples:\n  \
        ringpost recipients add --config /etc/ringpost.toml joe@example.com ann@example.com\n  \
        ringpost recipients add --brokers k1:9092 --topic recipients example.org '*.example.org'\n  \
        ringpost recipients add --domain example.com joe ann")]
    Add(Named),
    /// Remove recipients: mail for them is refused within a second
    #[command(after_help = "Examples:\n  \
        ringpost recipients remove --config /etc/ringpost.toml joe@example.com\n  \
        ringpost recipients remove --brokers k1:9092 --topic recipients '*.example.org'")]
    Remove(Named),
    /// Print whom the topic names, one a line
    #[command(after_help = "Examples:\n  \
        ringpost recipients list --config /etc/ringpost.toml\n  \
        ringpost recipients list --brokers k1:9092 --topic recipients --domain example.com")]
    List(Listing),
    /// Name the recipients of a file, one a line, as in recipients.lists
    #[command(after_help = "Examples:\n  \
        ringpost recipients import --config /etc/ringpost.toml people.txt\n  \
        ringpost recipients import --domain example.com --replace people.txt\n  \
        psql -Atc 'select address from users' | ringpost recipients import --replace -")]
    Import(Import),
}

/// Recipients on the command line.
#[derive(Debug, Clone, Args)]
pub(super) struct Named {
    /// Addresses, domains (example.com: everybody there), or *.example.com for all domains below one
    #[arg(required = true, value_name = "ADDRESS")]
    pub(super) names: Vec<String>,
    /// Domain of names without an @
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

/// What is printed.
#[derive(Debug, Clone, Args)]
pub(super) struct Listing {
    /// Only recipients of this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

/// A file of recipients.
#[derive(Debug, Clone, Args)]
pub(super) struct Import {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Remove the recipients that are not in the file; with --domain, those of this domain
    #[arg(long)]
    pub(super) replace: bool,
    /// Let --replace remove everybody where the file names nobody
    #[arg(long, requires = "replace")]
    pub(super) allow_empty: bool,
    /// Say what would change, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Domain of lines without an @, and the only domain of the file
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

/// Where the topic is.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Cluster {
    /// Configuration file (TOML) of serve, of which recipients.topic and the table kafka are read [environment: RINGPOST_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Brokers to ask first, `host:port`, separated by commas [environment: RINGPOST_KAFKA_BROKERS] [default: kafka.brokers
    /// of the configuration, else 127.0.0.1:9092]
    #[arg(long, value_name = "LIST")]
    pub(super) brokers: Option<String>,
    /// The topic of recipients, not that of mail [environment: RINGPOST_RECIPIENTS_TOPIC] [default: recipients.topic of the
    /// configuration]
    #[arg(
        long = "recipients-topic",
        visible_alias = "topic",
        value_name = "NAME"
    )]
    pub(super) topic: Option<String>,
    /// A librdkafka property; may be given again. Everybody on the machine can read a command line: a password belongs in
    /// the file or into RINGPOST_KAFKA_PROPERTIES
    #[arg(long = "property", value_name = "NAME=VALUE")]
    pub(super) properties: Vec<String>,
}
