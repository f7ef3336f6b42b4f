//! A record as it was read.
//!
//! Owns: what every reader of it needs, free of the client library's types. Must not know: how it was read.

use ringpost_proto::mail::decode::Attributes;
use ringpost_proto::mail::header;

/// The beginning of `ce_type` in ringpost's own records, in every version.
pub const OUR_TYPES: &str = "io.ringpost.mail.";

/// A record as it was read.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The topic it was read from.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// The record's key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Kafka's timestamp in milliseconds since the epoch, if the record has one.
    pub timestamp: Option<i64>,
    /// The headers in their order; a header without a value has an empty one.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The message.
    pub value: Vec<u8>,
}

impl Received {
    /// What its headers say.
    pub fn attributes(&self) -> Attributes<'_> {
        let headers = self.headers.iter();
        Attributes::decode(headers.map(|(name, value)| (name.as_str(), value.as_slice())))
    }

    /// Whether ringpost wrote it, as its `ce_type` says: a mail that was received, a dead letter, a mail with verdicts. Anybody who
    /// may write to the topic can say so.
    pub fn is_ours(&self) -> bool {
        let kind = self.headers.iter().find(|(name, _)| name == header::TYPE);
        kind.is_some_and(|(_, value)| value.starts_with(OUR_TYPES.as_bytes()))
    }

    /// Puts the whole message in place of the header section that the record has; what was there is given back. A section that is
    /// not the object's, as `authenticate` writes it, stays, and the object's body follows it.
    pub fn complete(&mut self, object: Vec<u8>) -> Vec<u8> {
        let is_whole_section = self.value.ends_with(SECTION_END);
        let whole = match section(&object) {
            Some(end) if is_whole_section && !object.starts_with(&self.value) => {
                [&self.value, &object[end..]].concat()
            }
            Some(_) | None => object,
        };
        std::mem::replace(&mut self.value, whole)
    }
}

/// What ends a header section.
const SECTION_END: &[u8] = b"\r\n\r\n";

/// Bytes of a message's header section and of the empty line after it.
fn section(message: &[u8]) -> Option<usize> {
    let end = memchr::memmem::find(message, SECTION_END)?;
    Some(end + SECTION_END.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_section_that_is_not_the_objects_stays() {
        let object = b"A: 1\r\n\r\nbody";
        for (value, whole) in [
            (&b"A: 1\r\n\r\n"[..], &object[..]),
            (b"New: 0\r\nA: 1\r\n\r\n", b"New: 0\r\nA: 1\r\n\r\nbody"),
            // The section was longer than a record.
            (b"New: 0\r\nA: 1\r\n", object),
            (b"", object),
        ] {
            let mut record = Received {
                value: value.to_vec(),
                ..Received::default()
            };
            assert_eq!(record.complete(object.to_vec()), value);
            assert_eq!(record.value, whole, "{}", value.escape_ascii());
        }
        let mut record = Received::default();
        record.complete(b"no section".to_vec());
        assert_eq!(record.value, b"no section");
    }
}
