//! The flags of `ringpost forward`.
//!
//! Owns: the flags and their ranges. Must not know: what is done with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::webhook;
use crate::command::cluster::Cluster;
use crate::command::value;
use crate::config;

/// Gives each mail of the topic to a mailbox, a relay or an application.
#[derive(Debug, Clone, Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub struct Options {
    #[command(flatten)]
    pub(super) cluster: Cluster,
    /// Consumer group, which keeps how far mail was forwarded
    ///
    /// Its members share the partitions.
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// Where mail goes: smtp://, smtps://, lmtp://, https://
    ///
    /// smtp://HOST[:25], smtps://HOST[:465], lmtp://HOST[:24], lmtp:///PATH for a socket, https://HOST/PATH.
    /// smtp and lmtp take user@ in front of the host and ?starttls=required, offered, opportunistic or never.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where a group that has no offset yet starts
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// Forward only mails for which this holds; repeatable
    ///
    /// Such as 'domain = example.com and size < 1MiB'; of several, all have to hold. The others are passed over. docs/consume.md
    /// has the fields. [default: all mails]
    #[arg(long = "filter", value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// Topic for recipients that are refused for good
    ///
    /// Without it, the first of them ends the program with exit code 1. [default: none]
    #[arg(long, value_name = "TOPIC", value_parser = config::topic)]
    pub dead_letter: Option<String>,
    /// End once every mail is done with and no more come
    #[arg(long)]
    pub until_end: bool,
    /// Mails given to the receiver at once, 1 to 10000
    ///
    /// Each has its own connection.
    #[arg(long, value_name = "N", default_value_t = 20, allow_hyphen_values = true, value_parser = value::number::<u16>(1, 10_000))]
    pub concurrency: u16,
    /// Which mails are kept in sequence: none, those of one key, those of one partition
    #[arg(long, value_enum, default_value_t = Order::None, hide_short_help = true)]
    pub order: Order,
    /// Attempts a second at most: 0.0001 to 1000000 [default: no limit]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = rate, hide_short_help = true)]
    pub rate: Option<f64>,
    /// Longest pause before a mail is tried again: 1ms to 24h. The first is 1s, and each is twice the one before
    #[arg(long, value_name = "TIME", default_value = "60s", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"), hide_short_help = true)]
    pub longest_pause: Duration,
    /// Mails that are held at once, under way or waiting to be tried again: 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 1_000, allow_hyphen_values = true, value_parser = value::number::<u32>(1, 1_000_000), hide_short_help = true)]
    pub held: u32,
    /// Bytes of those mails: 1B and more
    #[arg(long, value_name = "SIZE", default_value = "256MiB", allow_hyphen_values = true, value_parser = held_bytes, hide_short_help = true)]
    pub held_bytes: u64,
    /// Mails of a partition after one that is not done with: 1 to 10000000. Beyond that, no more of the partition are read. A
    /// kill repeats no more of them
    #[arg(long, value_name = "N", default_value_t = 10_000, allow_hyphen_values = true, value_parser = value::number::<u32>(1, 10_000_000), hide_short_help = true)]
    pub window: u32,
    /// How often offsets are committed: 1ms to 1h
    #[arg(long, value_name = "TIME", default_value = "1s", allow_hyphen_values = true, value_parser = value::time("1ms", "1h"), hide_short_help = true)]
    pub commit_every: Duration,
    /// How long mails that are under way have to end when the program stops, or a partition goes to another member: 0s to 1h;
    /// 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "10s", allow_hyphen_values = true, value_parser = value::time("0s", "1h"), hide_short_help = true)]
    pub grace: Duration,
    /// Admin and metrics address, IP:port [default: none]
    #[arg(long, value_name = "ADDR", value_parser = value::address)]
    pub admin: Option<std::net::SocketAddr>,
    /// File of certificates (PEM) that the receiver's has to be signed by [default: the system's]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub tls_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(super) mail: MailOptions,
    #[command(flatten)]
    pub(super) web: webhook::Options,
}

