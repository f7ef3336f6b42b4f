//! The record, version 1: CloudEvents 1.0 in its Kafka binding, binary content mode, and the envelope as headers.
//!
//! Owns: the layout. Must not know: how a record is produced or read.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::envelope::Envelope;
use super::id::QueueId;
use crate::config::RecordKey;

/// `ce_type` of every record.
pub const CE_TYPE: &str = "io.ringpost.mail.received.v1";

/// A record ready to be produced.
#[derive(Debug)]
pub struct Record {
    /// The message, with the trace field in front if there is one. Filled by the kernel; nobody copies it again.
    pub value: BytesMut,
    /// The key, if the configuration asks for one.
    pub key: Option<Vec<u8>>,
    /// Headers in their order; `smtp_to` stands once per recipient.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// What a record needs beside the envelope and the value.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The id that the 250 names.
    pub id: QueueId,
    /// This server's name.
    pub hostname: &'a str,
    /// RFC 3339 time of receipt.
    pub time: &'a str,
    /// Octets of the message as received, the trace field not counted.
    pub size: u64,
    /// What the key is made of.
    pub key: RecordKey,
}

impl Record {
    /// Builds the record of a message.
    pub fn new(envelope: &Envelope, stamp: Stamp<'_>, value: BytesMut) -> Self {
        let content_type = if envelope.smtputf8 {
            "message/global"
        } else {
            "message/rfc822"
        };
        let mut headers: Vec<(&'static str, Vec<u8>)> =
            Vec::with_capacity(14 + envelope.recipients.len());
        let mut push = |name, value: &str| headers.push((name, value.as_bytes().to_vec()));
        push("content-type", content_type);
        push("ce_specversion", "1.0");
        push("ce_id", stamp.id.text().as_str());
        push("ce_source", &format!("//{}", stamp.hostname));
        push("ce_type", CE_TYPE);
        push("ce_time", stamp.time);
        push("smtp_from", &envelope.reverse_path);
        for recipient in &envelope.recipients {
            push("smtp_to", recipient);
        }
        push("smtp_helo", &envelope.helo);
        push("smtp_client", &display(envelope.client));
        push("smtp_protocol", envelope.protocol);
        if let Some(tls) = &envelope.tls {
            push("smtp_tls", tls);
        }
        push("smtp_body", envelope.body.keyword());
        push("smtp_size", &display(stamp.size));
        if envelope.bare_newlines {
            push("smtp_bare_newlines", "true");
        }
        Self {
            value,
            key: key(envelope, stamp.key),
            headers,
        }
    }

    /// Octets that the record takes in Kafka, an upper estimate of its framing included.
    pub fn octets(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 10)
            .sum();
        self.value.len() + headers + self.key.as_ref().map_or(0, Vec::len) + 100
    }
}

fn display(value: impl std::fmt::Display) -> String {
    let mut text = String::with_capacity(24);
    write!(text, "{value}").expect("a String takes all text");
    text
}

fn key(envelope: &Envelope, key: RecordKey) -> Option<Vec<u8>> {
    let recipient = || envelope.recipients.first().map_or("", String::as_str);
    match key {
        RecordKey::None => None,
        RecordKey::Recipient => Some(recipient().as_bytes().to_vec()),
        RecordKey::RecipientDomain => {
            let domain = recipient()
                .rsplit_once('@')
                .map_or("", |(_, domain)| domain);
            Some(domain.to_ascii_lowercase().into_bytes())
        }
        RecordKey::Sender => Some(envelope.reverse_path.as_bytes().to_vec()),
        RecordKey::ClientIp => Some(display(envelope.client.ip()).into_bytes()),
    }
}
