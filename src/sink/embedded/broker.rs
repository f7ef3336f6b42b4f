//! The in-process broker behind `brokers = "embedded"`: librdkafka's mock cluster, for a first try and for tests.
//!
//! Owns: the cluster, the thread that it lives on, and the one that watches what it drops. Must not know: records, sinks.
//!
//! It speaks Kafka on loopback, so that any client can read what was produced.
//!
//! BUGS: not storage. All is in memory, at most 5 MiB a partition of each topic, the oldest dropped first. Readers can miss a batch of more than half of that,
//! so no record may be as large (see `limits::EMBEDDED_MESSAGE_OCTETS`). It does not answer the admin requests
//! that read a topic's configuration.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::error::BrokerError;
use crate::config::{TopicPlace, Topics};
use crate::limits::{EMBEDDED_PARTITION_OCTETS, EMBEDDED_WATCH_MILLISECONDS};
use crate::sink::kafka::spread::Spread;

/// Longest wait for one answer of this process's own broker.
const ASK: Duration = Duration::from_secs(5);

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Task = Box<dyn FnOnce(&Cluster) + Send>;

/// A broker inside this process; it ends when this is dropped.
pub struct EmbeddedBroker {
    topics: Topics,
    partitions: i32,
    bootstrap: String,
    /// The thread that watches, and the channel whose end stops it.
    watch: Option<(JoinHandle<()>, Sender<()>)>,
    // `None` only while dropping: its end is what tells the thread to stop.
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts one broker on a free port of loopback, with these topics, each of this many partitions.
    ///
    /// # Errors
    /// A thread that does not start, or a topic that cannot be made.
    pub fn start(topics: &Topics, partitions: i32) -> Result<Self, BrokerError> {
        let (tasks, inbox) = channel();
        let (answer, started) = channel();
        let created = topics.clone();
        // The cluster is a raw pointer that must not change threads, so it has its own thread.
        let thread = std::thread::Builder::new()
            .name("embedded-broker".into())
            .spawn(move || live(&created, partitions, &answer, &inbox))
            .map_err(|source| BrokerError::Thread {
                which: "thread",
                source,
            })?;
        let started = started.recv().map_err(|_| BrokerError::Ended)?;
        let bootstrap =
            started.map_err(|(topic, source)| BrokerError::NotStarted { topic, source })?;
        Ok(Self {
            topics: topics.clone(),
            partitions,
            bootstrap,
            watch: None,
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    /// Warns in the log when it first drops mails; each topic has its `spread`, which knows how many bytes came.
    ///
    /// # Errors
    /// If the thread for that did not start.
    pub fn watch(&mut self, spread: Vec<Arc<Spread>>) -> Result<(), BrokerError> {
        let (alive, stop) = channel();
        let (bootstrap, topics, partitions) =
            (self.bootstrap.clone(), self.topics.clone(), self.partitions);
        let thread = std::thread::Builder::new()
            .name("embedded-watch".into())
            .spawn(move || {
                watch(
                    &spread,
                    || dropped(&bootstrap, &topics, partitions),
                    &stop,
                    warn_of_drops,
                );
            })
            .map_err(|source| BrokerError::Thread {
                which: "watch",
                source,
            })?;
        self.watch = Some((thread, alive));
        Ok(())
    }

    /// Makes one more topic, of one partition.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn add_topic(&self, topic: String) -> Result<(), BrokerError> {
        let (answer, made) = channel();
        let name = topic.clone();
        self.run(move |cluster| {
            // The receiver waits below.
            let _ = answer.send(cluster.create_topic(&name, 1, 1));
        });
        let made = made.recv().map_err(|_| BrokerError::Ended)?;
        made.map_err(|source| BrokerError::NotStarted { topic, source })
    }

    /// Its `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// Lets it refuse all connections, or accept them again.
    pub fn set_down(&self, down: bool) {
        self.run(move |cluster| {
            let done = match down {
                true => cluster.broker_down(-1),
                false => cluster.broker_up(-1),
            };
            done.expect("all brokers is a valid choice");
        });
    }

    /// Runs something on the cluster's thread and waits for it.
    pub(in crate::sink) fn run(&self, task: impl FnOnce(&Cluster) + Send + 'static) {
        let (done, finished) = channel();
        let task: Task = Box::new(move |cluster| {
            task(cluster);
            // Only a caller whose thread is gone does not wait.
            let _ = done.send(());
        });
        let tasks = self.tasks.as_ref().expect("present until dropped");
        tasks.send(task).expect("the thread lives until the drop");
        finished.recv().expect("the thread runs every task");
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        // First: its last look needs the cluster.
        if let Some((thread, alive)) = self.watch.take() {
            drop(alive);
            let _ = thread.join();
        }
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBroker")
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

/// Asks `dropped` from time to time, and at the end, until there is something to warn of. Nothing is asked while nothing can
/// have been dropped, nor twice for the same mails.
fn watch(
    spread: &[Arc<Spread>],
    dropped: impl Fn() -> KafkaResult<u64>,
    stop: &Receiver<()>,
    warn: impl FnOnce(u64),
) {
    let pause = Duration::from_millis(EMBEDDED_WATCH_MILLISECONDS);
    let mut seen = EMBEDDED_PARTITION_OCTETS as u64 / 2;
    loop {
        // Nothing is ever sent: the end of the channel is the signal.
        let stopped = stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
        let total = spread.iter().map(|topic| topic.total()).sum();
        if total > seen {
            match dropped() {
                Ok(0) => seen = total,
                Ok(mails) => return warn(mails),
                Err(error) => tracing::debug!(%error, "the in-process broker was not asked"),
            }
        }
        if stopped {
            return;
        }
    }
}

/// How many mails it has dropped: offsets begin with 0, so the first that is there shows how many are gone.
fn dropped(bootstrap: &str, topics: &Topics, partitions: i32) -> KafkaResult<u64> {
    let asking: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let mut mails = 0;
    for (_, topic) in topics.iter() {
        for partition in 0..partitions {
            let (first, _) = asking.fetch_watermarks(topic, partition, ASK)?;
            mails += u64::try_from(first).unwrap_or(0);
        }
    }
    Ok(mails)
}

fn warn_of_drops(mails: u64) {
    tracing::warn!(
        mails,
        "the in-process broker is full and drops the oldest mails, which were answered 250: it keeps some 320 MiB in \
         memory of each topic; to keep mail, name a Kafka with --brokers"
    );
}

/// Its `bootstrap.servers`, or the topic that it did not start with, and why.
type Started = Result<String, (String, KafkaError)>;

fn live(topics: &Topics, partitions: i32, answer: &Sender<Started>, inbox: &Receiver<Task>) {
    let failed = |topic: &str| {
        let topic = topic.to_owned();
        move |error| (topic, error)
    };
    let first = topics.name(TopicPlace::FIRST);
    let cluster = Cluster::new(1).map_err(failed(first)).and_then(|cluster| {
        for (_, topic) in topics.iter() {
            let created = cluster.create_topic(topic, partitions, 1);
            created.map_err(failed(topic))?;
        }
        Ok(cluster)
    });
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(error) => {
            // It is waited for.
            let _ = answer.send(Err(error));
            return;
        }
    };
    let _ = answer.send(Ok(cluster.bootstrap_servers()));
    for task in inbox {
        task(&cluster);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn nothing_is_asked_while_nothing_can_be_gone_and_drops_are_told_once() {
        let asked = Cell::new(0);
        let told = RefCell::new(Vec::new());
        let look = |spread: &[Arc<Spread>], answer: u64| {
            // An ended channel: one look, as at the end.
            let (_, stop) = channel();
            let dropped = || {
                asked.set(asked.get() + 1);
                Ok(answer)
            };
            watch(spread, dropped, &stop, |mails| {
                told.borrow_mut().push(mails);
            });
        };
        let spread = [(); 2].map(|()| Arc::new(Spread::over(2)));
        spread[0].count(EMBEDDED_PARTITION_OCTETS as u64 / 2);
        look(&spread, 7);
        assert_eq!((asked.get(), told.borrow().len()), (0, 0));
        spread[1].count(1);
        look(&spread, 0);
        assert_eq!((asked.get(), told.borrow().len()), (1, 0));
        look(&spread, 7);
        assert_eq!((asked.get(), told.take()), (2, vec![7]));
    }
}
