//! The run: threads, what each of them does, and the main thread that looks on.
//!
//! Each thread has one io_uring runtime, a share of the connections and of the idle sessions; each connection is a task
//! (see [`crate::engine::session`]). The main thread flushes the log, takes the threads' intervals away every second, samples the
//! server, and shows progress.
//!
//! # BUGS
//! - Giving up waits for the replies that are outstanding, each up to `--timeout`; a signal waits two seconds for them.

pub mod dispatch;
pub mod first;
pub mod idle;
pub mod misbehave;
pub mod session;
pub mod timer;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Channel, channel};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use dispatch::Dispatcher;
use first::First;
use session::{Context, Sender};
use timer::Timer;

use crate::client::deadline::{Slots, watchdog};
use crate::fault::trouble::Troubles;
use crate::measure::scrape::{self, Change};
use crate::measure::usage::{self, Machine, Usage};
use crate::plan::Plan;
use crate::tally::series::{Point, Series};
use crate::tally::{Interval, Live, Tally};
use crate::verify::{Verdict, Verifier};
use crate::view::{Snapshot, View};

/// How often the log is flushed.
const FLUSH: Duration = Duration::from_millis(50);
/// How long a point of the series is, and how often progress is shown.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often all threads meet before the run.
const MEETINGS: usize = 3;
/// Sessions are numbered from here on in each thread, so that threads' sessions differ.
const SESSIONS_OF_A_THREAD: u64 = 1 << 40;

/// What came of a run.
pub struct Outcome {
    /// All threads' counts.
    pub tally: Tally,
    /// When it began.
    pub began: SystemTime,
    /// From the start to the last message's result or error, or the end of `--duration`; of a run that ended early, to its end.
    pub elapsed: Duration,
    /// This process's CPU time for the run.
    pub own_cpu: Duration,
    /// The time in which it was used: to the end of all threads.
    pub own_cpu_over: Duration,
    /// The CPU time of each sending thread, as a share of the time.
    pub threads_busy: Vec<f64>,
    /// The share of the time in which this machine's CPUs were busy.
    pub machine_busy: Option<f64>,
    /// The server's use of the machine, with `--pid`; `None` when it was not there at the start.
    pub server: Option<ServerUse>,
    /// How its metrics changed, with `--metrics`; or why they could not be read.
    pub metrics: Option<Result<Vec<Change>, String>>,
    /// What the topic holds, with `--verify`.
    pub verify: Option<Verdict>,
    /// The run over time.
    pub series: Series,
    /// What the refusals and errors said.
    pub troubles: Troubles,
    /// Why the run did not begin.
    pub start_error: Option<String>,
    /// The run ended early because of `--max-errors`.
    pub gave_up: bool,
    /// The run ended early because of a signal.
    pub stopped: bool,
    /// The first error of writing the log.
    pub log_error: Option<String>,
}

impl Outcome {
    /// Of a run that did not begin.
    pub fn not_begun(why: String) -> Outcome {
        Outcome {
            tally: Tally::new(),
            began: SystemTime::now(),
            elapsed: Duration::ZERO,
            own_cpu: Duration::ZERO,
            own_cpu_over: Duration::ZERO,
            threads_busy: Vec::new(),
            machine_busy: None,
            server: None,
            metrics: None,
            verify: None,
            series: Series::default(),
            troubles: Troubles::default(),
            start_error: Some(why),
            gave_up: false,
            stopped: crate::signals::stopped(),
            log_error: None,
        }
    }
}

/// The server's use of the machine.
#[derive(Debug, Clone, Copy)]
pub struct ServerUse {
    /// Before anything was opened.
    pub before: Usage,
    /// At the start of the run, behind the opening of idle sessions.
    pub start: Usage,
    /// The last that was seen.
    pub end: Usage,
    /// CPU time from start to end. A server that was started anew within the run counts with both processes if `--pid`
    /// names an ancestor of both.
    pub cpu: Duration,
}

/// What a thread gives back.
struct ThreadResult {
    tally: Tally,
    busy: f64,
}

/// What the threads of a run share.
struct Shared {
    plan: Arc<Plan>,
    live: Arc<Live>,
    /// Behind the first connection, behind the opening of idle sessions, and at the start.
    barrier: Barrier,
    /// Why the first connection or the idle sessions could not be opened.
    start_error: OnceLock<String>,
}

