//! When the messages (or connections) of an open-loop run are meant to start: arithmetic, no clock.
//!
//! Invariant: [`Pace::start_of`] never decreases from one index to the next, and does not depend on how the server does.
//! That is the whole point: latency is measured from these times, so a server that stalls cannot hide the waiting
//! (no coordinated omission).

use std::time::Duration;

/// A constant rate, reached linearly from zero within the ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Starts a second once the ramp is over.
    pub rate: f64,
    /// How long the rate rises.
    pub ramp: Duration,
}

impl Pace {
    /// When start `index`, counted from 0, is meant to happen, from the beginning of the run.
    ///
    /// Within the ramp `rate * t^2 / (2 * ramp)` starts have happened by time `t`; solved for `t`.
    pub(crate) fn start_of(&self, index: u64) -> Duration {
        let index = index as f64;
        let ramp = self.ramp.as_secs_f64();
        let in_ramp = self.rate * ramp / 2.0;
        let seconds = if index < in_ramp {
            (2.0 * ramp * index / self.rate).sqrt()
        } else {
            ramp + (index - in_ramp) / self.rate
        };
        Duration::from_secs_f64(seconds)
    }

    /// How many starts are meant to happen before `time`: the first index that is not.
    pub(crate) fn starts_before(&self, time: Duration) -> u64 {
        let (seconds, ramp) = (time.as_secs_f64(), self.ramp.as_secs_f64());
        let count = if seconds < ramp {
            self.rate * seconds * seconds / (2.0 * ramp)
        } else {
            self.rate * (ramp / 2.0 + seconds - ramp)
        };
        count.ceil() as u64
    }
}

/// The bounds of a run and its timetable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timetable {
    /// The open loop's, `None` for the closed loop.
    pub pace: Option<Pace>,
    /// Most messages, or with a rate of connections most connections.
    pub most: u64,
    /// Messages of one start: 1, or with a rate of connections those of a connection.
    pub stride: u64,
    /// How long starts are given out.
    pub duration: Option<Duration>,
    /// This thread's number, from 0, and how many there are.
    pub thread: u64,
    /// How many threads there are.
    pub threads: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_ramp_starts_are_evenly_spaced() {
        let pace = Pace {
            rate: 200.0,
            ramp: Duration::ZERO,
        };
        assert_eq!(pace.start_of(0), Duration::ZERO);
        assert_eq!(pace.start_of(1), Duration::from_millis(5));
        assert_eq!(pace.start_of(1000), Duration::from_secs(5));
        assert_eq!(pace.starts_before(Duration::from_secs(5)), 1000);
    }

    #[test]
    fn a_ramp_starts_half_as_many() {
        let pace = Pace {
            rate: 100.0,
            ramp: Duration::from_secs(10),
        };
        assert_eq!(pace.starts_before(Duration::from_secs(10)), 500);
        assert_eq!(pace.starts_before(Duration::from_secs(11)), 600);
        assert_eq!(pace.start_of(500), Duration::from_secs(10));
        assert_eq!(pace.start_of(125), Duration::from_secs(5));
    }

    #[test]
    fn starts_never_go_back() {
        let pace = Pace {
            rate: 333.0,
            ramp: Duration::from_secs(3),
        };
        let times: Vec<Duration> = (0..2000).map(|index| pace.start_of(index)).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        for (index, time) in times.iter().enumerate() {
            assert!(pace.starts_before(*time) <= index as u64 + 1, "{index}");
            assert!(pace.starts_before(*time + Duration::from_micros(1)) > index as u64);
        }
    }
}
