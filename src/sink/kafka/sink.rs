//! The sink that stores: the producers for all workers and topics, and their poll threads.
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
//! BUGS: a record that is submitted while [`Sink::drain`] runs may go without a report; its memory is freed with
//! the sink.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::error::StartError;
use super::gate::{Noted, Watch};
use super::lanes::{Lanes, Poller};
use super::librdkafka::{Events, Traced};
use super::lines::Terms;
use super::settings::Cluster;
use super::spread::Spread;
use super::statistics::{Joined, Observe};
use super::subject::Subject;
use super::verdict::refusal;
use super::watch::{First, Watcher};
use crate::config::TopicPlace;
use crate::kafka::lock::lock;
use crate::mail::record::Record;
use crate::sink::condition::Condition;
use crate::sink::report::{Outcome, Report, Submission, Ticket};
use crate::sink::routes::{Reports, Routes};
use crate::sink::seam::{Description, Keeps, Setup, Sink, Unready};
use crate::smtp::refusal::Refusal;
use crate::smtp::session::Intake;

/// Longest wait of the poll thread for an event: bounds how late it sees that it has to stop.
const POLL: Duration = Duration::from_millis(100);
/// Reports gathered before they are sent on, so that a flood cannot keep the first of them waiting.
const REPORTS_A_ROUND: usize = 4096;
/// How long the most records that were under way at once are remembered, at least (see `closing`): longer than any linger
/// and round trip together, so that it covers what one batch takes.
const WINDOW: Duration = Duration::from_millis(200);

/// What the sink is put together from, beside its cluster.
pub(crate) struct Parts {
    /// The largest message in bytes.
    pub message_size: u64,
    /// One for each worker, notified once for each batch that its receiver gets.
    pub wakers: Vec<Arc<Notify>>,
    /// Takes librdkafka's errors and log lines.
    pub events: Box<dyn Events>,
    /// Takes librdkafka's statistics.
    pub observe: Observe,
    /// Chooses the partition of each record without a key, for each topic; none: librdkafka does.
    pub spread: Option<Vec<Arc<Spread>>>,
    /// What is watched of each topic; none: that it takes every message.
    pub subjects: Option<Vec<Subject>>,
    /// What the cluster said at first.
    pub first: First,
}

impl Parts {
    /// For a cluster that is trusted, where librdkafka chooses partitions.
    pub(crate) fn new(message_size: u64, setup: Setup) -> Self {
        Self {
            message_size,
            wakers: setup.wakers,
            events: Box::new(Traced),
            observe: setup.observe,
            spread: None,
            subjects: None,
            first: First::Trusted,
        }
    }
}

/// Produces records to the topics of the configuration.
pub(crate) struct KafkaSink {
    shared: Arc<Shared>,
    workers: usize,
    description: Description,
    /// The poll thread of each lane, and the thread that closes batches.
    carriers: Mutex<Vec<JoinHandle<()>>>,
    /// The watching thread.
    watcher: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    lanes: Lanes,
    watch: Arc<Watch>,
    /// Chooses the partitions of each topic, where librdkafka does not.
    spread: Option<Vec<Arc<Spread>>>,
    closed: AtomicBool,
    stopping: AtomicBool,
}

impl Shared {
    /// The partition of a record, where librdkafka does not choose it.
    fn partition(&self, topic: TopicPlace, record: &Record) -> Option<i32> {
        let spread = &self.spread.as_ref()?[topic.index()];
        let bytes = record.value.len() as u64;
        if record.key().is_some() {
            spread.count(bytes);
            return None;
        }
        i32::try_from(spread.choose(bytes)).ok()
    }

    /// Tells the watch of each topic that has stored something. Reports come by partition, so that one topic's follow each other.
    fn note_stored(&self, reports: &[Report]) {
        let mut last = None;
        let stored = |report: &&Report| report.outcome == Outcome::Stored;
        for report in reports.iter().filter(stored) {
            if last.replace(report.topic) != Some(report.topic) {
                self.watch.stored(report.topic.index());
            }
        }
    }
}

