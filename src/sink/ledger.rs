//! The ledger of one worker: which records are in flight, and what is kept for each until its report.
//!
//! Owns: the tickets. Must not know: Kafka, sockets, time, and what is kept. No lock: a ledger belongs to one worker.
//!
//! Invariants: a ticket leaves the ledger exactly once, with what was kept for it; a ticket that has left names nothing, even
//! where its slot is used again.

use slab::Slab;

use super::report::Ticket;

#[derive(Debug)]
struct Entry<T> {
    turn: u64,
    kept: T,
}

/// See the module.
#[derive(Debug)]
pub struct Ledger<T> {
    worker: u32,
    turn: u64,
    entries: Slab<Entry<T>>,
}

impl<T> Ledger<T> {
    /// The ledger of worker `worker`.
    pub fn new(worker: u32) -> Self {
        Self {
            worker,
            turn: 0,
            entries: Slab::new(),
        }
    }

    /// Records in flight.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A ticket for a record for which `kept` is kept.
    pub fn open(&mut self, kept: T) -> Ticket {
        self.turn += 1;
        let turn = self.turn;
        let slot = self.entries.insert(Entry { turn, kept });
        Ticket {
            worker: self.worker,
            slot: u32::try_from(slot).expect("in flight is bounded"),
            turn,
        }
    }

    /// What is kept for `ticket`, while it is in flight.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        assert_eq!(ticket.worker, self.worker, "a ticket is its worker's");
        let entry = self.entries.get_mut(ticket.slot as usize)?;
        (entry.turn == ticket.turn).then_some(&mut entry.kept)
    }

    /// The report for `ticket` is here: what was kept for it.
    ///
    /// # Panics
    /// If the ticket is not in flight: a report came twice, which only a bug of ours can cause.
    pub fn close(&mut self, ticket: Ticket) -> T {
        assert!(
            self.get_mut(ticket).is_some(),
            "a ticket leaves the ledger once"
        );
        self.entries.remove(ticket.slot as usize).kept
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_ticket_leaves_once_and_names_nothing_afterwards() {
        let mut ledger = Ledger::new(3);
        let (a, b) = (ledger.open("a"), ledger.open("b"));
        *ledger.get_mut(a).unwrap() = "late";
        assert_eq!((ledger.close(a), ledger.close(b)), ("late", "b"));
        assert!(ledger.is_empty() && ledger.get_mut(b).is_none());
        let c = ledger.open("c");
        let stale = if c.slot == b.slot { b } else { a };
        assert_eq!(c.slot, stale.slot, "a slot is used again");
        assert!(ledger.get_mut(stale).is_none());
        assert!(catch_unwind(AssertUnwindSafe(|| ledger.close(stale))).is_err());
        assert_eq!(ledger.close(c), "c");
    }
}
