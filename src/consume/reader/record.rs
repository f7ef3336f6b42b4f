//! A record of librdkafka's as a [`Received`].

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::consume::received::Received;

/// The record with this value; a header without a value has an empty one.
pub(super) fn received(message: &BorrowedMessage<'_>, value: &[u8]) -> Received {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| {
                (
                    header.key.to_owned(),
                    header.value.unwrap_or_default().to_vec(),
                )
            })
            .collect()
    });
    Received {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers,
        value: value.to_vec(),
    }
}