/// The flags for receivers that speak SMTP or LMTP.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "SMTP and LMTP")]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub(super) struct MailOptions {
    /// File with the password of the URL's user
    ///
    /// The password is on its first line. [environment: RINGPOST_FORWARD_PASSWORD has the password
    /// itself] [default: none]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The name in EHLO [default: server.hostname of the configuration, else the machine's]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub helo: Option<String>,
    /// Recipients in one transaction at most: 1 to 10000 [default: 100]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value::number::<u16>(1, 10_000), hide_short_help = true)]
    pub recipients: Option<u16>,
    /// How long a connection to one address may take: 1ms to 24h [default: 30s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"), hide_short_help = true)]
    pub connect_timeout: Option<Duration>,
    /// How long the reply to a command may take: 1ms to 24h [default: 5min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"), hide_short_help = true)]
    pub command_timeout: Option<Duration>,
    /// How long a block of the message may take to be sent: 1ms to 24h [default: 3min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"), hide_short_help = true)]
    pub data_timeout: Option<Duration>,
    /// How long the reply to the message may take: 1ms to 24h [default: 10min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"), hide_short_help = true)]
    pub final_timeout: Option<Duration>,
    /// How long a connection without a mail is kept: 0s to 24h; 0s: not at all [default: 15s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("0s", "24h"), hide_short_help = true)]
    pub idle_timeout: Option<Duration>,
}

impl MailOptions {
    /// The first of them that is set: a mistake where mail goes to an application.
    pub(super) fn first(&self) -> Option<&'static str> {
        let set = [
            ("--password-file", self.password_file.is_some()),
            ("--helo", self.helo.is_some()),
            ("--recipients", self.recipients.is_some()),
            ("--connect-timeout", self.connect_timeout.is_some()),
            ("--command-timeout", self.command_timeout.is_some()),
            ("--data-timeout", self.data_timeout.is_some()),
            ("--final-timeout", self.final_timeout.is_some()),
            ("--idle-timeout", self.idle_timeout.is_some()),
        ];
        set.into_iter()
            .find_map(|(flag, is_set)| is_set.then_some(flag))
    }
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

/// Nothing could be held in no bytes.
#[derive(Debug, thiserror::Error)]
enum NoSize {
    #[error("it {0}")]
    Unreadable(config::Reason),
    #[error("1B and more is allowed")]
    Nothing,
}

fn held_bytes(text: &str) -> Result<u64, NoSize> {
    match config::size(text).map_err(NoSize::Unreadable)? {
        0 => Err(NoSize::Nothing),
        bytes => Ok(bytes),
    }
}

/// A text is no rate.
#[derive(Debug, thiserror::Error)]
#[error("0.0001 to 1000000 attempts a second are allowed, such as 50 or 0.5")]
struct NoRate;

fn rate(text: &str) -> Result<f64, NoRate> {
    let rate: f64 = text.parse().map_err(|_| NoRate)?;
    (1e-4..=1e6).contains(&rate).then_some(rate).ok_or(NoRate)
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
        for (flags, allowed) in [
            (["--rate", "0"], "0.0001 to 1000000 attempts"),
            (["--rate", "-1"], "0.0001 to 1000000 attempts"),
            (["--rate", "1000000000"], "0.0001 to 1000000 attempts"),
            (["--rate", "nan"], "0.0001 to 1000000 attempts"),
            (["--concurrency", "0"], "from 1 to 10000"),
            (["--concurrency", "-1"], "from 1 to 10000"),
            (["--held", "0"], "from 1 to 1000000"),
            (["--held-bytes", "0"], "1B and more"),
            (["--held-bytes", "-1"], "such as 25MiB"),
            (["--window", "0"], "from 1 to 10000000"),
            (["--recipients", "10001"], "from 1 to 10000"),
            (["--order", "time"], "partition"),
            (["--commit-every", "soon"], "30s"),
            (["--commit-every", "0s"], "from 1ms to 1h"),
            (["--commit-every", "-1s"], "30s"),
            (["--longest-pause", "0s"], "from 1ms to 24h"),
            (["--grace", "2h"], "from 0s to 1h"),
            (["--timeout", "0s"], "from 1ms to 24h"),
            (["--connect-timeout", "0s"], "from 1ms to 24h"),
            (["--command-timeout", "0ms"], "from 1ms to 24h"),
            (["--data-timeout", "0min"], "from 1ms to 24h"),
            (["--final-timeout", "0h"], "from 1ms to 24h"),
            (["--idle-timeout", "25h"], "from 0s to 24h"),
            (["--admin", "9925"], "127.0.0.1:9925"),
            (["--dead-letter", ""], "1 to 249 letters"),
            (["--dead-letter", "a b"], "1 to 249 letters"),
        ] {
            let error = parse(&flags).unwrap_err();
            assert!(error.contains(flags[0]), "{error}");
            assert!(error.contains(allowed), "{flags:?}: {error}");
        }
        let none = parse(&["--grace", "0s", "--idle-timeout", "0s"]).unwrap();
        assert_eq!(none.mail.idle_timeout, Some(Duration::ZERO));
        assert!(Line::try_parse_from(["forward", "--to", "smtp://x"]).is_err());
    }
}
