//! What a worker counts for itself: the events of every message. No other worker writes there, so no cache
//! line goes from core to core; a scrape adds the workers up.
//!
//! Owns: whose counts there are, and their sum. Must not know: names and labels.
//!
//! Invariant: a count has one writer, its worker; what a tally that is gone had counted is kept.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rows::Table;
use super::table::{Handles, Sums};

/// The counts of all workers.
#[derive(Default)]
pub(super) struct Tallies {
    /// Those of the workers that run.
    running: Mutex<Vec<Arc<Sums>>>,
    /// Those of the workers that are gone.
    retired: Sums,
}

/// Counts for one worker. Not to be shared between threads; it is not cloned.
pub struct Tally {
    sums: Arc<Sums>,
    tallies: Arc<Tallies>,
    /// Not `Sync`: a count has one writer.
    _one_writer: PhantomData<Cell<()>>,
}

impl Tallies {
    /// What all workers have counted.
    pub(super) fn sum(&self) -> Sums {
        let sum = Sums::default();
        let running = self.lock();
        Handles::add(&sum, &self.retired);
        for sums in &*running {
            Handles::add(&sum, sums);
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Sums>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    pub(super) fn new(tallies: Arc<Tallies>) -> Self {
        let sums = Arc::default();
        tallies.lock().push(Arc::clone(&sums));
        Self {
            sums,
            tallies,
            _one_writer: PhantomData,
        }
    }
}

impl Deref for Tally {
    type Target = Sums;

    fn deref(&self) -> &Sums {
        &self.sums
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut running = self.tallies.lock();
        let before = running.len();
        running.retain(|sums| !Arc::ptr_eq(sums, &self.sums));
        assert_eq!(
            running.len() + 1,
            before,
            "a tally is one of those that run"
        );
        // Under the lock there is one writer of these, too.
        Handles::add(&self.tallies.retired, &self.sums);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::value;
    use super::super::{Code, Metrics};
    use crate::smtp::command::Verb;

    #[test]
    fn workers_are_added_up_and_none_is_forgotten() {
        let (metrics, scrape) = Metrics::new(2);
        let (first, second) = (metrics.tally(), metrics.tally());
        first.in_flight_messages.set(2);
        first.in_flight_bytes.set(500);
        second.in_flight_messages.set(1);
        second.in_flight_bytes.set(20);
        first.commands.increment(Verb::Noop);
        second.commands.increment(Verb::Noop);
        second.replies.increment(Code(250));
        second.replies.increment(Code(299));
        let shown = |name: &str| value(&scrape.render(), name);
        assert_eq!(shown("ringpost_commands_total{verb=\"noop\"}"), 2.0);
        assert_eq!(shown("ringpost_replies_total{code=\"other\"}"), 1.0);
        assert_eq!(shown("ringpost_in_flight_bytes"), 520.0);
        second.in_flight_messages.set(0);
        second.in_flight_bytes.set(0);
        drop(second);
        assert_eq!(shown("ringpost_commands_total{verb=\"noop\"}"), 2.0);
        assert_eq!(shown("ringpost_in_flight_messages"), 2.0);
        first.in_flight_bytes.set(0);
        assert_eq!(shown("ringpost_in_flight_bytes"), 0.0);
        assert!(metrics.0.tallies.lock().len() == 1);
    }
}
