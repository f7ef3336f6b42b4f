//! How long to wait before something is tried again.
//!
//! Owns: the growth of the pauses, their bound, their jitter. Must not know: what is tried, the clock.
//!
//! Invariant: a pause is between half of what the tries so far make of it and all of that, and never above the longest.

use std::time::Duration;

/// Pauses that double from the first to the longest, each shortened by up to a half at random: those who failed together do
/// not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    longest: Duration,
    next: Duration,
    first: Duration,
}

impl Backoff {
    /// The first pause and the longest.
    ///
    /// # Panics
    /// When the longest is shorter than the first.
    pub fn new(first: Duration, longest: Duration) -> Self {
        assert!(first <= longest, "the longest pause is the longest");
        Self {
            longest,
            next: first,
            first,
        }
    }

    /// The next pause; `random` is any number.
    pub fn pause(&mut self, random: u32) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let part = f64::from(random) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + part / 2.0)
    }

    /// It worked: the next pause is the first again.
    pub fn again(&mut self) {
        self.next = self.first;
    }
}

/// A number for [`Backoff::pause`].
pub fn random() -> u32 {
    // Without random numbers the pauses are the longest ones.
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 5);
        for whole in [1, 2, 4, 5, 5] {
            assert_eq!(backoff.pause(u32::MAX), second * whole);
        }
        assert_eq!(backoff.pause(0), second * 5 / 2);
        backoff.again();
        assert_eq!(backoff.pause(0), second / 2);
    }
}
