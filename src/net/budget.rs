//! The in-flight budget of one worker, in messages and in bytes.
//!
//! Owns: what is charged, and which connections wait for room. Must not know: what is kept in the room; a [`Charge`] rides with it.
//!
//! A charge is a value. It is made where there is room, and its drop gives the room back and wakes the first in the queue, so
//! code that loses a message, by a return, an error or a panic, has released it, and none can release it twice. Charges and
//! places are of one thread (`Rc`), so the compiler keeps them from librdkafka's.
//!
//! Invariants: what is charged never exceeds the bound; nobody overtakes the queue; the first in the queue is woken when room
//! comes back and when it becomes the first. All state is in cells that are borrowed within one call, none over an await.
//!
//! BUGS: a body that has to grow when there is no room is refused at once with 451, not queued: the waiting ones hold
//! room themselves, and two of them could wait for each other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::slot::Slot;
use crate::telemetry::metrics::Tally;

/// See the module.
pub struct Budget(Rc<Room>);

struct Room {
    messages: Cell<usize>,
    octets: Cell<usize>,
    messages_most: usize,
    octets_most: usize,
    /// The connections that wait, each under the turn that it has drawn.
    queue: RefCell<VecDeque<(u64, Rc<Slot>)>>,
    turns: Cell<u64>,
    /// Shows what is charged.
    tally: Rc<Tally>,
}

/// Room for one message. See the module.
#[must_use = "its drop gives the room back"]
pub struct Charge {
    room: Rc<Room>,
    octets: usize,
}

/// A place in the queue, until it is dropped. Its drop, served or not, wakes the next.
pub struct Place {
    room: Rc<Room>,
    turn: u64,
}

impl Budget {
    /// A budget of this many messages and bytes, shown through `tally`.
    pub fn new(messages_most: usize, octets_most: usize, tally: Rc<Tally>) -> Self {
        Self(Rc::new(Room {
            messages: Cell::new(0),
            octets: Cell::new(0),
            messages_most,
            octets_most,
            queue: RefCell::default(),
            turns: Cell::new(0),
            tally,
        }))
    }

    /// Charges a message with a buffer of `octets`, if there is room and no connection waits for it.
    pub fn charge_now(&self, octets: usize) -> Option<Charge> {
        let nobody_waits = self.0.queue.borrow().is_empty();
        nobody_waits.then(|| Room::charge(&self.0, octets))?
    }

    /// Puts a connection at the end of the queue; its slot is woken when there may be room for it.
    pub fn queue(&self, slot: &Rc<Slot>) -> Place {
        let turn = self.0.turns.get();
        self.0.turns.set(turn + 1);
        let mut queue = self.0.queue.borrow_mut();
        queue.push_back((turn, Rc::clone(slot)));
        Place {
            room: Rc::clone(&self.0),
            turn,
        }
    }

    /// How many connections wait for room.
    pub fn waiting(&self) -> usize {
        self.0.queue.borrow().len()
    }

    /// Bytes that are not charged.
    pub fn octets_left(&self) -> usize {
        self.0.octets_left()
    }

    /// Messages charged.
    pub fn messages(&self) -> usize {
        self.0.messages.get()
    }

    /// Bytes charged.
    pub fn octets(&self) -> usize {
        self.0.octets.get()
    }
}

impl Place {
    /// Charges a message with a buffer of `octets`, if it is this one's turn and there is room.
    pub fn charge(&self, octets: usize) -> Option<Charge> {
        let first = self.room.queue.borrow().front().map(|(turn, _)| *turn);
        (first == Some(self.turn)).then(|| Room::charge(&self.room, octets))?
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.room.queue.borrow().len();
        let mut queue = self.room.queue.borrow_mut();
        queue.retain(|(turn, _)| *turn != self.turn);
        assert_eq!(queue.len() + 1, before, "a place is one in the queue");
        drop(queue);
        self.room.wake_first();
    }
}

impl Charge {
    /// Bytes of this charge.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Charges `octets` more, if there is room; whether there was.
    pub fn grow(&mut self, octets: usize) -> bool {
        let fits = octets <= self.room.octets_left();
        if fits {
            self.octets += octets;
            self.room.octets.set(self.room.octets.get() + octets);
            self.room.show();
        }
        fits
    }

    /// Gives `octets` of it back, and wakes the first in the queue.
    pub fn shrink(&mut self, octets: usize) {
        assert!(octets <= self.octets, "what is given back was charged");
        self.octets -= octets;
        self.room.octets.set(self.room.octets.get() - octets);
        self.room.show();
        self.room.wake_first();
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let room = &self.room;
        assert!(
            room.messages.get() > 0 && self.octets <= room.octets.get(),
            "what is given back was charged"
        );
        room.messages.set(room.messages.get() - 1);
        room.octets.set(room.octets.get() - self.octets);
        room.show();
        room.wake_first();
    }
}

