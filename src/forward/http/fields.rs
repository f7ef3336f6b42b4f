//! Header fields that an operator adds to each POST, such as `Authorization`.
//!
//! Owns: their syntax, which names are taken, and that no text shows a value. Must not know: where they come from.
//!
//! One field a line, `name: value`; empty lines and lines that begin with `#` do not count.
//!
//! Invariant: no text and no Debug output has anything of a value in it.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Names that are ours, or those of the connection.
const TAKEN: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What names of attributes and of the signature begin with.
const TAKEN_PREFIXES: [&str; 2] = ["ce-", "webhook-"];
/// A part of a value that is shorter is not taken for a secret.
const SECRET_CHARACTERS: usize = 4;

/// Fields to add.
#[derive(Clone, Default)]
pub struct Fields(HeaderMap);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("line {line} {wrong}")]
pub struct FieldFault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: FieldWrong,
}

/// What is wrong with a field.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum FieldWrong {
    /// No field at all. The line is not shown: all of it may be a secret.
    #[error("is not a header field, such as `authorization: Bearer …`")]
    NotAField,
    /// A value that cannot be sent.
    #[error("has characters that a header field cannot hold: use printable ASCII")]
    Unsendable,
    /// Not for an operator to set.
    #[error("sets {0}, which ringpost sets itself: remove the line")]
    Taken(HeaderName),
    /// Twice.
    #[error("sets {0} again: remove one of the two")]
    Again(HeaderName),
}

impl Fields {
    /// Reads fields.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, FieldFault> {
        let mut fields = HeaderMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |wrong| FieldFault {
                line: index + 1,
                wrong,
            };
            let (name, value) = field(line).map_err(wrong)?;
            if fields.contains_key(&name) {
                return Err(wrong(FieldWrong::Again(name)));
            }
            fields.insert(name, value);
        }
        Ok(Self(fields))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields; their values are marked as secret.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter()
    }

    /// A text of the receiver without the values, which a page about an error may repeat.
    pub fn hidden(&self, text: String) -> String {
        let values = self.0.values().filter_map(|value| value.to_str().ok());
        values.fold(text, |text, value| {
            // Of `Bearer TOKEN` the last word is the secret.
            let last = value.rsplit(' ').next().unwrap_or(value);
            [value, last].iter().fold(text, |text, secret| {
                match secret.len() >= SECRET_CHARACTERS {
                    true => text.replace(secret, "…"),
                    false => text,
                }
            })
        })
    }
}

fn field(line: &str) -> Result<(HeaderName, HeaderValue), FieldWrong> {
    let (name, value) = line.split_once(':').ok_or(FieldWrong::NotAField)?;
    let name: HeaderName = name.parse().map_err(|_| FieldWrong::NotAField)?;
    let is_ours = TAKEN_PREFIXES
        .iter()
        .any(|prefix| name.as_str().starts_with(prefix));
    if is_ours || TAKEN.contains(&name.as_str()) {
        return Err(FieldWrong::Taken(name));
    }
    let value = value.trim();
    if !value.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Err(FieldWrong::Unsendable);
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| FieldWrong::Unsendable)?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_their_values_in_no_print() {
        let text = "# who we are\nAuthorization: Bearer hunter2\r\n\n x-tenant:a b \nx-empty:\n";
        let fields = Fields::parse(text).unwrap();
        let read: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            read,
            [
                ("authorization", "Bearer hunter2"),
                ("x-tenant", "a b"),
                ("x-empty", "")
            ]
        );
        let shown = format!("{fields:?} {:?}", fields.0);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(Fields::parse("#\n").unwrap().is_empty());
    }

    #[test]
    fn what_a_receiver_repeats_of_them_is_hidden() {
        let text = "authorization: Bearer hunter2\nx-key: hunter3\nx-short: ab";
        let fields = Fields::parse(text).unwrap();
        let said = "no Bearer hunter2, hunter2 or hunter3 in ab".to_owned();
        assert_eq!(fields.hidden(said), "no …, … or … in ab");
    }

    #[test]
    fn a_mistake_names_the_line_and_shows_no_value() {
        for (text, words) in [
            ("hunter2", "not a header field"),
            ("a b: hunter2", "not a header field"),
            (": hunter2", "not a header field"),
            ("x: hunter2\u{e9}", "cannot hold"),
            ("x: hunter2\u{1}", "cannot hold"),
            ("Content-Type: hunter2", "sets content-type, which"),
            ("ce-id: hunter2", "sets ce-id, which"),
            ("Webhook-Id: hunter2", "sets webhook-id, which"),
            ("X-First: hunter2", "sets x-first again"),
        ] {
            let said = Fields::parse(&format!("x-first: 1\n{text}"))
                .unwrap_err()
                .to_string();
            assert!(said.starts_with("line 2 "), "{said}");
            assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
        }
    }
}
