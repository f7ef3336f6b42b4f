//! The Received field (RFC 5321 4.4).
//!
//! Owns: its form. Must not know: the clock; the date comes in as text.

use bytes::BytesMut;

use super::envelope::Envelope;
use super::id::QueueId;

/// Writes the field of one mail to the end of `body`, CRLF at its end. `date` is in the form of RFC 5322 3.3.
pub fn write(
    body: &mut BytesMut,
    envelope: &Envelope<'_>,
    hostname: &str,
    id: QueueId,
    date: &str,
) {
    let id = id.text();
    let mut put = |text: &str| body.extend_from_slice(text.as_bytes());
    put("Received: from ");
    put(envelope.helo);
    put(" (");
    envelope.client.literal().into_iter().for_each(&mut put);
    put(")\r\n\tby ");
    put(hostname);
    put(" with ");
    put(envelope.protocol);
    put(" id ");
    put(id.as_str());
    if let [one] = envelope.recipients {
        put("\r\n\tfor <");
        put(one.as_str());
        put(">");
    }
    put(";\r\n\t");
    put(date);
    put("\r\n");
}
