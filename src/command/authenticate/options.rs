//! The flags of `ringpost authenticate`.
//!
//! Owns: the flags, and what of them goes together. Must not know: what is done with them.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::usage::Usage;
use crate::command::cluster::Cluster;
use crate::command::resolver::Server;
use crate::command::{help, value};

const HOSTNAME: &str =
    "Name in our Authentication-Results; fields of others that claim it are renamed.";

/// Checks who each mail of a topic is from, and writes it to another topic with the verdicts.
#[derive(Debug, Clone, Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub struct Options {
    /// Where the mails are.
    #[command(flatten)]
    pub(super) cluster: Cluster,
    /// Consumer group, which keeps how far mail was checked
    ///
    /// An offset is committed once the mails up to it are in the other topic.
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// Topic to write to; it has to exist
    #[arg(long, value_name = "TOPIC", value_parser = crate::config::topic)]
    pub to_topic: String,
    /// DNS resolver to ask; repeatable
    ///
    /// An IP address, with or without a port. [default: those of /etc/resolv.conf]
    #[arg(long = "resolver", value_name = "ADDRESS")]
    pub resolvers: Vec<Server>,
    /// Name in our Authentication-Results
    #[arg(long, value_name = "NAME", long_help = help::reads("server.hostname", HOSTNAME, "the machine's name"))]
    pub hostname: Option<String>,
    /// How long an unanswered name is asked for, 0s to 24h
    ///
    /// After that the verdict is temperror, if the resolver answers others. While it answers nothing, mails wait as long as it
    /// takes.
    #[arg(long, value_name = "TIME", default_value = "30s", allow_hyphen_values = true, value_parser = value::time("0s", "24h"))]
    pub patience: Duration,
    /// Where to start while the group has no offset yet
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// Write only mails for which this holds; repeatable
    ///
    /// Such as 'domain = example.com and size < 1MiB'; of several, all have to hold. The others are passed over for good.
    /// docs/consume.md describes conditions. [default: all mails]
    #[arg(long = "filter", value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// Stop once every mail was written and no more come
    #[arg(long)]
    pub until_end: bool,
    /// Admin and metrics address, IP:port [default: none]
    #[arg(long, value_name = "ADDR", value_parser = value::address)]
    pub admin: Option<SocketAddr>,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that the topic still has.
    Beginning,
    /// At what is written from now on.
    End,
}

impl Options {
    /// What the flags' own types cannot say.
    ///
    /// # Errors
    /// Flags that do not go together.
    pub(super) fn check(&self) -> Result<(), Usage> {
        if self.group.is_empty() {
            return Err(Usage::EmptyGroup);
        }
        Ok(())
    }
}
