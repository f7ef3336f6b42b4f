//! What happened in one thread since the main thread last looked.

use hdrhistogram::Histogram;

use super::phase::histogram_of_interval;
use crate::fault::Troubles;

/// What happened in one thread since the main thread last looked.
pub(crate) struct Interval {
    /// Accepted messages.
    pub accepted: u64,
    /// Refused messages.
    pub refused: u64,
    /// Errors, and messages without an answer.
    pub errors: u64,
    /// Microseconds from the intended start to the final reply.
    pub whole: Histogram<u64>,
    /// What the refusals and errors said.
    pub troubles: Troubles,
}

impl Interval {
    /// All zero.
    pub(crate) fn new() -> Interval {
        Interval {
            accepted: 0,
            refused: 0,
            errors: 0,
            whole: histogram_of_interval(),
            troubles: Troubles::default(),
        }
    }

    /// Adds another interval's counts.
    pub(crate) fn merge(&mut self, other: &Interval) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.errors += other.errors;
        self.whole
            .add(&other.whole)
            .expect("histograms of the same bounds");
        self.troubles.merge(&other.troubles);
    }

    /// Resets it to zero, in the same memory.
    pub(crate) fn clear(&mut self) {
        (self.accepted, self.refused, self.errors) = (0, 0, 0);
        self.whole.reset();
        self.troubles = Troubles::default();
    }
}
