//! The log line of a message. It is the one line that is written as often as mail comes, so it is made by hand, gathered by
//! each worker, and handed over for many messages at once.
//!
//! Owns: its form, which is that of the other lines (`log`), and the gathering. Must not know: terminals and threads; the
//! queue does.
//!
//! BUGS: a second signal ends the process at once, and with it the lines of the last 50 ms.
//!
//! Invariant: a test holds the text and the JSON against what `tracing` makes of the same fields.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::queue::Queue;
use crate::config::LogFormat;
use crate::limits::LOG_GATHERED_OCTETS;
use crate::mail::envelope::Envelope;
use crate::mail::id::QueueId;

/// Where the lines of messages go, and how they look. One for all workers.
#[derive(Debug, Clone)]
pub struct MessageLog {
    queue: Queue,
    format: LogFormat,
    /// Whether the terminal shows colours.
    ansi: bool,
    /// Whether the level lets these lines through.
    enabled: Arc<AtomicBool>,
}

/// What a line says.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// RFC 3339.
    pub time: &'a str,
    /// The queue id.
    pub id: QueueId,
    /// Who sent what to whom.
    pub envelope: &'a Envelope<'a>,
    /// Octets of the message.
    pub size: u64,
    /// `stored`, or the label of a refusal.
    pub outcome: &'a str,
    /// From the last octet to the outcome.
    pub took: Duration,
}

/// The lines of one worker that wait to be handed over.
#[derive(Debug, Default)]
pub struct Gathered {
    lines: Vec<u8>,
    count: u64,
}

impl MessageLog {
    pub(super) fn new(queue: Queue, format: LogFormat, ansi: bool, enabled: bool) -> Self {
        Self {
            queue,
            format,
            ansi: ansi && format == LogFormat::Text,
            enabled: Arc::new(AtomicBool::new(enabled)),
        }
    }

    pub(super) fn enable(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Adds a line; whether it is the first that waits, so that somebody has to hand it over.
    pub fn add(&self, gathered: &mut Gathered, line: Line<'_>) -> bool {
        if !self.enabled.load(Ordering::Relaxed) {
            return false;
        }
        match self.format {
            LogFormat::Text => write_text(&mut gathered.lines, line, self.ansi),
            LogFormat::Json => write_json(&mut gathered.lines, line),
        }
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

/// The fields that are texts, in their order up to `to`.
fn texts<'a>(envelope: &'a Envelope<'a>) -> [(&'static str, &'a str); 4] {
    [
        ("client", envelope.client.text()),
        ("helo", envelope.helo),
        ("from", envelope.reverse_path),
        ("to", envelope.first_recipient()),
    ]
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// A line of `tracing_subscriber`'s compact form.
fn write_text(lines: &mut Vec<u8>, line: Line<'_>, ansi: bool) {
    let style = |on: &'static str| if ansi { on } else { "" };
    let (dim, green, italic, off) = (
        style("\x1b[2m"),
        style("\x1b[32m"),
        style("\x1b[3m"),
        style("\x1b[0m"),
    );
    let name = |lines: &mut Vec<u8>, name: &str| {
        push(lines, &[" ", italic, name, off, dim, "=", off]);
    };
    push(
        lines,
        &[dim, line.time, off, " ", green, " INFO", off, " message"],
    );
    name(lines, "id");
    push(lines, &[line.id.text().as_str()]);
    for (field, text) in texts(line.envelope) {
        name(lines, field);
        quote(lines, text);
    }
    let mut number = Number::default();
    name(lines, "recipients");
    push(lines, &[number.of(line.envelope.recipients.len())]);
    name(lines, "size");
    push(lines, &[number.of(line.size)]);
    name(lines, "outcome");
    quote(lines, line.outcome);
    name(lines, "milliseconds");
    push(lines, &[number.of_float(milliseconds(line.took)), "\n"]);
}

fn write_json(lines: &mut Vec<u8>, line: Line<'_>) {
    push(
        lines,
        &[
            r#"{"timestamp":""#,
            line.time,
            r#"","level":"INFO","message":"message","id":""#,
            line.id.text().as_str(),
            r#"""#,
        ],
    );
    for (field, text) in texts(line.envelope) {
        push(lines, &[",\"", field, "\":"]);
        json_text(lines, text);
    }
    let mut number = Number::default();
    push(lines, &[",\"recipients\":"]);
    push(lines, &[number.of(line.envelope.recipients.len())]);
    push(lines, &[",\"size\":", number.of(line.size)]);
    push(lines, &[",\"outcome\":"]);
    json_text(lines, line.outcome);
    let took = number.of_float(milliseconds(line.took));
    push(lines, &[",\"milliseconds\":", took, "}\n"]);
}

fn push(lines: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        lines.extend_from_slice(part.as_bytes());
    }
}

/// In quotes; what is not plain is escaped as Rust does, so that a line stays one line.
fn quote(lines: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        push(lines, &["\"", text, "\""]);
    } else {
        write!(lines, "{text:?}").expect("a Vec takes all octets");
    }
}

fn json_text(lines: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        push(lines, &["\"", text, "\""]);
    } else {
        serde_json::to_writer(lines, text).expect("a Vec takes all octets");
    }
}

/// Whether no form has to escape any of it.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\'))
}

/// Room for a number as text.
#[derive(Default)]
struct Number(String);

impl Number {
    fn of(&mut self, number: impl std::fmt::Display) -> &str {
        self.0.clear();
        write!(self.0, "{number}").expect("a String takes all text");
        &self.0
    }

    /// As precise as the clock: microseconds.
    fn of_float(&mut self, number: f64) -> &str {
        self.0.clear();
        write!(self.0, "{number:.3}").expect("a String takes all text");
        &self.0
    }
}
