//! Who sends which message when, within one thread.
//!
//! Closed loop: a connection that asks gets the next number at once. Open loop: the thread has a timetable (its part of the
//! whole run's starts, see [`crate::plan`]); a connection that asks gets the next start if its time has come, and waits
//! for it otherwise. A start whose time has come while no connection is free stays next in the timetable: it costs no
//! memory, and its latency counts from its time.
//!
//! Must not know connections. Invariants: starts are given out in the order of the timetable, each once; nothing is given
//! out once the run is over.
//!
//! # BUGS
//! - A start may be up to 50 microseconds late, so that a fast timetable does not wake the thread for each message.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::timer::Timer;
use crate::plan::{Pace, Timetable};
use crate::tally::{Live, Phase, Tally};

/// The pacer sleeps at least this long.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
/// ... and at most this long, so that it notices the end of the run.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// What was due before the end of an open-loop run may still begin within this time after it: a start may be a little late,
/// and that is this program's doing.
const GRACE: Duration = Duration::from_millis(100);

/// A message that is taken up this late has waited for a connection.
const WAITED: Duration = Duration::from_millis(1);

/// A message, or with a rate of connections the first message of one, to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Work {
    /// The message's number, from 1.
    pub number: u64,
    /// From when its latency counts.
    pub intended: Instant,
}

/// What there is to do.
#[derive(Debug, PartialEq)]
enum Next {
    Work(Work),
    At(Instant),
    Nothing,
}

/// One thread's share of the run.
pub(super) struct Dispatcher {
    timetable: Timetable,
    started: Instant,
    live: Arc<Live>,
    tally: Rc<RefCell<Tally>>,
    /// Starts given out by this thread's timetable.
    given: Cell<u64>,
    /// How late the last start was given out.
    behind: Cell<Duration>,
    /// No sender is left.
    left: Cell<bool>,
    waiting: RefCell<VecDeque<Rc<Seat>>>,
}

/// Where a connection waits.
#[derive(Default)]
struct Seat {
    given: Cell<Option<Option<Work>>>,
    waker: RefCell<Option<Waker>>,
}

