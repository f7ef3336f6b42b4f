//! The thread of the uploads: a runtime that talks to the store while the workers go on.
//!
//! Owns: the thread, and its end. Must not know: the requests of an upload, what is said of a store that is away.
//!
//! Invariants: [`Store::begin`] never waits, and every assignment is answered; after a drain no thread is left.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::failure::{Failure, Kind};
use super::health::{self, Health};
use super::open::{OpenError, Opened, Wanted};
use super::probe::probe;
use super::seam::{Assignment, News, Store};
use super::upload;
use crate::config::Scheme;

/// Threads that write files, and hash, at once.
const FILES_AT_ONCE: usize = 32;

/// How long such a thread waits for more to do.
const KEEP: Duration = Duration::from_secs(10);

/// Time for the ends of uploads that were given up when the server has drained, at least.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// See the module.
pub struct Uploader {
    jobs: UnboundedSender<Assignment>,
    health: Arc<Health>,
    ending: Mutex<Option<Ending>>,
}

struct Ending {
    stop: oneshot::Sender<Instant>,
    thread: JoinHandle<()>,
}

impl Uploader {
    /// Opens the store and starts the thread. A directory has to be writable; another store may be away, and is looked at from
    /// the thread.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the machine.
    pub fn start(wanted: &Wanted<'_>) -> Result<Self, OpenError> {
        let opened = Arc::new(Opened::new(wanted)?);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(FILES_AT_ONCE)
            .thread_keep_alive(KEEP)
            .thread_name("objects-file")
            .build()
            .map_err(OpenError::Thread)?;
        if wanted.url.scheme == Scheme::File
            && let Err(failure) = runtime.block_on(probe(&opened))
            && matches!(failure.kind, Kind::Denied | Kind::Missing)
        {
            return Err(OpenError::Unusable(failure));
        }
        let health = Arc::new(Health::new());
        let (jobs, taken) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let part = Part {
            opened,
            health: Arc::clone(&health),
        };
        let thread = std::thread::Builder::new()
            .name("objects".into())
            .spawn(move || part.run(runtime, taken, stopped))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            jobs,
            health,
            ending: Mutex::new(Some(Ending { stop, thread })),
        })
    }
}

impl Store for Uploader {
    fn begin(&self, assignment: Assignment) {
        if let Err(refused) = self.jobs.send(assignment) {
            let failure = Failure {
                kind: Kind::Unavailable,
                text: "ringpost is stopping".to_owned(),
            };
            let _ = refused.0.news.send(News::Failed(failure));
        }
    }

    fn takes(&self) -> Result<(), Kind> {
        self.health.takes()
    }

    fn away(&self) -> Option<String> {
        self.health.away()
    }

    fn drain(&self, within: Duration) {
        let ending = self.ending.lock();
        let ending = ending.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Ending { stop, thread }) = ending {
            // The thread is gone only if it panicked, which was printed.
            let _ = stop.send(Instant::now() + within.max(LAST_WORDS));
            let _ = thread.join();
        }
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.drain(Duration::ZERO);
    }
}

/// What the thread has.
struct Part {
    opened: Arc<Opened>,
    health: Arc<Health>,
}

impl Part {
    fn run(
        self,
        runtime: Runtime,
        jobs: UnboundedReceiver<Assignment>,
        stopped: oneshot::Receiver<Instant>,
    ) {
        runtime.block_on(self.serve(jobs, stopped));
        // A write that hangs holds nobody up.
        runtime.shutdown_background();
    }

    async fn serve(
        &self,
        mut jobs: UnboundedReceiver<Assignment>,
        mut stopped: oneshot::Receiver<Instant>,
    ) {
        let watching = (Arc::clone(&self.health), Arc::clone(&self.opened));
        let watch = tokio::spawn(async move { health::watch(&watching.0, &watching.1).await });
        let mut uploads = JoinSet::new();
        let until = loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => self.begin(&mut uploads, job),
                    None => break Instant::now() + LAST_WORDS,
                },
                Some(_) = uploads.join_next(), if !uploads.is_empty() => {}
                until = &mut stopped => break until.unwrap_or_else(|_| Instant::now()),
            }
        };
        jobs.close();
        while let Some(job) = jobs.recv().await {
            self.begin(&mut uploads, job);
        }
        let ends = async { while uploads.join_next().await.is_some() {} };
        let _ = tokio::time::timeout_at(until.into(), ends).await;
        watch.abort();
    }

    fn begin(&self, uploads: &mut JoinSet<()>, job: Assignment) {
        let (opened, health) = (Arc::clone(&self.opened), Arc::clone(&self.health));
        uploads.spawn(async move {
            if let Err(failure) = upload::run(&opened, job).await {
                health.suspect(failure);
            }
        });
    }
}

#[cfg(test)]
mod tests;