/// Runs the plan to its end. The error is a text for the operator.
pub fn run(plan: &Arc<Plan>, view: &mut View) -> Result<Outcome, String> {
    let verifier = plan
        .options
        .verify
        .then(|| Verifier::start(plan))
        .transpose()?;
    let count = plan.options.threads.min(plan.options.connections.max(1));
    let shared = Arc::new(Shared {
        plan: Arc::clone(plan),
        live: Arc::default(),
        barrier: Barrier::new(count as usize + 1),
        start_error: OnceLock::new(),
    });
    let (sender, results) = channel();
    let (mut handles, mut intervals) = (Vec::new(), Vec::new());
    for index in 0..count {
        let interval = Arc::new(Mutex::new(Interval::new()));
        intervals.push(Arc::clone(&interval));
        let verify = verifier.as_ref().map(Verifier::sender);
        let shared = Arc::clone(&shared);
        let sender = sender.clone();
        let body = move || {
            // The receiver outlives all threads.
            let _ = sender.send(run_thread(&shared, interval, verify, index, count));
        };
        let named = thread::Builder::new().name(format!("load-{index}"));
        handles.push(
            named
                .spawn(body)
                .map_err(|error| format!("--threads {count}: {error}"))?,
        );
    }
    drop(sender);
    watch(
        &shared,
        view,
        Watched {
            results,
            handles,
            intervals,
            verifier,
        },
    )
}

/// What the main thread looks on.
struct Watched {
    results: Receiver<Result<ThreadResult, String>>,
    handles: Vec<JoinHandle<()>>,
    intervals: Vec<Arc<Mutex<Interval>>>,
    verifier: Option<Verifier>,
}

/// The main thread's part: start, look on, sum up.
fn watch(shared: &Shared, view: &mut View, watched: Watched) -> Result<Outcome, String> {
    let (plan, live) = (&shared.plan, &shared.live);
    shared.barrier.wait();
    let before = usage::of_trees(&plan.options.pid);
    shared.barrier.wait();
    let metrics_before = plan.options.metrics.as_deref().map(scrape::read);
    let start = usage::of_trees(&plan.options.pid);
    let (cpu_before, machine_before) = (usage::own_cpu(), Machine::read());
    let began = SystemTime::now();
    let started = live.start();
    shared.barrier.wait();
    let mut collector = Collector::new(plan, started, watched.intervals, start);
    collector.begun = shared.start_error.get().is_none();
    let (tally, busy) = collector.collect(&watched.results, live, view)?;
    for handle in watched.handles {
        handle
            .join()
            .map_err(|_| "a thread panicked; its message is above".to_owned())?;
    }
    let own_cpu = usage::own_cpu().saturating_sub(cpu_before);
    let own_cpu_over = started.elapsed();
    let machine_busy = Machine::read()
        .zip(machine_before)
        .and_then(|(after, before)| after.busy_since(&before));
    let elapsed = match plan.options.duration {
        _ if live.is_over() => own_cpu_over,
        // A run that is bound by time took at least that, whenever its last message was; one that had no more to send did not.
        Some(duration) if plan.options.idle > 0 || tally.tried() < plan.options.most_messages() => {
            duration.max(tally.last_result.map_or(duration, |last| last - started))
        }
        _ => tally
            .last_result
            .map_or(own_cpu_over, |last| last - started),
    };
    if plan.options.search.is_some() {
        view.clear();
    } else {
        view.finish();
    }
    let metrics = metrics_before.zip(plan.options.metrics.as_deref());
    let verify = watched
        .verifier
        .map(|verifier| verifier.finish(&tally, plan.options.verify_wait, view));
    Ok(Outcome {
        elapsed,
        began,
        own_cpu,
        own_cpu_over,
        threads_busy: busy,
        machine_busy,
        server: collector.server_use(before),
        metrics: metrics.map(|(before, url)| Ok(scrape::changes(&before?, &scrape::read(url)?))),
        verify: verify.transpose()?,
        series: collector.series,
        troubles: collector.total.troubles,
        start_error: shared.start_error.get().cloned(),
        gave_up: live.gave_up(),
        stopped: crate::signals::stopped(),
        log_error: plan.log.as_ref().and_then(|log| log.finish()),
        tally,
    })
}

/// Takes the threads' intervals and samples the server, until all threads are done.
struct Collector<'a> {
    plan: &'a Plan,
    started: Instant,
    /// A run that did not begin has nothing to show.
    begun: bool,
    intervals: Vec<Arc<Mutex<Interval>>>,
    series: Series,
    total: Interval,
    server_start: Option<Usage>,
    server_last: Option<Usage>,
    own_cpu_last: Duration,
    taken: Instant,
}

impl<'a> Collector<'a> {
    fn new(
        plan: &'a Plan,
        started: Instant,
        intervals: Vec<Arc<Mutex<Interval>>>,
        server: Option<Usage>,
    ) -> Self {
        Collector {
            plan,
            started,
            begun: true,
            intervals,
            series: Series::default(),
            total: Interval::new(),
            server_start: server,
            server_last: server,
            own_cpu_last: usage::own_cpu(),
            taken: started,
        }
    }

