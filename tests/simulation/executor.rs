//! Polls futures on one thread, in an order that the seed decides.
//!
//! Owns: the tasks and their wake-ups. Must not know: what the tasks do.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use crate::random::Random;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// See the module.
pub struct Executor {
    tasks: Vec<Option<Task>>,
    ready: Arc<Mutex<Vec<usize>>>,
}

struct Signal {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().expect("one thread");
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

impl Executor {
    /// Without tasks.
    pub fn new() -> Self {
        Self {
            tasks: Vec::new(),
            ready: Arc::default(),
        }
    }

    /// Adds a task, which is ready.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        let number = self.tasks.len();
        self.tasks.push(Some(Box::pin(task)));
        self.ready.lock().expect("one thread").push(number);
    }

    /// Polls one of the tasks that were woken; its number, or nothing if none was.
    pub fn poll_one(&mut self, random: &mut Random) -> Option<usize> {
        let number = {
            let mut ready = self.ready.lock().expect("one thread");
            if ready.is_empty() {
                return None;
            }
            let place = random.below(ready.len());
            ready.swap_remove(place)
        };
        self.poll(number);
        Some(number)
    }

    /// Polls every task without a wake-up: a task that gets on by that has missed one.
    pub fn poll_unwoken(&mut self) {
        for number in 0..self.tasks.len() {
            self.poll(number);
        }
    }

    /// Drops all tasks at once: the process was killed.
    pub fn kill(&mut self) {
        self.tasks.clear();
        self.ready.lock().expect("one thread").clear();
    }

    fn poll(&mut self, number: usize) {
        let Some(task) = self.tasks.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        let signal = Signal {
            task: number,
            ready: Arc::clone(&self.ready),
        };
        let waker = Waker::from(Arc::new(signal));
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            self.tasks[number] = None;
        }
    }
}
