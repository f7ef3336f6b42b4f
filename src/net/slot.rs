//! One connection as its worker sees it: its deadline, its wake-up, the outcome that it waits for.
//!
//! Owns: how a connection waits, and how it is woken. Must not know: what is waited for.
//!
//! Invariants: an operation of the runtime that was started is awaited to its end; an outcome is taken by the wait for its
//! ticket alone. A slot belongs to one worker: its cells are read and written between two awaits, and no borrow leaves it.

use std::cell::Cell;
use std::future::Future;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::transport::Transport;
use crate::sink::{Outcome, Ticket};

/// See the module.
pub struct Slot {
    /// Its place among the open connections.
    place: u32,
    deadline: Cell<Instant>,
    expired: Cell<bool>,
    /// Whether a direction of its transport was shut down.
    shut: Cell<bool>,
    /// Since when it waits for a command outside of a transaction, if it does.
    idle: Cell<Option<Instant>>,
    waker: Cell<Option<Waker>>,
    outcome: Cell<Option<(Ticket, Outcome)>>,
}

impl Slot {
    /// The slot of a connection that begins now, at this place among the open ones.
    pub fn new(place: u32, now: Instant) -> Self {
        Self {
            place,
            deadline: Cell::new(now),
            expired: Cell::new(false),
            shut: Cell::new(false),
            idle: Cell::new(None),
            waker: Cell::new(None),
            outcome: Cell::new(None),
        }
    }

    /// Its place among the open connections.
    pub fn place(&self) -> u32 {
        self.place
    }

    /// Ends what it waits for, now.
    pub fn interrupt(&self) {
        self.expired.set(true);
        self.wake();
    }

    /// Lets it look again.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Arms the deadline for what comes next.
    pub fn arm(&self, deadline: Instant) {
        self.deadline.set(deadline);
        self.expired.set(false);
    }

    /// The deadline of what it waits for.
    pub fn deadline(&self) -> Instant {
        self.deadline.get()
    }

    /// Whether the deadline passed, or it was interrupted.
    pub fn expired(&self) -> bool {
        self.expired.get()
    }

    /// Whether a direction of its transport was shut down for that: it will not be open again, whatever still arrived.
    pub fn has_shut(&self) -> bool {
        self.shut.get()
    }

    /// Since when it waits for a command outside of a transaction, if it does.
    pub fn idle_since(&self) -> Option<Instant> {
        self.idle.get()
    }

    /// Says since when it waits for a command outside of a transaction, if it does.
    pub fn set_idle(&self, since: Option<Instant>) {
        self.idle.set(since);
    }

    fn remember(&self, waker: &Waker) {
        let kept = self.waker.take().filter(|old| old.will_wake(waker));
        self.waker.set(kept.or_else(|| Some(waker.clone())));
    }

    /// Waits for an operation on `transport`; once expired, shuts that direction down so that the operation ends. The
    /// operation is never dropped before its end.
    ///
    /// No async fn: one would hold the operation twice, as its argument and where it is pinned, in every connection.
    pub fn operation<'a, T: Transport, F: Future>(
        &'a self,
        transport: &'a T,
        how: Shutdown,
        operation: F,
    ) -> impl Future<Output = F::Output> + use<'a, T, F> {
        Operation {
            slot: self,
            transport,
            how: Some(how),
            operation,
        }
    }

    /// The outcome of the record that `ticket` names.
    pub fn resolve(&self, ticket: Ticket, outcome: Outcome) {
        let before = self.outcome.replace(Some((ticket, outcome)));
        assert!(before.is_none(), "one record at a time is waited for");
        self.wake();
    }

    /// Waits for the outcome of the record that `ticket` names; `None` once expired.
    pub async fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        let (of, outcome) = self.until(|| self.outcome.take()).await?;
        assert_eq!(
            of, ticket,
            "an outcome is that of the record that is waited for"
        );
        Some(outcome)
    }

    /// Waits until `look` gives something, which is asked at once and at each wake-up; `None` once expired.
    pub fn until<R>(&self, mut look: impl FnMut() -> Option<R>) -> impl Future<Output = Option<R>> {
        self.until_polled(move |_| look())
    }

    /// The same for what wakes the task by itself, which is polled.
    pub fn until_polled<R>(
        &self,
        mut look: impl FnMut(&mut Context<'_>) -> Option<R>,
    ) -> impl Future<Output = Option<R>> {
        std::future::poll_fn(move |context| {
            self.remember(context.waker());
            match look(context) {
                Some(found) => Poll::Ready(Some(found)),
                None if self.expired() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
    }

    /// Waits for the deadline.
    pub async fn expiry(&self) {
        self.until(|| None::<()>).await;
    }
}

pin_project_lite::pin_project! {
    /// See [`Slot::operation`].
    struct Operation<'a, T, F> {
        slot: &'a Slot,
        transport: &'a T,
        // What to shut down, until that is done.
        how: Option<Shutdown>,
        #[pin]
        operation: F,
    }
}

impl<T: Transport, F: Future> Future for Operation<'_, T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.slot.remember(context.waker());
        if let Poll::Ready(output) = this.operation.poll(context) {
            return Poll::Ready(output);
        }
        if this.slot.expired()
            && let Some(how) = this.how.take()
        {
            this.slot.shut.set(true);
            this.transport.shutdown(how);
        }
        Poll::Pending
    }
}
