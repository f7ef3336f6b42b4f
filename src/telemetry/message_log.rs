//! The log lines of messages and of refusals. They are written as often as mail comes, so they are made by hand (`line`),
//! gathered by each worker, and handed over for many messages at once.
//!
//! Owns: which fields they have, and the gathering. docs/logging.md names the fields. Must not know: terminals and threads;
//! the queue does. How a value looks is `line`'s, how many refusals are written `flood`'s.
//!
//! BUGS: a second signal ends the process at once, and with it the lines of the last 50 ms.
//!
//! Invariant: a test holds the text and the JSON against what `tracing` makes of the same fields.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::flood::{Counted, Floods, Kind};
use super::line::{Form, Writer};
use super::queue::Queue;
use crate::config::LogFormat;
use crate::limits::{LOG_GATHERED_OCTETS, RECIPIENTS_TOLD};
use crate::mail::envelope::{Client, Envelope};
use crate::mail::id::QueueId;
use crate::smtp::address::Mailbox;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::About;

/// Where the lines of messages go, and how they look. One for all workers.
#[derive(Debug, Clone)]
pub struct MessageLog {
    queue: Queue,
    form: Form,
    /// The outcome of a message that got its 250.
    stored: &'static str,
    /// Whether the level lets these lines through.
    enabled: Arc<AtomicBool>,
}

/// What the line of a message says.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// RFC 3339.
    pub time: &'a str,
    /// The queue id.
    pub id: QueueId,
    /// The envelope.
    pub envelope: &'a Envelope<'a>,
    /// Bytes of the message.
    pub size: u64,
    /// Whether it was stored.
    pub outcome: Result<(), Refusal>,
    /// From the last byte to the outcome.
    pub took: Duration,
}

/// Why a client did not get what it came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It got this reply.
    Refused(Refusal),
    /// Its connection was closed without a reply, which it could not have read.
    Unanswered(&'static str),
    /// It left inside a command or a transaction; the reason is how its session ended.
    Gone(&'static str),
}

/// What the line of a refusal says.
#[derive(Debug, Clone, Copy)]
pub struct RefusedLine<'a> {
    /// Why.
    pub why: Why,
    /// The client.
    pub client: &'a Client,
    /// TLS version and cipher suite; none in clear.
    pub tls: Option<&'a str>,
    /// What it was about.
    pub about: &'a About,
    /// What went wrong, in words that the reply does not have.
    pub error: Option<&'a str>,
}

/// The lines of one worker that wait to be handed over, and its floods.
#[derive(Debug, Default)]
pub struct Gathered {
    lines: Vec<u8>,
    count: u64,
    floods: Floods,
}

impl MessageLog {
    pub(super) fn new(queue: Queue, format: LogFormat, ansi: bool, enabled: bool) -> Self {
        let form = match format {
            LogFormat::Json => Form::Json,
            LogFormat::Text if ansi => Form::Colours,
            LogFormat::Text => Form::Text,
        };
        Self {
            queue,
            form,
            stored: "stored",
            enabled: Arc::new(AtomicBool::new(enabled)),
        }
    }

    /// The same where a 250 stores nothing, and the lines must not say that it does.
    #[must_use]
    pub fn discarding(self) -> Self {
        Self {
            stored: "discarded",
            ..self
        }
    }

