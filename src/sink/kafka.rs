//! The sink that stores: the producers for all workers and their poll threads.
//!
//! Owns: the threads that carry reports to their workers, and the start of the one that watches the topic. Must not know:
//! sessions, replies; which producer a record takes is `lanes`', when a batch is closed early is `closing`'s, what the
//! topic's state means is `watch`'s, what an error means for the sender is `verdict`'s, raw pointers are `librdkafka`'s.
//!
//! ```text
//!   workers ── submit ──▶ a lane's Producer ──▶ brokers
//!      ▲                     │ reports
//!      └── channel, notify ──┴── the lane's poll thread: one batch and one wake-up a worker
//! ```
//!
//! Invariants: a record that `submit` calls pending is reported once; a poll thread ends only when nothing of its lane is
//! under way.
//!
//! BUGS: a record that is submitted while [`KafkaSink::shutdown`] runs may go without a report; its memory is freed with
//! the sink.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;

pub use super::librdkafka::{Events, Traced};
pub use super::watch::First;

use super::finding::Subject;
use super::lanes::Lanes;
use super::properties::{explain, producer_config};
use super::spread::Spread;
use super::verdict::refusal;
use super::watch::{Noted, Watch, Watcher};
use super::{Outcome, Report, Sink, Submission, Ticket, lock};
use crate::config;
use crate::limits::REPORT_BATCHES;
use crate::mail::record::Record;
use crate::smtp::refusal::Refusal;

/// Longest wait of the poll thread for an event: bounds how late it sees that it is to stop.
const POLL: Duration = Duration::from_millis(100);
/// Reports gathered before they are sent on, so that a flood cannot keep the first of them waiting.
const REPORTS_A_ROUND: usize = 4096;
/// How long the most records that were under way at once are remembered, at least (see `closing`): longer than any linger
/// and round trip together, so that it covers what one batch takes.
const WINDOW: Duration = Duration::from_millis(200);

/// Why the sink did not start: an operator's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Produces records to one topic.
pub struct KafkaSink {
    shared: Arc<Shared>,
    workers: usize,
    /// The poll thread of each lane, and the thread that closes batches.
    carriers: Mutex<Vec<JoinHandle<()>>>,
    /// The watching thread.
    watcher: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    lanes: Lanes,
    topic: String,
    watch: Arc<Watch>,
    /// Chooses the partitions, where librdkafka does not.
    spread: OnceLock<Arc<Spread>>,
    closed: AtomicBool,
    stopping: AtomicBool,
}

impl Shared {
    /// The partition of a record, where that is not librdkafka's to choose.
    fn partition(&self, record: &Record) -> Option<i32> {
        let spread = self.spread.get()?;
        let octets = record.value.len() as u64;
        if record.key().is_some() {
            spread.count(octets);
            return None;
        }
        i32::try_from(spread.choose(octets)).ok()
    }
}

impl KafkaSink {
    /// Starts the producers and their threads. `message_size` is the largest message in octets; `wakers` has one entry per
    /// worker, notified once per batch that its receiver gets. Needs no broker to be up.
    #[allow(clippy::type_complexity)]
    pub fn start(
        config: &config::Kafka,
        message_size: u64,
        wakers: Vec<Arc<Notify>>,
    ) -> Result<(Arc<Self>, Vec<Receiver<Vec<Report>>>), StartError> {
        Self::start_with(
            config,
            message_size,
            wakers,
            Box::new(Traced),
            First::Trusted,
        )
    }

