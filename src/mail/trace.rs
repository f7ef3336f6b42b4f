//! The Received field (RFC 5321 4.4).
//!
//! Owns: its form. Must not know: the clock; the date comes in as text.

use std::net::IpAddr;

use super::envelope::Envelope;
use super::id::QueueId;

/// The field of one mail, CRLF at its end. `date` is in the form of RFC 5322 3.3.
pub fn received(envelope: &Envelope, hostname: &str, id: QueueId, date: &str) -> String {
    let address = match envelope.client.ip() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    let receiver = match envelope.recipients.as_slice() {
        [one] => format!("\r\n\tfor <{one}>"),
        _ => String::new(),
    };
    let Envelope { helo, protocol, .. } = envelope;
    format!(
        "Received: from {helo} ({address})\r\n\tby {hostname} with {protocol} id {id}{receiver};\r\n\t{date}\r\n"
    )
}
