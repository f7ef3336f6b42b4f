//! One writer for each output.
//!
//! BUGS: the lock is flock(2): over some network file systems it holds for one machine alone.

use std::fs::{File, TryLockError};
use std::io;

use super::error::OpenError;

/// Takes a file or a folder for this process.
///
/// # Errors
/// Where another process has it.
pub(super) fn lock(file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Busy),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