impl Dispatcher {
    /// Nothing was given out yet.
    pub(super) fn new(
        timetable: Timetable,
        started: Instant,
        live: Arc<Live>,
        tally: Rc<RefCell<Tally>>,
    ) -> Dispatcher {
        Dispatcher {
            timetable,
            started,
            live,
            tally,
            given: Cell::new(0),
            behind: Cell::new(Duration::ZERO),
            left: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    /// All senders are gone: the pacer ends, whatever is due.
    pub(super) fn leave(&self) {
        self.left.set(true);
    }

    /// Whether nothing more may begin.
    pub(super) fn is_over(&self) -> bool {
        self.is_over_at(Instant::now())
    }

    fn is_over_at(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.started);
        let grace = self.timetable.pace.map_or(Duration::ZERO, |_| GRACE);
        self.live.is_over()
            || self
                .timetable
                .duration
                .is_some_and(|duration| passed >= duration + grace)
    }

    /// Whether everything was given out.
    pub(super) fn is_done(&self) -> bool {
        let index = self.index(self.given.get());
        let late = |pace: Pace| {
            self.timetable
                .duration
                .is_some_and(|duration| pace.start_of(index) >= duration)
        };
        self.is_over()
            || self
                .timetable
                .pace
                .is_some_and(|pace| index >= self.timetable.most || late(pace))
    }

    /// The next thing to do, if its time has come.
    pub(super) fn take(&self) -> Option<Work> {
        let now = Instant::now();
        match self.next(now) {
            Next::Work(work) => {
                self.count_given(&work, now);
                Some(work)
            }
            Next::At(_) | Next::Nothing => None,
        }
    }

    /// The next thing to do, once its time has come; `None` when there is nothing more.
    pub(super) async fn wait(&self) -> Option<Work> {
        let now = Instant::now();
        match self.next(now) {
            Next::Work(work) => {
                self.count_given(&work, now);
                if now.saturating_duration_since(work.intended) > WAITED {
                    self.tally.borrow_mut().waited += 1;
                }
                return Some(work);
            }
            Next::Nothing => return None,
            Next::At(_) => {}
        }
        let seat = Rc::new(Seat::default());
        self.waiting.borrow_mut().push_back(Rc::clone(&seat));
        let work = poll_fn(|context| match seat.given.take() {
            Some(given) => Poll::Ready(given),
            None => {
                seat.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await;
        if let Some(work) = work {
            self.tally
                .borrow_mut()
                .record(Phase::StartLag, work.intended.elapsed());
        }
        work
    }

    /// Returns starts to the connections that wait, until there are no more starts.
    pub(super) async fn pace(&self, timer: &mut Timer) -> std::io::Result<()> {
        loop {
            let now = Instant::now();
            match self.next(now) {
                Next::Nothing => {
                    while self.seat(None) {}
                    return Ok(());
                }
                Next::Work(work) => {
                    if self.seat(Some(work)) {
                        self.count_given(&work, now);
                        continue;
                    }
                    // All connections are busy, and take what is due when they are done.
                    timer.sleep_until(now + 20 * SHORTEST_SLEEP).await?;
                }
                Next::At(time) => {
                    let until = time.clamp(now + SHORTEST_SLEEP, now + LONGEST_SLEEP);
                    timer.sleep_until(until).await?;
                }
            }
        }
    }

    fn count_given(&self, work: &Work, now: Instant) {
        assert!(work.intended <= now, "nothing is given out before its time");
        self.given.set(self.given.get() + 1);
        self.behind
            .set(now.saturating_duration_since(work.intended));
    }

    /// Returns it to the connection that has waited longest; whether there was one.
    fn seat(&self, work: Option<Work>) -> bool {
        let Some(seat) = self.waiting.borrow_mut().pop_front() else {
            return false;
        };
        seat.given.set(Some(work));
        if let Some(waker) = seat.waker.take() {
            waker.wake();
        }
        true
    }

    fn next(&self, now: Instant) -> Next {
        if self.left.get() || self.is_over_at(now) {
            return Next::Nothing;
        }
        let Some(pace) = self.timetable.pace else {
            // Claimed here, so it must be taken: only `take` and `wait` call this in the closed loop.
            let number = self.live.claim(self.timetable.most);
            return number.map_or(Next::Nothing, |number| {
                Next::Work(Work {
                    number,
                    intended: now,
                })
            });
        };
        let index = self.index(self.given.get());
        if index >= self.timetable.most {
            return Next::Nothing;
        }
        let offset = pace.start_of(index);
        if self
            .timetable
            .duration
            .is_some_and(|duration| offset >= duration)
        {
            return Next::Nothing;
        }
        let time = self.started + offset;
        if time > now {
            return Next::At(time);
        }
        Next::Work(Work {
            number: index * self.timetable.stride + 1,
            intended: time,
        })
    }

    /// The index in the whole run's timetable of this thread's start `given`.
    fn index(&self, given: u64) -> u64 {
        given * self.timetable.threads + self.timetable.thread
    }

    /// The open loop's starts whose time had come by the end of the run and that were not given out: counts them, and
    /// records how long each had waited, which is the least that its latency can be.
    pub(super) fn count_overdue(&self) {
        let Some(pace) = self.timetable.pace else {
            return;
        };
        {
            let mut tally = self.tally.borrow_mut();
            tally.behind = tally.behind.max(self.behind.get());
        }
        if self.live.is_over() {
            return;
        }
        let end = self
            .timetable
            .duration
            .unwrap_or_else(|| self.started.elapsed());
        let due = pace.starts_before(end).min(self.timetable.most);
        let mut tally = self.tally.borrow_mut();
        for given in self.given.get().. {
            let index = self.index(given);
            if index >= due {
                return;
            }
            let waited = self.started.elapsed().saturating_sub(pace.start_of(index));
            tally.count_overdue(waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatcher(timetable: Timetable, started: Instant) -> Dispatcher {
        let tally = Rc::new(RefCell::new(Tally::new()));
        Dispatcher::new(timetable, started, Arc::new(Live::new(1)), tally)
    }

    const TIMETABLE: Timetable = Timetable {
        pace: None,
        most: 3,
        stride: 1,
        duration: None,
        thread: 0,
        threads: 1,
    };

    const TEN_A_SECOND: Timetable = Timetable {
        pace: Some(Pace {
            rate: 10.0,
            ramp: Duration::ZERO,
        }),
        most: 100,
        ..TIMETABLE
    };

    #[test]
    fn the_closed_loop_gives_numbers_at_once() {
        let dispatcher = dispatcher(TIMETABLE, Instant::now());
        let numbers: Vec<u64> = std::iter::from_fn(|| dispatcher.take())
            .map(|work| work.number)
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn the_open_loop_gives_what_is_due_with_its_intended_time() {
        let timetable = Timetable {
            thread: 1,
            threads: 2,
            ..TEN_A_SECOND
        };
        let started = Instant::now() - Duration::from_millis(1050);
        let dispatcher = dispatcher(timetable, started);
        let work: Vec<Work> = std::iter::from_fn(|| dispatcher.take()).collect();
        let numbers: Vec<u64> = work.iter().map(|work| work.number).collect();
        assert_eq!(
            numbers,
            [2, 4, 6, 8, 10],
            "every second one of the eleven that are due"
        );
        assert_eq!(work[0].intended, started + Duration::from_millis(100));
    }

    #[test]
    fn what_was_due_just_before_the_end_is_begun_and_nothing_after_it() {
        let timetable = Timetable {
            duration: Some(Duration::from_secs(1)),
            ..TEN_A_SECOND
        };
        let started = Instant::now() - Duration::from_secs(1);
        let dispatcher = dispatcher(timetable, started);
        let work: Vec<Work> = std::iter::from_fn(|| dispatcher.take()).collect();
        assert_eq!(work.len(), 10);
        assert!(dispatcher.is_done());
        dispatcher.count_overdue();
        assert_eq!(dispatcher.tally.borrow().overdue, 0);
    }

    #[test]
    fn what_was_due_at_the_end_counts_with_the_time_it_had_waited() {
        let timetable = Timetable {
            duration: Some(Duration::from_secs(1)),
            ..TEN_A_SECOND
        };
        let dispatcher = dispatcher(timetable, Instant::now() - Duration::from_secs(2));
        assert_eq!(dispatcher.take(), None);
        dispatcher.count_overdue();
        let tally = dispatcher.tally.borrow();
        assert_eq!((tally.overdue, tally.phase(Phase::Whole).len()), (10, 10));
        assert!(tally.phase(Phase::Whole).min() >= 1_000_000);
    }
}
