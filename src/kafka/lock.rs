//! Taking a lock that a panic elsewhere does not spoil.
//!
//! Invariant: what is behind such a lock is whole between any two statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, whatever became of the thread that had it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
