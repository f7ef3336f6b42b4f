//! The small files of an operator: secrets, header fields, certificates.
//!
//! Owns: their limit, and whether others may read them. Must not know: what is in them.
//!
//! Invariant: no text has anything of a file's content in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use thiserror::Error;

use crate::limits::WEBHOOK_FILE_OCTETS;

/// What a file holds.
pub struct Content {
    /// As it is.
    pub bytes: Vec<u8>,
    /// Whether every user of the machine may read it.
    pub exposed: bool,
}

/// Why it cannot be read.
#[derive(Debug, Error)]
pub enum FileFault {
    /// The kernel does not let it be read.
    #[error("cannot be read: {0}; name a file that ringpost's user may read")]
    Unreadable(#[from] io::Error),
    /// More than anything of that kind needs.
    #[error("is larger than {WEBHOOK_FILE_OCTETS} bytes: another file was meant")]
    TooLarge,
    /// Not UTF-8.
    #[error("is not text in UTF-8: another file was meant")]
    NotText,
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Content, FileFault> {
    let opened = File::open(path)?;
    let mode = opened.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    opened
        .take(WEBHOOK_FILE_OCTETS + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > WEBHOOK_FILE_OCTETS {
        return Err(FileFault::TooLarge);
    }
    Ok(Content {
        bytes,
        exposed: mode & 0o004 != 0,
    })
}

impl Content {
    /// The content as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, FileFault> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| FileFault::NotText)?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_file_is_read_with_who_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(matches!(read(&path), Err(FileFault::Unreadable(_))));
        write(&path, "\u{feff}text").unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o604, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let content = read(&path).unwrap();
            assert_eq!(
                (content.text().unwrap(), content.exposed),
                ("text", exposed)
            );
        }
        write(&path, b"\xff").unwrap();
        assert!(matches!(
            read(&path).unwrap().text(),
            Err(FileFault::NotText)
        ));
        let octets = usize::try_from(WEBHOOK_FILE_OCTETS).unwrap();
        write(&path, vec![b'a'; octets]).unwrap();
        assert_eq!(read(&path).unwrap().bytes.len(), octets);
        write(&path, vec![b'a'; octets + 1]).unwrap();
        assert!(matches!(read(&path), Err(FileFault::TooLarge)));
    }
}
