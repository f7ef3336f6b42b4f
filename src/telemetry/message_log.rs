//! The log lines of messages, of refusals and of traced connections. They are written as often as mail comes, so they are made by
//! hand (`line`), gathered by each worker, and handed over for many messages at once.
//!
//! Owns: what a message's line and a refusal's say, and the gathering. `vocabulary` names the fields. Must not know: terminals and
//! threads; the queue does. How a value looks is `line`'s, how many refusals are written `flood`'s, what a trace says `trace_log`'s.
//!
//! BUGS: a second signal ends the process at once, and with it the lines of the last 50 ms.
//!
//! Invariant: lines of one worker are written in the order in which they were added.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::Level;

use super::flood::{Counted, Floods, Kind};
use super::line::Writer;
use super::lines::Lines;
use super::trace_log::{self, Budget, NO_TLS, TraceLine};
use super::vocabulary::field::{
    CLIENT, COMMAND, COUNT, DATA_MILLISECONDS, ENVELOPE_MILLISECONDS, ERROR, FROM, HELO, ID,
    KAFKA_MILLISECONDS, MILLISECONDS, NETWORK, OBJECT_MILLISECONDS, OUTCOME, REASON, RECIPIENTS,
    REPLY, ROOM_MILLISECONDS, SECONDS, SIZE, TLS, TLS_MILLISECONDS, TO, TOTAL_MILLISECONDS,
};
use crate::limits::{LOG_GATHERED_OCTETS, RECIPIENTS_TOLD};
use crate::mail::envelope::{Client, Envelope};
use crate::mail::id::QueueId;
use crate::smtp::address::Mailbox;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::About;

/// Where the lines of messages go, and how they look. One for all workers.
#[derive(Debug, Clone)]
pub struct MessageLog {
    lines: Lines,
    /// Whether messages and refusals have lines; traces always do.
    messages: bool,
    /// The outcome of a message that got its 250.
    stored: &'static str,
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
    /// How long each of its phases took.
    pub phases: Phases,
}

/// How long the phases of a message took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// The TLS handshake of its connection; none in clear.
    pub tls: Option<Duration>,
    /// From MAIL to DATA.
    pub envelope: Duration,
    /// For room; zero where there was room at once.
    pub room: Duration,
    /// From then to the last byte.
    pub data: Duration,
    /// For the rest of its object; none where it is none.
    pub object: Option<Duration>,
    /// From the handover of its record to the outcome; none where it was not handed over.
    pub kafka: Option<Duration>,
    /// From the last byte to the outcome.
    pub outcome: Duration,
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
    traces: Budget,
}

