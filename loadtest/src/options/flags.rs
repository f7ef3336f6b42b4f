//! The command line of a run: every option with its range and its help.
//!
//! Must not know what comes of the options (see [`crate::plan`]).

use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, FromArgMatches, Parser};

use super::shape::Shape;
use crate::fault::Addresses;
use crate::net::choice::IoChoice;
use crate::units::{parse_duration, parse_rate};

/// The largest number of a message: its digits in a message are fixed.
pub(super) const MAX_MESSAGES: u64 = 999_999_999_999;

/// The default time for a step, and for a step of the first connection: servers that hold their banner back
/// from spammers do so for some seconds.
const STEP_TIME: Duration = Duration::from_secs(60);
const FIRST_TIME: Duration = Duration::from_secs(10);

/// This many errors before the first answer are not chance.
const LEAST_FRUITLESS: u64 = 20;

const AFTER_HELP: &str = "\
Examples:
  as fast as possible, 50 connections         ringpost-loadtest 127.0.0.1:2525 --connections 50 --messages 100000
  a fixed rate for a minute, with a page      ringpost-loadtest 127.0.0.1:2525 --connections 100 --rate 2000 \\
                                                --duration 1m --html report.html
  the highest rate with p99 below 20 ms       ringpost-loadtest 127.0.0.1:2525 --connections 100 --rate 500 \\
                                                --duration 5s --search 'p99<20ms'
  nothing lost, read back from Kafka          ringpost-loadtest 127.0.0.1:2525 --duration 30s --rate 500 --verify \\
                                                --brokers 127.0.0.1:9092 --topic mail --assert 'lost=0,altered=0'

Environment:
  NO_COLOR                                    set to anything: no colours in the terminal
  TERM                                        dumb or unset: progress as plain lines

Exit status:
  0    passed: as much was sent as was asked for, and every assertion holds (without --assert: every message was
       accepted, none lost or altered)
  1    not so, or the run could not begin or was stopped by a signal; the last line says why
  2    wrong usage
  130  a second signal ended it without a report";

