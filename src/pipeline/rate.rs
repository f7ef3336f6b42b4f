//! So many a second, and no more.
//!
//! Owns: whose turn is when. Must not know: the clock, what takes a turn.
//!
//! Invariant: turns are at least one interval apart, except that after a quiet time up to `Rate::AT_ONCE` seconds' worth
//! of them come at once.

use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub struct Rate {
    interval: Duration,
    /// When the next turn is.
    next: Option<Instant>,
}

impl Rate {
    /// How much of a quiet time is made up for.
    const AT_ONCE: Duration = Duration::from_millis(100);

    /// This many turns a second.
    ///
    /// # Panics
    /// Unless it is more than nothing.
    pub fn new(a_second: f64) -> Self {
        assert!(a_second > 0.0, "a rate is more than nothing");
        Self {
            interval: Duration::from_secs_f64(1.0 / a_second),
            next: None,
        }
    }

    /// Takes the next turn: when it is.
    pub fn turn(&mut self, now: Instant) -> Instant {
        let earliest = now.checked_sub(Self::AT_ONCE).unwrap_or(now);
        let turn = self.next.map_or(now, |next| next.max(earliest));
        self.next = Some(turn + self.interval);
        turn.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_an_interval_apart_and_a_quiet_time_is_made_up_for_a_little() {
        let (mut rate, begin) = (Rate::new(20.0), Instant::now());
        let after = |turn: Instant| turn.duration_since(begin).as_millis();
        assert_eq!([0; 3].map(|_| after(rate.turn(begin))), [0, 50, 100]);
        let later = begin + Duration::from_secs(10);
        assert_eq!(
            [0; 4].map(|_| after(rate.turn(later))),
            [10_000, 10_000, 10_000, 10_050]
        );
    }
}
