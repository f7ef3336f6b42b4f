//! A timer that is precise to some ten microseconds: a timerfd, read through the thread's engine. tokio's own timers are rounded
//! up to a millisecond, which a latency from an intended start would show.

use std::fs::File;
use std::io;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

use crate::net::choice::Io;

/// Bytes that a timerfd is read into.
const EXPIRATIONS: usize = 8;

/// One timer, for one task.
pub(super) struct Timer {
    control: File,
    expired: Expired,
}

/// How the end of a sleep is waited for.
enum Expired {
    IoUring {
        file: tokio_uring::fs::File,
        buffer: Vec<u8>,
    },
    /// What tokio offers without unsafe code for a descriptor that becomes readable and is read: the end of a pipe.
    Epoll(Receiver),
}

impl Timer {
    /// A timer that is not set. Works only within a runtime of this kind.
    pub(super) fn new(io: Io) -> io::Result<Timer> {
        let flags = match io {
            Io::IoUring => TimerfdFlags::CLOEXEC,
            Io::Epoll => TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        };
        let control = File::from(timerfd_create(TimerfdClockId::Monotonic, flags)?);
        let file = control.try_clone()?;
        let expired = match io {
            Io::IoUring => Expired::IoUring {
                file: tokio_uring::fs::File::from_std(file),
                buffer: Vec::with_capacity(EXPIRATIONS),
            },
            Io::Epoll => Expired::Epoll(Receiver::from_file_unchecked(file)?),
        };
        Ok(Timer { control, expired })
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
        self.expired.wait().await
    }
}

impl Expired {
    async fn wait(&mut self) -> io::Result<()> {
        match self {
            Expired::IoUring { file, buffer } => {
                let (result, lent) = file.read_at(std::mem::take(buffer), 0).await;
                *buffer = lent;
                buffer.clear();
                result.map(drop)
            }
            Expired::Epoll(file) => loop {
                file.readable().await?;
                match file.try_read(&mut [0; EXPIRATIONS]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return result.map(drop),
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::choice::{IoChoice, choose};
    use crate::net::runtime::Runtime;
    use std::time::Duration;

    #[test]
    fn it_never_comes_early() {
        let (best, _) = choose(IoChoice::Auto).expect("epoll, if nothing else");
        for io in [best, Io::Epoll] {
            let runtime = Runtime::new(io, 8, 32).expect("a runtime");
            runtime.block_on(async {
                let mut timer = Timer::new(io).expect("a timer");
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
}
