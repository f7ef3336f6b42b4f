//! Files that a result goes to. Must not know what is in them.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::failure::{Blame, Blamed, Wrong};

/// A result could not be written, though its file could be opened before the run.
#[derive(Debug, Error)]
#[error("{option} {path}: {source}; give a file that can be written", path = .path.display())]
pub(super) struct WriteError {
    option: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Blamed for WriteError {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Finds before the run what would lose its result. A file that is there keeps what it has until then.
pub(super) fn must_be_writable(option: &'static str, path: Option<&Path>) -> Result<(), Wrong> {
    let Some(path) = path else { return Ok(()) };
    let is_new = !path.exists();
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| {
        let wrong = Wrong::at(option).given(path.display()).source(error);
        wrong.fix("give a file that can be written")
    })?;
    if is_new {
        // An error would only leave an empty file.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Writes a whole file.
pub(super) fn write_file(option: &'static str, path: &Path, text: &str) -> Result<(), WriteError> {
    fs::write(path, text).map_err(|source| WriteError {
        option,
        path: path.to_owned(),
        source,
    })
}