impl Room {
    fn charge(room: &Rc<Self>, octets: usize) -> Option<Charge> {
        if room.messages.get() >= room.messages_most || octets > room.octets_left() {
            return None;
        }
        room.messages.set(room.messages.get() + 1);
        room.octets.set(room.octets.get() + octets);
        room.show();
        Some(Charge {
            room: Rc::clone(room),
            octets,
        })
    }

    fn octets_left(&self) -> usize {
        assert!(
            self.octets.get() <= self.octets_most,
            "no more is charged than there is"
        );
        self.octets_most - self.octets.get()
    }

    fn show(&self) {
        self.tally.in_flight_messages.set(self.messages.get());
        self.tally.in_flight_bytes.set(self.octets.get());
    }

    /// Lets the connection that has waited longest look again. It keeps its place until it drops it, so that a wake-up is never lost.
    fn wake_first(&self) {
        let first = self.queue.borrow().front().map(|(_, slot)| Rc::clone(slot));
        if let Some(slot) = first {
            slot.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Instant;

    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn budget(messages: usize, octets: usize) -> Budget {
        Budget::new(messages, octets, Rc::new(Metrics::new(1).0.tally()))
    }

    /// A slot, and how often it was woken.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the slot wait; whether it was woken before.
    fn waits(slot: &Slot, counting: &Arc<Counting>) -> bool {
        let waker = Waker::from(Arc::clone(counting));
        let wait = std::pin::pin!(slot.expiry());
        assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
        counting.0.swap(0, Ordering::Relaxed) > 0
    }

    fn slot() -> Rc<Slot> {
        Rc::new(Slot::new(0, Instant::now()))
    }

    #[test]
    fn it_is_never_exceeded_and_a_charge_gives_itself_back() {
        let budget = budget(2, 100);
        let mut first = budget.charge_now(60).unwrap();
        assert!(budget.charge_now(50).is_none());
        let second = budget.charge_now(30).unwrap();
        assert!(budget.charge_now(0).is_none(), "two messages are the most");
        assert!(first.grow(10) && !first.grow(1));
        assert_eq!(
            (budget.messages(), budget.octets(), first.octets()),
            (2, 100, 70)
        );
        drop(first);
        assert_eq!((budget.messages(), budget.octets()), (1, 30));
        let mut second = second;
        second.shrink(20);
        assert_eq!((budget.octets(), second.octets()), (10, 10));
        drop(second);
        assert_eq!((budget.messages(), budget.octets_left()), (0, 100));
    }

    #[test]
    fn a_charge_that_is_lost_to_a_panic_is_given_back() {
        let budget = budget(1, 100);
        let charge = budget.charge_now(100);
        let lost = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _charge = charge;
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        assert!(lost.is_err() && budget.messages() == 0 && budget.octets() == 0);
    }

    #[test]
    fn who_does_not_queue_does_not_overtake() {
        let budget = budget(2, 100);
        let first = budget.charge_now(60);
        let place = budget.queue(&slot());
        assert!(place.charge(50).is_none());
        assert!(budget.charge_now(10).is_none(), "somebody waits");
        drop(first);
        let second = place.charge(50);
        drop(place);
        assert!(second.is_some() && budget.charge_now(10).is_some());
    }

    #[test]
    fn who_waits_is_served_in_turn_and_no_wake_up_is_lost() {
        let budget = budget(10, 100);
        let all = budget.charge_now(100);
        let (slots, woken) = ([slot(), slot(), slot()], <[Arc<Counting>; 3]>::default());
        let [a, b, c] = [0, 1, 2].map(|at| {
            waits(&slots[at], &woken[at]);
            Some(budget.queue(&slots[at]))
        });
        let woken = |at: usize| waits(&slots[at], &woken[at]);
        drop(all);
        assert!(woken(0) && !woken(1) && !woken(2), "the first is woken");
        assert!(b.as_ref().unwrap().charge(30).is_none(), "not its turn");
        let first = a.as_ref().unwrap().charge(30);
        drop(a);
        // One release made room for two, and the next of them to give up leaves the turn to the one after.
        assert!(first.is_some() && woken(1) && !woken(2));
        drop(b);
        assert!(woken(2) && budget.waiting() == 1);
        let third = c.as_ref().unwrap().charge(70);
        drop((third, c));
        assert_eq!((budget.waiting(), budget.messages()), (0, 1));
    }
}
