//! Taking a lock that a panic elsewhere does not spoil.
//!
//! Invariant: the value in such a lock is consistent between any two statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, even if the thread that had it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
