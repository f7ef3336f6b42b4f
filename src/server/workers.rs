//! The workers' threads: made with their engines, then set to serve, then joined.
//!
//! Owns: the threads, and why one is lost. Must not know: what a worker does (`net::worker`), what it is to serve.
//!
//! Invariants: no worker serves before all have their engines; every worker serves before [`Made::serve`] returns; a worker that ends
//! without being stopped is named, with its reason.
//!
//! An engine belongs to the thread that makes it, so it cannot be made here and handed over: a worker's thread makes it,
//! says so, and waits for its plan.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use tokio::sync::Notify;

use crate::failure::{Blame, Blamed};
use crate::net::vitals::{Stage, Watch};
use crate::net::worker::{self, CutOff, Plan, Post};
use crate::telemetry::metrics::Io;

/// Workers that have their engines.
pub(super) struct Made {
    threads: Threads,
    plans: Vec<Sender<Plan>>,
}

/// Workers that serve.
pub(super) struct Running {
    threads: Threads,
    /// Wakes each to look whether it is to stop, and to show that it makes progress.
    wakers: Vec<Arc<Notify>>,
}

struct Threads {
    joins: Vec<JoinHandle<Result<CutOff, worker::Error>>>,
    watch: Watch,
}

/// Why there are no workers, or one less.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A thread could not be started.
    #[error("a worker's thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A worker ended without being stopped.
    #[error("worker {worker} of {workers} does not serve: {why}")]
    Lost {
        /// Its index.
        worker: usize,
        /// How many there are.
        workers: usize,
        /// Why.
        why: Why,
    },
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    /// It cannot serve.
    #[error(transparent)]
    Failed(worker::Error),
    /// It thought that it had drained.
    #[error("it came to its end")]
    Ended,
    /// A bug. What the panic said is on standard error already.
    #[error("it panicked")]
    Panicked,
}

impl Error {
    /// Whether a worker got no ring because memory is short.
    pub(super) fn is_short_of_rings(&self) -> bool {
        match self {
            Self::Lost {
                why: Why::Failed(worker::Error::Ring(unavailable)),
                ..
            } => unavailable.is_shortage_of_memory(),
            Self::Lost { .. } | Self::Thread(_) => false,
        }
    }
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::Thread(_) => Blame::Machine,
            Self::Lost { why, .. } => match why {
                Why::Failed(error) => error.blame(),
                Why::Ended | Why::Panicked => Blame::Bug,
            },
        }
    }
}

impl Made {
    /// This many workers, each with an engine for its connections.
    ///
    /// # Errors
    /// No thread, or no engine.
    pub(super) fn new(workers: usize, io: Io, connections: usize) -> Result<Self, Error> {
        assert!(workers > 0, "somebody has to serve");
        let mut threads = Threads {
            joins: Vec::new(),
            watch: Watch::default(),
        };
        let mut plans = Vec::new();
        for index in 0..workers {
            let (sender, plan) = bounded(1);
            let post = Post {
                io,
                connections,
                plan,
                vitals: threads.watch.vitals(index),
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let join = thread
                .spawn(move || worker::run(post))
                .map_err(Error::Thread)?;
            threads.joins.push(join);
            plans.push(sender);
        }
        threads.all_reach(Stage::Engine)?;
        Ok(Self { threads, plans })
    }

    /// Gives each its plan, and waits until all serve.
    ///
    /// # Errors
    /// A worker that does not.
    pub(super) fn serve(mut self, plans: Vec<Plan>) -> Result<Running, Error> {
        assert_eq!(plans.len(), self.plans.len(), "each worker has one plan");
        let wakers = plans.iter().map(|plan| Arc::clone(&plan.wake)).collect();
        for (sender, plan) in self.plans.into_iter().zip(plans) {
            // One that is gone takes none, and says below why.
            let _ = sender.send(plan);
        }
        self.threads.all_reach(Stage::Serving)?;
        Ok(Running {
            threads: self.threads,
            wakers,
        })
    }
}

impl Running {
    /// Wakes each of them.
    pub(super) fn wakers(&self) -> Vec<Arc<Notify>> {
        self.wakers.clone()
    }

    /// Waits until a worker ends without being stopped: why it did.
    pub(super) async fn one_lost(&mut self) -> Error {
        let worker = self.threads.watch.one_ended().await;
        self.threads.lost(worker)
    }

    /// Waits until all have drained, once they have to. What did not end in time.
    ///
    /// # Errors
    /// The first worker that failed instead, after all have ended.
    pub(super) fn stop(self) -> Result<CutOff, Error> {
        for waker in &self.wakers {
            waker.notify_one();
        }
        let workers = self.threads.joins.len();
        let mut result = Ok(CutOff::default());
        for (worker, join) in self.threads.joins.into_iter().enumerate() {
            let ended = ended(join).map_err(|why| Error::Lost {
                worker,
                workers,
                why,
            });
            result = result.and_then(|sum| ended.map(|more| sum + more));
        }
        result
    }
}

impl Threads {
    fn all_reach(&mut self, stage: Stage) -> Result<(), Error> {
        let reached = self.watch.all_reach(stage, self.joins.len());
        reached.map_err(|worker| self.lost(worker))
    }

    /// Why this worker has ended.
    fn lost(&mut self, worker: usize) -> Error {
        let workers = self.joins.len();
        let why = match ended(self.joins.remove(worker)) {
            Ok(_) => Why::Ended,
            Err(why) => why,
        };
        Error::Lost {
            worker,
            workers,
            why,
        }
    }
}

fn ended(join: JoinHandle<Result<CutOff, worker::Error>>) -> Result<CutOff, Why> {
    match join.join() {
        Ok(result) => result.map_err(Why::Failed),
        Err(_) => Err(Why::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::engine::probe;

    #[test]
    fn workers_end_where_the_start_is_given_up() {
        let mut engines = vec![Io::Epoll];
        match probe::io_uring() {
            Ok(()) => engines.push(Io::IoUring),
            Err(unavailable) => eprintln!("skipped: {unavailable}"),
        }
        for io in engines {
            let Made { threads, plans } = Made::new(2, io, 16).unwrap();
            drop(plans);
            for join in threads.joins {
                assert_eq!(ended(join).unwrap(), CutOff::default());
            }
        }
    }

    #[test]
    fn a_worker_that_is_lost_is_named_with_its_reason_and_its_blame() {
        let lost = |end: fn() -> Result<CutOff, worker::Error>| {
            let joins = [|| Ok(CutOff::default()), end].map(std::thread::spawn);
            let mut threads = Threads {
                joins: joins.into(),
                watch: Watch::default(),
            };
            let error = threads.lost(1);
            (error.to_string(), error.blame())
        };
        let (text, blame) = lost(|| std::panic::resume_unwind(Box::new("a bug")));
        assert_eq!(text, "worker 1 of 2 does not serve: it panicked");
        assert_eq!(blame, Blame::Bug);
        let (text, blame) = lost(|| Ok(CutOff::default()));
        assert_eq!(text, "worker 1 of 2 does not serve: it came to its end");
        assert_eq!(blame, Blame::Bug);
        let (text, blame) = lost(|| {
            let full = std::io::Error::from_raw_os_error(24);
            Err(worker::Error::Socket(full))
        });
        assert!(
            text.starts_with("worker 1 of 2 does not serve: a listening socket cannot be served: "),
            "{text}"
        );
        assert_eq!(blame, Blame::Machine);
    }
}
