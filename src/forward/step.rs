//! One record on its way to its receiver: tried until each recipient is accepted or is in a dead letter.
//!
//! Owns: what is tried again, when, and what becomes of those who are refused. Must not know: offsets, protocols.
//!
//! Invariants: a recipient that was accepted is not tried again while the process lives; a record is settled once each of its
//! recipients was accepted or is in the dead-letter topic; without one, the first refusal ends the program.
//!
//! BUGS: who of a mail was accepted is known in memory alone: after a kill a mail that was delivered in part is delivered again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::delivery::{Answer, Delivery, Verdict};
use super::destination::Destination;
use super::failure::Refusal;
use super::letter;
use super::log::{Forwarded, Log};
use super::mail::{self, Forwardable, Unforwardable};
use super::turn::Turns;
use crate::consume::received::Received;
use crate::failure::Failure;
use crate::pipeline::backoff::{Backoff, random};
use crate::pipeline::step::{Settled, Step, Withdrawn};
use crate::pipeline::whole::{Objects, Whole};
use crate::pipeline::writer::{Outgoing, Writer};

/// The pause before the first repetition.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait that a receiver may ask for.
const ASKED_MOST: Duration = Duration::from_secs(60 * 60);

/// What forwarding is made of.
pub struct Parts {
    /// Where mail goes.
    pub destination: Destination,
    /// Its name, for texts.
    pub receiver: String,
    /// Completes records.
    pub objects: Objects,
    /// Where refused recipients go; none: they end the program.
    pub dead_letters: Option<Writer>,
    /// Attempts at once.
    pub concurrency: usize,
    /// Attempts a second at most.
    pub rate: Option<f64>,
    /// The longest pause between two attempts for a mail.
    pub longest_pause: Duration,
    /// The lines of mails.
    pub log: Log,
    /// What is counted.
    pub counts: Arc<Counts>,
}

/// See the module.
pub struct Forward {
    parts: Parts,
    turns: Turns,
}

/// A mail that is under way.
struct Open {
    delivery: Delivery,
    /// The record's own value, where the message is an object.
    value: Option<Vec<u8>>,
    attempts: u32,
    accepted: usize,
    refused: usize,
}

/// The verdicts of an attempt, sorted.
#[derive(Default)]
struct Sorted {
    accepted: usize,
    refused: Vec<(String, Answer)>,
    later: Vec<String>,
    /// Why somebody is tried again.
    why: Option<Answer>,
    not_before: Duration,
}

impl Sorted {
    fn of(recipients: Vec<String>, verdicts: Vec<Verdict>) -> Self {
        let mut sorted = Self::default();
        for (recipient, verdict) in recipients.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Accepted => sorted.accepted += 1,
                Verdict::Refused(answer) => sorted.refused.push((recipient, answer)),
                Verdict::Later { answer, not_before } => {
                    sorted.later.push(recipient);
                    sorted.why.get_or_insert(answer);
                    let asked = not_before.unwrap_or_default().min(ASKED_MOST);
                    sorted.not_before = sorted.not_before.max(asked);
                }
            }
        }
        sorted
    }

    /// Whether a receiver took some recipients and said of the others that they are too many at once.
    fn has_more(&self) -> bool {
        let code = self.why.as_ref().and_then(|answer| answer.code);
        self.accepted > 0 && matches!(code, Some(452 | 552))
    }
}