/// A load tester for SMTP servers: open and closed loop, percentiles without coordinated omission, CPU time of
/// both sides, and a check that what got its 250 is in the topic.
#[derive(Debug, Clone, Parser)]
#[command(name = "ringpost-loadtest", version, after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The server, as host:port; only loopback addresses unless --allow-remote is given
    #[arg(value_name = "HOST:PORT")]
    pub target: String,

    /// The most connections that are open at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000),
          help_heading = "Load")]
    pub connections: u32,

    /// Messages to send, over all connections [default: 1000, without limit with --duration]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(0..=MAX_MESSAGES), help_heading = "Load")]
    pub messages: Option<u64>,

    /// How long new messages are started: 30s, 5m [default: until all --messages are sent]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    pub duration: Option<Duration>,

    /// Open loop: this many messages a second, each with an intended start time from which its latency counts [default: closed
    /// loop, as fast as the server answers]
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "Load")]
    pub rate: Option<f64>,

    /// Open loop: this many new connections a second, each with --per-connection messages
    #[arg(long, value_name = "RATE", value_parser = parse_rate, conflicts_with = "rate", help_heading = "Load")]
    pub connection_rate: Option<f64>,

    /// The rate rises from zero within this time; in the closed loop, connections are opened over this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "0s", help_heading = "Load")]
    pub ramp: Duration,

    /// What this side's sockets go through; epoll costs it more
    #[arg(
        long,
        value_name = "ENGINE",
        value_enum,
        default_value = "auto",
        help_heading = "Load"
    )]
    pub io: IoChoice,

    /// Threads; each has its own io_uring or epoll and its share of the connections
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256),
          help_heading = "Load")]
    pub threads: u32,

    /// Idle sessions besides the connections: they are opened first, greet, and stay silent until the end
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000),
          help_heading = "Load")]
    pub idle: u32,

    /// Source addresses, taken in turn: 127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9; each allows about 28,000 connections
    /// [default: the kernel's choice]
    #[arg(long, value_name = "ADDRESSES", help_heading = "Load")]
    pub source: Option<String>,

    /// Find the highest rate of messages at which a bound holds, from --rate on: 'p99<20ms'. Each step runs for
    /// --duration [default: 5s]; one that breaks the bound is run again, and two of up to three runs decide. --json, --json-file
    /// and --csv give all runs, --html those and the report of the highest rate that held
    #[arg(long, value_name = "BOUND", requires = "rate", help_heading = "Load")]
    pub search: Option<String>,

    /// The shape of sessions and messages.
    #[command(flatten)]
    pub shape: Shape,

    /// One part of a mixture: its share of the connections, and its flags of shape and content that differ,
    /// '70% --per-connection 1'. May be repeated; shares are divided by their sum
    #[arg(long, value_name = "SHARE FLAGS", help_heading = "Shape of a session")]
    pub mix: Vec<String>,

    /// The sender's address; an empty text is the null sender
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "loadtest@ringpost.example",
        help_heading = "Content"
    )]
    pub from: String,

    /// The recipient's address; further recipients get +2, +3 ... after its local part
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "load@ringpost.example",
        help_heading = "Content"
    )]
    pub to: String,

    /// The name in EHLO
    #[arg(
        long,
        value_name = "NAME",
        default_value = "loadtest.ringpost.example",
        help_heading = "Content"
    )]
    pub helo: String,

    /// Messages that misbehave, each on its own connection, as shares of all messages:
    /// drip=1%,abort:data=2%,garbage=0.5%,smuggle=1%,oversize=1%. abort names a step: connect banner ehlo mail rcpt data
    /// body end
    #[arg(long, value_name = "LIST", help_heading = "Misbehaviour")]
    pub misbehave: Option<String>,

    /// Time between two bytes of a slow drip
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "100ms", help_heading = "Misbehaviour")]
    pub drip_every: Duration,

    /// How long a slow drip goes on before it gives up
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s", help_heading = "Misbehaviour")]
    pub drip_for: Duration,

    /// Time limit for each step: to connect, to get one reply, to send a message and get its reply [default: 60s, for the
    /// first connection 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Load")]
    pub timeout: Option<Duration>,

    /// Give up after this many errors (not refusals) with no accepted message in between; 0: never, and the run begins
    /// even if no connection can be opened. A connection waits up to 0.2 s after each error [default: 1000, with --duration
    /// never; but a run whose first connection cannot be opened ends at once, and one in which nothing was ever answered after
    /// twice as many errors as connections]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub max_errors: Option<u64>,

    /// Allow a target that is not a loopback address. Ask its operator first
    #[arg(long, help_heading = "Load")]
    pub allow_remote: bool,

    /// Measure the CPU time and memory of these processes (the server) and all their descendants
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..),
          help_heading = "The server")]
    pub pid: Vec<u32>,

    /// The server's metrics in Prometheus' text form, http://127.0.0.1:9925/metrics: read before and after, the
    /// differences are in the report
    #[arg(long, value_name = "URL", help_heading = "The server")]
    pub metrics: Option<String>,

    /// Read the topic back and report lost, duplicated and altered messages, and the time from 250 to readable
    #[arg(
        long,
        requires = "brokers",
        requires = "topic",
        help_heading = "The server"
    )]
    pub verify: bool,

    /// Kafka brokers for --verify: host:port,host:port
    #[arg(long, value_name = "LIST", help_heading = "The server")]
    pub brokers: Option<String>,

    /// The topic for --verify
    #[arg(long, value_name = "NAME", help_heading = "The server")]
    pub topic: Option<String>,

    /// How long --verify waits after the run for accepted messages that are not readable yet
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s", help_heading = "The server")]
    pub verify_wait: Duration,

    /// A property of librdkafka for --verify, name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "The server")]
    pub kafka: Vec<String>,

    /// Fail unless all hold: 'p99<20ms,errors=0,lost=0,rate>1000'. A wrong name is answered with all that there are; times need
    /// a unit (us, ms, s, m, h) [default: every message accepted, none lost or altered]
    #[arg(long, value_name = "LIST", help_heading = "Results")]
    pub assert: Option<String>,

    /// Print the report as one JSON object instead of text
    #[arg(long, help_heading = "Results")]
    pub json: bool,

    /// Write the report as JSON to a file
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub json_file: Option<PathBuf>,

    /// Write the report as one self-contained HTML page
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub html: Option<PathBuf>,

    /// Write the run over time as comma-separated values, a line for each second (of a run of more than ten minutes, for each 2,
    /// 4, 8 ... seconds); with --search a line for each run. Units are in the headings
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub csv: Option<PathBuf>,

    /// Do not fail because less was sent than was asked for: messages that were not sent, or a --rate that was not reached. A
    /// bound of --assert on `unsent` or `rate` does the same
    #[arg(long, help_heading = "Results")]
    pub allow_less: bool,

    /// Write a line for each accepted message, "<Message-ID> text of the reply"; whole lines, every 50 ms
    #[allow(rustdoc::invalid_html_tags, reason = "the help of a flag, not HTML")]
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub log: Option<PathBuf>,

    /// Progress as plain lines, also on a terminal
    #[arg(long, help_heading = "Results")]
    pub plain: bool,

    /// No progress on standard error
    #[arg(long, help_heading = "Results")]
    pub quiet: bool,
}