    fn collect(
        &mut self,
        results: &Receiver<Result<ThreadResult, String>>,
        live: &Live,
        view: &mut View,
    ) -> Result<(Tally, Vec<f64>), String> {
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
                    self.take(live, view);
                    return Ok((tally, busy));
                }
            }
            if let Some(log) = &self.plan.log {
                log.flush();
            }
            if crate::signals::stopped() {
                live.stop();
            }
            if self.taken.elapsed() >= INTERVAL {
                self.take(live, view);
            }
        }
    }

    /// One point of the series.
    fn take(&mut self, live: &Live, view: &mut View) {
        let now = Instant::now();
        let mut interval = Interval::new();
        for shared in &self.intervals {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            interval.merge(&shared);
            shared.clear();
        }
        self.total.merge(&interval);
        // A point of the series needs the counts alone.
        interval.troubles = Troubles::default();
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
        let rest = point.length < INTERVAL / 2 && !self.series.points().is_empty();
        if point.length < INTERVAL / 2 {
            self.series.push_rest(point);
        } else {
            self.series.push(point);
        }
        self.server_last = server.or(self.server_last);
        (self.own_cpu_last, self.taken) = (own, now);
        if !self.begun {
            return;
        }
        view.show(&Snapshot {
            plan: self.plan,
            elapsed: now - self.started,
            series: &self.series,
            total: &self.total,
            gave_up: live.gave_up(),
            rest,
        });
    }

    fn server_use(&self, before: Option<Usage>) -> Option<ServerUse> {
        let (start, end) = (self.server_start?, self.server_last?);
        Some(ServerUse {
            before: before?,
            start,
            end,
            cpu: end.cpu.saturating_sub(start.cpu),
        })
    }
}

/// The part of `whole` that falls to thread `index`: an even share, the first threads take one more each of the rest.
fn share(whole: u32, threads: u32, index: u32) -> u32 {
    whole / threads + u32::from(index < whole % threads)
}

/// One thread: its runtime with its share of the connections. It comes to the barrier whatever happens.
fn run_thread(
    shared: &Shared,
    interval: Arc<Mutex<Interval>>,
    verify: Option<Channel<crate::verify::Sent>>,
    index: u32,
    threads: u32,
) -> Result<ThreadResult, String> {
    let options = &shared.plan.options;
    let connections = share(options.connections, threads, index);
    let idle_sessions = share(options.idle, threads, index);
    let runtime = runtime(connections + idle_sessions).map_err(|error| {
        format!(
            "io_uring: {error}; it needs Linux 6.0, kernel.io_uring_disabled = 0, and a container whose seccomp profile \
             allows io_uring"
        )
    });
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            for _ in 0..MEETINGS {
                shared.barrier.wait();
            }
            return Err(error);
        }
    };
    let tally = Rc::new(RefCell::new(Tally::new()));
    let thread = Thread {
        shared,
        interval,
        verify,
        index,
        threads,
        connections,
        idle_sessions,
        tally: Rc::clone(&tally),
        first: Rc::default(),
    };
    let busy = runtime.block_on(thread.run())?;
    drop(runtime);
    let tally = tally.replace(Tally::new());
    Ok(ThreadResult { tally, busy })
}

/// A ring with room for a read, a write and a close of every connection.
fn runtime(connections: u32) -> io::Result<tokio_uring::Runtime> {
    let entries = (connections * 2).next_power_of_two().clamp(64, 4096);
    let completions = (connections * 4).next_power_of_two().clamp(1024, 65_536);
    // Without the first two flags a completion interrupts the thread: it costs up to twice the CPU time.
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(completions);
    tokio_uring::Runtime::new(tokio_uring::builder().entries(entries).uring_builder(&ring))
}

/// What a thread is made of.
struct Thread<'a> {
    shared: &'a Shared,
    interval: Arc<Mutex<Interval>>,
    verify: Option<Channel<crate::verify::Sent>>,
    index: u32,
    threads: u32,
    connections: u32,
    idle_sessions: u32,
    tally: Rc<RefCell<Tally>>,
    /// The connection from before the run, in the first thread.
    first: Rc<RefCell<Option<First>>>,
}

