//! Paths, which are taken as they are written.

use std::path::PathBuf;

use crate::config::reason::Reason;

/// A path.
pub(in crate::config) fn path(text: &str) -> Result<PathBuf, Reason> {
    Ok(PathBuf::from(text))
}

/// A path; the empty text is none.
pub(in crate::config) fn optional_path(text: &str) -> Result<Option<PathBuf>, Reason> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}
