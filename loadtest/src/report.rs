//! The result of a run, as text for people and as one JSON object for programs.
//!
//! The JSON's names are stable: a change of meaning raises `version`; new names may come without. Units are in the names.
//! A value that was not measured is `null`.
//!
//! | name | meaning |
//! |---|---|
//! | `version` | 1 |
//! | `tool` | name and version of this program |
//! | `target`, `run` | the server's address; the run's id, which is in every Message-ID |
//! | `options` | `connections`, `messages`, `message_size` (octets), `threads`, `per_connection`, `recipients`, `pipelining` (asked for) |
//! | `elapsed_seconds` | from the start to the last message's result |
//! | `gave_up` | whether `--max-errors` ended the run |
//! | `messages` | `accepted`, `refused` (4xx or 5xx), `unanswered` (data was sent, no final reply came), `unsent` |
//! | `messages_per_second`, `megabytes_per_second` | of accepted messages; 10^6 octets before transparency |
//! | `connections_opened` | greeted connections |
//! | `recipients_refused` | recipients refused within messages that went on without them |
//! | `errors_total`, `errors` | errors, and by kind: `connect` `greeting` `closed` `shutdown` `timeout` `protocol` `io` |
//! | `replies`, `refused_by_code` | replies, and refused messages, by code |
//! | `reply_microseconds` | from just before the write of a message's last octet to its final reply |
//! | `transaction_microseconds` | from just before the write of MAIL to the final reply |
//! | `banner_microseconds` | from connecting to the banner |
//! | `own` | this process: `cpu_seconds`, `cpu_microseconds_per_message` (of accepted and refused ones) |
//! | `server` | with `--pid`, the same, and `pid`, `peak_rss_bytes`, `rss_bytes`; `null` if its process was gone at the end |
//!
//! Each `..._microseconds` object has `count`, `min`, `mean`, `p50`, `p90`, `p99`, `p99_9`, `max`; three significant digits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::engine::Outcome;
use crate::options::Plan;
use crate::tally::{ErrorKind, Tally};

/// Raised when a name of the JSON changes its meaning.
const VERSION: u32 = 1;

/// The result of a run; its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    tool: &'static str,
    target: String,
    run: String,
    options: Setting,
    elapsed_seconds: f64,
    gave_up: bool,
    messages: Messages,
    messages_per_second: f64,
    megabytes_per_second: f64,
    connections_opened: u64,
    recipients_refused: u64,
    errors_total: u64,
    errors: BTreeMap<&'static str, u64>,
    replies: BTreeMap<String, u64>,
    refused_by_code: BTreeMap<String, u64>,
    reply_microseconds: Percentiles,
    transaction_microseconds: Percentiles,
    banner_microseconds: Percentiles,
    own: Cpu,
    server: Option<Server>,
}

#[derive(Debug, Serialize)]
struct Setting {
    connections: u32,
    messages: u64,
    message_size: u64,
    threads: u32,
    per_connection: u64,
    recipients: u32,
    pipelining: bool,
}

#[derive(Debug, Serialize)]
struct Messages {
    accepted: u64,
    refused: u64,
    unanswered: u64,
    unsent: u64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
struct Cpu {
    cpu_seconds: f64,
    cpu_microseconds_per_message: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Server {
    pid: u32,
    #[serde(flatten)]
    cpu: Cpu,
    peak_rss_bytes: u64,
    rss_bytes: u64,
}

impl Report {
    /// Puts a run's result together.
    pub fn new(plan: &Plan, outcome: &Outcome) -> Report {
        let tally = &outcome.tally;
        let options = &plan.options;
        let seconds = outcome.elapsed.as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let accepted = tally.accepted as f64;
        Report {
            version: VERSION,
            tool: concat!("ringpost-loadtest ", env!("CARGO_PKG_VERSION")),
            target: plan.address.to_string(),
            run: plan.run.clone(),
            options: Setting::new(plan),
            elapsed_seconds: seconds,
            gave_up: outcome.gave_up,
            messages: Messages::new(options.messages, tally),
            messages_per_second: per_second(accepted),
            megabytes_per_second: per_second(accepted * options.size as f64 / 1e6),
            connections_opened: tally.connections,
            recipients_refused: tally.recipients_refused,
            errors_total: tally.errors_total(),
            errors: ErrorKind::ALL
                .iter()
                .map(|(kind, name)| (*name, tally.errors[*kind as usize]))
                .collect(),
            replies: by_code(&tally.replies),
            refused_by_code: by_code(&tally.refused_by),
            reply_microseconds: Percentiles::new(&tally.reply_time),
            transaction_microseconds: Percentiles::new(&tally.transaction_time),
            banner_microseconds: Percentiles::new(&tally.banner_time),
            own: Cpu::new(outcome.own_cpu, tally),
            server: Server::new(plan, outcome),
        }
    }

    /// Whether every message got its positive reply.
    pub fn all_accepted(&self) -> bool {
        self.messages.accepted == self.options.messages
    }

    /// One JSON object in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain maps with text keys and finite numbers")
    }

