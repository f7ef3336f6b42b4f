//! One thread of a run: its runtime with its share of the connections.
//!
//! Invariant: a thread comes to every meeting of the threads, whatever happens to it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::Sender as Channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::context::{Context, First};
use super::dispatch::Dispatcher;
use super::error::EngineError;
use super::sender::Sender;
use super::shared::{Shared, ThreadResult};
use super::timer::Timer;
use super::{first, idle};
use crate::client::deadline::{Slots, watchdog};
use crate::measure::usage;
use crate::net::choice::Io;
use crate::net::runtime::{NoRuntime, Runtime};
use crate::plan::Plan;
use crate::tally::{Interval, Tally};
use crate::verify::Sent;

/// Sessions are numbered from here on in each thread, so that threads' sessions differ.
const SESSIONS_OF_A_THREAD: u64 = 1 << 40;
/// Between two looks whether all that misbehave are done.
const LOOK: Duration = Duration::from_millis(10);
/// Between two looks whether the run is over.
const LONG_LOOK: Duration = Duration::from_millis(50);

/// A thread's part of the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    index: u32,
    threads: u32,
    connections: u32,
    idle_sessions: u32,
}

impl Share {
    /// The share of thread `index`, of this many threads.
    pub(super) fn new(plan: &Plan, index: u32, threads: u32) -> Share {
        assert!(index < threads, "threads are numbered from 0");
        Share {
            index,
            threads,
            connections: share(plan.options.connections, threads, index),
            idle_sessions: share(plan.options.idle, threads, index),
        }
    }

    /// The place among all threads' connections of this thread's connection `number`.
    fn place(&self, number: u32) -> u32 {
        number * self.threads + self.index
    }
}

/// The part of `whole` that falls to thread `index`: an even share, the first threads take one more each of the rest.
fn share(whole: u32, threads: u32, index: u32) -> u32 {
    whole / threads + u32::from(index < whole % threads)
}

/// One thread from its start to its end.
pub(super) fn run_thread(
    shared: &Shared,
    share: Share,
    interval: Arc<Mutex<Interval>>,
    verify: Option<Channel<Sent>>,
) -> Result<ThreadResult, EngineError> {
    let runtime = match runtime(shared.io, share.connections + share.idle_sessions) {
        Ok(runtime) => runtime,
        Err(error) => {
            shared.meet_always();
            return Err(error.into());
        }
    };
    let tally = Rc::new(RefCell::new(Tally::new()));
    let thread = Thread {
        shared,
        share,
        interval,
        verify,
        tally: Rc::clone(&tally),
        first: Rc::default(),
    };
    let busy = runtime.block_on(thread.run())?;
    drop(runtime);
    let tally = tally.replace(Tally::new());
    Ok(ThreadResult { tally, busy })
}

/// A ring has room for a read, a write and a close of every connection.
fn runtime(io: Io, connections: u32) -> Result<Runtime, NoRuntime> {
    let entries = (connections * 2).next_power_of_two().clamp(64, 4096);
    let completions = (connections * 4).next_power_of_two().clamp(1024, 65_536);
    Runtime::new(io, entries, completions)
}

/// What a thread is made of.
struct Thread<'a> {
    shared: &'a Shared,
    share: Share,
    interval: Arc<Mutex<Interval>>,
    verify: Option<Channel<Sent>>,
    tally: Rc<RefCell<Tally>>,
    /// The connection from before the run, in the first thread.
    first: Rc<RefCell<Option<First>>>,
}

