//! The records of one worker that are in flight: which connection waits for each, and the charge of its body.
//!
//! Owns: what stays with the worker while librdkafka has the record. Must not know: what becomes of a record.
//!
//! The record's memory goes to librdkafka's thread and comes back with the report. Its charge stays here, beside the ticket:
//! a [`Charge`] holds an `Rc`, so it is not `Send`, so no type that goes through a channel can hold it. It leaves with the
//! report, once, because the ledger gives an entry out by value. The records of a mail that has several share one charge, which
//! `parts` keeps until the last of them is back.
//!
//! Invariant: what is charged is what the body holds, when it leaves and when it comes back. The ledger is borrowed within
//! one call, never over an await.

use std::cell::RefCell;
use std::rc::Rc;

use super::budget::Charge;
use super::parts::Parts;
use super::slot::Slot;
use crate::mail::record::{Record, Value};
use crate::sink::Ticket;
use crate::sink::ledger::Ledger;

/// See the module.
pub struct Flights(RefCell<Ledger<Flight>>);

/// What stays here for a record in flight.
enum Flight {
    /// It is all of its mail.
    Whole {
        /// The connection that waits for the outcome; none once that took too long.
        waiter: Option<Rc<Slot>>,
        charge: Charge,
    },
    /// It is one of these.
    Part(Rc<Parts>),
}

/// What stayed here for a record that is back.
pub enum Landed {
    /// It is all of its mail: its charge, and the connection that waits for its outcome, if one still does.
    Whole(Charge, Option<Rc<Slot>>),
    /// It is one of these.
    Part(Rc<Parts>),
}

impl Flights {
    /// None yet, of worker `worker`.
    pub fn new(worker: u32) -> Self {
        Self(RefCell::new(Ledger::new(worker)))
    }

    /// Records in flight.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A ticket for a record whose outcome `waiter` waits for.
    pub fn depart(&self, record: &Record, charge: Charge, waiter: &Rc<Slot>) -> Ticket {
        assert_fits(&charge, record);
        self.0.borrow_mut().open(Flight::Whole {
            waiter: Some(Rc::clone(waiter)),
            charge,
        })
    }

    /// A ticket for one more of these.
    pub fn depart_part(&self, parts: &Rc<Parts>) -> Ticket {
        let ticket = self.0.borrow_mut().open(Flight::Part(Rc::clone(parts)));
        parts.departed(ticket);
        ticket
    }

    /// No connection waits for `ticket` any longer; the record stays in flight.
    pub fn abandon(&self, ticket: Ticket) {
        let mut ledger = self.0.borrow_mut();
        let waiter = match ledger.get_mut(ticket) {
            Some(Flight::Whole { waiter, .. }) => waiter.take(),
            Some(Flight::Part(_)) => panic!("parts are given up together"),
            None => None,
        };
        assert!(waiter.is_some(), "a connection that gives up has waited");
    }

    /// The record of `ticket` is back.
    pub fn land(&self, ticket: Ticket, record: &Record) -> Landed {
        match self.0.borrow_mut().close(ticket) {
            Flight::Whole { waiter, charge } => {
                assert_fits(&charge, record);
                Landed::Whole(charge, waiter)
            }
            Flight::Part(parts) => Landed::Part(parts),
        }
    }
}

fn assert_fits(charge: &Charge, record: &Record) {
    let Value::Own(body) = &record.value else {
        panic!("the record of a whole mail has its own body");
    };
    assert_eq!(
        charge.octets(),
        body.capacity(),
        "the budget knows what a body holds"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::BytesMut;

    use super::*;
    use crate::net::budget::Budget;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn a_charge_stays_until_its_record_is_back() {
        let budget = Budget::new(2, 100, Rc::new(Metrics::new(1).0.tally()));
        let (flights, slot) = (Flights::new(3), Rc::new(Slot::new(0, Instant::now())));
        let depart = |octets: usize| {
            let mut record = Record::default();
            record.value = BytesMut::with_capacity(octets).into();
            let charge = budget.charge_now(octets).unwrap();
            (flights.depart(&record, charge, &slot), record)
        };
        let land = |ticket, record: &Record| match flights.land(ticket, record) {
            Landed::Whole(charge, waiter) => (charge, waiter),
            Landed::Part(_) => panic!("it departed as a whole mail"),
        };
        let ((a, first), (b, second)) = (depart(60), depart(40));
        flights.abandon(a);
        assert_eq!((budget.octets(), flights.len()), (100, 2));
        let (charge, waiter) = land(a, &first);
        assert!(waiter.is_none() && charge.octets() == 60);
        drop(charge);
        assert_eq!(budget.octets(), 40);
        let (charge, waiter) = land(b, &second);
        assert!(waiter.is_some_and(|waiter| Rc::ptr_eq(&waiter, &slot)));
        drop(charge);
        assert!(flights.is_empty() && budget.messages() == 0);
    }
}
