//! What a reload exchanges while the server runs, and how it gets to the workers.
//!
//! Owns: the exchange. Must not know: where the rules come from, and what they say.
//!
//! Invariants: a worker reads a counter that nobody else writes to but a reload, and takes a lock only after it has
//! changed, so that nothing is shared with another worker on the path of a mail; who holds rules keeps them whole.

use std::cell::{Ref, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::smtp::access::{Access, Networks};
use crate::smtp::policy::Policy;

/// What holds for connections and transactions that begin now.
#[derive(Debug)]
pub struct Rules {
    /// The policy of sessions.
    pub policy: Arc<Policy>,
    /// Which networks are served.
    pub access: Access,
    /// Whose PROXY headers are believed.
    pub proxies: Networks,
}

/// A value that is exchanged as a whole.
#[derive(Debug)]
pub struct Published<T> {
    /// Counts the exchanges.
    generation: AtomicU64,
    value: Mutex<Arc<T>>,
}

impl<T> Published<T> {
    /// The first value.
    pub fn new(value: T) -> Self {
        Self {
            generation: AtomicU64::new(0),
            value: Mutex::new(Arc::new(value)),
        }
    }

    /// Exchanges it: who looks from now on sees the new one.
    pub fn publish(&self, value: T) {
        let mut held = self.lock();
        *held = Arc::new(value);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The value that holds now.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<T>> {
        self.value.lock().expect("nothing panics under this lock")
    }
}

/// A worker's view of a published value.
#[derive(Debug)]
pub struct View<T>(RefCell<(u64, Arc<T>)>);

impl<T> View<T> {
    /// Sees what is published now.
    pub fn new(published: &Published<T>) -> Self {
        let held = published.lock();
        let generation = published.generation.load(Ordering::Acquire);
        Self(RefCell::new((generation, Arc::clone(&held))))
    }

    /// The value that holds now. Not to be kept: the next call may exchange it.
    pub fn get(&self, published: &Published<T>) -> Ref<'_, T> {
        if published.generation.load(Ordering::Acquire) != self.0.borrow().0 {
            let newer = Self::new(published).0.into_inner();
            *self.0.borrow_mut() = newer;
        }
        Ref::map(self.0.borrow(), |(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_follows_and_what_was_held_stays() {
        let published = Published::new(1);
        let (first, view) = (published.current(), View::new(&published));
        assert_eq!(*view.get(&published), 1);
        published.publish(2);
        published.publish(3);
        assert_eq!(
            (*view.get(&published), *first, *published.current()),
            (3, 1, 3)
        );
        assert_eq!(*View::new(&published).get(&published), 3);
    }

    #[test]
    fn views_of_several_threads_see_the_last_value() {
        let published = Published::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let view = View::new(&published);
                    let mut last = 0;
                    while last < 1_000 {
                        let seen = *view.get(&published);
                        assert!(seen >= last, "values are seen in their order");
                        last = seen;
                    }
                });
            }
            for value in 1..=1_000 {
                published.publish(value);
            }
        });
    }
}