impl Thread<'_> {
    /// Everything, to the end; returns how busy this thread was.
    async fn run(self) -> Result<f64, EngineError> {
        let shared = self.shared;
        let options = &shared.plan.options;
        let slots = Rc::new(Slots::default());
        let guard = tokio::task::spawn_local(watchdog(
            Rc::clone(&slots),
            options.first_time().min(options.step_time()),
        ));
        let idle_sessions = self.open_before(&slots).await;
        shared.meet();
        let started = shared.live.start();
        let cpu = usage::own_thread_cpu();
        let context = self.context(slots, started, self.verify.clone());
        self.send_all(&context).await?;
        context.dispatcher.count_overdue();
        self.tally.borrow_mut().end_away(Instant::now());
        while context.misbehaving.get() > 0 {
            tokio::time::sleep(LOOK).await;
        }
        if !idle_sessions.is_empty() {
            while options.duration.is_some() && !context.dispatcher.is_over() {
                tokio::time::sleep(LONG_LOOK).await;
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
            task.await.map_err(|source| EngineError::Task {
                what: "an idle session's task",
                source,
            })?;
        }
        guard.abort();
        Ok(busy)
    }

    /// The first connection and the idle sessions, before the run; the threads meet after each.
    async fn open_before(&self, slots: &Rc<Slots>) -> Vec<idle::Session> {
        let shared = self.shared;
        // This context has nothing to do yet: its run has not begun.
        let context = self.context(Rc::clone(slots), Instant::now(), None);
        let is_first_thread = self.share.index == 0;
        if is_first_thread && shared.plan.options.needs_first() {
            match first::open(&context).await {
                // Without one nothing begins.
                Err(why) => shared.fail(why.into()),
                Ok((first, greeting)) => {
                    shared.greeted(greeting);
                    self.first.replace(Some(first));
                }
            }
        }
        shared.meet();
        let count = self.share.idle_sessions;
        let (sessions, full) = idle::open(&context, count, is_first_thread).await;
        if let Some(why) = full {
            shared.fail(why.into());
        }
        shared.meet();
        sessions
    }

    fn context(
        &self,
        slots: Rc<Slots>,
        started: Instant,
        verify: Option<Channel<Sent>>,
    ) -> Rc<Context> {
        let shared = self.shared;
        let timetable = shared
            .plan
            .timetable(self.share.index.into(), self.share.threads.into());
        Rc::new(Context {
            plan: Arc::clone(&shared.plan),
            io: shared.io,
            live: Arc::clone(&shared.live),
            tally: Rc::clone(&self.tally),
            shared_interval: Arc::clone(&self.interval),
            dispatcher: Dispatcher::new(
                timetable,
                started,
                Arc::clone(&shared.live),
                Rc::clone(&self.tally),
            ),
            slots,
            sessions: Cell::new(u64::from(self.share.index) * SESSIONS_OF_A_THREAD),
            misbehaving: Cell::new(0),
            first: Rc::clone(&self.first),
            verify,
        })
    }

    /// All senders, to their ends.
    async fn send_all(&self, context: &Rc<Context>) -> Result<(), EngineError> {
        let is_open_loop = context.plan.is_open_loop();
        let pacer = if is_open_loop {
            let mut timer = Timer::new(context.io).map_err(EngineError::Timer)?;
            let context = Rc::clone(context);
            Some(tokio::task::spawn_local(async move {
                context.dispatcher.pace(&mut timer).await
            }))
        } else {
            None
        };
        let senders: Vec<_> = (0..self.share.connections)
            .map(|number| {
                let place = self.share.place(number);
                let sender = Sender::new(Rc::clone(context), place.into());
                tokio::task::spawn_local(sender.run(delay(&context.plan, place)))
            })
            .collect();
        for sender in senders {
            sender.await.map_err(|source| EngineError::Task {
                what: "a connection's task",
                source,
            })?;
        }
        // If all were given up, no sender is left for the timetable.
        context.dispatcher.leave();
        if let Some(pacer) = pacer {
            let result = pacer.await.map_err(|source| EngineError::Task {
                what: "the pacer",
                source,
            })?;
            result.map_err(EngineError::Timer)?;
        }
        Ok(())
    }
}

/// When a sender begins: in the closed loop connections come one by one over the ramp.
fn delay(plan: &Plan, place: u32) -> Duration {
    if plan.is_open_loop() {
        return Duration::ZERO;
    }
    let share = f64::from(place) / f64::from(plan.options.connections);
    plan.options.ramp.mul_f64(share)
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