    /// As [`Self::start`], with a taker of librdkafka's errors, log lines and statistics, and with what the cluster said at
    /// first: what is wrong of it is in the log when this returns.
    #[allow(clippy::type_complexity)]
    pub fn start_with(
        config: &config::Kafka,
        message_size: u64,
        wakers: Vec<Arc<Notify>>,
        events: Box<dyn Events>,
        first: First,
    ) -> Result<(Arc<Self>, Vec<Receiver<Vec<Report>>>), StartError> {
        let settings = producer_config(config, message_size).map_err(StartError)?;
        let watch = Arc::new(Watch::new());
        let noted = Box::new(Noted {
            watch: Arc::clone(&watch),
            events,
        });
        let lanes = Lanes::start(&settings, &config.topic, message_size, noted)
            .map_err(|error| StartError(explain(config, &error)))?;
        let shared = Arc::new(Shared {
            lanes,
            topic: config.topic.clone(),
            watch,
            spread: OnceLock::new(),
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let workers = wakers.len();
        let (routes, receivers): (Vec<_>, Vec<_>) = wakers
            .into_iter()
            .map(|waker| {
                let (sender, receiver) = bounded(REPORT_BATCHES);
                (Route { sender, waker }, receiver)
            })
            .unzip();
        let sink = Self {
            shared: shared.clone(),
            workers,
            carriers: Mutex::new(Vec::new()),
            watcher: Mutex::new(None),
        };
        // Dropping `sink` on an error below stops what has been started.
        for (lane, name) in shared.lanes.names().enumerate() {
            let (shared, routes) = (shared.clone(), routes.clone());
            let poller = spawn(name, move || {
                poll(&shared, lane, &routes);
            })?;
            lock(&sink.carriers).push(poller);
        }
        drop(routes);
        let closer = spawn("kafka-close", {
            let shared = shared.clone();
            move || shared.lanes.close_batches(&shared.stopping)
        })?;
        lock(&sink.carriers).push(closer);
        let subject = Subject::new(config, message_size).advertised();
        let mut watcher = Watcher::new(subject, &config.topic, &first);
        watcher.begin(&shared.watch, first);
        let watcher = spawn("kafka-watch", move || {
            watcher.run(&shared.watch, &shared.lanes);
        })?;
        *lock(&sink.watcher) = Some(watcher);
        Ok((Arc::new(sink), receivers))
    }

    /// Lets `spread` choose the partition of each record without a key, which librdkafka does otherwise.
    pub fn spread_by(&self, spread: Arc<Spread>) {
        assert!(
            self.shared.spread.set(spread).is_ok(),
            "a sink is told once"
        );
    }

    /// Whether mail would be stored, as far as was seen some seconds ago at most.
    ///
    /// # Errors
    /// Why not, for an operator.
    pub fn ready(&self) -> Result<(), String> {
        self.shared.watch.ready()
    }

    /// Records without a report, and events not yet served; after a shutdown, events that nobody will serve.
    pub fn outstanding(&self) -> usize {
        self.shared.lanes.outstanding()
    }

    /// Takes no more records, waits `within` for those under way, gives up on the rest, and ends the threads when every
    /// report has been delivered. Blocks. Call it when the workers have stopped submitting.
    pub fn shutdown(&self, within: Duration) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.watch.end();
        let carriers = std::mem::take(&mut *lock(&self.carriers));
        if !carriers.is_empty() {
            self.shared.lanes.flush_or_purge(within);
            self.shared.stopping.store(true, Ordering::SeqCst);
        }
        for thread in carriers {
            thread.thread().unpark();
            // A panic of the thread has been printed already; nothing is left to do about it here.
            let _ = thread.join();
        }
        let watcher = lock(&self.watcher).take();
        if let Some(thread) = watcher {
            let _ = thread.join();
        }
        // It may have finished a look in between.
        self.shared.watch.end();
    }
}

impl Sink for KafkaSink {
    fn submit(&self, ticket: Ticket, record: Box<Record>) -> Submission {
        assert!((ticket.worker as usize) < self.workers, "{ticket:?}");
        if self.shared.closed.load(Ordering::Relaxed) {
            let refusal = Refusal::KafkaUnavailable;
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        if let Some(refusal) = self.shared.watch.closed() {
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        let partition = self.shared.partition(&record);
        match self.shared.lanes.produce(ticket, record, partition) {
            Ok(()) => Submission::Pending,
            Err((code, record)) => {
                self.shared.watch.failed(code, None);
                Submission::Done(Outcome::Refused(refusal(code)), record)
            }
        }
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("topic", &self.shared.topic)
            .finish_non_exhaustive()
    }
}

/// The way to one worker.
#[derive(Clone)]
struct Route {
    sender: Sender<Vec<Report>>,
    waker: Arc<Notify>,
}

fn poll(shared: &Shared, lane: usize, routes: &[Route]) {
    let producer = shared.lanes.producer(lane);
    let (mut reports, mut window) = (Vec::new(), Instant::now());
    loop {
        // Read before the wait: what was under way when it was set is either counted below or reported by now.
        let stopping = shared.stopping.load(Ordering::SeqCst);
        let some = producer.poll(POLL, &mut reports);
        let window_over = window.elapsed() > WINDOW;
        if window_over {
            window = Instant::now();
        }
        if some {
            while reports.len() < REPORTS_A_ROUND && producer.poll(Duration::ZERO, &mut reports) {}
        }
        shared.lanes.reported(lane, reports.len(), window_over);
        if some {
            let stored = |report: &Report| report.outcome == Outcome::Stored;
            if reports.iter().any(stored) {
                shared.watch.stored();
            }
            deliver(&mut reports, routes);
        }
        if stopping {
            if producer.outstanding() == 0 {
                return;
            }
            producer.purge();
        }
    }
}

/// Sends each worker its share of the reports, and wakes it once.
fn deliver(reports: &mut Vec<Report>, routes: &[Route]) {
    if reports.is_empty() {
        return;
    }
    let mut batches: Vec<Vec<Report>> = routes.iter().map(|_| Vec::new()).collect();
    for report in reports.drain(..) {
        batches[report.ticket.worker as usize].push(report);
    }
    for (route, batch) in routes.iter().zip(batches) {
        // An error means that the worker is gone, and with it everyone who waits for these.
        if !batch.is_empty() && route.sender.send(batch).is_ok() {
            route.waker.notify_one();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| StartError(format!("the thread {name} did not start: {error}")))
}
