//! Time that passes when the simulation says so.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ringpost::net::clock::Clock;

/// Microseconds since the start of the simulation.
#[derive(Debug, Clone)]
pub struct Time {
    start: Instant,
    micros: Rc<Cell<u64>>,
}

impl Time {
    /// At 0.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            micros: Rc::default(),
        }
    }

    /// Now.
    pub fn micros(&self) -> u64 {
        self.micros.get()
    }

    /// Lets time pass; it never goes back.
    pub fn advance_to(&self, micros: u64) {
        assert!(micros >= self.micros.get(), "time never goes back");
        self.micros.set(micros);
    }

    /// When an instant of the driver's is.
    pub fn micros_of(&self, instant: Instant) -> u64 {
        u64::try_from(instant.duration_since(self.start).as_micros())
            .expect("within the simulation")
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.micros.get())
    }

    fn wall(&self) -> Timestamp {
        let micros = i64::try_from(self.micros.get()).expect("within the simulation");
        Timestamp::from_microsecond(1_767_225_600_000_000 + micros).expect("the year 2026")
    }
}