impl Thread<'_> {
    /// Everything, to the end; gives how busy this thread was.
    async fn run(self) -> Result<f64, String> {
        let shared = self.shared;
        let options = &shared.plan.options;
        let slots = Rc::new(Slots::default());
        let guard = tokio_uring::spawn(watchdog(
            Rc::clone(&slots),
            options.first_time().min(options.step_time()),
        ));
        // The idle sessions' context never gives anything to do: its run has not begun.
        let idle_context = self.context(Rc::clone(&slots), Instant::now(), None);
        if self.index == 0 && options.needs_first() {
            self.open_first(&idle_context).await;
        }
        shared.barrier.wait();
        let (idle_sessions, full) =
            idle::open(&idle_context, self.idle_sessions, self.index == 0).await;
        if let Some(why) = full {
            self.fail(why);
        }
        shared.barrier.wait();
        shared.barrier.wait();
        let started = shared.live.start();
        let cpu = usage::own_thread_cpu();
        let context = self.context(slots, started, self.verify.clone());
        self.send_all(&context).await?;
        context.dispatcher.count_overdue();
        self.tally.borrow_mut().end_away(Instant::now());
        while context.misbehaving.get() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !idle_sessions.is_empty() {
            while options.duration.is_some() && !context.dispatcher.is_over() {
                tokio::time::sleep(FLUSH).await;
            }
        }
        let busy = (usage::own_thread_cpu() - cpu).as_secs_f64()
            / started.elapsed().as_secs_f64().max(1e-9);
        let unused = self.first.borrow_mut().take();
        if let Some(unused) = unused {
            unused.connection.quit(false).await;
        }
        shared.live.end_idle();
        for (slot, task) in idle_sessions {
            slot.shut_down();
            task.await
                .map_err(|error| format!("an idle session's task failed: {error}"))?;
        }
        guard.abort();
        Ok(busy)
    }

    /// Opens the first connection; without one nothing begins.
    async fn open_first(&self, context: &Rc<Context>) {
        match first::open(context).await {
            Ok(first) => {
                self.first.replace(Some(first));
            }
            Err(why) => self.fail(why),
        }
    }

    /// The run does not begin.
    fn fail(&self, why: String) {
        // The first reason is enough.
        let _ = self.shared.start_error.set(why);
        self.shared.live.stop();
    }

    fn context(
        &self,
        slots: Rc<Slots>,
        started: Instant,
        verify: Option<Channel<crate::verify::Sent>>,
    ) -> Rc<Context> {
        let shared = self.shared;
        let timetable = shared
            .plan
            .timetable(self.index.into(), self.threads.into());
        Rc::new(Context {
            plan: Arc::clone(&shared.plan),
            live: Arc::clone(&shared.live),
            tally: Rc::clone(&self.tally),
            interval: Arc::clone(&self.interval),
            dispatcher: Dispatcher::new(
                timetable,
                started,
                Arc::clone(&shared.live),
                Rc::clone(&self.tally),
            ),
            slots,
            sessions: Cell::new(u64::from(self.index) * SESSIONS_OF_A_THREAD),
            misbehaving: Cell::new(0),
            first: Rc::clone(&self.first),
            verify,
        })
    }

    /// All senders, to their ends.
    async fn send_all(&self, context: &Rc<Context>) -> Result<(), String> {
        let plan = &context.plan;
        let pacer = if plan.is_open_loop() {
            let mut timer = Timer::new().map_err(|error| format!("timer: {error}"))?;
            let context = Rc::clone(context);
            Some(tokio_uring::spawn(async move {
                context.dispatcher.pace(&mut timer).await
            }))
        } else {
            None
        };
        let mut senders = Vec::new();
        for number in 0..self.connections {
            // In the closed loop connections come one by one over the ramp.
            let place = number * self.threads + self.index;
            let share = f64::from(place) / f64::from(plan.options.connections);
            let delay = if plan.is_open_loop() {
                Duration::ZERO
            } else {
                plan.options.ramp.mul_f64(share)
            };
            senders.push(tokio_uring::spawn(
                Sender::new(Rc::clone(context), place.into()).run(delay),
            ));
        }
        for sender in senders {
            sender
                .await
                .map_err(|error| format!("a connection's task failed: {error}"))?;
        }
        // Where all were given up there is nobody left for the timetable.
        context.dispatcher.leave();
        if let Some(pacer) = pacer {
            let result = pacer
                .await
                .map_err(|error| format!("the pacer failed: {error}"))?;
            result.map_err(|error| format!("timer: {error}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_evenly_and_completely() {
        for (connections, threads) in [(1, 1), (10, 3), (10, 10), (100_000, 7)] {
            let shares: Vec<u32> = (0..threads)
                .map(|index| share(connections, threads, index))
                .collect();
            assert_eq!(shares.iter().sum::<u32>(), connections);
            let spread = shares
                .iter()
                .max()
                .zip(shares.iter().min())
                .map(|(most, least)| most - least);
            assert!(spread <= Some(1), "{shares:?}");
        }
    }
}
