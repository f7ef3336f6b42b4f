//! The flags of `ringpost forward`.
//!
//! Owns: the flags and their ranges. Must not know: what is done with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::webhook;
use crate::command::cluster::Cluster;
use crate::config;

/// Gives each mail of the topic to a mailbox, a relay or an application.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    pub(super) cluster: Cluster,
    /// The consumer group: its members share the partitions, and it keeps how far each was forwarded
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// Where mail goes: smtp://HOST[:25], smtps://HOST[:465], lmtp://HOST[:24], lmtp:///PATH for a socket, https://HOST/PATH;
    /// smtp and lmtp take user@ in front of the host and ?starttls=required, offered, opportunistic or never
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not links"
    )]
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where a group that has no offset yet starts
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// Forward only the mails for which this holds, such as 'domain = example.com and size < 1MiB'; of several, all have to.
    /// The others are passed over. docs/consume.md has the fields
    #[arg(long = "filter", value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// Topic for recipients that the receiver refuses for good; without it the first of them ends the program
    #[arg(long, value_name = "TOPIC")]
    pub dead_letter: Option<String>,
    /// End once every mail is done with and no more are being written
    #[arg(long)]
    pub until_end: bool,
    /// Mails that are given to the receiver at once, each over its own connection
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub concurrency: u16,
    /// Which mails are kept in sequence: none, those of one key, those of one partition
    #[arg(long, value_enum, default_value_t = Order::None)]
    pub order: Order,
    /// Attempts a second at most
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Longest pause before a mail is tried again; the first is 1s, and each is twice the one before
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = config::time)]
    pub longest_pause: Duration,
    /// Mails that are held at once: under way, or waiting to be tried again
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub held: u32,
    /// Bytes of those mails
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = config::size)]
    pub held_bytes: u64,
    /// Mails of a partition after one that is not done with: beyond that, no more of the partition are read. A kill repeats no
    /// more of them
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub window: u32,
    /// How often offsets are committed
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = config::time)]
    pub commit_every: Duration,
    /// How long mails that are under way have to end when the program stops, or a partition goes to another member
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = config::time)]
    pub grace: Duration,
    /// Address of /metrics, /healthz and /readyz, IP:port
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<std::net::SocketAddr>,
    /// File of certificates (PEM) that the receiver's has to be signed by [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// How long an application may take for its answer; a second more for each MiB of the mail
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::time)]
    pub timeout: Duration,
    #[command(flatten)]
    pub(super) mail: MailOptions,
    #[command(flatten)]
    pub(super) web: webhook::Options,
}

/// The flags for receivers that speak SMTP or LMTP.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For smtp, smtps and lmtp")]
pub(super) struct MailOptions {
    /// File with the password of the URL's user on its first line [environment: RINGPOST_FORWARD_PASSWORD]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not a link"
    )]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The name in EHLO [default: server.hostname of the configuration, else the machine's]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not a link"
    )]
    #[arg(long, value_name = "NAME")]
    pub helo: Option<String>,
    /// Recipients in one transaction at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub recipients: u16,
    /// How long a connection to one address may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::time)]
    pub connect_timeout: Duration,
    /// How long the reply to a command may take
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = config::time)]
    pub command_timeout: Duration,
    /// How long a block of the message may take to be sent
    #[arg(long, value_name = "TIME", default_value = "3min", value_parser = config::time)]
    pub data_timeout: Duration,
    /// How long the reply to the message may take
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = config::time)]
    pub final_timeout: Duration,
    /// How long a connection without a mail is kept
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = config::time)]
    pub idle_timeout: Duration,
}

/// Where a group without an offset starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that the topic still has.
    Beginning,
    /// At what is written from now on.
    End,
}

/// Which mails are kept in sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// None.
    None,
    /// Those of one key.
    Key,
    /// Those of one partition.
    Partition,
}

/// A text is no rate.
#[derive(Debug, thiserror::Error)]
#[error("a number of attempts a second is more than 0, such as 50 or 0.5")]
struct NoRate;

fn rate(text: &str) -> Result<f64, NoRate> {
    let rate: f64 = text.parse().map_err(|_| NoRate)?;
    (rate.is_finite() && (1e-4..=1e6).contains(&rate))
        .then_some(rate)
        .ok_or(NoRate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(flags: &[&str]) -> Result<Options, String> {
        let line = ["forward", "--group", "g", "--to", "smtp://127.0.0.1"];
        let parsed = Line::try_parse_from(line.iter().chain(flags));
        parsed
            .map(|line| line.options)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_have_their_ranges() {
        let options = parse(&["--rate", "0.5", "--longest-pause", "5min"]).unwrap();
        assert_eq!(options.rate, Some(0.5));
        assert_eq!(options.longest_pause, Duration::from_secs(300));
        for flags in [
            ["--rate", "0"],
            ["--rate", "nan"],
            ["--concurrency", "0"],
            ["--held", "0"],
            ["--window", "0"],
            ["--order", "time"],
            ["--commit-every", "soon"],
            ["--admin", "9925"],
        ] {
            let error = parse(&flags).unwrap_err();
            assert!(error.contains(flags[0]), "{error}");
        }
        assert!(Line::try_parse_from(["forward", "--to", "smtp://x"]).is_err());
    }
}
