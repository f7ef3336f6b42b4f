//! The record, version 1: CloudEvents 1.0 in its Kafka binding, binary content mode, and the envelope as extension attributes.
//!
//! Owns: the layout. Must not know: how a record is produced or read; `decode` is the way back.
//!
//! A mail whose recipients do not share a record becomes several, its parts: each names its own recipients alone, has the mail's id
//! with a number after it, and shares the one body with the others.
//!
//! Invariants: each name stands once, every value is UTF-8, and the recipients take no more than the session counted; a part says
//! nothing of the recipients of another.

use std::ops::{Deref, Range};

use bytes::{Bytes, BytesMut};

use super::envelope::Envelope;
use super::header;
use super::id::QueueId;
use crate::smtp::address::Mailbox;
use crate::smtp::decimal::Decimal;
use crate::smtp::domain;

/// `ce_type` of every record.
pub const CE_TYPE: &str = "io.ringpost.mail.received.v1";

/// `content-type` of a mail with SMTPUTF8.
pub(super) const MESSAGE_GLOBAL: &str = "message/global";

/// What a record's key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// `none`: records have no key and spread over the partitions.
    None,
    /// `recipient`: the first recipient's address.
    Recipient,
    /// `recipient-domain`: the first recipient's domain.
    RecipientDomain,
    /// `sender`: the reverse-path.
    Sender,
    /// `client-ip`: the client's address without its port.
    ClientIp,
}

/// The message of a record.
#[derive(Debug)]
pub enum Value {
    /// The record's alone.
    Own(BytesMut),
    /// That of all parts of a mail.
    Shared(Bytes),
}

impl Value {
    /// Its buffer, if no other record has it any longer.
    fn into_buffer(self) -> Option<BytesMut> {
        match self {
            Self::Own(buffer) => Some(buffer),
            Self::Shared(shared) => shared.try_into_mut().ok(),
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::Own(BytesMut::new())
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(buffer) => buffer,
            Self::Shared(shared) => shared,
        }
    }
}

impl From<BytesMut> for Value {
    fn from(buffer: BytesMut) -> Self {
        Self::Own(buffer)
    }
}

impl From<Bytes> for Value {
    fn from(shared: Bytes) -> Self {
        Self::Shared(shared)
    }
}

/// A record ready to be produced. Its key and headers share one buffer, and [`Record::clear`] keeps the memory for the
/// next.
#[derive(Debug, Default)]
pub struct Record {
    /// The message, with the trace field in front if there is one. Filled by the kernel; nobody copies it again.
    pub value: Value,
    octets: Vec<u8>,
    key: Option<Range<usize>>,
    headers: Vec<(&'static str, Range<usize>)>,
}

/// What a record needs beside the envelope and the value.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The id that the 250 names.
    pub id: QueueId,
    /// This server's name.
    pub hostname: &'a str,
    /// RFC 3339 time of receipt.
    pub time: &'a [u8],
    /// Octets of the message as received, the trace field not counted.
    pub size: u64,
    /// Whether the message holds a bare CR or a bare LF. Looked for in DATA alone.
    pub bare_newlines: bool,
    /// What the key is made of.
    pub key: RecordKey,
    /// Which part of the mail this record is; none where it is all of it.
    pub part: Option<Part<'a>>,
}

/// One of several records of a mail.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its number, from 1, which follows the mail's id in `ce_id`.
    pub number: u64,
    /// The places of its recipients among those of the envelope.
    pub recipients: &'a [u16],
}

/// The recipients of one record.
#[derive(Clone, Copy)]
struct Recipients<'a> {
    all: &'a [Mailbox],
    of_part: Option<&'a [u16]>,
}

impl<'a> Recipients<'a> {
    fn iter(self) -> impl Iterator<Item = &'a Mailbox> {
        let count = self.of_part.map_or(self.all.len(), <[u16]>::len);
        (0..count).map(move |at| match self.of_part {
            None => &self.all[at],
            Some(places) => &self.all[usize::from(places[at])],
        })
    }
}

impl Record {
    /// Fills an empty record for a message.
    ///
    /// # Panics
    /// If it is not empty, or the envelope names no recipient.
    pub fn fill(&mut self, envelope: &Envelope<'_>, stamp: Stamp<'_>, value: impl Into<Value>) {
        assert!(self.headers.is_empty(), "a record is filled once");
        self.value = value.into();
        let recipients = Recipients {
            all: envelope.recipients,
            of_part: stamp.part.map(|part| part.recipients),
        };
        self.set_key(envelope, recipients, stamp.key);
        self.push_event(envelope, stamp);
        self.push_envelope(envelope, recipients);
        self.write(header::SIZE, |octets| {
            octets.extend_from_slice(Decimal::new(stamp.size).as_bytes());
        });
        if stamp.bare_newlines {
            self.push(header::BARE_NEWLINES, b"true");
        }
    }

