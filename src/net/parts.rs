//! The records of one mail that became several: how many are out, what became of them, and what they share.
//!
//! Owns: the one charge of the mail, the one connection that waits, and when the last record is back. Must not know: recipients,
//! topics, what a record holds.
//!
//! ```text
//!   Parts::new ── departed … departed ── complete     the connection hands the records over
//!                    back    back    back             reports come, in any order, also before `complete`
//!                                        └─▶ End      after `complete` and the last of them, once
//! ```
//!
//! Invariants: the outcome is "stored" only if every record that was handed over is stored and none was held back; there is one end;
//! the charge is released with it, when librdkafka has the body no longer. All state is in cells that are borrowed within one call.

use std::cell::Cell;
use std::rc::Rc;

use bytes::BytesMut;

use super::budget::Charge;
use super::slot::Slot;
use crate::sink::{Outcome, Ticket};
use crate::smtp::refusal::Refusal;

/// See the module.
pub struct Parts {
    /// The connection that waits for the outcome; none once that took too long.
    waiter: Cell<Option<Rc<Slot>>>,
    charge: Cell<Option<Charge>>,
    /// Bytes of the charge that are not the body's.
    beside: usize,
    /// The body, once no record has it.
    body: Cell<Option<BytesMut>>,
    /// Records that are out; one more while there are some to hand over.
    out: Cell<usize>,
    /// The first refusal.
    refusal: Cell<Option<Refusal>>,
    /// The ticket of the first record, by which the outcome is waited for.
    first: Cell<Option<Ticket>>,
}

/// What is left when the last record is back.
pub struct End {
    /// The room of the body and of the records.
    pub charge: Charge,
    /// The body's buffer.
    pub body: BytesMut,
    /// The connection that waits, if one still does.
    pub waiter: Option<Rc<Slot>>,
    /// What it waits for.
    pub ticket: Ticket,
    /// What became of all records together.
    pub outcome: Outcome,
}

impl Parts {
    /// None is out yet. `beside` is what of the charge is not the body's.
    pub fn new(charge: Charge, beside: usize, waiter: &Rc<Slot>) -> Rc<Self> {
        assert!(charge.octets() >= beside, "it is part of the charge");
        Rc::new(Self {
            waiter: Cell::new(Some(Rc::clone(waiter))),
            charge: Cell::new(Some(charge)),
            beside,
            body: Cell::new(None),
            out: Cell::new(1),
            refusal: Cell::new(None),
            first: Cell::new(None),
        })
    }

    /// One more is out.
    pub fn departed(&self, ticket: Ticket) {
        assert!(self.out.get() > 0, "it is not complete");
        self.out.set(self.out.get() + 1);
        self.first.set(self.first.get().or(Some(ticket)));
    }

    /// One is back. `body` is the buffer of the mail, if no other record has it.
    pub fn back(&self, outcome: Outcome, body: Option<BytesMut>) -> Option<End> {
        if let Outcome::Refused(refusal) = outcome {
            self.refusal.set(self.refusal.get().or(Some(refusal)));
        }
        self.keep(body);
        self.one_less()
    }

    /// One is not handed over at all, as another was refused at once: the sender repeats all.
    pub fn held_back(&self, body: Option<BytesMut>) {
        assert!(self.is_refused(), "there is a reason");
        self.keep(body);
    }

    /// All are handed over, or held back.
    pub fn complete(&self) -> Option<End> {
        self.one_less()
    }

    /// Whether one of them was refused.
    pub fn is_refused(&self) -> bool {
        self.refusal.get().is_some()
    }

    /// The ticket by which the outcome is waited for.
    pub fn ticket(&self) -> Ticket {
        self.first.get().expect("one was handed over")
    }

    /// No connection waits for the outcome any longer; the records stay in flight.
    pub fn abandon(&self) {
        let waiter = self.waiter.take();
        assert!(waiter.is_some(), "a connection that gives up has waited");
    }

    fn keep(&self, body: Option<BytesMut>) {
        if body.is_some() {
            let before = self.body.replace(body);
            assert!(before.is_none(), "the last record has the body alone");
        }
    }

    fn one_less(&self) -> Option<End> {
        let out = self.out.get().checked_sub(1).expect("each is back once");
        self.out.set(out);
        (out == 0).then(|| self.end())
    }

    fn end(&self) -> End {
        let charge = self.charge.take().expect("there is one end");
        let body = self.body.take().expect("no record has the body");
        assert_eq!(
            charge.octets(),
            body.capacity() + self.beside,
            "the budget knows what a body and its records hold"
        );
        End {
            charge,
            body,
            waiter: self.waiter.take(),
            ticket: self.ticket(),
            outcome: match self.refusal.get() {
                None => Outcome::Stored,
                Some(refusal) => Outcome::Refused(refusal),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    use super::*;
    use crate::net::budget::Budget;
    use crate::telemetry::metrics::Metrics;

    fn mail() -> (Budget, Rc<Slot>, Rc<Parts>) {
        let budget = Budget::new(2, 100, Rc::new(Metrics::new(1).0.tally()));
        let slot = Rc::new(Slot::new(0, Instant::now()));
        let charge = budget.charge_now(74).unwrap();
        let parts = Parts::new(charge, 10, &slot);
        (budget, slot, parts)
    }

    fn ticket(slot: u32) -> Ticket {
        Ticket {
            worker: 0,
            slot,
            turn: 1,
        }
    }

    fn body() -> Option<BytesMut> {
        Some(BytesMut::with_capacity(64))
    }

    #[test]
    fn the_end_comes_after_the_last_and_after_all_were_handed_over() {
        let (budget, slot, parts) = mail();
        parts.departed(ticket(7));
        assert!(parts.back(Outcome::Stored, None).is_none(), "more may come");
        parts.departed(ticket(8));
        parts.departed(ticket(7));
        assert!(parts.complete().is_none());
        assert!(parts.back(Outcome::Stored, None).is_none());
        assert_eq!((budget.messages(), budget.octets()), (1, 74));
        let end = parts.back(Outcome::Stored, body()).expect("the last");
        assert_eq!((end.outcome, end.ticket), (Outcome::Stored, ticket(7)));
        assert!(end.waiter.is_some_and(|waiter| Rc::ptr_eq(&waiter, &slot)));
        drop(end.charge);
        assert_eq!((budget.messages(), budget.octets()), (0, 0));
        let again = catch_unwind(AssertUnwindSafe(|| parts.back(Outcome::Stored, None)));
        assert!(again.is_err(), "each is back once");
    }

    #[test]
    fn one_refusal_refuses_the_mail_once_the_last_is_back() {
        let (_budget, _slot, parts) = mail();
        for slot in 0..3 {
            parts.departed(ticket(slot));
        }
        let refused = [Refusal::StorageRefused, Refusal::StorageTimedOut].map(Outcome::Refused);
        assert!(parts.back(Outcome::Stored, None).is_none());
        assert!(parts.back(refused[0], None).is_none() && parts.is_refused());
        parts.held_back(None);
        assert!(parts.back(refused[1], body()).is_none());
        parts.abandon();
        let end = parts.complete().expect("nothing is out");
        assert!(end.outcome == refused[0] && end.waiter.is_none());
    }
}
