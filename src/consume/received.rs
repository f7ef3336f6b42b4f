//! A record as it was read.
//!
//! Owns: what every reader of it needs, free of the client library's types. Must not know: how it was read.

use ringpost_proto::mail::decode::Attributes;

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
}
