//! The open connections of one worker.
//!
//! Owns: the list of connections, and the look at their deadlines. Must not know: what a connection does.
//!
//! Invariant: a connection is here from [`Slots::enter`] to the drop of its [`Seat`], however it ends. The list is borrowed
//! within one call and never handed out, so no borrow is held over an await.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::slot::Slot;
use crate::limits::{DRAIN_SILENCE_MILLISECONDS, DRAIN_TALK_MILLISECONDS};

/// See the module.
#[derive(Default)]
pub struct Slots(RefCell<Slab<Rc<Slot>>>);

/// The place of one connection. Its drop is the end of the connection.
pub struct Seat<'a> {
    slots: &'a Slots,
    slot: Rc<Slot>,
}

/// The end of a server: what is under way comes to its end first.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// When it began.
    pub began: Instant,
    /// How long it may take.
    pub timeout: Duration,
}

impl Drain {
    /// When it is over, whatever is still open.
    pub fn deadline(&self) -> Instant {
        self.began + self.timeout
    }

    /// Clients that have been silent outside of a transaction since then, or longer, have nothing under way.
    fn idle_since(&self, now: Instant) -> Option<Instant> {
        let within = |most: u64, share: u32| Duration::from_millis(most).min(self.timeout / share);
        if now >= self.began + within(DRAIN_TALK_MILLISECONDS, 2) {
            return Some(now);
        }
        now.checked_sub(within(DRAIN_SILENCE_MILLISECONDS, 4))
    }
}

impl Slots {
    /// A slot for a connection that begins now.
    pub fn enter(&self, now: Instant) -> Seat<'_> {
        let mut slots = self.0.borrow_mut();
        let free = slots.vacant_entry();
        let place = u32::try_from(free.key()).expect("open files are fewer");
        let slot = Rc::new(Slot::new(place, now));
        free.insert(Rc::clone(&slot));
        Seat { slots: self, slot }
    }

    /// Open connections.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Interrupts the connections whose deadline has passed; the earliest deadline of the others.
    pub fn sweep(&self, now: Instant) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        for (_, slot) in &*self.0.borrow() {
            let deadline = slot.deadline();
            if deadline <= now && !slot.expired() {
                slot.interrupt();
            } else if deadline > now {
                earliest = Some(earliest.map_or(deadline, |other| other.min(deadline)));
            }
        }
        earliest
    }

    /// Interrupts the connections that have nothing under way. A client that has just connected, or is about to say QUIT, is not
    /// cut off: it would have to come again for nothing.
    pub fn end_idle(&self, drain: &Drain, now: Instant) {
        if let Some(since) = drain.idle_since(now) {
            self.interrupt_idle(since);
        }
    }

    /// Interrupts the connections that have waited outside of a transaction since this time, or longer.
    fn interrupt_idle(&self, since: Instant) {
        for (_, slot) in &*self.0.borrow() {
            let is_idle = slot.idle_since().is_some_and(|idle| idle <= since);
            if is_idle && !slot.expired() {
                slot.interrupt();
            }
        }
    }
}

impl Deref for Seat<'_> {
    type Target = Rc<Slot>;

    fn deref(&self) -> &Rc<Slot> {
        &self.slot
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let place = self.slot.place() as usize;
        let left = self.slots.0.borrow_mut().try_remove(place);
        assert!(
            left.is_some_and(|slot| Rc::ptr_eq(&slot, &self.slot)),
            "a connection leaves its own place"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_drain_leaves_time_to_who_has_just_spoken_and_to_nobody_for_ever() {
        let now = Instant::now();
        let drain = |seconds| Drain {
            began: now,
            timeout: Duration::from_secs(seconds),
        };
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(drain(35).idle_since(after(5)), Some(after(3)));
        assert_eq!(drain(35).idle_since(after(10)), Some(after(10)));
        assert_eq!(drain(4).idle_since(after(1)), Some(now));
        assert_eq!(drain(4).idle_since(after(2)), Some(after(2)));
    }

    #[test]
    fn deadlines_that_have_passed_interrupt_and_the_earliest_other_one_is_next() {
        let (slots, now) = (Slots::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let (late, soon, past) = (slots.enter(now), slots.enter(now), slots.enter(now));
        late.arm(after(9));
        soon.arm(after(5));
        past.arm(now);
        assert_eq!(slots.sweep(now), Some(after(5)));
        assert!(past.expired() && !soon.expired() && !late.expired());
        late.set_idle(Some(now));
        soon.set_idle(Some(after(1)));
        slots.interrupt_idle(now);
        assert!(late.expired() && !soon.expired());
        drop(past);
        drop(soon);
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.enter(now).place(), 1, "a place is given again");
    }
}