    /// Says that the whole message is the object at this URL, which has this SHA-256; the value is its header section. To be
    /// called after [`fill`](Self::fill).
    ///
    /// # Panics
    /// If the hash is not one in lower-case hexadecimal.
    pub fn refer(&mut self, url: &str, sha256: &str) {
        assert!(!self.headers.is_empty(), "a record is filled first");
        let is_digit = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        assert!(
            sha256.len() == 64 && sha256.bytes().all(is_digit),
            "a SHA-256 in hexadecimal"
        );
        self.push(header::DATAREF, url.as_bytes());
        self.push(header::SHA256, sha256.as_bytes());
    }

    /// What every CloudEvent has.
    fn push_event(&mut self, envelope: &Envelope<'_>, stamp: Stamp<'_>) {
        let content_type = if envelope.smtputf8 {
            MESSAGE_GLOBAL
        } else {
            "message/rfc822"
        };
        self.push(header::CONTENT_TYPE, content_type.as_bytes());
        self.push(header::SPECVERSION, b"1.0");
        self.write(header::ID, |octets| {
            octets.extend_from_slice(stamp.id.as_bytes());
            if let Some(part) = stamp.part {
                octets.push(b'.');
                octets.extend_from_slice(Decimal::new(part.number).as_bytes());
            }
        });
        self.write(header::SOURCE, |octets| {
            octets.extend_from_slice(b"//");
            octets.extend_from_slice(stamp.hostname.as_bytes());
        });
        self.push(header::TYPE, CE_TYPE.as_bytes());
        self.push(header::TIME, stamp.time);
    }

    fn push_envelope(&mut self, envelope: &Envelope<'_>, recipients: Recipients<'_>) {
        // Named one by one, so that the compiler asks about a new one. SMTPUTF8 is in the content-type.
        let Envelope {
            reverse_path,
            recipients: _,
            helo,
            client,
            protocol,
            tls,
            body,
            smtputf8: _,
        } = *envelope;
        self.push(header::FROM, reverse_path.as_bytes());
        self.write(header::TO, |octets| write_recipients(octets, recipients));
        self.push(header::HELO, helo.as_bytes());
        self.push(header::CLIENT, client.text().as_bytes());
        self.push(header::PROTOCOL, protocol.as_bytes());
        if let Some(tls) = tls {
            self.push(header::TLS, tls.as_bytes());
        }
        self.push(header::BODY, body.keyword().as_bytes());
    }

    /// Empties it and keeps its memory; the buffer of the value, which is somebody else's, is given out, unless another part of its
    /// mail still has it.
    pub fn clear(&mut self) -> Option<BytesMut> {
        self.octets.clear();
        self.headers.clear();
        self.key = None;
        std::mem::take(&mut self.value).into_buffer()
    }

    /// Bytes of its key and its headers, the names not counted.
    pub fn attribute_octets(&self) -> usize {
        self.octets.len()
    }

    /// The key, if the configuration asks for one.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.clone().map(|range| &self.octets[range])
    }

    /// Headers in their order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'static str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, range)| (*name, &self.octets[range.clone()]))
    }

    /// Adds a header.
    pub fn push(&mut self, name: &'static str, value: &[u8]) {
        self.write(name, |octets| octets.extend_from_slice(value));
    }

    fn write(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.octets.len();
        write(&mut self.octets);
        self.headers.push((name, from..self.octets.len()));
    }

    /// A mailbox in a key has its local-part as it was written and its domain in normal form, so that all spellings of it
    /// share a partition.
    fn set_key(&mut self, envelope: &Envelope<'_>, recipients: Recipients<'_>, key: RecordKey) {
        assert!(self.octets.is_empty(), "the key is written first");
        let from = self.octets.len();
        let recipient = recipients.iter().next().map_or("", Mailbox::as_str);
        match key {
            RecordKey::None => return,
            RecordKey::Recipient => self.key_mailbox(recipient),
            RecordKey::RecipientDomain => {
                let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
                self.octets.extend(domain::normal(domain).bytes());
            }
            RecordKey::Sender => self.key_mailbox(envelope.reverse_path),
            RecordKey::ClientIp => self.octets.extend(envelope.client.ip_text().bytes()),
        }
        self.key = Some(from..self.octets.len());
    }

    fn key_mailbox(&mut self, mailbox: &str) {
        match mailbox.rsplit_once('@') {
            Some((local_part, domain)) => {
                self.octets.extend(local_part.bytes());
                self.octets.push(b'@');
                self.octets.extend(domain::normal(domain).bytes());
            }
            None => self.octets.extend(mailbox.bytes()),
        }
    }

    /// A key for a record that was not made of an envelope.
    pub fn keyed(mut self, key: &[u8]) -> Self {
        let from = self.octets.len();
        self.octets.extend_from_slice(key);
        self.key = Some(from..self.octets.len());
        self
    }
}

/// Writes the recipients as a JSON array of strings, in their order.
fn write_recipients(octets: &mut Vec<u8>, recipients: Recipients<'_>) {
    let (from, mut counted) = (octets.len(), 0);
    for recipient in recipients.iter() {
        octets.push(if octets.len() == from { b'[' } else { b',' });
        write_string(octets, recipient);
        counted += recipient.json_octets();
    }
    assert!(counted > 0, "a record has a recipient");
    octets.push(b']');
    assert_eq!(
        octets.len() - from,
        counted + 1,
        "recipients take what the session counted"
    );
}

