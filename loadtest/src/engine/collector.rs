//! The main thread's part of a run: takes the threads' intervals, samples the server, flushes the log, shows progress.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::EngineError;
use super::shared::{Shared, ThreadResult};
use crate::fault::Troubles;
use crate::measure::usage::{self, Usage};
use crate::plan::Plan;
use crate::signals;
use crate::tally::{Interval, Live, Point, Series, ServerUse, Tally};
use crate::view::{Snapshot, View};

/// How often the log is flushed.
const FLUSH: Duration = Duration::from_millis(50);
/// How long a point of the series is, and how often progress is shown.
const INTERVAL: Duration = Duration::from_secs(1);

/// Takes the threads' intervals and samples the server, until all threads are done.
pub(super) struct Collector<'a> {
    plan: &'a Plan,
    live: &'a Live,
    started: Instant,
    /// A run that did not begin has nothing to show.
    begun: bool,
    intervals: Vec<Arc<Mutex<Interval>>>,
    /// The run over time.
    pub series: Series,
    /// The sum of all intervals.
    pub total: Interval,
    server_start: Option<Usage>,
    server_last: Option<Usage>,
    own_cpu_last: Duration,
    taken: Instant,
}

impl<'a> Collector<'a> {
    /// Begins when the run does; the server's use of the machine at that time.
    pub(super) fn new(
        shared: &'a Shared,
        started: Instant,
        intervals: Vec<Arc<Mutex<Interval>>>,
        server: Option<Usage>,
    ) -> Self {
        Collector {
            plan: &shared.plan,
            live: &shared.live,
            started,
            begun: shared.start_error().is_none(),
            intervals,
            series: Series::default(),
            total: Interval::new(),
            server_start: server,
            server_last: server,
            own_cpu_last: usage::own_cpu(),
            taken: started,
        }
    }

    /// Looks on until all threads are done; returns their counts, and how busy each was.
    pub(super) fn collect(
        &mut self,
        results: &Receiver<Result<ThreadResult, EngineError>>,
        view: &mut View,
    ) -> Result<(Tally, Vec<f64>), EngineError> {
        let (mut tally, mut busy) = (Tally::new(), Vec::new());
        loop {
            match results.recv_timeout(FLUSH) {
                Ok(result) => {
                    let result = result?;
                    tally.merge(&result.tally);
                    busy.push(result.busy);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.take(view);
                    return Ok((tally, busy));
                }
            }
            if let Some(log) = &self.plan.log {
                log.flush();
            }
            if signals::stopped() {
                self.live.stop();
            }
            if self.taken.elapsed() >= INTERVAL {
                self.take(view);
            }
        }
    }

    /// What happened since the last time, from all threads.
    fn take_intervals(&mut self) -> Interval {
        let mut interval = Interval::new();
        for shared in &self.intervals {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            interval.merge(&shared);
            shared.clear();
        }
        self.total.merge(&interval);
        // A point of the series needs the counts alone.
        interval.troubles = Troubles::default();
        interval
    }

    /// One point of the series.
    fn take(&mut self, view: &mut View) {
        let now = Instant::now();
        let interval = self.take_intervals();
        let server = usage::of_trees(&self.plan.options.pid);
        let server_cpu = server
            .zip(self.server_last)
            .map(|(now, last)| now.cpu.saturating_sub(last.cpu));
        let own = usage::own_cpu();
        let point = Point {
            end: now - self.started,
            length: now - self.taken,
            interval,
            server,
            server_cpu,
            own_cpu: own.saturating_sub(self.own_cpu_last),
        };
        let is_short = point.length < INTERVAL / 2;
        let rest = is_short && !self.series.points().is_empty();
        if is_short {
            self.series.push_rest(point);
        } else {
            self.series.push(point);
        }
        self.server_last = server.or(self.server_last);
        (self.own_cpu_last, self.taken) = (own, now);
        if self.begun {
            view.show(&Snapshot {
                plan: self.plan,
                elapsed: now - self.started,
                series: &self.series,
                total: &self.total,
                gave_up: self.live.gave_up(),
                rest,
            });
        }
    }

    /// The server's use of the machine; `before` is what it used before anything was opened.
    pub(super) fn server_use(&self, before: Option<Usage>) -> Option<ServerUse> {
        let (start, end) = (self.server_start?, self.server_last?);
        Some(ServerUse {
            before: before?,
            start,
            end,
            cpu: end.cpu.saturating_sub(start.cpu),
        })
    }
}