    /// Some lines for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text)
            .expect("a String takes everything");
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let Messages {
            accepted,
            refused,
            unanswered,
            unsent,
        } = self.messages;
        writeln!(
            text,
            "run          {} to {}, {:.3} s",
            self.run, self.target, self.elapsed_seconds
        )?;
        writeln!(
            text,
            "messages     {accepted} accepted, {refused} refused, {unanswered} unanswered, {unsent} unsent, of {} with {} octets",
            self.options.messages, self.options.message_size
        )?;
        writeln!(
            text,
            "rate         {:.0} messages/s, {:.2} MB/s",
            self.messages_per_second, self.megabytes_per_second
        )?;
        writeln!(
            text,
            "connections  {} opened, {} at a time",
            self.connections_opened, self.options.connections
        )?;
        writeln!(text, "replies      {}", list(&self.replies))?;
        if refused > 0 {
            writeln!(text, "refused by   {}", list(&self.refused_by_code))?;
        }
        if self.recipients_refused > 0 {
            writeln!(
                text,
                "recipients   {} refused in messages that went on without them",
                self.recipients_refused
            )?;
        }
        let happened: BTreeMap<_, _> = self
            .errors
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| (*name, *count))
            .collect();
        writeln!(
            text,
            "errors       {} {}",
            self.errors_total,
            list(&happened)
        )?;
        if self.gave_up {
            writeln!(
                text,
                "gave up      too many errors without an accepted message in between (--max-errors)"
            )?;
        }
        writeln!(
            text,
            "microseconds        p50       p90       p99     p99.9       max"
        )?;
        self.reply_microseconds.write_row(text, "end to reply")?;
        self.transaction_microseconds
            .write_row(text, "transaction")?;
        self.banner_microseconds.write_row(text, "banner")?;
        self.own.write_line(text, "own CPU")?;
        if let Some(server) = &self.server {
            server.cpu.write_line(text, "server CPU")?;
            let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            writeln!(
                text,
                "server RSS   {:.1} MiB at its peak, {:.1} MiB now",
                mebibytes(server.peak_rss_bytes),
                mebibytes(server.rss_bytes)
            )?;
        }
        Ok(())
    }
}

impl Setting {
    fn new(plan: &Plan) -> Setting {
        let options = &plan.options;
        Setting {
            connections: options.connections,
            messages: options.messages,
            message_size: options.size,
            threads: options.threads,
            per_connection: options.per_connection,
            recipients: options.recipients,
            pipelining: plan.pipelining(),
        }
    }
}

impl Messages {
    fn new(asked: u64, tally: &Tally) -> Messages {
        let Tally {
            accepted,
            refused,
            unanswered,
            ..
        } = *tally;
        let tried = accepted + refused + unanswered;
        assert!(tried <= asked, "each message has one result");
        Messages {
            accepted,
            refused,
            unanswered,
            unsent: asked - tried,
        }
    }
}

impl Percentiles {
    fn new(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles {
            count: histogram.len(),
            min: if histogram.is_empty() {
                0
            } else {
                histogram.min()
            },
            mean: histogram.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        }
    }

    fn write_row(&self, text: &mut String, name: &str) -> std::fmt::Result {
        let Percentiles {
            p50,
            p90,
            p99,
            p99_9,
            max,
            ..
        } = self;
        writeln!(
            text,
            "{name:<12} {p50:>10}{p90:>10}{p99:>10}{p99_9:>10}{max:>10}"
        )
    }
}

impl Cpu {
    fn new(time: Duration, tally: &Tally) -> Cpu {
        let answered = tally.accepted + tally.refused;
        let seconds = time.as_secs_f64();
        let per_message = (answered > 0).then(|| seconds * 1e6 / answered as f64);
        Cpu {
            cpu_seconds: seconds,
            cpu_microseconds_per_message: per_message,
        }
    }

    fn write_line(&self, text: &mut String, name: &str) -> std::fmt::Result {
        match self.cpu_microseconds_per_message {
            Some(each) => writeln!(
                text,
                "{name:<12} {each:.1} microseconds/message, {:.2} s",
                self.cpu_seconds
            ),
            None => writeln!(text, "{name:<12} {:.2} s", self.cpu_seconds),
        }
    }
}

impl Server {
    fn new(plan: &Plan, outcome: &Outcome) -> Option<Server> {
        let (pid, before, after) = (
            plan.options.pid?,
            plan.server_before?,
            outcome.server_after?,
        );
        Some(Server {
            pid,
            cpu: Cpu::new(after.cpu.saturating_sub(before.cpu), &outcome.tally),
            peak_rss_bytes: after.peak_rss,
            rss_bytes: after.rss,
        })
    }
}

fn by_code(counts: &[u64]) -> BTreeMap<String, u64> {
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted
        .map(|(code, count)| (code.to_string(), *count))
        .collect()
}

fn list<K: AsRef<str>>(counts: &BTreeMap<K, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{} {count}", name.as_ref()))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_unsent() {
        let mut tally = Tally::new();
        (tally.accepted, tally.refused, tally.unanswered) = (5, 3, 1);
        let messages = Messages::new(10, &tally);
        assert_eq!(messages.unsent, 1);
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let percentiles = Percentiles::new(&Tally::new().reply_time);
        assert_eq!(
            (
                percentiles.count,
                percentiles.min,
                percentiles.p99_9,
                percentiles.max
            ),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn cpu_per_message_counts_answered_messages() {
        let mut tally = Tally::new();
        assert_eq!(
            Cpu::new(Duration::from_secs(1), &tally).cpu_microseconds_per_message,
            None
        );
        (tally.accepted, tally.refused, tally.unanswered) = (3, 1, 7);
        assert_eq!(
            Cpu::new(Duration::from_secs(1), &tally).cpu_microseconds_per_message,
            Some(250_000.0)
        );
    }
}
