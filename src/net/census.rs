//! How many sessions are open, by the listener that they came in on, and how many of them are encrypted.
//!
//! Owns: the counts. Must not know: sessions, sockets; how many there may be is `admission`'s.
//!
//! Invariants: each worker writes to its own counts, a few times in the life of a connection; what is read adds the workers up, and is
//! never below 0.
//!
//! BUGS: a session whose task panics stays counted.

use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Census {
    workers: Box<[Counts]>,
}

/// Those of one worker, apart from those of the others.
#[derive(Debug)]
#[repr(align(128))]
struct Counts(Box<[Listener]>);

#[derive(Debug, Default)]
struct Listener {
    open: AtomicUsize,
    secured: AtomicUsize,
}

/// The sessions of one listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sessions {
    /// That are open.
    pub open: usize,
    /// That are encrypted, among them.
    pub secured: usize,
}

impl Census {
    /// Of this many workers, which all serve this many listeners.
    pub fn new(workers: usize, listeners: usize) -> Self {
        let counts = |_| Counts((0..listeners).map(|_| Listener::default()).collect());
        Self {
            workers: (0..workers).map(counts).collect(),
        }
    }

    /// One begins.
    pub(super) fn enter(&self, worker: usize, listener: u16) {
        self.of(worker, listener)
            .open
            .fetch_add(1, Ordering::Relaxed);
    }

    /// One that has begun is encrypted from now on.
    pub(super) fn secure(&self, worker: usize, listener: u16) {
        self.of(worker, listener)
            .secured
            .fetch_add(1, Ordering::Relaxed);
    }

    /// One ends.
    pub(super) fn leave(&self, worker: usize, listener: u16, secured: bool) {
        let counts = self.of(worker, listener);
        if secured {
            let before = counts.secured.fetch_sub(1, Ordering::Relaxed);
            assert!(before > 0, "a session that is encrypted was counted as one");
        }
        let before = counts.open.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "a session that ends has begun");
    }

    /// The sessions of each listener, in the order of the configuration.
    pub fn listeners(&self) -> Vec<Sessions> {
        let listeners = self.workers.first().map_or(0, |counts| counts.0.len());
        (0..listeners).map(|listener| self.sum(listener)).collect()
    }

    fn sum(&self, listener: usize) -> Sessions {
        let mut sum = Sessions::default();
        for counts in &self.workers {
            let counts = &counts.0[listener];
            sum.secured += counts.secured.load(Ordering::Relaxed);
            sum.open += counts.open.load(Ordering::Relaxed);
        }
        sum
    }

    fn of(&self, worker: usize, listener: u16) -> &Listener {
        &self.workers[worker].0[usize::from(listener)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_where_it_came_in_until_it_ends() {
        let census = Census::new(2, 2);
        census.enter(0, 0);
        census.enter(1, 0);
        census.enter(1, 1);
        census.secure(1, 0);
        census.secure(1, 1);
        let sessions = |open, secured| Sessions { open, secured };
        assert_eq!(census.listeners(), [sessions(2, 1), sessions(1, 1)]);
        census.leave(1, 0, true);
        census.leave(0, 0, false);
        assert_eq!(census.listeners(), [sessions(0, 0), sessions(1, 1)]);
        census.leave(1, 1, true);
        assert_eq!(census.listeners(), [Sessions::default(); 2]);
    }

    #[test]
    #[should_panic(expected = "has begun")]
    fn none_ends_that_has_not_begun() {
        Census::new(1, 1).leave(0, 0, false);
    }
}