/// Short options that people try, and the options that they mean.
const SHORT: [(&str, &str); 6] = [
    ("-c", "--connections"),
    ("-n", "--messages"),
    ("-m", "--messages"),
    ("-r", "--rate"),
    ("-d", "--duration"),
    ("-t", "--threads"),
];

impl Options {
    /// From words that were parsed.
    pub(crate) fn of_matches(words: &ArgMatches) -> Options {
        Options::from_arg_matches(words).unwrap_or_else(|error| error.exit())
    }

    /// The most messages of the run.
    pub(crate) fn most_messages(&self) -> u64 {
        match (self.messages, self.duration) {
            (Some(messages), _) => messages,
            (None, Some(_)) => MAX_MESSAGES,
            (None, None) => 1000,
        }
    }

    /// The addresses of the messages.
    pub(crate) fn addresses(&self) -> Addresses<'_> {
        Addresses {
            from: &self.from,
            to: &self.to,
        }
    }

    /// How long each step may take.
    pub(crate) fn step_time(&self) -> Duration {
        self.timeout.unwrap_or(STEP_TIME)
    }

    /// How long each step of the first connection may take.
    pub(crate) fn first_time(&self) -> Duration {
        self.timeout.unwrap_or(FIRST_TIME)
    }

    /// Whether the run begins only if a connection can be opened.
    pub(crate) fn needs_first(&self) -> bool {
        self.max_errors != Some(0)
    }

    /// Errors that end a run in which no message was ever answered; `None`: none do.
    pub(crate) fn most_fruitless(&self) -> Option<u64> {
        let each_twice = 2 * u64::from(self.connections);
        self.max_errors
            .is_none()
            .then_some(each_twice.max(LEAST_FRUITLESS))
    }

    /// Errors in a row that end the run; `None`: never.
    pub(crate) fn most_errors(&self) -> Option<u64> {
        match (self.max_errors, self.duration) {
            (Some(0), _) | (None, Some(_)) => None,
            (Some(most), _) => Some(most),
            (None, None) => Some(1000),
        }
    }
}

/// Names the long option for a short one: there are no short options.
pub(crate) fn with_suggestion(mut error: clap::Error) -> clap::Error {
    let wrong = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(wrong)) => wrong.clone(),
        _ => return error,
    };
    let meant = SHORT.iter().find(|(short, _)| wrong.starts_with(short));
    if let (ErrorKind::UnknownArgument, Some((_, long))) = (error.kind(), meant) {
        error.remove(ContextKind::Suggested);
        let long = ContextValue::String((*long).to_owned());
        error.insert(ContextKind::SuggestedArg, long);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
        let options = Options::parse_from(["x", "127.0.0.1:25", "--no-pipeline", "--size", "50k"]);
        assert!(!options.shape.pipelining());
        assert_eq!(options.shape.size, Some(50_000));
        assert_eq!(
            (options.most_messages(), options.most_errors()),
            (1000, Some(1000))
        );
        let options = Options::parse_from(["x", "--pipeline", "127.0.0.1:25", "--duration", "5s"]);
        assert!(options.shape.pipelining());
        assert_eq!(
            (options.most_messages(), options.most_errors()),
            (MAX_MESSAGES, None)
        );
    }
}
