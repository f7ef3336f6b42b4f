//! A message on its way: room for it, its record, its outcome.
//!
//! Owns: the steps from "DATA accepted" to the outcome of the commit, and the log line of a message. Must not know: how the
//! bytes of the body arrive; how a mail becomes several records is `parts`'s.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Connection, Message, lent};
use crate::limits::{
    BODY_GROWTH_MOST, BODY_MARGIN_OCTETS, BODY_TRUSTED_OCTETS, BODY_TRUSTED_SHARE,
    BUDGET_WAIT_MILLISECONDS,
};
use crate::mail::envelope::Envelope;
use crate::mail::id::QueueId;
use crate::mail::record::Stamp;
use crate::mail::trace;
use crate::net::budget::Charge;
use crate::net::buffers::Buffers;
use crate::net::parts::Parts;
use crate::net::transport::Transport;
use crate::sink::routing::Grouping;
use crate::sink::{Outcome, Submission, Ticket};
use crate::smtp::refusal::Refusal;
use crate::smtp::session::{Admission, Commit};
use crate::smtp::state::Transaction;
use crate::telemetry::message_log::{Line, Phases};
use crate::telemetry::metrics::MessageOutcome;

/// What became of a record that was handed over.
pub(super) enum Submitted {
    /// Its outcome will come to this ticket; for a mail that became several records, that of all of them.
    Under(Ticket, Option<Rc<Parts>>),
    Done(Outcome),
}

