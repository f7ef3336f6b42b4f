//! The open connections of one worker.
//!
//! Owns: the list of connections, and the look at their deadlines. Must not know: what a connection does.
//!
//! Invariant: a connection is here from [`Slots::enter`] to the drop of its [`Seat`], however it ends. The list is borrowed
//! within one call and never handed out, so no borrow is held over an await.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Instant;

use slab::Slab;

use super::slot::Slot;

/// See the module.
#[derive(Default)]
pub struct Slots(RefCell<Slab<Rc<Slot>>>);

/// The place of one connection. Its drop is the end of the connection.
pub struct Seat<'a> {
    slots: &'a Slots,
    slot: Rc<Slot>,
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

    /// Interrupts the connections that are outside of a transaction.
    pub fn interrupt_idle(&self) {
        for (_, slot) in &*self.0.borrow() {
            if slot.is_idle() && !slot.expired() {
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
    fn deadlines_that_have_passed_interrupt_and_the_earliest_other_one_is_next() {
        let (slots, now) = (Slots::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let (late, soon, past) = (slots.enter(now), slots.enter(now), slots.enter(now));
        late.arm(after(9));
        soon.arm(after(5));
        past.arm(now);
        assert_eq!(slots.sweep(now), Some(after(5)));
        assert!(past.expired() && !soon.expired() && !late.expired());
        late.set_idle(true);
        slots.interrupt_idle();
        assert!(late.expired() && !soon.expired());
        drop(past);
        drop(soon);
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.enter(now).place(), 1, "a place is given again");
    }
}
