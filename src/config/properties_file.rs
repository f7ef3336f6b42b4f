//! The file that `kafka.properties_file` names: properties of librdkafka, and with them the passwords of a cluster.
//!
//! Owns: its syntax, its limit, and what is wrong with the file or with a line. Must not know: which properties there are, and
//! which source of them beats which.
//!
//! One property a line, `name=value`, as the tools of Kafka and of librdkafka write it. Spaces around the name and the value do
//! not count. Empty lines and lines that begin with `#` or `!` are comments. A value is taken as it is, with its quotes and
//! backslashes; in a property whose name ends in `.pem`, `\n` is the end of a line, as a value is one line of the file.
//!
//! Invariant: no text and no Debug output has anything of a value or of a line in it.
//!
//! BUGS: escapes, lines that go on and `name: value` of Java's own format are not read; a password cannot begin or end with a
//! space.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use thiserror::Error;

use crate::limits::KAFKA_PROPERTIES_FILE_OCTETS;

/// A property, and its line.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// From 1.
    pub line: usize,
    /// Its name, as it is written.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Property({}, {:?})", self.line, self.name)
    }
}

/// What such a file holds.
#[derive(Debug)]
pub(super) struct PropertiesFile {
    /// In the file's order.
    pub properties: Vec<Property>,
    /// Whether every user of the machine may read the file.
    pub exposed: bool,
}

/// What is wrong with the file, or with a line of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertiesFault {
    /// The kernel does not let it be read.
    #[error("cannot be read: {0}; name a file that ringpost's user may read")]
    Unreadable(String),
    /// More than any set of properties needs.
    #[error(
        "is larger than {KAFKA_PROPERTIES_FILE_OCTETS} bytes: a file of properties, one name=value a line, is expected"
    )]
    TooLarge,
    /// Not UTF-8.
    #[error("is not text in UTF-8: a file of properties, one name=value a line, is expected")]
    NotText,
    /// A line that is no property.
    #[error("has no =: write name=value, or # in front of a comment")]
    NoEquals,
    /// A property that is set on an earlier line.
    #[error("is set on line {0} already: remove one of the two")]
    Again(usize),
}

/// A fault, and the line that has it; none where the file as a whole is meant.
pub(super) type At = (Option<usize>, PropertiesFault);

/// Reads the file.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn read(path: &Path) -> Result<PropertiesFile, At> {
    let unreadable = |error: io::Error| (None, PropertiesFault::Unreadable(error.to_string()));
    let opened = File::open(path).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode();
    let mut bytes = Vec::new();
    opened
        .take(KAFKA_PROPERTIES_FILE_OCTETS + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > KAFKA_PROPERTIES_FILE_OCTETS {
        return Err((None, PropertiesFault::TooLarge));
    }
    let text = String::from_utf8(bytes).map_err(|_| (None, PropertiesFault::NotText))?;
    Ok(PropertiesFile {
        properties: parse(&text)?,
        exposed: mode & 0o004 != 0,
    })
}

fn parse(text: &str) -> Result<Vec<Property>, At> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found: Vec<Property> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let failed = |fault| (Some(number), fault);
        let (name, value) = line
            .split_once('=')
            .ok_or(failed(PropertiesFault::NoEquals))?;
        let (name, value) = (name.trim(), value.trim());
        if let Some(earlier) = found.iter().find(|earlier| earlier.name == name) {
            return Err(failed(PropertiesFault::Again(earlier.line)));
        }
        found.push(Property {
            line: number,
            name: name.to_owned(),
            value: match name.ends_with(".pem") {
                true => value.replace("\\n", "\n"),
                false => value.to_owned(),
            },
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_properties_between_comments() {
        let text = "\u{feff}# Kafka\r\n  security.protocol = SASL_SSL \r\n\n! old\nsasl.password=a=b\\n\"c\" #d\nssl.key.pem = BEGIN\\nEND\nsasl.username =";
        let found = parse(text).unwrap();
        let pairs: Vec<_> = found
            .iter()
            .map(|one| (one.line, one.name.as_str(), one.value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                (2, "security.protocol", "SASL_SSL"),
                (5, "sasl.password", "a=b\\n\"c\" #d"),
                (6, "ssl.key.pem", "BEGIN\nEND"),
                (7, "sasl.username", ""),
            ]
        );
        let printed = format!("{found:?}");
        assert!(printed.contains("sasl.password") && !printed.contains("a=b"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.properties");
        let read_of = |bytes: &[u8], mode: u32| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        let large = vec![b'#'; KAFKA_PROPERTIES_FILE_OCTETS as usize + 1];
        for (bytes, line, words) in [
            (&b"a=b\n\nhunter2\n"[..], Some(3), "has no =: write"),
            (
                b"a=hunter2\n\na = hunter3",
                Some(3),
                "is set on line 1 already",
            ),
            (b"a=\xff", None, "is not text in UTF-8"),
            (&large, None, "is larger than 65536 bytes"),
        ] {
            let (at, fault) = read_of(bytes, 0o600).unwrap_err();
            let said = fault.to_string();
            assert_eq!(at, line, "{said}");
            assert!(
                said.starts_with(words) && !said.contains("hunter"),
                "{said}"
            );
        }
        assert!(!read_of(b"a=b", 0o640).unwrap().exposed);
        assert!(read_of(b"a=b", 0o604).unwrap().exposed);
        let (at, fault) = read(Path::new("/nowhere/kafka.properties")).unwrap_err();
        assert_eq!(at, None);
        assert!(fault.to_string().starts_with("cannot be read: No such"));
    }
}
