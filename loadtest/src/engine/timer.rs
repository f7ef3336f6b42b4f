//! A timer that is precise to some ten microseconds: a timerfd, read through the ring. tokio's own timers are rounded up to
//! a millisecond, which a latency from an intended start would show.

use std::fs::File;
use std::io;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// One timer, for one task.
pub(super) struct Timer {
    control: File,
    ring: tokio_uring::fs::File,
    buffer: Vec<u8>,
}

impl Timer {
    /// A timer that is not set. Works only within a runtime.
    pub(super) fn new() -> io::Result<Timer> {
        let control = File::from(timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC,
        )?);
        let ring = tokio_uring::fs::File::from_std(control.try_clone()?);
        Ok(Timer {
            control,
            ring,
            buffer: Vec::with_capacity(8),
        })
    }

    /// Returns at that time, or at once if it has passed.
    pub(super) async fn sleep_until(&mut self, time: Instant) -> io::Result<()> {
        let rest = time.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(rest.subsec_nanos()),
        };
        let setting = Itimerspec {
            it_interval: zero,
            it_value: value,
        };
        timerfd_settime(&self.control, TimerfdTimerFlags::empty(), &setting)?;
        let buffer = std::mem::take(&mut self.buffer);
        let (result, buffer) = self.ring.read_at(buffer, 0).await;
        self.buffer = buffer;
        self.buffer.clear();
        result.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_never_comes_early() {
        tokio_uring::start(async {
            let mut timer = Timer::new().expect("a timer");
            for microseconds in [0, 1, 100, 3000] {
                let time = Instant::now() + Duration::from_micros(microseconds);
                timer.sleep_until(time).await.expect("it sleeps");
                assert!(Instant::now() >= time);
            }
            timer
                .sleep_until(Instant::now())
                .await
                .expect("it does not sleep");
        });
    }
}
