//! Whether the workers live: what each tells the thread that started it.
//!
//! Owns: the three moments that count: a worker has its engine, it serves, it has ended. Must not know: why it ended; its
//! thread's result says that.
//!
//! Invariant: a worker says at most once that it has reached a stage, in the order of the stages, and exactly once that it has
//! ended, however it ends.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::Notify;

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has its engine, and waits for what it is to serve.
    Engine,
    /// It serves.
    Serving,
}

/// What a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Reached(Stage),
    /// The worker of this index.
    Ended(usize),
}

/// What a worker speaks through. Its drop is the end of the worker.
#[derive(Debug)]
pub struct Vitals {
    worker: usize,
    signs: Sender<Sign>,
    ended: Arc<Notify>,
}

impl Vitals {
    /// It has reached this stage now.
    pub fn reached(&self, stage: Stage) {
        // The receiver is gone where the start was given up.
        let _ = self.signs.send(Sign::Reached(stage));
    }
}

impl Drop for Vitals {
    fn drop(&mut self) {
        let _ = self.signs.send(Sign::Ended(self.worker));
        self.ended.notify_one();
    }
}

/// What hears all workers.
#[derive(Debug)]
pub struct Watch {
    own: Sender<Sign>,
    signs: Receiver<Sign>,
    ended: Arc<Notify>,
}

impl Default for Watch {
    fn default() -> Self {
        let (own, signs) = unbounded();
        Self {
            own,
            signs,
            ended: Arc::default(),
        }
    }
}

impl Watch {
    /// For the worker of this index.
    pub fn vitals(&self, worker: usize) -> Vitals {
        Vitals {
            worker,
            signs: self.own.clone(),
            ended: Arc::clone(&self.ended),
        }
    }

    /// Waits until this many workers, which is all of them, have reached a stage. No worker goes on to the next before that.
    ///
    /// # Errors
    /// The index of one that ended instead.
    pub fn all_reach(&self, stage: Stage, workers: usize) -> Result<(), usize> {
        for _ in 0..workers {
            match self.signs.recv().expect("this keeps a sender itself") {
                Sign::Reached(reached) => {
                    assert_eq!(
                        reached, stage,
                        "a stage begins when all are through the last"
                    );
                }
                Sign::Ended(worker) => return Err(worker),
            }
        }
        Ok(())
    }

    /// Waits until a worker ends; its index. To be called once all serve.
    pub async fn one_ended(&self) -> usize {
        loop {
            match self.signs.try_recv() {
                Ok(Sign::Ended(worker)) => return worker,
                Ok(Sign::Reached(stage)) => panic!("all serve, and one has reached {stage:?}"),
                // Also where a wake-up was for an end that has been seen.
                Err(_) => self.ended.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_so_far_once_each_has_said_so_and_an_end_is_never_overheard() {
        let watch = Watch::default();
        let (first, second) = (watch.vitals(0), watch.vitals(1));
        for stage in [Stage::Engine, Stage::Serving] {
            first.reached(stage);
            second.reached(stage);
            assert_eq!(watch.all_reach(stage, 2), Ok(()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        drop(second);
        assert_eq!(runtime.block_on(watch.one_ended()), 1);
        std::thread::scope(|scope| {
            scope.spawn(move || drop(first));
            assert_eq!(runtime.block_on(watch.one_ended()), 0);
        });
    }

    #[test]
    fn a_worker_that_ends_before_it_is_so_far_is_named() {
        let watch = Watch::default();
        let (first, second) = (watch.vitals(0), watch.vitals(1));
        first.reached(Stage::Engine);
        drop(second);
        assert_eq!(watch.all_reach(Stage::Engine, 2), Err(1));
    }

    #[test]
    fn a_panic_is_an_end() {
        let watch = Watch::default();
        let vitals = watch.vitals(3);
        let thread = std::thread::spawn(move || {
            vitals.reached(Stage::Serving);
            std::panic::resume_unwind(Box::new("a bug"));
        });
        assert!(thread.join().is_err());
        assert_eq!(watch.all_reach(Stage::Serving, 1), Ok(()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(watch.one_ended()), 3);
    }
}
