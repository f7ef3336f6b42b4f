//! Whether every worker makes progress, for a supervisor that restarts a process in which one does not.
//!
//! Owns: the question, and who has answered it. Must not know: who asks, how often, and what is done about a worker that does not
//! answer.
//!
//! Invariants: a worker answers from its own loop, between two of its tasks, so one that hangs in a task does not; one that has
//! ended has answered every question.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a worker that has ended has answered.
const ENDED: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub struct Pulse {
    /// The number of the last question.
    asked: AtomicU64,
    /// The last question that each worker has answered.
    answered: Box<[AtomicU64]>,
}

impl Pulse {
    /// Of this many workers, of which nothing was asked.
    pub fn new(workers: usize) -> Self {
        Self {
            asked: AtomicU64::new(0),
            answered: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Asks all; who asks wakes them.
    pub fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// This worker makes progress.
    pub fn answer(&self, worker: usize) {
        let asked = self.asked.load(Ordering::Relaxed);
        self.answered[worker].store(asked, Ordering::Relaxed);
    }

    /// This worker has ended.
    pub fn end(&self, worker: usize) {
        self.answered[worker].store(ENDED, Ordering::Relaxed);
    }

    /// A worker that has not answered the last question, if there is one.
    pub fn silent(&self) -> Option<usize> {
        let asked = self.asked.load(Ordering::Relaxed);
        let mut answered = self.answered.iter();
        answered.position(|answered| answered.load(Ordering::Relaxed) < asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_does_not_answer_is_named_until_it_does_or_ends() {
        let pulse = Pulse::new(3);
        assert_eq!(pulse.silent(), None, "nothing was asked");
        pulse.ask();
        pulse.answer(0);
        pulse.answer(2);
        assert_eq!(pulse.silent(), Some(1));
        pulse.answer(1);
        assert_eq!(pulse.silent(), None);
        pulse.end(1);
        pulse.ask();
        pulse.ask();
        assert_eq!(pulse.silent(), Some(0));
        pulse.answer(0);
        pulse.answer(2);
        assert_eq!(pulse.silent(), None, "one that has ended is not asked");
    }
}
