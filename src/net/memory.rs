//! The memory of one worker: room for bodies, and what is kept to be used again.
//!
//! | what | lent to |
//! |---|---|
//! | room ([`Budget`]) | a message, as a charge, from DATA to its delivery report |
//! | buffers ([`Buffers`]) | a message for its body; a read over TLS |
//! | records | a message from its commit to its delivery report |
//! | outputs | a session while it has something to say |
//! | the scratch buffer | one read of commands |
//!
//! Owns: those pools, and that they and the budget together stay within the bound. Must not know: sessions, tickets.
//!
//! Invariants: what is charged and what is kept are together never more than the budget; what is lent is a value, so losing
//! it frees it, and giving it back only saves an allocation. Each cell is borrowed within one call and no borrow is handed
//! out, so none is held over an await; [`Memory::with_scratch`] takes a closure, which cannot await.

use std::cell::RefCell;

use bytes::BytesMut;

use super::budget::{Budget, Charge};
use super::buffers::Buffers;
use crate::limits::{
    BUFFERS_KEPT_OCTETS, COMMAND_BUFFER_OCTETS, OUTPUT_KEPT_OCTETS, OUTPUTS_KEPT, RECORDS_KEPT,
};
use crate::mail::record::Record;
use crate::smtp::session::Output;

/// See the module.
pub struct Memory {
    /// Room for bodies.
    pub budget: Budget,
    /// Bodies' buffers that no message has now.
    buffers: RefCell<Buffers>,
    /// Empty records, kept for their memory. A record's box goes to librdkafka and comes back with its report.
    #[allow(clippy::vec_box, reason = "the box is what is kept")]
    records: RefCell<Vec<Box<Record>>>,
    /// Memory for what sessions have to say.
    #[allow(clippy::vec_box, reason = "the box is what is lent")]
    outputs: RefCell<Vec<Box<Output>>>,
    /// Where commands are read to.
    scratch: RefCell<Box<[u8]>>,
}

impl Memory {
    /// Memory within a budget, nothing kept yet.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            buffers: RefCell::default(),
            records: RefCell::default(),
            outputs: RefCell::default(),
            scratch: RefCell::new(vec![0; COMMAND_BUFFER_OCTETS].into_boxed_slice()),
        }
    }

    /// A buffer of this capacity, which has been charged, or is given back before the next wait for a client that is to send
    /// something.
    pub fn take_buffer(&self, capacity: usize) -> BytesMut {
        let mut buffers = self.buffers.borrow_mut();
        let buffer = buffers.take(capacity);
        buffers.shrink(self.budget.octets_left());
        buffer
    }

    /// Frees what is kept in room that was charged without taking a buffer.
    pub fn make_way(&self) {
        let left = self.budget.octets_left();
        self.buffers.borrow_mut().shrink(left);
    }

    /// Keeps a buffer that is charged no longer.
    pub fn keep_buffer(&self, buffer: BytesMut) {
        let left = self.budget.octets_left();
        self.buffers.borrow_mut().give_back(buffer, left);
    }

    /// Takes the buffer of a message back, and its charge.
    pub fn release(&self, body: BytesMut, charge: Charge) {
        // First: what is kept has its room in what is not charged.
        drop(charge);
        self.keep_buffer(body);
    }

    /// An empty record.
    pub fn take_record(&self) -> Box<Record> {
        self.records.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a record back that is in flight no longer, and its buffer and charge with it.
    pub fn keep_record(&self, record: Box<Record>, charge: Charge) {
        let body = self.keep_part(record);
        self.release(body.expect("a whole mail has its own body"), charge);
    }

    /// Takes a record back that is in flight no longer; the buffer of its body, unless another record has it too.
    pub fn keep_part(&self, mut record: Box<Record>) -> Option<BytesMut> {
        let body = record.clear();
        let mut kept = self.records.borrow_mut();
        if kept.len() < RECORDS_KEPT {
            kept.push(record);
        }
        body
    }

    /// Memory for what a session has to say.
    pub fn take_output(&self) -> Box<Output> {
        self.outputs.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes such memory back, unless a client has made it large.
    pub fn keep_output(&self, output: Box<Output>) {
        let mut kept = self.outputs.borrow_mut();
        if kept.len() < OUTPUTS_KEPT && output.octets() <= OUTPUT_KEPT_OCTETS {
            kept.push(output);
        }
    }

    /// Lends the buffer that commands are read to.
    pub fn with_scratch<R>(&self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        read(&mut self.scratch.borrow_mut())
    }

    /// Frees some of the buffers that a burst has left.
    pub fn shrink(&self) {
        let mut buffers = self.buffers.borrow_mut();
        let spare = buffers.kept().saturating_sub(BUFFERS_KEPT_OCTETS);
        if spare > 0 {
            buffers.shrink(BUFFERS_KEPT_OCTETS + spare / 2);
        }
        assert!(
            buffers.kept() <= self.budget.octets_left(),
            "what is charged and what is kept are within the budget"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::limits::BODY_INITIAL_OCTETS;
    use crate::telemetry::metrics::Metrics;

    const SMALL: usize = BODY_INITIAL_OCTETS;

    fn memory(octets: usize) -> Memory {
        let tally = Rc::new(Metrics::new(1).0.tally());
        Memory::new(Budget::new(10, octets, tally))
    }

    #[test]
    fn what_is_charged_and_what_is_kept_are_within_the_budget() {
        let memory = memory(3 * SMALL);
        let kept = || memory.buffers.borrow().kept();
        let [a, b] = [SMALL, 2 * SMALL].map(|octets| {
            let charge = memory.budget.charge_now(octets).unwrap();
            (memory.take_buffer(octets), charge)
        });
        memory.keep_buffer(memory.take_buffer(SMALL));
        assert_eq!(kept(), 0, "nothing is left to keep it in");
        memory.release(a.0, a.1);
        memory.release(b.0, b.1);
        assert_eq!((kept(), memory.budget.octets()), (3 * SMALL, 0));
        let charge = memory.budget.charge_now(SMALL).unwrap();
        let buffer = memory.take_buffer(SMALL);
        assert_eq!(kept(), 2 * SMALL);
        memory.shrink();
        let mut record = memory.take_record();
        record.value = buffer.into();
        memory.keep_record(record, charge);
        assert_eq!((kept(), memory.budget.messages()), (3 * SMALL, 0));
        assert_eq!(memory.records.borrow().len(), 1);
    }
}