impl Forward {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        let turns = Turns::new(
            parts.concurrency,
            parts.rate,
            Arc::clone(&parts.counts),
            parts.receiver.clone(),
        );
        Self { parts, turns }
    }

    /// Takes leave of the receiver.
    pub async fn close(&self) {
        self.parts.destination.close().await;
    }

    /// Tries until nobody is open.
    async fn deliver(&self, open: &mut Open, withdrawn: &Withdrawn) -> Result<Settled, Failure> {
        let mut backoff = Backoff::new(FIRST_PAUSE, self.parts.longest_pause.max(FIRST_PAUSE));
        while !open.delivery.recipients.is_empty() {
            let Some(verdicts) = self.attempt(open, withdrawn).await else {
                return Ok(Settled::Withdrawn);
            };
            let recipients = std::mem::take(&mut open.delivery.recipients);
            let sorted = Sorted::of(recipients, verdicts);
            let pause = match sorted.has_more() {
                true => Duration::ZERO,
                false => backoff.pause(random()).max(sorted.not_before),
            };
            open.accepted += sorted.accepted;
            if !sorted.refused.is_empty()
                && self.bury(open, sorted.refused, withdrawn).await? == Settled::Withdrawn
            {
                return Ok(Settled::Withdrawn);
            }
            if let Some(why) = sorted.why {
                let record = &open.delivery.record;
                let log = &self.parts.log;
                log.later(record, &sorted.later, open.attempts, (&why, pause));
                self.parts.counts.waiting(true);
                let waited = withdrawn.unless(tokio::time::sleep(pause)).await;
                self.parts.counts.waiting(false);
                if waited.is_none() {
                    return Ok(Settled::Withdrawn);
                }
            }
            open.delivery.recipients = sorted.later;
        }
        Ok(Settled::Done)
    }

    /// One attempt, which is not broken off; none where the record was withdrawn before.
    async fn attempt(&self, open: &mut Open, withdrawn: &Withdrawn) -> Option<Vec<Verdict>> {
        let turn = withdrawn.unless(self.turns.next()).await?;
        open.attempts += 1;
        let begun = Instant::now();
        let verdicts = self.parts.destination.deliver(&open.delivery).await;
        turn.ended(&verdicts);
        self.parts.counts.attempt(&verdicts, begun.elapsed());
        let opened = self.parts.destination.opened();
        self.parts.counts.connections(opened);
        Some(verdicts)
    }

    /// Writes the dead letter of these recipients.
    ///
    /// # Errors
    /// There is no topic for it, or none that takes it.
    async fn bury(
        &self,
        open: &mut Open,
        refused: Vec<(String, Answer)>,
        withdrawn: &Withdrawn,
    ) -> Result<Settled, Failure> {
        let record = &open.delivery.record;
        let Some(writer) = &self.parts.dead_letters else {
            let (recipient, answer) = refused.into_iter().next().expect("somebody was refused");
            return Err(Refusal::of(record, &self.parts.receiver, &recipient, &answer).into());
        };
        let value = open.value.as_ref().unwrap_or(&record.value);
        let letter = letter::dead_letter(record, value, &refused);
        let settled = writer.write(&letter, withdrawn).await?;
        if settled == Settled::Done {
            open.refused += refused.len();
            self.parts.counts.dead_letter();
            self.parts.log.refused(record, &refused, writer.topic());
        }
        Ok(settled)
    }

    /// A record that is no mail, or none that is whole.
    async fn bury_whole(
        &self,
        record: &Received,
        why: String,
        withdrawn: &Withdrawn,
    ) -> Result<Settled, Failure> {
        let Some(writer) = &self.parts.dead_letters else {
            return Err(Refusal::no_mail(record, why).into());
        };
        let letter: Outgoing = letter::of_no_mail(record, &why);
        let settled = writer.write(&letter, withdrawn).await?;
        if settled == Settled::Done {
            self.parts.counts.dead_letter();
            self.parts.log.no_mail(record, &why, writer.topic());
        }
        Ok(settled)
    }

    fn say_done(&self, open: &Open, took: Duration) {
        self.parts.log.forwarded(&Forwarded {
            record: &open.delivery.record,
            sender: &open.delivery.sender,
            accepted: open.accepted,
            refused: open.refused,
            attempts: open.attempts,
            took,
        });
    }
}

impl Step for Forward {
    async fn settle(&self, record: Received, withdrawn: Withdrawn) -> Result<Settled, Failure> {
        let begun = Instant::now();
        let (record, value) = match self.parts.objects.complete(record, &withdrawn).await? {
            Whole::Message(record, value) => (record, value),
            Whole::Missing(record, why) => {
                return self.bury_whole(&record, why.to_string(), &withdrawn).await;
            }
            Whole::Withdrawn => return Ok(Settled::Withdrawn),
        };
        let Forwardable { delivery, wrong } = match mail::delivery(record) {
            Ok(mail) => mail,
            Err(Unforwardable { mut record, why }) => {
                if let Some(value) = value {
                    record.value = value;
                }
                return self.bury_whole(&record, why.to_string(), &withdrawn).await;
            }
        };
        let mut open = Open {
            delivery,
            value,
            attempts: 0,
            accepted: 0,
            refused: 0,
        };
        if !wrong.is_empty() {
            let answer = |text: String| Answer { code: None, text };
            let refused = wrong.into_iter();
            let refused: Vec<_> = refused
                .map(|(recipient, why)| (recipient, answer(why.to_string())))
                .collect();
            refused.iter().for_each(|_| self.parts.counts.refused());
            if self.bury(&mut open, refused, &withdrawn).await? == Settled::Withdrawn {
                return Ok(Settled::Withdrawn);
            }
        }
        let settled = self.deliver(&mut open, &withdrawn).await?;
        if settled == Settled::Done {
            self.parts.counts.mail(begun.elapsed());
            self.say_done(&open, begun.elapsed());
        }
        Ok(settled)
    }
}
