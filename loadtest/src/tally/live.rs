//! The few numbers that threads share while they run.
//!
//! Invariant: what happens with every message is mostly a read, so that no cache line goes from core to core with it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::fate::Fate;

/// Shared by all threads while they run.
pub(crate) struct Live {
    /// Whether each shape works, in the plan's order.
    fates: Vec<Fate>,
    next: AtomicU64,
    errors_in_a_row: AtomicU64,
    /// Sessions that are greeted and not at their end.
    open: AtomicU64,
    /// Errors of sessions while no message was ever answered.
    fruitless: AtomicU64,
    answered: AtomicBool,
    gave_up: AtomicBool,
    stopped: AtomicBool,
    idle_over: AtomicBool,
    idle_opened: AtomicU64,
    /// Idle sessions that could not be opened, since the last that could.
    idle_failures: AtomicU64,
    idle_full: AtomicBool,
    started: OnceLock<Instant>,
}

impl Live {
    /// Nothing has begun; a run with this many shapes.
    pub(crate) fn new(shapes: usize) -> Live {
        assert!(shapes > 0, "a run has a shape");
        Live {
            fates: std::iter::repeat_with(Fate::default).take(shapes).collect(),
            next: AtomicU64::new(0),
            errors_in_a_row: AtomicU64::new(0),
            open: AtomicU64::new(0),
            fruitless: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            gave_up: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            idle_over: AtomicBool::new(false),
            idle_opened: AtomicU64::new(0),
            idle_failures: AtomicU64::new(0),
            idle_full: AtomicBool::new(false),
            started: OnceLock::new(),
        }
    }

    /// Whether a shape works, by its place in the plan.
    pub(crate) fn fate(&self, shape: usize) -> &Fate {
        &self.fates[shape]
    }

    /// All shapes' fates, in the plan's order.
    pub(crate) fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// The beginning of the run: the moment of the first call.
    pub(crate) fn start(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// The number of the next message, from 1; `None` when all are given out.
    pub(crate) fn claim(&self, messages: u64) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        (number <= messages).then_some(number)
    }

    /// A message was accepted.
    pub(crate) fn count_accepted(&self) {
        // Mostly a read: a write would send the line from core to core with every message.
        if self.errors_in_a_row.load(Ordering::Relaxed) != 0 {
            self.errors_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// An error happened; more than `most` in a row end the run.
    pub(crate) fn count_error(&self, most: Option<u64>) {
        let in_a_row = self.errors_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if most.is_some_and(|most| in_a_row > most) {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    /// The server answered a message, whatever it said.
    pub(crate) fn count_answer(&self) {
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    /// A session is greeted; it counts as open until the returned value is dropped.
    pub(crate) fn open_session(self: &Arc<Self>) -> OpenSession {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenSession(Arc::clone(self))
    }

    /// A session ended by an error. Where no message was ever answered and no session is open that may yet bring an answer,
    /// more than `most` of them end the run: waiting would show nothing else. A server that has answered once may go away for
    /// as long as it likes.
    pub(crate) fn count_fruitless(&self, most: Option<u64>) {
        if self.answered.load(Ordering::Relaxed) {
            return;
        }
        let count = self.fruitless.fetch_add(1, Ordering::Relaxed) + 1;
        let none_open = self.open.load(Ordering::Relaxed) == 0;
        if none_open && most.is_some_and(|most| count > most) {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    /// Whether too many errors happened in a row.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Asks all threads to start nothing more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Nothing more can be sent.
    pub(crate) fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
    }

    /// An idle session is open.
    pub(crate) fn count_idle(&self) {
        self.idle_opened.fetch_add(1, Ordering::Relaxed);
        self.idle_failures.store(0, Ordering::Relaxed);
    }

    /// An idle session could not be opened; `most` in a row end the opening.
    pub(crate) fn count_idle_failure(&self, most: u64) {
        if self.idle_failures.fetch_add(1, Ordering::Relaxed) + 1 >= most {
            self.idle_full.store(true, Ordering::Relaxed);
        }
    }

    /// Whether no more idle sessions may be opened.
    pub(crate) fn is_idle_full(&self) -> bool {
        self.idle_full.load(Ordering::Relaxed)
    }

    /// Idle sessions of all threads so far.
    pub(crate) fn idle_opened(&self) -> u64 {
        self.idle_opened.load(Ordering::Relaxed)
    }

    /// This side is about to end the idle sessions.
    pub(crate) fn end_idle(&self) {
        self.idle_over.store(true, Ordering::Relaxed);
    }

    /// Whether idle sessions end by this side.
    pub(crate) fn is_idle_over(&self) -> bool {
        self.idle_over.load(Ordering::Relaxed)
    }

    /// Whether nothing more may begin, because of a signal or too many errors.
    pub(crate) fn is_over(&self) -> bool {
        self.gave_up() || self.stopped.load(Ordering::Relaxed)
    }
}

/// See [`Live::open_session`].
pub(crate) struct OpenSession(Arc<Live>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        let before = self.0.open.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "a session that ends was open");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_end_a_run_in_which_nothing_was_answered_and_nobody_waits() {
        let live = Arc::new(Live::new(1));
        let waiting = live.open_session();
        (0..9).for_each(|_| live.count_fruitless(Some(2)));
        assert!(!live.gave_up(), "a session may yet be answered");
        drop(waiting);
        live.count_fruitless(None);
        assert!(!live.gave_up());
        live.count_fruitless(Some(2));
        assert!(live.gave_up());
        let live = Arc::new(Live::new(1));
        live.count_answer();
        (0..9).for_each(|_| live.count_fruitless(Some(2)));
        assert!(!live.gave_up(), "it answered once");
    }

    #[test]
    fn numbers_are_given_out_once_and_then_no_more() {
        let live = Live::new(1);
        let numbers: Vec<u64> = std::iter::from_fn(|| live.claim(3)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(live.claim(3), None);
    }

    #[test]
    fn only_errors_without_a_success_between_them_give_up() {
        let live = Live::new(1);
        for _ in 0..3 {
            live.count_error(Some(2));
            live.count_error(Some(2));
            live.count_accepted();
        }
        (0..9).for_each(|_| live.count_error(None));
        assert!(!live.gave_up() && !live.is_over());
        live.count_error(Some(2));
        assert!(live.gave_up() && live.is_over());
    }
}
