//! The file that `tls.ticket_keys` names: the keys that session tickets are encrypted with.
//!
//! Owns: its syntax, its limits, and the texts for every way that it is wrong. Must not know: tickets, when the file is read.
//!
//! One key a line: 32 random bytes in base64. Empty lines and lines that begin with `#` are comments.
//!
//! Invariants: there is at least one key and at most [`TICKET_KEYS_MOST`], and no two are the same; no text and no Debug output
//! has anything of a key or of a line in it.
//!
//! BUGS: a key that was not made at random is not noticed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Blame, Blamed};
use crate::limits::{TICKET_KEY_OCTETS, TICKET_KEYS_FILE_OCTETS, TICKET_KEYS_MOST};

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey([u8; TICKET_KEY_OCTETS]);

impl TicketKey {
    /// Of these bytes.
    pub fn new(bytes: [u8; TICKET_KEY_OCTETS]) -> Self {
        Self(bytes)
    }

    /// For whoever derives from it.
    pub fn secret(&self) -> &[u8; TICKET_KEY_OCTETS] {
        &self.0
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(_)")
    }
}

/// What such a file holds.
#[derive(Debug)]
pub struct TicketKeys {
    /// In the file's order: the first encrypts.
    pub keys: Vec<TicketKey>,
    /// Whether every user of the machine may read the file.
    pub exposed: bool,
}

/// A file of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tls.ticket_keys: {}: {fault}", .file.display())]
pub struct Error {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and what helps.
    #[source]
    pub fault: Fault,
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// What is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The kernel does not let it be read.
    #[error("cannot be read: {0}; name a file with keys that ringpost's user may read")]
    Unreadable(String),
    /// More than any set of keys needs.
    #[error("is larger than {TICKET_KEYS_FILE_OCTETS} bytes; {}", allowed())]
    TooLarge,
    /// Comments at best.
    #[error("holds no key; {}", allowed())]
    NoKey,
    /// A line that is no key.
    #[error("line {line}: {fault}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Other characters, or cut.
    #[error("is not base64; {}", allowed())]
    NotBase64,
    /// Another length.
    #[error("is a key of {bytes} bytes; {}", allowed())]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// The same key again.
    #[error("is the key of line {0} again; remove one of the two")]
    Again(usize),
    /// One more than is allowed.
    #[error(
        "is one key too many, {TICKET_KEYS_MOST} are allowed; remove those whose tickets have expired"
    )]
    TooMany,
}

/// What is allowed, and how it is made.
fn allowed() -> String {
    format!(
        "1 to {TICKET_KEYS_MOST} keys are needed, each of {TICKET_KEY_OCTETS} bytes in base64 on its own line, made with: \
         openssl rand -base64 {TICKET_KEY_OCTETS}"
    )
}

