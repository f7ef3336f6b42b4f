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

    /// Charges a message with a buffer of `octets`, if there is room and nobody waits for it.
    pub fn admit_now(&mut self, octets: usize) -> bool {
        let room = self.waiting.is_empty() && self.has_room(octets);
        if room {
            self.messages += 1;
            self.octets += octets;
        }
        room
    }

    /// Charges a message with a buffer of `octets`, if there is room and nobody waited before `waiter`; else `waiter`
    /// waits, in its place. Who was admitted out of the queue is to wake [`Budget::next`]: one release may make room for
    /// several.
    pub fn admit(&mut self, waiter: Waiter, octets: usize) -> bool {
        let first = self.waiting.front().is_none_or(|&front| front == waiter);
        let room = self.has_room(octets);
        if first && room {
            self.messages += 1;
            self.octets += octets;
            self.forget(waiter);
        } else if !self.waiting.contains(&waiter) {
            self.waiting.push_back(waiter);
        }
        first && room
    }

    fn has_room(&self, octets: usize) -> bool {
        self.messages < self.messages_most && octets <= self.octets_most - self.octets
    }

    /// Charges `octets` more for a message that was admitted, if there is room.
    pub fn grow(&mut self, octets: usize) -> bool {
        let fits = octets <= self.octets_most - self.octets;
        if fits {
            self.octets += octets;
        }
        fits
    }

    /// Gives a message's charge back; [`Budget::next`] is to be woken.
    pub fn release(&mut self, octets: usize) {
        assert!(
            self.messages > 0 && octets <= self.octets,
            "what was charged is released once"
        );
        self.messages -= 1;
        self.octets -= octets;
    }

    /// Who has waited longest. It keeps its place until it is admitted or forgotten, so that a wake-up is never lost.
    pub fn next(&self) -> Option<Waiter> {
        self.waiting.front().copied()
    }

    /// `waiter` waits no longer; [`Budget::next`] is to be woken.
    pub fn forget(&mut self, waiter: Waiter) {
        self.waiting.retain(|&other| other != waiter);
    }

    /// Octets that are not charged.
    pub fn octets_left(&self) -> usize {
        self.octets_most - self.octets
    }

    /// Messages charged.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Octets charged.
    pub fn octets(&self) -> usize {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn it_is_never_exceeded() {
        let mut budget = Budget::new(2, 100);
        assert!(budget.admit(1, 60) && !budget.admit(2, 50));
        budget.forget(2);
        assert!(budget.admit(3, 40) && !budget.admit(4, 0) && !budget.grow(1));
        budget.release(60);
        budget.release(40);
        assert_eq!(budget.messages(), 0);
    }

    #[test]
    fn who_does_not_queue_does_not_overtake() {
        let mut budget = Budget::new(2, 100);
        assert!(budget.admit_now(60) && !budget.admit_now(50) && budget.next().is_none());
        assert!(!budget.admit(7, 50));
        assert!(!budget.admit_now(10), "somebody waits");
        budget.release(60);
        assert!(budget.admit(7, 50) && budget.admit_now(10));
    }

    #[test]
    fn who_waits_is_served_in_turn_and_no_wake_up_is_lost() {
        let mut budget = Budget::new(10, 100);
        assert!(budget.admit(1, 100));
        assert!(!budget.admit(7, 30) && !budget.admit(8, 30) && !budget.admit(9, 30));
        assert!(!budget.admit(7, 30), "waiting twice is waiting once");
        budget.release(100);
        assert!(!budget.admit(5, 10), "a newcomer does not overtake");
        assert!(budget.next() == Some(7) && budget.admit(7, 30));
        // One release made room for two, and the first of them to give up leaves the turn to the next.
        assert_eq!(budget.next(), Some(8));
        budget.forget(8);
        assert!(budget.next() == Some(9) && budget.admit(9, 30));
        assert!(budget.next() == Some(5) && budget.admit(5, 10));
        assert_eq!(budget.next(), None);
    }
}
