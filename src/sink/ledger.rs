//! The ledger of one worker: which records are in flight, and who waits for them.
//!
//! Owns: the tickets. Must not know: Kafka, sockets, time. No lock: a ledger belongs to one worker.
//!
//! Invariants: a ticket leaves the ledger exactly once; a report whose session has stopped waiting still finds its entry.

use slab::Slab;

use super::Ticket;

/// Who is told of an outcome: the slot of a connection in its worker.
pub type Waiter = usize;

#[derive(Debug)]
struct Entry {
    turn: u64,
    waiter: Option<Waiter>,
}

/// See the module.
#[derive(Debug)]
pub struct Ledger {
    worker: u32,
    turn: u64,
    entries: Slab<Entry>,
}

impl Ledger {
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

    /// A ticket for a record that `waiter` waits for.
    pub fn open(&mut self, waiter: Waiter) -> Ticket {
        self.turn += 1;
        let slot = self.entries.insert(Entry {
            turn: self.turn,
            waiter: Some(waiter),
        });
        Ticket {
            worker: self.worker,
            slot: u32::try_from(slot).expect("in flight is bounded"),
            turn: self.turn,
        }
    }

    /// The waiter of `ticket` waits no longer; the record stays in flight.
    pub fn abandon(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entry(ticket) {
            entry.waiter = None;
        }
    }

    /// The report for `ticket` is here: who waits for it, or nobody any more.
    ///
    /// # Panics
    /// If the ticket is not in flight: a report came twice, which only a bug of ours can cause.
    pub fn close(&mut self, ticket: Ticket) -> Option<Waiter> {
        assert!(
            self.entry(ticket).is_some(),
            "a ticket leaves the ledger once"
        );
        self.entries.remove(ticket.slot as usize).waiter
    }

    fn entry(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        debug_assert_eq!(ticket.worker, self.worker);
        self.entries
            .get_mut(ticket.slot as usize)
            .filter(|entry| entry.turn == ticket.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_leaves_once_and_a_late_report_finds_its_entry() {
        let mut ledger = Ledger::new(3);
        let (a, b) = (ledger.open(10), ledger.open(11));
        ledger.abandon(a);
        assert_eq!(
            (ledger.close(a), ledger.close(b), ledger.len()),
            (None, Some(11), 0)
        );
        let c = ledger.open(12);
        assert_eq!(c.slot, b.slot.min(a.slot).max(c.slot));
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ledger.close(b))).is_err()
                || c.slot != b.slot
        );
    }
}
