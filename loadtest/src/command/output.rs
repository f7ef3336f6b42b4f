//! Files that a result goes to. Must not know what is in them.

use std::path::Path;

use crate::failure::Failure;

/// Finds before the run what would lose its result. A file that is there keeps what it has until then.
pub fn must_be_writable(option: &str, path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let is_new = !path.exists();
    let mut options = std::fs::OpenOptions::new();
    options
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| {
            let path = path.display();
            Failure::Usage(format!(
                "{option} {path}: {error}; give a file that can be written"
            ))
        })?;
    if is_new {
        // An error would only leave an empty file.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Writes a whole file.
pub fn write_file(option: &str, path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::Run(format!(
            "{option} {}: {error}; give a file that can be written",
            path.display()
        ))
    })
}
