//! A run from its first thread to its outcome.
//!
//! # BUGS
//! - Giving up waits for the replies that are outstanding, each up to `--timeout`; a signal waits two seconds for them.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::collector::Collector;
use super::error::EngineError;
use super::shared::{Shared, ThreadResult};
use super::thread::{Share, run_thread};
use crate::failure::Failure;
use crate::measure::scrape;
use crate::measure::usage::{self, Machine};
use crate::net::choice::choose;
use crate::plan::Plan;
use crate::signals;
use crate::tally::{GivenUp, Interval, Live, Outcome, Tally, Verdict};
use crate::units::grouped;
use crate::verify::Verifier;
use crate::view::View;

/// The sending threads.
struct Threads {
    results: Receiver<Result<ThreadResult, EngineError>>,
    handles: Vec<JoinHandle<()>>,
    intervals: Vec<Arc<Mutex<Interval>>>,
}

/// Runs the plan to its end.
pub(crate) fn run(plan: &Arc<Plan>, view: &mut View) -> Result<Outcome, Failure> {
    let verifier = match plan.options.verify {
        true => Some(Verifier::start(plan)?),
        false => None,
    };
    let count = plan.options.threads.min(plan.options.connections.max(1));
    let chosen = choose(plan.options.io)?;
    let shared = Arc::new(Shared::new(plan, chosen, count));
    let threads = start_threads(&shared, count, verifier.as_ref())?;
    watch(&shared, view, threads, verifier)
}

fn start_threads(
    shared: &Arc<Shared>,
    count: u32,
    verifier: Option<&Verifier>,
) -> Result<Threads, EngineError> {
    let (sender, results) = channel();
    let (mut handles, mut intervals) = (Vec::new(), Vec::new());
    for index in 0..count {
        let interval = Arc::new(Mutex::new(Interval::new()));
        intervals.push(Arc::clone(&interval));
        let verify = verifier.map(Verifier::sender);
        let (shared, sender) = (Arc::clone(shared), sender.clone());
        let body = move || {
            let share = Share::new(&shared.plan, index, count);
            // The receiver outlives all threads.
            let _ = sender.send(run_thread(&shared, share, interval, verify));
        };
        let named = thread::Builder::new().name(format!("load-{index}"));
        let spawned = named.spawn(body);
        handles.push(spawned.map_err(|source| EngineError::Spawn { count, source })?);
    }
    Ok(Threads {
        results,
        handles,
        intervals,
    })
}

/// The main thread's part: start, look on, sum up.
fn watch(
    shared: &Shared,
    view: &mut View,
    threads: Threads,
    verifier: Option<Verifier>,
) -> Result<Outcome, Failure> {
    let (plan, live) = (&shared.plan, &shared.live);
    shared.meet();
    let before = usage::of_trees(&plan.options.pid);
    shared.meet();
    say_why_epoll(shared, view);
    let metrics_before = plan.options.metrics.as_deref().map(scrape::read);
    let start = usage::of_trees(&plan.options.pid);
    let (cpu_before, machine_before) = (usage::own_cpu(), Machine::read());
    let began = Timestamp::now();
    let started = live.start();
    shared.meet();
    let mut collector = Collector::new(shared, started, threads.intervals, start);
    let (tally, threads_busy) = collector.collect(&threads.results, view)?;
    for handle in threads.handles {
        handle.join().map_err(|_| EngineError::Panicked)?;
    }
    let own_cpu = usage::own_cpu().saturating_sub(cpu_before);
    let own_cpu_over = started.elapsed();
    let machine_busy = Machine::read()
        .zip(machine_before)
        .and_then(|(after, before)| after.busy_since(&before));
    if plan.options.search.is_some() {
        view.clear();
    } else {
        view.finish();
    }
    let metrics = metrics_before.zip(plan.options.metrics.as_deref());
    let verify = read_back(plan, &tally, verifier, view)?;
    Ok(Outcome {
        elapsed: elapsed(plan, live, &tally, started, own_cpu_over),
        began,
        io: Some(shared.io),
        greeting: shared.greeting().cloned(),
        own_cpu,
        own_cpu_over,
        threads_busy,
        machine_busy,
        server: collector.server_use(before),
        metrics: metrics.map(|(before, url)| Ok(scrape::changes(&before?, &scrape::read(url)?))),
        verify,
        series: collector.series,
        troubles: collector.total.troubles,
        given_up: given_up(live),
        start_error: shared.start_error().cloned(),
        gave_up: live.gave_up(),
        stopped: signals::stopped(),
        log_error: plan.log.as_ref().and_then(|log| log.finish()),
        tally,
    })
}

/// Once, also in a search. A run that does not begin has one line, which says why.
fn say_why_epoll(shared: &Shared, view: &View) {
    static SAID: Once = Once::new();
    if let (Some(why), None) = (&shared.why_epoll, shared.start_error()) {
        SAID.call_once(|| {
            view.note(&format!(
                "epoll is used, which costs this side more, because {why}"
            ));
        });
    }
}

/// How long the run took, as its rate counts it.
fn elapsed(
    plan: &Plan,
    live: &Live,
    tally: &Tally,
    started: Instant,
    to_the_end: Duration,
) -> Duration {
    let options = &plan.options;
    match options.duration {
        _ if live.is_over() => to_the_end,
        // A run that is bound by time took at least that, whenever its last message was; one that had no more to send did not.
        Some(duration) if options.idle > 0 || tally.tried() < options.most_messages() => {
            duration.max(tally.last_result.map_or(duration, |last| last - started))
        }
        _ => tally.last_result.map_or(to_the_end, |last| last - started),
    }
}

/// Waits for the reader of the topic, if there is one.
fn read_back(
    plan: &Plan,
    tally: &Tally,
    verifier: Option<Verifier>,
    view: &View,
) -> Result<Option<Verdict>, Failure> {
    let Some(verifier) = verifier else {
        return Ok(None);
    };
    if tally.accepted > 0 {
        view.note(&format!(
            "verify: reading back {} accepted messages, at most {:?}",
            grouped(tally.accepted),
            plan.options.verify_wait
        ));
    }
    Ok(Some(verifier.finish()?))
}

fn given_up(live: &Live) -> Vec<GivenUp> {
    let fates = live.fates().iter().enumerate();
    let given_up = fates.filter_map(|(shape, fate)| {
        Some(GivenUp {
            shape,
            failures: fate.failures(),
            fault: fate.given_up()?.clone(),
        })
    });
    given_up.collect()
}