    pub(super) fn enable(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Whether a message of this outcome has its own line; else it is in the count of what the storage did not take.
    pub fn writes_message(
        &self,
        gathered: &mut Gathered,
        outcome: Result<(), Refusal>,
        now: Instant,
    ) -> bool {
        let Err(refusal) = outcome else { return true };
        let kind = Kind {
            message: "messages not stored",
            reason: refusal.row().label,
        };
        gathered.floods.writes_of_all(kind, now)
    }

    /// Adds the line of a message; whether it is the first that waits, so that a task has to hand it over.
    pub fn add(&self, gathered: &mut Gathered, line: Line<'_>) -> bool {
        if !self.is_enabled() {
            return false;
        }
        write_message(&mut gathered.lines, self.form, self.stored, line);
        self.added(gathered)
    }

    /// Whether this refusal has its own line; else it is in the count of its flood.
    pub fn writes(&self, gathered: &mut Gathered, why: Why, client: IpAddr, now: Instant) -> bool {
        self.is_enabled() && gathered.floods.writes(why.kind(), client, now)
    }

    /// Adds the line of a refusal, at a time of RFC 3339; whether it is the first that waits.
    pub fn add_refused(&self, gathered: &mut Gathered, time: &str, line: RefusedLine<'_>) -> bool {
        write_refused(&mut gathered.lines, self.form, time, line);
        self.added(gathered)
    }

    /// Adds the counts of the floods that are over, or of all; whether one is the first line that waits.
    pub fn end_floods(
        &self,
        gathered: &mut Gathered,
        now: Instant,
        all: bool,
        time: impl FnOnce() -> String,
    ) -> bool {
        let mut ended = Vec::new();
        gathered.floods.end(now, all, |counted| ended.push(counted));
        if ended.is_empty() || !self.is_enabled() {
            return false;
        }
        let (time, mut first) = (time(), false);
        for counted in ended {
            write_counted(&mut gathered.lines, self.form, &time, counted);
            first |= self.added(gathered);
        }
        first
    }

    fn added(&self, gathered: &mut Gathered) -> bool {
        gathered.count += 1;
        if gathered.lines.len() >= LOG_GATHERED_OCTETS {
            self.hand_over(gathered);
            return false;
        }
        gathered.count == 1
    }

    /// Hands over what waits.
    pub fn hand_over(&self, gathered: &mut Gathered) {
        if gathered.count > 0 {
            // The next lines will be about as many.
            let next = Vec::with_capacity(gathered.lines.len());
            let lines = std::mem::replace(&mut gathered.lines, next);
            self.queue.hand_over(lines, gathered.count);
            gathered.count = 0;
        }
    }
}

impl Why {
    fn kind(self) -> Kind {
        match self {
            Why::Refused(refusal) => Kind {
                message: "refused",
                reason: refusal.row().label,
            },
            Why::Unanswered(reason) => Kind {
                message: "refused",
                reason,
            },
            Why::Gone(reason) => Kind {
                message: "gone",
                reason,
            },
        }
    }
}

fn write_message(lines: &mut Vec<u8>, form: Form, stored: &str, said: Line<'_>) {
    let envelope = said.envelope;
    let mut line = Writer::begin(lines, form, said.time, "message");
    line.word("id", said.id.as_str());
    line.text("client", envelope.client.text());
    line.text("helo", envelope.helo);
    line.text("tls", envelope.tls.unwrap_or(NO_TLS));
    line.text("from", envelope.reverse_path);
    let told = envelope.recipients.iter().take(RECIPIENTS_TOLD);
    line.list("to", told.map(Mailbox::as_str));
    line.number("recipients", envelope.recipients.len());
    line.number("size", said.size);
    match said.outcome {
        Ok(()) => line.text("outcome", stored),
        Err(refusal) => {
            line.text("outcome", refusal.row().label);
            line.text("reply", &reply(refusal));
        }
    }
    // As precise as the clock: microseconds.
    let milliseconds = said.took.as_secs_f64() * 1e3;
    line.number("milliseconds", format_args!("{milliseconds:.3}"));
    line.end();
}

/// How a field says that there is no TLS.
const NO_TLS: &str = "none";

fn write_refused(lines: &mut Vec<u8>, form: Form, time: &str, said: RefusedLine<'_>) {
    let (about, kind) = (said.about, said.why.kind());
    let mut line = Writer::begin(lines, form, time, kind.message);
    line.text("client", said.client.text());
    if let Some(helo) = &about.helo {
        line.text("helo", helo);
    }
    line.text("tls", said.tls.unwrap_or(NO_TLS));
    if let Some(reverse_path) = &about.reverse_path {
        line.text("from", reverse_path);
    }
    if about.count > 0 {
        line.list("to", about.recipients.iter().map(String::as_str));
        line.number("recipients", about.count);
    }
    if let Some(size) = about.size {
        line.number("size", size);
    }
    if let Some(command) = &about.command {
        line.text("command", command);
    }
    if let Why::Refused(refusal) = said.why {
        line.text("reply", &reply(refusal));
    }
    line.text("reason", kind.reason);
    if let Some(error) = said.error {
        line.text("error", error);
    }
    line.end();
}

fn write_counted(lines: &mut Vec<u8>, form: Form, time: &str, counted: Counted) {
    let (message, reason) = counted.kind.map_or(("refused or gone", VARIOUS), |kind| {
        (kind.message, kind.reason)
    });
    let (count, seconds) = (counted.count, counted.within.as_secs().max(1));
    let message = format!("{count} more {message} in the last {seconds} seconds");
    let mut line = Writer::begin(lines, form, time, &message);
    match counted.network {
        Some(network) => line.text("network", &network.to_string()),
        None => line.text("network", VARIOUS),
    }
    line.text("reason", reason);
    line.number("count", count);
    line.number("seconds", seconds);
    line.end();
}

/// What is written for several reasons or networks.
const VARIOUS: &str = "various";

/// Code, enhanced code and text, as the client got them.
fn reply(refusal: Refusal) -> String {
    let row = refusal.row();
    format!("{} {} {}", row.code, row.enhanced, row.text)
}
