//! The log lines of mails that are forwarded.
//!
//! Owns: what each line says. Must not know: when there is one. `telemetry::vocabulary` has the fields.

use std::time::Duration;

use tracing::Level;

use super::delivery::Answer;
use crate::consume::received::Received;
use crate::limits::RECIPIENTS_TOLD;
use crate::telemetry::line::Writer;
use crate::telemetry::lines::Lines;
use crate::telemetry::vocabulary::field::{
    ATTEMPTS, ERROR, FROM, ID, MILLISECONDS, OFFSET, PARTITION, PAUSE_MILLISECONDS, RECIPIENTS,
    RECIPIENTS_ACCEPTED, RECIPIENTS_REFUSED, REPLY, SIZE, TO, TOPIC,
};

/// Where the lines go.
pub struct Log {
    /// All of them.
    pub lines: Lines,
    /// Whether each mail has its lines (`log.messages`).
    pub mails: bool,
}

/// What a mail came to that is done with.
pub(super) struct Forwarded<'a> {
    pub(super) record: &'a Received,
    pub(super) sender: &'a str,
    pub(super) accepted: usize,
    pub(super) refused: usize,
    pub(super) attempts: u32,
    pub(super) took: Duration,
}

impl Log {
    /// These recipients are in a dead letter now, in this topic.
    pub(super) fn refused(&self, record: &Received, refused: &[(String, Answer)], topic: &str) {
        if self.mails {
            self.lines.say(Level::WARN, "refused", |line| {
                let names = refused.iter().map(|(name, _)| name.as_str());
                recipients(line, record, names, refused.len());
                if let Some((_, why)) = refused.first() {
                    answer(line, why);
                }
                line.text(TOPIC, topic);
            });
        }
    }

    /// A record that cannot be forwarded is in a dead letter now.
    pub(super) fn no_mail(&self, record: &Received, why: &str, topic: &str) {
        self.lines.say(Level::WARN, "no mail", |line| {
            place(line, record);
            line.text(ERROR, why);
            line.text(TOPIC, topic);
        });
    }

    /// These recipients are tried again after a pause.
    pub(super) fn later(
        &self,
        record: &Received,
        later: &[String],
        attempts: u32,
        (why, pause): (&Answer, Duration),
    ) {
        if self.mails {
            self.lines.say(Level::INFO, "later", |line| {
                recipients(line, record, later.iter().map(String::as_str), later.len());
                line.number(ATTEMPTS, u64::from(attempts));
                answer(line, why);
                line.time(PAUSE_MILLISECONDS, pause);
            });
        }
    }

    /// A mail is done with.
    pub(super) fn forwarded(&self, mail: &Forwarded<'_>) {
        if self.mails {
            self.lines.say(Level::INFO, "forwarded", |line| {
                id(line, mail.record);
                place(line, mail.record);
                line.text(FROM, mail.sender);
                line.number(SIZE, mail.record.value.len() as u64);
                line.number(RECIPIENTS_ACCEPTED, mail.accepted as u64);
                line.number(RECIPIENTS_REFUSED, mail.refused as u64);
                line.number(ATTEMPTS, u64::from(mail.attempts));
                line.time(MILLISECONDS, mail.took);
            });
        }
    }
}

fn recipients<'t>(
    line: &mut Writer<'_>,
    record: &Received,
    names: impl Iterator<Item = &'t str>,
    count: usize,
) {
    id(line, record);
    line.list(TO, names.take(RECIPIENTS_TOLD));
    line.number(RECIPIENTS, count as u64);
}

fn id(line: &mut Writer<'_>, record: &Received) {
    if let Some(id) = record.attributes().id {
        line.word(ID, id);
    }
}

fn place(line: &mut Writer<'_>, record: &Received) {
    // Kafka counts both from 0.
    line.number(PARTITION, u64::try_from(record.partition).unwrap_or(0));
    line.number(OFFSET, u64::try_from(record.offset).unwrap_or(0));
}

/// What the receiver said, or why it said nothing.
fn answer(line: &mut Writer<'_>, answer: &Answer) {
    match answer.code {
        Some(code) => line.text(REPLY, &format!("{code} {}", answer.text)),
        None => line.text(ERROR, &answer.text),
    }
}
