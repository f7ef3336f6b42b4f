//! The in-process broker behind `brokers = "embedded"`: librdkafka's mock cluster, for a first try and for tests.
//!
//! Owns: the cluster and the thread that it lives on. Must not know: records, sinks.
//!
//! It speaks Kafka on loopback, so that any client can read what was produced.
//!
//! BUGS: not storage. All is in memory, at most 5 MiB a partition, the oldest dropped first; it does not answer the admin
//! requests that read a topic's configuration.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Task = Box<dyn FnOnce(&Cluster) + Send>;

/// A broker inside this process; it ends when this is dropped.
pub struct EmbeddedBroker {
    bootstrap: String,
    // `None` only while dropping: its end is what tells the thread to stop.
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts one broker on a free port of loopback, with a topic of so many partitions.
    pub fn start(topic: &str, partitions: i32) -> Result<Self, String> {
        let (tasks, inbox) = channel();
        let (answer, started) = channel();
        let topic = topic.to_owned();
        // The cluster is a raw pointer that must not change threads, so it gets a thread of its own.
        let thread = std::thread::Builder::new()
            .name("embedded-broker".into())
            .spawn(move || live(&topic, partitions, &answer, &inbox))
            .map_err(|error| format!("the embedded broker's thread did not start: {error}"))?;
        let bootstrap = started
            .recv()
            .map_err(|_| "the embedded broker's thread ended at once".to_owned())??;
        Ok(Self {
            bootstrap,
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    /// Its `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// Lets it refuse all connections, or take them again.
    pub fn set_down(&self, down: bool) {
        self.run(move |cluster| {
            let done = match down {
                true => cluster.broker_down(-1),
                false => cluster.broker_up(-1),
            };
            done.expect("all brokers is a valid choice");
        });
    }

    /// Adds a round trip's delay to every answer.
    pub fn set_delay(&self, delay: Duration) {
        self.run(move |cluster| {
            let done = cluster.broker_round_trip_time(-1, delay);
            done.expect("all brokers is a valid choice");
        });
    }

    /// Runs something on the cluster's thread and waits for it.
    pub(super) fn run(&self, task: impl FnOnce(&Cluster) + Send + 'static) {
        let (done, finished) = channel();
        let task: Task = Box::new(move |cluster| {
            task(cluster);
            // Nobody waits only if the caller's thread is gone.
            let _ = done.send(());
        });
        let tasks = self.tasks.as_ref().expect("present until dropped");
        tasks.send(task).expect("the thread lives until the drop");
        finished.recv().expect("the thread runs every task");
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
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

fn live(
    topic: &str,
    partitions: i32,
    answer: &Sender<Result<String, String>>,
    inbox: &Receiver<Task>,
) {
    let cluster = Cluster::new(1).and_then(|cluster| {
        cluster.create_topic(topic, partitions, 1)?;
        Ok(cluster)
    });
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(error) => {
            let reason = format!("the embedded broker did not start with topic {topic:?}: {error}");
            let _ = answer.send(Err(reason));
            return;
        }
    };
    let _ = answer.send(Ok(cluster.bootstrap_servers()));
    for task in inbox {
        task(&cluster);
    }
}
