//! What is counted for each message: what came of it, and how long it took.
//!
//! Invariant: each message that was taken is counted once, as accepted, refused, unanswered or overdue.

use std::time::{Duration, Instant};

use super::context::Context;
use super::dispatch::Work;
use crate::client::{CLOSING, Connection, Delivered};
use crate::content::{OwnPart, Template};
use crate::fault::{ErrorKind, What};
use crate::plan::Profile;
use crate::tally::{Interval, Phase, record};
use crate::verify::Sent;

impl Context {
    /// The envelope of a message was answered, with this many recipients left out.
    pub(super) fn count_envelope(
        &self,
        connection: &Connection,
        recipients_refused: u64,
        time: Duration,
    ) {
        if recipients_refused > 0 {
            let mut interval = self.interval();
            for (code, text, count) in connection.refused_recipients() {
                interval.troubles.count_recipients(code, text, count);
            }
        }
        let mut tally = self.tally.borrow_mut();
        tally.recipients_refused += recipients_refused;
        tally.record(Phase::Envelope, time);
    }

    /// Counts a final reply by what it says.
    pub(super) fn count_delivered(
        &self,
        connection: &Connection,
        profile: &Profile,
        template: &Template,
        work: Work,
        delivered: &Delivered,
    ) {
        assert!(
            delivered.answered >= delivered.last_byte,
            "a reply comes after what it answers was sent"
        );
        let whole = delivered.answered - work.intended;
        self.count_in_interval(connection, profile, delivered.code, whole);
        let mut tally = self.tally.borrow_mut();
        match delivered.code {
            200..300 => tally.count_accepted(template.size as u64, delivered.answered),
            code @ 400..600 => tally.count_refused(code, delivered.answered),
            _ => tally.count_unanswered(delivered.answered),
        }
        tally.record(Phase::Reply, delivered.answered - delivered.last_byte);
        tally.record(Phase::Whole, whole);
    }

    /// What the main thread and the other threads see of a final reply.
    fn count_in_interval(
        &self,
        connection: &Connection,
        profile: &Profile,
        code: u16,
        whole: Duration,
    ) {
        if (200..600).contains(&code) {
            self.live.fate(profile.index).count_answer();
        }
        let mut interval = self.interval();
        match code {
            200..300 => {
                self.live.count_answer();
                self.live.count_accepted();
                interval.accepted += 1;
            }
            400..600 => {
                self.live.count_answer();
                interval.refused += 1;
                note_refusal(connection, &mut interval, code);
            }
            _ => interval.errors += 1,
        }
        record(&mut interval.whole, whole);
    }

    /// Tells the log and the reader of the topic of an accepted message.
    pub(super) fn tell_accepted(
        &self,
        connection: &Connection,
        template: &Template,
        part: &OwnPart,
        work: Work,
        at: Instant,
    ) {
        if let Some(log) = &self.plan.log {
            log.append(template.message_id(part), connection.reply_text());
        }
        if let Some(verify) = &self.verify {
            // The reader of the topic outlives all threads.
            let _ = verify.send(Sent::Accepted(work.number, at));
        }
    }

    /// A message was refused before its data was sent.
    pub(super) fn count_refused(&self, connection: &Connection, profile: &Profile, code: u16) {
        if code != CLOSING {
            self.live.fate(profile.index).count_answer();
            self.live.count_answer();
        }
        {
            let mut interval = self.interval();
            interval.refused += 1;
            note_refusal(connection, &mut interval, code);
        }
        let mut tally = self.tally.borrow_mut();
        tally.count_refused(code, Instant::now());
    }

    /// Data of a message was sent and no final reply came: its latency is not known, but it is at least the time so far.
    pub(super) fn count_unanswered(&self, work: Work) {
        let mut tally = self.tally.borrow_mut();
        tally.count_unanswered(Instant::now());
        tally.record(Phase::Whole, work.intended.elapsed());
    }

    /// A message that was taken and could not be sent before the end counts like one that was never given out.
    pub(super) fn count_unsent(&self, held: Option<Work>) {
        if let Some(work) = held
            && self.plan.is_open_loop()
        {
            let waited = work.intended.elapsed();
            self.tally.borrow_mut().count_overdue(waited);
        }
    }
}

/// Keeps the text of a refusal. A 421 is kept as the error that ends the connection.
fn note_refusal(connection: &Connection, interval: &mut Interval, code: u16) {
    if code != CLOSING {
        let fault = connection.refusal(ErrorKind::Protocol, code);
        let troubles = &mut interval.troubles;
        troubles.count_reply(What::Refused, fault.step, code, &fault.words);
    }
}
