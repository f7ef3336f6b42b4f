//! The in-flight budget of one worker, in messages and in octets.
//!
//! Owns: what is charged, and who waits for room. Invariants: charged never exceeds the bound; what is charged is
//! released once, which the assertion in [`Budget::release`] watches.
//!
//! BUGS: a body that has to grow when there is no room is refused at once with 451, not queued: the waiting ones hold
//! room themselves, and two of them could wait for each other.

use std::collections::VecDeque;

use crate::sink::ledger::Waiter;

/// See the module.
#[derive(Debug)]
pub struct Budget {
    messages: usize,
    octets: usize,
    messages_most: usize,
    octets_most: usize,
    waiting: VecDeque<Waiter>,
}

impl Budget {
    /// A budget of so many messages and octets.
    pub fn new(messages_most: usize, octets_most: usize) -> Self {
        Self {
            messages: 0,
            octets: 0,
            messages_most,
            octets_most,
            waiting: VecDeque::new(),
        }
    }

    /// Charges a message with a buffer of `octets`, if there is room.
    pub fn admit(&mut self, octets: usize) -> bool {
        let fits = self.messages < self.messages_most && octets <= self.octets_most - self.octets;
        if fits {
            self.messages += 1;
            self.octets += octets;
        }
        fits
    }

    /// Charges `octets` more for a message that was admitted, if there is room.
    pub fn grow(&mut self, octets: usize) -> bool {
        let fits = octets <= self.octets_most - self.octets;
        if fits {
            self.octets += octets;
        }
        fits
    }

    /// Gives a message's charge back; who waits for room is to be woken.
    pub fn release(&mut self, octets: usize) -> Option<Waiter> {
        assert!(
            self.messages > 0 && octets <= self.octets,
            "what was charged is released once"
        );
        self.messages -= 1;
        self.octets -= octets;
        self.waiting.pop_front()
    }

    /// `waiter` is to be woken when there may be room.
    pub fn wait(&mut self, waiter: Waiter) {
        if !self.waiting.contains(&waiter) {
            self.waiting.push_back(waiter);
        }
    }

    /// `waiter` waits no longer.
    pub fn forget(&mut self, waiter: Waiter) {
        self.waiting.retain(|&other| other != waiter);
    }

    /// Messages charged.
    pub fn messages(&self) -> usize {
        self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn it_is_never_exceeded() {
        let mut budget = Budget::new(2, 100);
        assert!(
            budget.admit(60)
                && !budget.admit(50)
                && budget.admit(40)
                && !budget.admit(0)
                && !budget.grow(1)
        );
        budget.wait(7);
        budget.wait(7);
        assert_eq!(
            (budget.release(60), budget.release(40), budget.messages()),
            (Some(7), None, 0)
        );
    }
}
