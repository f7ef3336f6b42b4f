//! Keeps lines of the log that clients can cause from flooding it: so many a second pass, the others are counted.
//!
//! Owns: the count of one worker. Must not know: what is said, a clock (the time comes in).
//!
//! Invariant: each line either passes or is in the count that the next one to pass is given.
//!
//! BUGS: after a flood the count is told with the next line, however late that comes.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub struct Gate {
    most_a_second: u32,
    /// When the present second began, and how many have passed in it.
    second: Cell<Option<(Instant, u32)>>,
    held_back: Cell<u64>,
}

impl Gate {
    /// Lets so many through in a second.
    pub fn new(most_a_second: u32) -> Self {
        Self {
            most_a_second,
            second: Cell::new(None),
            held_back: Cell::new(0),
        }
    }

    /// Whether a line passes now: with how many were held back before it.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let (began, passed) = match self.second.get() {
            Some((began, passed)) if now < began + Duration::from_secs(1) => (began, passed),
            _ => (now, 0),
        };
        if passed >= self.most_a_second {
            self.held_back.set(self.held_back.get() + 1);
            return None;
        }
        self.second.set(Some((began, passed + 1)));
        Some(self.held_back.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_pass_in_a_second_and_the_others_are_told_with_the_next() {
        let (gate, start) = (Gate::new(2), Instant::now());
        let at = |milliseconds| gate.pass(start + Duration::from_millis(milliseconds));
        assert_eq!([at(0), at(10)], [Some(0), Some(0)]);
        assert_eq!([at(20), at(999), at(999)], [None; 3]);
        assert_eq!([at(1000), at(1001), at(1002)], [Some(3), Some(0), None]);
        assert_eq!(at(9000), Some(1));
    }
}
