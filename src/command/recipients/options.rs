//! The flags of `ringpost recipients`.
//!
//! Owns: the flags, and their help. Must not know: what is done with them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::command::help;

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
    Add(Named),
    /// Remove recipients: mail for them is refused within a second
    Remove(Named),
    /// Print whom the topic names, one a line
    List(Listing),
    /// Name the recipients of a file, one a line, as in recipients.lists
    Import(Import),
}

/// Recipients on the command line.
#[derive(Debug, Clone, Args)]
pub(super) struct Named {
    /// Addresses, domains (example.com: everybody there), or *.example.com for all domains below one
    #[arg(required = true, value_name = "ADDRESS")]
    pub(super) names: Vec<String>,
    /// Domain of names without an @ [default: each name has one]
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

/// What is printed.
#[derive(Debug, Clone, Args)]
pub(super) struct Listing {
    /// Only recipients of this domain [default: of every one]
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
    /// Domain of lines without an @, and the only domain of the file [default: any]
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: Option<String>,
    #[command(flatten)]
    pub(super) cluster: Cluster,
}

/// Where the topic is.
#[derive(Debug, Clone, Default, Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub(super) struct Cluster {
    /// Configuration file (TOML) of serve
    ///
    /// recipients.topic and the table kafka are read from it.
    ///
    /// [environment: RINGPOST_CONFIG] [default: no file]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Kafka brokers, host:port,… [default: 127.0.0.1:9092]
    #[arg(long, value_name = "LIST", long_help = help::reads("kafka.brokers", BROKERS, "127.0.0.1:9092"))]
    pub(super) brokers: Option<String>,
    /// The topic of recipients, not that of mail
    #[arg(
        long = "recipients-topic",
        visible_alias = "topic",
        value_name = "NAME",
        long_help = help::reads("recipients.topic", TOPIC, "none; it has to be named somewhere")
    )]
    pub(super) topic: Option<String>,
    /// A librdkafka property; repeatable
    ///
    /// Everybody on the machine can read a command line: a password belongs in the file or in RINGPOST_KAFKA_PROPERTIES.
    ///
    /// [default: kafka.properties of the configuration]
    #[arg(long = "property", value_name = "NAME=VALUE")]
    pub(super) properties: Vec<String>,
}

const BROKERS: &str = "Brokers to ask first, host:port, separated by commas.";
const TOPIC: &str = "The topic of recipients, not that of mail.";
