//! How many messages a client may begin in a minute.
//!
//! Owns: the arithmetic of the limit. Must not know: a clock (the time comes in), whose limit it is, and what is refused.
//!
//! A bucket of as many tokens as a minute allows, filled evenly; kept as the time at which it will be full again, so that
//! the connections of one client share it with one atomic word and no lock.
//!
//! Invariant: between any two times no more are taken than the bucket's tokens and those that fell in meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const MINUTE_NANOSECONDS: u64 = 60_000_000_000;

/// The messages that one client may still begin. Shared by its connections.
#[derive(Debug)]
pub struct Rate {
    start: Instant,
    /// Time that it takes to earn one message.
    cost: u64,
    /// When all messages taken so far are earned, in nanoseconds since `start`.
    earned: AtomicU64,
}

impl Rate {
    /// So many a minute, all of them there at `now`.
    ///
    /// # Panics
    /// If it is none.
    pub fn per_minute(messages: usize, now: Instant) -> Self {
        assert!(messages > 0, "no messages at all is not a rate");
        assert!(
            messages as u64 <= MINUTE_NANOSECONDS,
            "a message costs some time"
        );
        Self {
            start: now,
            cost: MINUTE_NANOSECONDS / messages as u64,
            earned: AtomicU64::new(0),
        }
    }

    /// Takes one message if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let now = self.nanoseconds(now);
        let take = |earned: u64| {
            let earned = earned.max(now) + self.cost;
            (earned <= now + MINUTE_NANOSECONDS).then_some(earned)
        };
        self.earned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    /// Whether all messages are there again, so that nothing has to be remembered.
    pub fn is_full(&self, now: Instant) -> bool {
        self.earned.load(Ordering::Relaxed) <= self.nanoseconds(now)
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).expect("a server does not run for five hundred years")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_minute_has_so_many_at_once_and_then_one_for_each_part_of_it() {
        let start = Instant::now();
        for messages in [1, 3, 60, if cfg!(miri) { 1_000 } else { 1_000_000 }] {
            let rate = Rate::per_minute(messages, start);
            assert!(rate.is_full(start));
            let taken = (0..=messages).filter(|_| rate.take(start)).count();
            assert_eq!(taken, messages);
            let part = Duration::from_nanos(MINUTE_NANOSECONDS / messages as u64);
            assert!(!rate.take(start + part - Duration::from_nanos(1)));
            assert!(rate.take(start + part) && !rate.take(start + part));
            let full = start + part + Duration::from_secs(60);
            assert!(rate.is_full(full) && !rate.is_full(start + part));
            let again = (0..=messages).filter(|_| rate.take(full)).count();
            assert_eq!(again, messages);
        }
    }

    #[test]
    fn time_that_seems_to_run_backwards_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(100);
        let rate = Rate::per_minute(2, start);
        let before = start - Duration::from_secs(50);
        assert!(rate.take(before) && rate.take(start) && !rate.take(before) && !rate.take(start));
    }

    #[test]
    fn connections_in_several_threads_take_no_more_together() {
        let now = Instant::now();
        let rate = Rate::per_minute(1_000, now);
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1_000).filter(|_| rate.take(now)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(taken, 1_000);
    }
}