/// Writes a mailbox as a JSON string.
fn write_string(octets: &mut Vec<u8>, mailbox: &Mailbox) {
    if mailbox.is_quoted() {
        serde_json::to_writer(octets, mailbox.as_str()).expect("a Vec takes all octets");
    } else {
        // Nothing in it is written another way in JSON.
        octets.push(b'"');
        octets.extend_from_slice(mailbox.as_str().as_bytes());
        octets.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::envelope::Client;
    use crate::mail::id::Generator;
    use crate::smtp::address;
    use crate::smtp::parameter::Body;

    fn key(kind: RecordKey, from: &str, to: &str) -> Option<String> {
        let recipients = [address::mailbox(to.as_bytes()).unwrap()];
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let envelope = Envelope {
            reverse_path: from,
            recipients: &recipients,
            helo: "c",
            client: &client,
            protocol: "ESMTP",
            tls: None,
            body: Body::SevenBit,
            smtputf8: false,
        };
        let stamp = Stamp {
            id: Generator::new(1).next(0),
            hostname: "mx.example",
            time: b"",
            size: 0,
            bare_newlines: false,
            key: kind,
            part: None,
        };
        let mut record = Record::default();
        record.fill(&envelope, stamp, BytesMut::new());
        let written = record.headers().find(|(name, _)| *name == header::TO);
        let written: Vec<String> = serde_json::from_slice(written.unwrap().1).unwrap();
        assert_eq!(written, [to], "the envelope keeps what the client wrote");
        record
            .key()
            .map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn a_part_has_its_own_recipients_key_and_id_and_the_last_gives_the_body_back() {
        let recipients = ["a@one.example", "b@two.example", "c@one.example"]
            .map(|text| address::mailbox(text.as_bytes()).unwrap());
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let envelope = Envelope {
            reverse_path: "s@c.example",
            recipients: &recipients,
            helo: "c",
            client: &client,
            protocol: "ESMTP",
            tls: None,
            body: Body::SevenBit,
            smtputf8: false,
        };
        let id = Generator::new(1).next(0);
        for length in [5, 64] {
            let mut body = BytesMut::with_capacity(64);
            body.resize(length, b'x');
            let memory = body.as_ptr();
            let shared = body.freeze();
            let part = |number, places: &[u16]| {
                let stamp = Stamp {
                    id,
                    hostname: "mx.example",
                    time: b"",
                    size: 5,
                    bare_newlines: false,
                    key: RecordKey::RecipientDomain,
                    part: Some(Part {
                        number,
                        recipients: places,
                    }),
                };
                let mut record = Record::default();
                record.fill(&envelope, stamp, shared.clone());
                record
            };
            let mut parts = [part(1, &[0, 2]), part(2, &[1])];
            drop(shared);
            for (number, own, other) in [(1, "one.example", "two"), (2, "two.example", "one")] {
                let record = &parts[number - 1];
                let of = |name| record.headers().find(|(have, _)| *have == name).unwrap().1;
                assert_eq!(of(header::ID), format!("{id}.{number}").as_bytes());
                assert_eq!(record.key(), Some(own.as_bytes()));
                let all = record.octets.escape_ascii().to_string();
                assert!(!all.contains(other), "{all}");
                assert_eq!(record.value.len(), length);
            }
            let [first, second] = &mut parts;
            assert!(second.clear().is_none(), "the other one still has it");
            let buffer = first.clear().expect("nobody else has it");
            assert_eq!(
                (buffer.as_ptr(), buffer.capacity(), buffer.len()),
                (memory, 64, length),
                "it is the buffer that it was"
            );
        }
    }

    #[test]
    fn all_spellings_of_a_domain_have_one_key() {
        let some = |text: &str| Some(text.to_owned());
        for domain in [
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
            "B\u{dc}CHER.EXAMPLE.",
        ] {
            let address = format!("Joe@{domain}");
            let is = |kind| key(kind, &address, &address);
            assert_eq!(is(RecordKey::Recipient), some("Joe@xn--bcher-kva.example"));
            assert_eq!(is(RecordKey::Sender), some("Joe@xn--bcher-kva.example"));
            assert_eq!(
                is(RecordKey::RecipientDomain),
                some("xn--bcher-kva.example")
            );
            assert_eq!(is(RecordKey::ClientIp), some("192.0.2.1"));
            assert_eq!(is(RecordKey::None), None);
        }
        assert_eq!(key(RecordKey::Sender, "", "postmaster"), some(""));
        assert_eq!(
            key(RecordKey::Recipient, "", "Postmaster"),
            some("Postmaster")
        );
        assert_eq!(
            key(RecordKey::Recipient, "", "\"a@b\"@C.example"),
            some("\"a@b\"@c.example")
        );
    }
}
