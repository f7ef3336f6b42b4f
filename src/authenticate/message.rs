//! The header section of a message: its fields, and where the body begins.
//!
//! Owns: how a message is divided, for every check and for what is renamed. Must not know: what a field means.
//!
//! Readers of mail disagree about messages that break RFC 5322, and a sender can choose the message. Two readings are made here:
//! - [`Message`] is what is checked: lines end in CRLF or LF, the section ends with the first empty line, and a line that is neither
//!   a field nor the continuation of one is left out. Signatures and the author are taken from it.
//! - [`line_starts`] is what somebody may take for a field: every place after a CR, an LF or both, as far as the strictest reader has
//!   header section, which is up to an empty line between two CRLF. What is forged is looked for there.
//!
//! Invariant: fields are slices of the message, so names and values are as they were sent.

use std::ops::Range;

/// A field: its name as it was written, and its value with the CRLF at its end.
pub(super) type Field<'a> = (&'a [u8], &'a [u8]);

/// A message as it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// In their order.
    pub fields: Vec<Field<'a>>,
    /// What follows the empty line.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Divides a message.
    pub(super) fn parse(message: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        let mut open: Option<Range<usize>> = None;
        let mut at = 0;
        while at < message.len() {
            let end = line_end(message, at);
            let line = &message[at..end];
            if matches!(line, b"\r\n" | b"\n") {
                fields.extend(open.take().and_then(|range| field(&message[range])));
                return Self {
                    fields,
                    body: &message[end..],
                };
            }
            match &mut open {
                Some(range) if matches!(line[0], b' ' | b'\t') => range.end = end,
                _ => {
                    fields.extend(open.take().and_then(|range| field(&message[range])));
                    open = Some(at..end);
                }
            }
            at = end;
        }
        fields.extend(open.and_then(|range| field(&message[range])));
        Self { fields, body: b"" }
    }

    /// Values of the fields of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Field<'a>> {
        let is_named = move |field: &&Field<'a>| is_named(field.0, name);
        self.fields.iter().filter(is_named).copied()
    }
}

/// The part of a value of a record that is the message as it was received: its last `size` bytes, unless the server has ended the
/// header section after its own field, so that all of the message is body.
pub(super) fn received(value: &[u8], size: Option<u64>) -> &[u8] {
    let size = size.and_then(|size| usize::try_from(size).ok());
    let Some(start) = size.and_then(|size| value.len().checked_sub(size)) else {
        return value;
    };
    let (trace, message) = value.split_at(start);
    // Then the value is read as every reader will: the message has no fields.
    if trace.ends_with(b"\r\n\r\n") {
        &value[start - 2..]
    } else {
        message
    }
}

/// Whether a field has this name, without regard to case and blanks around it.
pub(super) fn is_named(name: &[u8], wanted: &str) -> bool {
    trimmed(name).eq_ignore_ascii_case(wanted.as_bytes())
}

/// Without blanks and control characters at both ends.
fn trimmed(name: &[u8]) -> &[u8] {
    let is_visible = |octet: &u8| octet.is_ascii_graphic() || !octet.is_ascii();
    let start = name.iter().position(is_visible).unwrap_or(name.len());
    let end = name.iter().rposition(is_visible).map_or(start, |at| at + 1);
    &name[start..end]
}

/// A field, if there is a colon and nothing but a name before it.
fn field(lines: &[u8]) -> Option<Field<'_>> {
    let colon = memchr::memchr(b':', lines)?;
    let (name, value) = (&lines[..colon], &lines[colon + 1..]);
    let begins = name.first().is_some_and(|octet| !b" \t".contains(octet));
    let is_name =
        begins && !trimmed(name).is_empty() && memchr::memchr2(b'\r', b'\n', name).is_none();
    is_name.then_some((name, value))
}

/// Where the line that begins here ends.
fn line_end(message: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &message[at..]).map_or(message.len(), |end| at + end + 1)
}

/// Every place where some reader may see a line of the header section begin.
pub(super) fn line_starts(message: &[u8]) -> impl Iterator<Item = usize> {
    let end = strict_end(message);
    let after = memchr::memchr2_iter(b'\r', b'\n', &message[..end]).map(|at| at + 1);
    std::iter::once(0).chain(after).filter(move |at| *at < end)
}

/// Where the header section ends for a reader to whom CRLF alone is the end of a line.
fn strict_end(message: &[u8]) -> usize {
    if message.starts_with(b"\r\n") {
        return 0;
    }
    memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(message: &[u8]) -> (Vec<(String, String)>, String) {
        let text = |octets: &[u8]| octets.escape_ascii().to_string();
        let message = Message::parse(message);
        let fields = message
            .fields
            .iter()
            .map(|(name, value)| (text(name), text(value)));
        (fields.collect(), text(message.body))
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_message_has_fields_and_a_body() {
        for (message, expected, body) in [
            (
                &b"A: 1\r\nB : 2\r\n\t3\r\n\r\nbody\r\n"[..],
                &[("A", " 1\\r\\n"), ("B ", " 2\\r\\n\\t3\\r\\n")][..],
                "body\\r\\n",
            ),
            (
                b"A: 1\nB: 2\n\nbody",
                &[("A", " 1\\n"), ("B", " 2\\n")],
                "body",
            ),
            (
                b"A: 1\r\njunk\r\nB: 2\r\n\r\n",
                &[("A", " 1\\r\\n"), ("B", " 2\\r\\n")],
                "",
            ),
            (b"junk\r\n more\r\nB: 2", &[("B", " 2")], ""),
            (b" folded: x\r\nB: 2", &[("B", " 2")], ""),
            (b": x\r\n", &[], ""),
            (b"jun\r\n k: x\r\n", &[], ""),
            (b"\r\nbody", &[], "body"),
            (b"", &[], ""),
        ] {
            let (found, rest) = parsed(message);
            assert_eq!(found, fields(expected), "{}", message.escape_ascii());
            assert_eq!(rest, body, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn a_name_is_known_in_every_spelling() {
        let message = Message::parse(b"from: 1\r\nFROM \t: 2\r\nX-From: 3\r\n\r\nFrom: 4\r\n");
        assert_eq!(message.all("From").count(), 2);
    }

    #[test]
    fn the_message_as_received_is_at_the_end() {
        let value = b"Received: x\r\nA: 1\r\n\r\nb";
        assert_eq!(received(value, Some(9)), b"A: 1\r\n\r\nb");
        assert_eq!(received(value, None), value);
        assert_eq!(received(value, Some(100)), value);
        // The server has put an empty line between its field and what is no field.
        let value = b"Received: x\r\n\r\njunk\r\nFrom: y\r\n";
        let message = received(value, Some(15));
        assert!(Message::parse(message).fields.is_empty());
    }

    #[test]
    fn lines_begin_after_every_kind_of_line_end() {
        let starts = |message: &[u8]| line_starts(message).collect::<Vec<_>>();
        assert_eq!(starts(b"a\rb\nc\r\nd\r\n\r\ne\nf"), [0, 2, 4, 6, 7]);
        assert_eq!(starts(b"a\n\nb"), [0, 2, 3]);
        assert!(starts(b"\r\na\r\n").is_empty());
        assert!(starts(b"").is_empty());
    }
}
