//! Time limits that never abandon a read.
//!
//! A read that was given to the kernel must be awaited to its end: a dropped one would stay in flight and swallow the
//! peer's next bytes. So nothing here cancels a future. Each connection has a [`Slot`]; a watchdog, one task per
//! thread, looks at all slots and shuts down the socket of one whose time is over. Its read and write then end by
//! themselves, and [`Slot::expired`] says why. So a message costs no timer.
//!
//! # BUGS
//! - A limit is noticed up to a twentieth of it late.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use crate::net::stream::Stream;

/// How often the watchdog looks, at most and at least.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(500);
/// After a signal, outstanding replies may take this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time limit of one connection.
#[derive(Default)]
pub(crate) struct Slot {
    stream: RefCell<Option<Rc<Stream>>>,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
}

impl Slot {
    /// Watches a new stream; nothing is limited until [`Slot::arm`].
    pub(crate) fn watch(&self, stream: Rc<Stream>) {
        let before = self.stream.replace(Some(stream));
        assert!(before.is_none(), "a slot watches one stream at a time");
        self.deadline.set(None);
        self.expired.set(false);
    }

    /// The stream must be done with its step at `deadline`.
    pub(crate) fn arm(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// The stream has no deadline.
    pub(crate) fn disarm(&self) {
        self.deadline.set(None);
    }

    /// Whether the stream was shut down for its deadline.
    pub(crate) fn expired(&self) -> bool {
        self.expired.get()
    }

    /// The stream is done with.
    pub(crate) fn release(&self) {
        self.deadline.set(None);
        self.stream.replace(None);
    }

    /// Shuts the stream down, if there is one; its reads and writes end.
    pub(crate) fn shut_down(&self) {
        if let Some(stream) = self.stream.borrow().as_deref() {
            stream.shut_down();
        }
    }

    fn look(&self, now: Instant) {
        if self.deadline.get().is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline.set(None);
        self.expired.set(true);
        self.shut_down();
    }
}

/// All slots of a thread.
#[derive(Default)]
pub(crate) struct Slots {
    slots: RefCell<Vec<Weak<Slot>>>,
}

impl Slots {
    /// A slot that the watchdog will look at for as long as it lives.
    pub(crate) fn add(&self) -> Rc<Slot> {
        let slot = Rc::new(Slot::default());
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        slot
    }

    /// Shuts all of them down.
    pub(crate) fn shut_down(&self) {
        let slots: Vec<Rc<Slot>> = self
            .slots
            .borrow()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        slots.iter().for_each(|slot| slot.shut_down());
    }

    fn look(&self, now: Instant) {
        self.slots.borrow_mut().retain(|slot| match slot.upgrade() {
            Some(slot) => {
                slot.look(now);
                true
            }
            None => false,
        });
    }
}

/// Looks at all slots, again and again; some time after a signal, it shuts them all down.
pub(crate) async fn watchdog(slots: Rc<Slots>, timeout: Duration) {
    let period = (timeout / 20).clamp(SHORTEST_LOOK, LONGEST_LOOK);
    let mut signalled: Option<Instant> = None;
    loop {
        tokio::time::sleep(period).await;
        let now = Instant::now();
        slots.look(now);
        if crate::signals::stopped() && now - *signalled.get_or_insert(now) >= PATIENCE {
            slots.shut_down();
        }
    }
}