impl KafkaSink {
    /// Starts the producers and their threads, and gives each worker its reports. Needs no broker to be up. What is wrong with
    /// what the cluster said at first is in the log when this returns.
    ///
    /// # Errors
    /// A property that librdkafka refuses, or a thread that does not start.
    pub(crate) fn start(
        cluster: &Cluster,
        parts: Parts,
    ) -> Result<(Self, Vec<Reports>), StartError> {
        let message_size = parts.message_size;
        let watch = Arc::new(Watch::new(cluster.topics.len()));
        let noted = Noted {
            watch: Arc::clone(&watch),
            events: parts.events,
        };
        let observe = Arc::new(parts.observe);
        let of_lanes = Arc::clone(&observe);
        let joined = Joined::new(Box::new(noted), Box::new(move |seen| of_lanes(seen)));
        let settings = cluster.producer(message_size);
        let lanes = Lanes::start(&settings, &cluster.topics, message_size, joined)
            .map_err(|error| cluster.refused(error))?;
        let shared = Arc::new(Shared {
            lanes,
            watch,
            spread: parts.spread,
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let (routes, reports) = Routes::new(parts.wakers);
        let sink = Self {
            shared,
            workers: routes.workers(),
            description: Description {
                address: cluster.brokers.clone(),
                topics: cluster.topics.clone(),
                message_size,
                keeps: Keeps::Replicas,
            },
            carriers: Mutex::default(),
            watcher: Mutex::default(),
        };
        // Dropping `sink` on an error below stops what has been started.
        sink.carry(&routes)?;
        let subjects = parts
            .subjects
            .unwrap_or_else(|| each(cluster, message_size));
        assert_eq!(subjects.len(), cluster.topics.len(), "each is watched");
        let subjects = subjects.into_iter().map(Subject::advertised).collect();
        let after = cluster.kafka.fail_fast_after;
        let terms = Terms {
            delivery: cluster.kafka.delivery_timeout,
            fail_fast: (!after.is_zero()).then_some(after),
        };
        let watcher = Watcher::new(subjects, terms, observe, &parts.first);
        sink.begin_watch(watcher, parts.first)?;
        Ok((sink, reports))
    }

    /// Starts the threads that carry reports to the workers, and the one that closes batches.
    fn carry(&self, routes: &Routes) -> Result<(), StartError> {
        for (lane, name) in self.shared.lanes.names().enumerate() {
            let (shared, routes) = (Arc::clone(&self.shared), routes.clone());
            let poller = spawn(name, move || poll(&shared, lane, &routes))?;
            lock(&self.carriers).push(poller);
        }
        let shared = Arc::clone(&self.shared);
        let closer = spawn("kafka-close", move || {
            shared.lanes.close_batches(&shared.stopping);
        })?;
        lock(&self.carriers).push(closer);
        Ok(())
    }

    fn begin_watch(&self, mut watcher: Watcher, first: First) -> Result<(), StartError> {
        watcher.begin(&self.shared.watch, first);
        let shared = Arc::clone(&self.shared);
        let thread = spawn("kafka-watch", move || {
            watcher.run(&shared.watch, &shared.lanes);
        })?;
        *lock(&self.watcher) = Some(thread);
        Ok(())
    }

    /// Records without a report, and events not yet served; after a shutdown, events that will not be served.
    #[cfg(test)]
    pub(crate) fn outstanding(&self) -> usize {
        self.shared.lanes.outstanding()
    }
}

impl Sink for KafkaSink {
    fn submit(&self, topic: TopicPlace, ticket: Ticket, record: Box<Record>) -> Submission {
        assert!((ticket.worker as usize) < self.workers, "{ticket:?}");
        if self.shared.closed.load(Ordering::Relaxed) {
            let refusal = Refusal::StorageUnavailable;
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        if let Some(refusal) = self.closed(topic) {
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        let partition = self.shared.partition(topic, &record);
        match self.shared.lanes.produce(topic, ticket, record, partition) {
            Ok(()) => Submission::Pending,
            Err((code, record)) => {
                self.shared.watch.failed(topic.index(), code, None);
                Submission::Done(Outcome::Refused(refusal(code)), record)
            }
        }
    }

    fn closed(&self, topic: TopicPlace) -> Option<Refusal> {
        self.shared.watch.closed(topic.index())
    }

    fn intake(&self) -> Intake {
        self.shared.watch.intake()
    }

    fn turned_away(&self) {
        self.shared.watch.turned_away();
    }

    fn ready(&self) -> Result<(), Unready> {
        self.shared.watch.ready()
    }

    fn condition(&self) -> Condition {
        Condition {
            brokers: self.shared.lanes.brokers(),
            ..self.shared.watch.condition()
        }
    }

    fn drain(&self, within: Duration) {
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

    fn describe(&self) -> Description {
        self.description.clone()
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.drain(Duration::ZERO);
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("topics", &self.description.topics)
            .finish_non_exhaustive()
    }
}

fn poll(shared: &Shared, lane: usize, routes: &Routes) {
    let mut poller = Poller::new(&shared.lanes, lane);
    let (mut reports, mut window) = (Vec::new(), Instant::now());
    loop {
        // Read before the wait: what was under way when it was set is either counted below or reported by now.
        let stopping = shared.stopping.load(Ordering::SeqCst);
        let some = poller.poll(POLL, REPORTS_A_ROUND, &mut reports);
        let window_over = window.elapsed() > WINDOW;
        if window_over {
            window = Instant::now();
        }
        shared.lanes.reported(lane, reports.len(), window_over);
        if some {
            shared.note_stored(&reports);
            routes.deliver(&mut reports);
        }
        if stopping {
            if poller.outstanding() == 0 {
                return;
            }
            poller.purge();
        }
    }
}

/// Each topic of a cluster, as one that takes messages of this size.
fn each(cluster: &Cluster, message_size: u64) -> Vec<Subject> {
    let subject = Subject::new(cluster, message_size);
    let of = |(_, topic)| {
        let subject = subject.clone();
        subject.for_topic(topic, message_size, "limits.message_size")
    };
    cluster.topics.iter().map(of).collect()
}

fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|source| StartError::Thread { name, source })
}
