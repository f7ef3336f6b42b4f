//! Whether the workers serve: what each tells the thread that started it.
//!
//! Owns: the two moments that count, the first at which a worker serves and its end. Must not know: why it ended; its thread's result
//! says that.
//!
//! Invariant: a worker that began says that it serves at most once, and that it ended exactly once, however it ends.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::Notify;

/// What a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Serves,
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
    /// It serves now.
    pub fn serves(&self) {
        // Nobody listens where the start was given up.
        let _ = self.signs.send(Sign::Serves);
    }
}

impl Drop for Vitals {
    fn drop(&mut self) {
        let _ = self.signs.send(Sign::Ended(self.worker));
        self.ended.notify_one();
    }
}

/// Who listens to all workers.
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

    /// Waits until so many workers serve.
    ///
    /// # Errors
    /// The index of one that ended instead.
    pub fn all_serve(&self, workers: usize) -> Result<(), usize> {
        for _ in 0..workers {
            if let Ok(Sign::Ended(worker)) = self.signs.recv() {
                return Err(worker);
            }
        }
        Ok(())
    }

    /// Waits until a worker ends; its index. To be called once all serve.
    pub async fn one_ended(&self) -> usize {
        loop {
            if let Ok(Sign::Ended(worker)) = self.signs.try_recv() {
                return worker;
            }
            self.ended.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_serve_once_each_has_said_so_and_an_end_is_never_overheard() {
        let watch = Watch::default();
        let (first, second) = (watch.vitals(0), watch.vitals(1));
        first.serves();
        second.serves();
        assert_eq!(watch.all_serve(2), Ok(()));
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
    fn a_worker_that_ends_before_it_serves_is_named() {
        let watch = Watch::default();
        let (first, second) = (watch.vitals(0), watch.vitals(1));
        first.serves();
        drop(second);
        assert_eq!(watch.all_serve(2), Err(1));
    }

    #[test]
    fn a_panic_is_an_end() {
        let watch = Watch::default();
        let vitals = watch.vitals(3);
        let thread = std::thread::spawn(move || {
            vitals.serves();
            std::panic::resume_unwind(Box::new("a bug"));
        });
        assert!(thread.join().is_err());
        assert_eq!(watch.all_serve(1), Ok(()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(watch.one_ended()), 3);
    }
}
