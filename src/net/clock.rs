//! The time, as the io_uring layer asks for it: the system's, or a simulation's.
//!
//! Owns: the one place where a connection learns what time it is. The core below takes time as an argument.

use std::time::Instant;

use jiff::Timestamp;

/// Tells the time. One per worker.
pub trait Clock {
    /// For deadlines; never goes back.
    fn now(&self) -> Instant;
    /// For the Received field, `ce_time` and queue ids.
    fn wall(&self) -> Timestamp;
}

/// The clocks of this machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}