impl<T: Transport> Connection<'_, T> {
    /// Begins a message where there is room for it within a while; else it is refused.
    pub(super) async fn find_room(&mut self, admission: Admission) -> io::Result<()> {
        let (expected, room) = self.expect(admission.announced());
        let mut now = self.session.heard();
        if let Some(refusal) = self.turned_away(&admission) {
            self.refuse_admission(admission, refusal, now);
            return Ok(());
        }
        let mut charge = self.hub.memory.budget.charge_now(room);
        if charge.is_none() {
            let waited = Box::pin(self.wait_for_room(room)).await;
            now = self.hub.clock.now();
            charge = match waited {
                Ok(charge) => charge,
                Err(error) => {
                    self.left = Some(Box::new(admission.about()));
                    return Err(error);
                }
            };
        }
        self.admit(admission, expected, charge, now);
        Ok(())
    }

    /// What a message will probably need, and the room that it is given for that at first.
    fn expect(&self, announced: Option<u64>) -> (usize, usize) {
        let expected = announced
            .map_or(self.last_size as usize, |size| {
                usize::try_from(size).unwrap_or(usize::MAX)
            })
            .saturating_add(BODY_MARGIN_OCTETS);
        let most = self.hub.shared.claims.as_ref();
        let most = most.filter(|_| self.is_large(announced));
        let expected = expected.min(most.map_or(usize::MAX, |claims| claims.buffer));
        let share = self.hub.memory.budget.octets_left() / BODY_TRUSTED_SHARE;
        let room = Buffers::capacity(expected.min(BODY_TRUSTED_OCTETS.max(share)));
        (expected, room)
    }

    /// Begins the message in the room that was charged for it; without any it is refused.
    fn admit(
        &mut self,
        admission: Admission,
        expected: usize,
        charge: Option<Charge>,
        now: Instant,
    ) {
        let admitted = match charge {
            Some(charge) => {
                let mut message = self.open_message(admission.transaction(), expected, charge);
                message.is_large = self.is_large(admission.announced());
                self.message = Some(Box::new(message));
                Ok(())
            }
            None => Err(Refusal::NoRoom),
        };
        let output = lent(&mut self.output, self.hub);
        self.session.admit(admission, admitted, now, output);
    }

    /// Charges the budget, waiting for its turn; `None` if that did not come in time.
    async fn wait_for_room(&mut self, room: usize) -> io::Result<Option<Charge>> {
        // Before it enters the queue: a client that does not read its replies would hold up all after it.
        self.flush().await?;
        self.slot
            .arm(self.hub.clock.now() + Duration::from_millis(BUDGET_WAIT_MILLISECONDS));
        let place = self.hub.memory.budget.queue(&self.slot);
        Ok(self.slot.until(|| place.charge(room)).await)
    }

    /// A body with its Received field, in a buffer that has been charged.
    fn open_message(&self, transaction: &Transaction, expected: usize, charge: Charge) -> Message {
        let (hub, shared) = (self.hub, &self.hub.shared);
        let time = hub.clock.wall();
        let id = hub.identities.next_id(time);
        let mut body = hub.memory.take_buffer(charge.octets());
        if shared.trace {
            let (envelope, hostname) = (self.envelope(transaction), &shared.policy.hostname);
            hub.identities.with_rfc5322(time, |date| {
                trace::write(&mut body, &envelope, hostname, id, date);
            });
        }
        Message {
            id,
            time,
            field: body.len(),
            body,
            charge,
            expected,
            is_large: false,
            claim: None,
        }
    }

    /// The envelope of a transaction of this connection.
    fn envelope<'e>(&'e self, transaction: &'e Transaction) -> Envelope<'e> {
        Envelope::of(transaction, &self.client, self.stream.agreed())
    }

    pub(super) async fn commit(&mut self, commit: Commit) {
        let received = self.session.heard();
        let mut message = *self.message.take().expect("a message is being committed");
        let id = message.id;
        let mut handed_over = received;
        self.last_size = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
        let is_claimed = self.is_claimed(&message, &commit);
        let ready = if is_claimed {
            let ready = Box::pin(self.store(&mut message, commit.size)).await;
            handed_over = self.hub.clock.now();
            ready
        } else {
            trace::end_section(&mut message.body, message.field);
            Ok(())
        };
        let was_ready = ready.is_ok();
        let submitted = match ready {
            Ok(()) => self.submit(message, &commit),
            Err(refusal) => {
                self.hub.memory.release(message.body, message.charge);
                Submitted::Done(Outcome::Refused(refusal))
            }
        };
        let (outcome, now) = match submitted {
            Submitted::Under(ticket, parts) => self.outcome(ticket, parts).await,
            Submitted::Done(outcome) => (outcome, handed_over),
        };
        if self.hub.journal.is_kept() {
            let phases = Phases {
                object: is_claimed.then(|| handed_over - received),
                kafka: was_ready.then(|| now - handed_over),
                outcome: now - received,
                ..self.phases_before(&commit, received)
            };
            self.log(id, &commit, outcome, (phases, now));
        }
        let output = lent(&mut self.output, self.hub);
        match outcome {
            Outcome::Stored => {
                let tally = &self.hub.tally;
                tally.messages.increment(MessageOutcome::Accepted);
                tally.message_bytes.add(commit.size);
                tally.message_size.record(commit.size as f64);
                let took = (now - received).as_secs_f64();
                tally.receive_to_reply.record(took);
                self.session.resolve(commit, Ok(id.as_str()), now, output);
            }
            Outcome::Refused(refusal) => {
                self.session.resolve(commit, Err(refusal), now, output);
            }
        }
    }

    /// How long it took until the last byte was received.
    fn phases_before(&self, commit: &Commit, received: Instant) -> Phases {
        let times = commit.transaction().times;
        let asked = times.asked.unwrap_or(received);
        let data = times.data.unwrap_or(received);
        Phases {
            tls: self.stream.handshake_took(),
            envelope: times.mail.map_or(Duration::ZERO, |mail| asked - mail),
            room: data - asked,
            data: received - data,
            ..Phases::default()
        }
    }

    /// The line of a message, whose outcome came now.
    fn log(
        &self,
        id: QueueId,
        commit: &Commit,
        outcome: Outcome,
        (phases, now): (Phases, Instant),
    ) {
        let time = self.hub.identities.rfc3339(self.hub.clock.wall());
        let line = Line {
            time: std::str::from_utf8(&time).expect("a date is ASCII"),
            id,
            envelope: &self.envelope(commit.transaction()),
            size: commit.size,
            outcome: match outcome {
                Outcome::Stored => Ok(()),
                Outcome::Refused(refusal) => Err(refusal),
            },
            phases,
        };
        self.hub.journal.add(line, now);
    }

    /// Hands the message over, as one record or as several.
    fn submit(&mut self, message: Message, commit: &Commit) -> Submitted {
        let (hub, shared) = (self.hub, &self.hub.shared);
        let time = hub.identities.rfc3339(message.time);
        let stamp = Stamp {
            id: message.id,
            hostname: &shared.policy.hostname,
            time: &time,
            size: commit.size,
            bare_newlines: commit.bare_newlines,
            key: shared.key,
            part: None,
        };
        let envelope = self.envelope(commit.transaction());
        let (recipients, octets) = (envelope.recipients, message.body.len());
        let listener = usize::from(self.listener);
        let topic = match shared.routing.group(recipients, listener, octets) {
            Grouping::One(topic) => topic,
            Grouping::Several(groups) => {
                return self.submit_parts(&groups, &envelope, stamp, message);
            }
        };
        let mut record = hub.memory.take_record();
        record.fill(&envelope, stamp, message.body);
        if let Some(claim) = &message.claim {
            claim.refer(&mut record);
        }
        let ticket = hub.flights.depart(&record, message.charge, &self.slot);
        if let Submission::Done(outcome, record) = shared.sink.submit(topic, ticket, record) {
            hub.count(topic, outcome);
            hub.take_back(ticket, record);
            if outcome == Outcome::Stored {
                message.claim.into_iter().for_each(|claim| claim.keep());
            }
            return Submitted::Done(outcome);
        }
        // Whatever is said of it, the record may be there.
        message.claim.into_iter().for_each(|claim| claim.keep());
        Submitted::Under(ticket, None)
    }

    /// Waits for the outcome of a mail, which has been handed over just now; the outcome, and when it came.
    async fn outcome(&mut self, ticket: Ticket, parts: Option<Rc<Parts>>) -> (Outcome, Instant) {
        let (hub, produced) = (self.hub, self.session.heard());
        self.slot.arm(self.session.deadline());
        let reported = self.slot.outcome(ticket).await;
        let now = hub.clock.now();
        let outcome = match reported {
            Some(outcome) => {
                let took = (now - produced).as_secs_f64();
                hub.tally.produce_to_report.record(took);
                outcome
            }
            None => {
                match parts {
                    None => hub.flights.abandon(ticket),
                    Some(parts) => parts.abandon(),
                }
                Outcome::Refused(Refusal::StorageTimedOut)
            }
        };
        (outcome, now)
    }

    /// Grows the body, if the budget allows; else the message is spoilt and its memory freed. It grows to the expected
    /// size, but to no more than a few times what has arrived, so that a sender gets memory only for bytes that it sends.
    pub(super) fn make_room_for(&mut self, octets: usize) {
        let Some(message) = &mut self.message else {
            return;
        };
        if message.body.capacity() - message.body.len() >= octets {
            return;
        }
        let (arrived, before) = (message.body.len(), message.body.capacity());
        let wanted = message.expected.min(before * BODY_GROWTH_MOST);
        let target = Buffers::capacity(wanted.max(before + 1).max(arrived + octets));
        if !message.charge.grow(target - before) {
            self.session.spoil(Refusal::NoRoom);
            let _ = self.session.poll_action();
            return self.drop_message();
        }
        let mut larger = self.hub.memory.take_buffer(target);
        // This copies what has arrived, for a body that is larger than any before it on this connection; a few times less
        // often than doubling would.
        larger.extend_from_slice(&message.body);
        let smaller = std::mem::replace(&mut message.body, larger);
        self.hub.memory.keep_buffer(smaller);
    }
}
