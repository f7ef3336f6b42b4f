//! One worker's parts, side by side, and what concerns several of them at once.
//!
//! | part | owns |
//! |---|---|
//! | `shared` | what all workers share |
//! | `memory` | room for bodies, and what is used again |
//! | `slots` | the open connections |
//! | `flights` | the records in flight, with their charges |
//! | `identities` | queue ids and dates |
//! | `journal` | log lines that wait |
//! | `tally` | what this worker counts by itself |
//! | `clock` | the time |
//!
//! Owns: the order of things where a report or a look at the deadlines moves several parts. Must not know: what the parts do.
//! A connection holds the one reference to all of them, for its size; everything else takes the part that it needs.
//!
//! Invariant: no part hands out a borrow of its cells, so none can be held over an await. Clippy's
//! `await_holding_refcell_ref`, which CI makes an error, watches the inside of the parts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::budget::Budget;
use super::clock::Clock;
use super::flights::{Flights, Landed};
use super::identities::Identities;
use super::journal::Journal;
use super::memory::Memory;
use super::parts::End;
use super::shared::Shared;
use super::slot::Slot;
use super::slots::Slots;
use crate::config::TopicPlace;
use crate::mail::envelope::Client;
use crate::mail::id::Generator;
use crate::mail::record::Record;
use crate::sink::{Outcome, Report, Ticket};
use crate::telemetry::message_log::RefusedLine;
use crate::telemetry::metrics::Tally;
use crate::telemetry::trace_log::TraceLine;

/// A worker's share of the in-flight budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// In messages.
    pub messages: usize,
    /// In bytes.
    pub octets: usize,
}

/// See the module.
pub struct Hub {
    /// The index of its worker.
    pub worker: usize,
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Room for bodies, and what is used again.
    pub memory: Memory,
    /// The open connections.
    pub slots: Slots,
    /// The records in flight.
    pub flights: Flights,
    /// Queue ids and dates.
    pub identities: Identities,
    /// Log lines that wait.
    pub journal: Journal,
    /// What this worker counts by itself.
    pub tally: Rc<Tally>,
    /// Tells the time.
    pub clock: Box<dyn Clock>,
}

impl Hub {
    /// The parts of worker `worker`, as they are at its start.
    pub fn new(
        worker: u32,
        shared: Arc<Shared>,
        share: Share,
        ids: Generator,
        clock: Box<dyn Clock>,
    ) -> Self {
        let tally = Rc::new(shared.metrics.tally());
        let budget = Budget::new(share.messages, share.octets, Rc::clone(&tally));
        Self {
            worker: worker as usize,
            memory: Memory::new(budget),
            slots: Slots::default(),
            flights: Flights::new(worker),
            identities: Identities::new(ids),
            journal: Journal::new(shared.message_log.clone()),
            tally,
            clock,
            shared,
        }
    }

    /// A delivery report came.
    pub fn report(&self, report: Report) {
        let Report {
            topic,
            ticket,
            outcome,
            record,
        } = report;
        self.count(topic, outcome);
        match self.flights.land(ticket, &record) {
            Landed::Whole(charge, waiter) => {
                self.memory.keep_record(record, charge);
                self.answer(waiter, ticket, outcome);
            }
            Landed::Part(parts) => {
                let body = self.memory.keep_part(record);
                self.end_parts(parts.back(outcome, body));
            }
        }
    }

    /// Counts what became of a record.
    pub fn count(&self, topic: TopicPlace, outcome: Outcome) {
        match outcome {
            Outcome::Stored => {
                let (place, now) = (topic.index(), self.clock.wall());
                self.tally.topic_records.increment(place);
                self.tally.topic_last_stored.set(place, now);
                self.tally.last_stored.set(now);
            }
            Outcome::Refused(_) => {}
        }
    }

    /// The record of a whole mail was decided at once; nothing waits for it.
    pub fn take_back(&self, ticket: Ticket, record: Box<Record>) {
        let Landed::Whole(charge, _) = self.flights.land(ticket, &record) else {
            panic!("a part is reported");
        };
        self.memory.keep_record(record, charge);
    }

    /// The last record of a mail that became several is back, if it is.
    pub fn end_parts(&self, end: Option<End>) {
        if let Some(end) = end {
            self.memory.release(end.body, end.charge);
            self.answer(end.waiter, end.ticket, end.outcome);
        }
    }

    fn answer(&self, waiter: Option<Rc<Slot>>, ticket: Ticket, outcome: Outcome) {
        match waiter {
            Some(slot) => slot.resolve(ticket, outcome),
            None => self.shared.metrics.late_reports.increment(1),
        }
    }

    /// Interrupts the connections whose deadline has passed; the earliest deadline of the others. Frees some of the buffers
    /// that a burst has left, and logs the floods that are over.
    pub fn sweep(&self, now: Instant) -> Option<Instant> {
        self.journal.end_floods(now, false, || self.log_time());
        self.memory.shrink();
        self.slots.sweep(now)
    }

    /// Whether no session and no record is left. Then no charge is out either, and no connection waits for one.
    pub fn is_empty(&self) -> bool {
        let empty = self.slots.is_empty() && self.flights.is_empty();
        if empty {
            let budget = &self.memory.budget;
            assert_eq!(
                (budget.messages(), budget.octets(), budget.waiting()),
                (0, 0, 0),
                "without a session and a record, nothing is charged and no connection waits"
            );
        }
        empty
    }

    /// Adds the log line of a refusal, or counts it in its flood.
    pub fn log_refused(&self, line: RefusedLine<'_>) {
        let now = self.clock.now();
        self.journal.add_refused(line, now, || self.log_time());
    }

    /// Adds a line of this client's trace.
    pub fn log_trace(&self, client: &Client, line: TraceLine<'_>) {
        let now = self.clock.now();
        self.journal
            .add_trace(client, line, now, || self.log_time());
    }

    /// Hands over all that is still to be logged; nothing more comes.
    pub fn finish_log(&self) {
        let now = self.clock.now();
        self.journal.end_floods(now, true, || self.log_time());
        self.journal.hand_over();
    }

    fn log_time(&self) -> String {
        let time = self.identities.rfc3339(self.clock.wall());
        String::from_utf8_lossy(&time).into_owned()
    }
}
