//! What the threads of a run share, and what each returns.

use std::sync::{Arc, Barrier, OnceLock};

use crate::failure::Failure;
use crate::net::choice::{Io, Unavailable};
use crate::plan::Plan;
use crate::tally::{Greeting, Live, Tally};

/// How often all threads meet before the run: after the first connection, after the opening of idle sessions, and at the
/// start.
const MEETINGS: usize = 3;

/// What a thread returns.
pub(super) struct ThreadResult {
    /// Its counts.
    pub tally: Tally,
    /// Its CPU time, as a share of the time.
    pub busy: f64,
}

/// What the threads of a run share.
pub(super) struct Shared {
    /// The run.
    pub plan: Arc<Plan>,
    /// What its sockets go through.
    pub io: Io,
    /// Why that is not io_uring, if it was left open.
    pub why_epoll: Option<Unavailable>,
    /// What is known while it goes on.
    pub live: Arc<Live>,
    barrier: Barrier,
    start_error: OnceLock<Failure>,
    greeting: OnceLock<Greeting>,
}

impl Shared {
    /// For this many sending threads, and the main thread.
    pub(super) fn new(plan: &Arc<Plan>, chosen: (Io, Option<Unavailable>), threads: u32) -> Shared {
        Shared {
            plan: Arc::clone(plan),
            io: chosen.0,
            why_epoll: chosen.1,
            live: Arc::new(Live::new(plan.profiles.len())),
            barrier: Barrier::new(threads as usize + 1),
            start_error: OnceLock::new(),
            greeting: OnceLock::new(),
        }
    }

    /// Waits for all threads.
    pub(super) fn meet(&self) {
        self.barrier.wait();
    }

    /// For a thread that does not take part: the others do not wait for it.
    pub(super) fn meet_always(&self) {
        (0..MEETINGS).for_each(|_| self.meet());
    }

    /// The run does not begin.
    pub(super) fn fail(&self, why: Failure) {
        // The first reason is enough.
        let _ = self.start_error.set(why);
        self.live.stop();
    }

    /// The server greeted the first connection.
    pub(super) fn greeted(&self, greeting: Greeting) {
        assert!(
            self.greeting.set(greeting).is_ok(),
            "there is one first connection"
        );
    }

    /// What the server said to the first connection.
    pub(super) fn greeting(&self) -> Option<&Greeting> {
        self.greeting.get()
    }

    /// Why the run did not begin.
    pub(super) fn start_error(&self) -> Option<&Failure> {
        self.start_error.get()
    }
}
