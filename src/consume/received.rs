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
}