impl MessageLog {
    /// Lines go there, those of messages and refusals if there are to be any.
    pub fn new(lines: Lines, messages: bool) -> Self {
        Self {
            lines,
            messages,
            stored: "stored",
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

    /// Whether messages and refusals have lines.
    pub fn tells_messages(&self) -> bool {
        self.messages
    }

    fn is_enabled(&self) -> bool {
        self.messages && self.lines.takes(Level::INFO)
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
        self.write_message(&mut gathered.lines, line);
        self.added(gathered)
    }

    /// Whether this refusal has its own line; else it is in the count of its flood.
    pub fn writes(&self, gathered: &mut Gathered, why: Why, client: IpAddr, now: Instant) -> bool {
        self.is_enabled() && gathered.floods.writes(why.kind(), client, now)
    }

    /// Adds the line of a refusal, at a time of RFC 3339; whether it is the first that waits.
    pub fn add_refused(&self, gathered: &mut Gathered, time: &str, line: RefusedLine<'_>) -> bool {
        self.write_refused(&mut gathered.lines, time, line);
        self.added(gathered)
    }

    /// Adds a line of the trace of this client's connection, or counts it; whether it is the first that waits.
    pub fn add_trace(
        &self,
        gathered: &mut Gathered,
        client: &Client,
        line: TraceLine<'_>,
        now: Instant,
        time: impl FnOnce() -> String,
    ) -> bool {
        if !self.lines.takes(Level::INFO) || !gathered.traces.takes(now) {
            return false;
        }
        let lines = &mut gathered.lines;
        trace_log::write(&self.lines, lines, &time(), client.text(), line);
        self.added(gathered)
    }

    /// Adds the counts of what was left out and is over, or of all; whether one is the first line that waits.
    pub fn end_floods(
        &self,
        gathered: &mut Gathered,
        now: Instant,
        all: bool,
        time: impl Fn() -> String,
    ) -> bool {
        let mut first = false;
        if let Some(count) = gathered.traces.end(now, all) {
            trace_log::write_left_out(&self.lines, &mut gathered.lines, &time(), count);
            first |= self.added(gathered);
        }
        let mut ended = Vec::new();
        gathered.floods.end(now, all, |counted| ended.push(counted));
        if ended.is_empty() || !self.is_enabled() {
            return first;
        }
        let time = time();
        for counted in ended {
            self.write_counted(&mut gathered.lines, &time, counted);
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
            self.lines.hand_over(lines, gathered.count);
            gathered.count = 0;
        }
    }

    fn write_message(&self, lines: &mut Vec<u8>, said: Line<'_>) {
        let envelope = said.envelope;
        let mut line = self.lines.begin(lines, Level::INFO, said.time, "message");
        line.word(ID, said.id.as_str());
        line.text(CLIENT, envelope.client.text());
        line.text(HELO, envelope.helo);
        line.text(TLS, envelope.tls.unwrap_or(NO_TLS));
        line.text(FROM, envelope.reverse_path);
        let told = envelope.recipients.iter().take(RECIPIENTS_TOLD);
        line.list(TO, told.map(Mailbox::as_str));
        line.number(RECIPIENTS, envelope.recipients.len() as u64);
        line.number(SIZE, said.size);
        match said.outcome {
            Ok(()) => line.text(OUTCOME, self.stored),
            Err(refusal) => {
                line.text(OUTCOME, refusal.row().label);
                line.text(REPLY, &reply(refusal));
            }
        }
        said.phases.write(&mut line);
        line.end();
    }

    fn write_refused(&self, lines: &mut Vec<u8>, time: &str, said: RefusedLine<'_>) {
        let (about, kind) = (said.about, said.why.kind());
        let mut line = self.lines.begin(lines, Level::INFO, time, kind.message);
        line.text(CLIENT, said.client.text());
        if let Some(helo) = &about.helo {
            line.text(HELO, helo);
        }
        line.text(TLS, said.tls.unwrap_or(NO_TLS));
        if let Some(reverse_path) = &about.reverse_path {
            line.text(FROM, reverse_path);
        }
        if about.count > 0 {
            line.list(TO, about.recipients.iter().map(String::as_str));
            line.number(RECIPIENTS, about.count as u64);
        }
        if let Some(size) = about.size {
            line.number(SIZE, size);
        }
        if let Some(command) = &about.command {
            line.text(COMMAND, command);
        }
        if let Why::Refused(refusal) = said.why {
            line.text(REPLY, &reply(refusal));
        }
        line.text(REASON, kind.reason);
        if let Some(error) = said.error {
            line.text(ERROR, error);
        }
        line.end();
    }

    fn write_counted(&self, lines: &mut Vec<u8>, time: &str, counted: Counted) {
        let (message, reason) = counted.kind.map_or(("refused or gone", VARIOUS), |kind| {
            (kind.message, kind.reason)
        });
        let (count, seconds) = (counted.count, counted.within.as_secs().max(1));
        let message = format!("{count} more {message} in the last {seconds} seconds");
        let mut line = self.lines.begin(lines, Level::INFO, time, &message);
        match counted.network {
            Some(network) => line.text(NETWORK, &network.to_string()),
            None => line.text(NETWORK, VARIOUS),
        }
        line.text(REASON, reason);
        line.number(COUNT, count);
        line.number(SECONDS, seconds);
        line.end();
    }
}

impl Phases {
    /// From MAIL to the outcome.
    fn total(&self) -> Duration {
        self.envelope + self.room + self.data + self.outcome
    }

    fn write(&self, line: &mut Writer<'_>) {
        if let Some(tls) = self.tls {
            line.time(TLS_MILLISECONDS, tls);
        }
        line.time(ENVELOPE_MILLISECONDS, self.envelope);
        if !self.room.is_zero() {
            line.time(ROOM_MILLISECONDS, self.room);
        }
        line.time(DATA_MILLISECONDS, self.data);
        if let Some(object) = self.object {
            line.time(OBJECT_MILLISECONDS, object);
        }
        if let Some(kafka) = self.kafka {
            line.time(KAFKA_MILLISECONDS, kafka);
        }
        line.time(MILLISECONDS, self.outcome);
        line.time(TOTAL_MILLISECONDS, self.total());
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

/// What is written for several reasons or networks.
const VARIOUS: &str = "various";

/// Code, enhanced code and text, as the client got them.
fn reply(refusal: Refusal) -> String {
    let row = refusal.row();
    format!("{} {} {}", row.code, row.enhanced, row.text)
}