/// Reads the keys.
///
/// # Errors
/// The first thing that is wrong with the file.
pub fn read(file: &Path) -> Result<TicketKeys, Error> {
    let failed = |fault| Error {
        file: file.to_owned(),
        fault,
    };
    let unreadable = |error: io::Error| failed(Fault::Unreadable(error.to_string()));
    let opened = File::open(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode();
    let mut text = Vec::new();
    opened
        .take(TICKET_KEYS_FILE_OCTETS + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > TICKET_KEYS_FILE_OCTETS {
        return Err(failed(Fault::TooLarge));
    }
    Ok(TicketKeys {
        keys: parse(&text).map_err(failed)?,
        exposed: mode & 0o004 != 0,
    })
}

fn parse(text: &[u8]) -> Result<Vec<TicketKey>, Fault> {
    let mut found: Vec<(usize, TicketKey)> = Vec::new();
    for (index, line) in text.split(|&octet| octet == b'\n').enumerate() {
        let line_number = index + 1;
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let key = parse_line(line, &found).map_err(|fault| Fault::Line {
            line: line_number,
            fault,
        })?;
        found.push((line_number, key));
    }
    if found.is_empty() {
        return Err(Fault::NoKey);
    }
    assert!(found.len() <= TICKET_KEYS_MOST, "each line was counted");
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

fn parse_line(line: &[u8], before: &[(usize, TicketKey)]) -> Result<TicketKey, LineFault> {
    let bytes = STANDARD.decode(line).map_err(|_| LineFault::NotBase64)?;
    let bytes = <[u8; TICKET_KEY_OCTETS]>::try_from(bytes)
        .map_err(|other| LineFault::Length { bytes: other.len() })?;
    let key = TicketKey(bytes);
    if let Some((line, _)) = before.iter().find(|(_, earlier)| *earlier == key) {
        return Err(LineFault::Again(*line));
    }
    if before.len() == TICKET_KEYS_MOST {
        return Err(LineFault::TooMany);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> String {
        STANDARD.encode([number; TICKET_KEY_OCTETS])
    }

    /// A file with this text and mode, read.
    fn file(text: &[u8], mode: u32) -> Result<TicketKeys, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket.keys");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read(&path)
    }

    #[test]
    fn keys_keep_the_order_of_their_lines_between_comments() {
        let text = format!(
            "# of this week\r\n  {}  \r\n\n\t# of the last one\n{}",
            key(1),
            key(2)
        );
        let found = file(text.as_bytes(), 0o640).unwrap();
        let expected = [1, 2].map(|number| TicketKey([number; TICKET_KEY_OCTETS]));
        assert_eq!(found.keys, expected);
        assert!(!found.exposed);
        assert!(file(text.as_bytes(), 0o604).unwrap().exposed);
        assert_eq!(
            format!("{found:?}"),
            "TicketKeys { keys: [TicketKey(_), TicketKey(_)], exposed: false }"
        );
    }

    #[test]
    fn as_many_keys_as_are_allowed_and_one_more() {
        let keys: Vec<String> = (0..=TICKET_KEYS_MOST as u8).map(key).collect();
        let most = keys[1..].join("\n");
        assert_eq!(
            file(most.as_bytes(), 0o600).unwrap().keys.len(),
            TICKET_KEYS_MOST
        );
        let error = file(keys.join("\n").as_bytes(), 0o600).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 17: is one key too many, 16"), "{text}");
    }

    #[test]
    fn every_mistake_names_key_file_line_cause_and_fix_and_shows_no_key() {
        let short = STANDARD.encode([7; 16]);
        let long = STANDARD.encode([7; 48]);
        let unpadded = key(7).trim_end_matches('=').to_owned();
        let cut = &key(7)[..40];
        let large = "#".repeat(TICKET_KEYS_FILE_OCTETS as usize + 1);
        let make = "openssl rand -base64 32";
        let twice = format!("{}\n{}\n\n{}", key(6), key(7), key(7));
        let cases = [
            (String::new(), "holds no key; 1 to 16 keys", make),
            ("# none\n\n".to_owned(), "holds no key; 1 to 16 keys", make),
            (large, "is larger than 16384 bytes; 1 to", make),
            (
                format!("\n{short}"),
                "line 2: is a key of 16 bytes; 1 to",
                make,
            ),
            (
                format!("{}\n{long}", key(6)),
                "line 2: is a key of 48",
                make,
            ),
            (unpadded, "line 1: is not base64; 1 to", make),
            (cut.to_owned(), "line 1: is a key of 30 bytes", make),
            (
                format!("{}{}", key(7), key(7)),
                "line 1: is not base64",
                make,
            ),
            (
                "-----BEGIN PRIVATE KEY-----".to_owned(),
                "line 1: is not",
                make,
            ),
            (
                "\u{fffd}\u{0}\u{7f}".to_owned(),
                "line 1: is not base64",
                make,
            ),
            (twice, "line 4: is the key of line 2 again", "remove one"),
        ];
        for (text, cause, fix) in cases {
            let error = file(text.as_bytes(), 0o600).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with("tls.ticket_keys: /"), "{said}");
            assert!(
                said.contains(&format!("ticket.keys: {cause}")) && said.contains(fix),
                "{said}"
            );
            assert_eq!(said.lines().count(), 1, "{said}");
            for secret in [&key(7)[..8], &key(6)[..8], "BEGIN"] {
                assert!(!said.contains(secret) && !format!("{error:?}").contains(secret));
            }
        }
        let error = read(Path::new("/nowhere/ticket.keys")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("tls.ticket_keys: /nowhere/ticket.keys: cannot be read: No such file"),
            "{error}"
        );
        let error = read(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("cannot be read: Is a directory"), "{error}");
    }
}
