//! A record's headers, read back: what they say of the mail, and which of them cannot be read.
//!
//! Owns: from headers to a typed envelope. Must not know: how a record is read, or what a reader does with a mail.
//!
//! Anybody who may write to the topic can write records, so every value is checked and none is trusted: a recipient can hold
//! any character. Headers that are unknown are passed over, as the compatibility of the record asks.
//!
//! Invariant: what `record` writes comes back as it was, with nothing malformed.

use std::net::SocketAddr;

use super::header;
use super::record::MESSAGE_GLOBAL;
use crate::smtp::parameter::Body;

/// What the headers of a record say. A record that another program wrote may lack any of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// The id that the 250 named.
    pub id: Option<&'a str>,
    /// What the record is: [`CE_TYPE`](super::record::CE_TYPE) of a mail that ringpost received.
    pub kind: Option<&'a str>,
    /// The reverse-path; empty for the null reverse-path.
    pub mail_from: Option<&'a str>,
    /// The accepted forward-paths, in the order of their RCPT commands.
    pub rcpt_to: Option<Vec<String>>,
    /// The name of HELO or EHLO.
    pub helo: Option<&'a str>,
    /// Address and port of the client.
    pub client: Option<SocketAddr>,
    /// The keyword of RFC 3848 or RFC 6531.
    pub protocol: Option<&'a str>,
    /// TLS version and cipher suite; absent in clear.
    pub tls: Option<&'a str>,
    /// BODY= of MAIL.
    pub body: Option<Body>,
    /// Whether SMTPUTF8 was given.
    pub smtputf8: bool,
    /// Bytes of the message as received: it is that many at the end of the value, or of the object.
    pub size: Option<u64>,
    /// Whether the message holds a bare CR or a bare LF.
    pub bare_newlines: bool,
    /// The URL of the object that is the whole message; the value is its header section then.
    pub dataref: Option<&'a str>,
    /// SHA-256 of that object, in lower-case hexadecimal.
    pub sha256: Option<&'a str>,
    /// Headers of the record, version 1, whose value cannot be read, or that stand there twice. The first value counts.
    pub malformed: Vec<&'static str>,
}

impl<'a> Attributes<'a> {
    /// Reads the headers of a record.
    pub fn decode<'n>(headers: impl IntoIterator<Item = (&'n str, &'a [u8])>) -> Self {
        let mut attributes = Self::default();
        for (name, value) in headers {
            if !attributes.take(name, std::str::from_utf8(value).ok()) {
                let known = header::ALL.iter().find(|known| **known == name);
                attributes.malformed.extend(known);
            }
        }
        attributes
    }

    /// Takes one header; false where it is known and its value is of no use.
    fn take(&mut self, name: &str, text: Option<&'a str>) -> bool {
        match name {
            header::ID => set(&mut self.id, text),
            header::TYPE => set(&mut self.kind, text),
            header::FROM => set(&mut self.mail_from, text),
            header::TO => {
                let recipients = text.and_then(|text| serde_json::from_str(text).ok());
                set(&mut self.rcpt_to, recipients)
            }
            header::HELO => set(&mut self.helo, text),
            header::CLIENT => set(&mut self.client, text.and_then(|text| text.parse().ok())),
            header::PROTOCOL => set(&mut self.protocol, text),
            header::TLS => set(&mut self.tls, text),
            header::BODY => set(&mut self.body, text.and_then(Body::of_keyword)),
            header::SIZE => set(&mut self.size, text.and_then(number)),
            header::BARE_NEWLINES => {
                text == Some("true") && !std::mem::replace(&mut self.bare_newlines, true)
            }
            header::DATAREF => set(&mut self.dataref, text),
            header::SHA256 => set(&mut self.sha256, text.filter(|text| is_sha256(text))),
            header::CONTENT_TYPE => {
                self.smtputf8 |= text == Some(MESSAGE_GLOBAL);
                text.is_some()
            }
            _ => true,
        }
    }
}

/// Keeps the first value; false where there is none, or one is there already.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    if place.is_some() || value.is_none() {
        return false;
    }
    *place = value;
    true
}

/// Whether it is a SHA-256 in lower-case hexadecimal.
fn is_sha256(text: &str) -> bool {
    let is_digit = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

/// Digits alone: `parse` takes a sign too.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::mail::envelope::{Client, Envelope};
    use crate::mail::id::Generator;
    use crate::mail::record::{CE_TYPE, Record, RecordKey, Stamp};
    use crate::smtp::address::{self, Mailbox};

    fn mailboxes(texts: &[&str]) -> Vec<Mailbox> {
        let parsed = texts.iter().map(|text| address::mailbox(text.as_bytes()));
        parsed.map(Result::unwrap).collect()
    }

    fn stamp(bare_newlines: bool) -> Stamp<'static> {
        Stamp {
            id: Generator::new(1).next(0),
            hostname: "mx.example",
            time: b"2026-01-02T03:04:05.678Z",
            size: u64::MAX,
            bare_newlines,
            key: RecordKey::None,
            part: None,
        }
    }

    fn decoded(record: &Record) -> Attributes<'_> {
        let names = record.headers().map(|(name, _)| name);
        let mut all = header::ALL.iter();
        for name in names {
            // Each once and in order; one that a mail has nothing for is left out.
            assert!(
                all.any(|known| *known == name),
                "{name} is in the record at another place than in header::ALL"
            );
        }
        Attributes::decode(record.headers())
    }

    #[test]
    fn what_was_written_comes_back() {
        let plain = mailboxes(&["b@mx.example"]);
        let odd = mailboxes(&[
            "\"a\\\"b\\\\c, d\"@mx.example",
            "j\u{f6}rg@b\u{fc}cher.example",
            "\"[]{}':,\u{7f6e}\u{80}\u{2028}\"@[IPv6:2001:db8::1]",
            "Postmaster",
            "b@mx.example",
            "b@mx.example",
        ]);
        for (mail_from, to, client, tls, body, smtputf8) in [
            ("", &plain, "192.0.2.1:4711", None, Body::SevenBit, false),
            (
                "\"x\\\\y\"@client.example",
                &odd,
                "[2001:db8::1]:1",
                Some("TLSv1.3 TLS13_AES_256_GCM_SHA384"),
                Body::BinaryMime,
                true,
            ),
        ] {
            let client = Client::new(client.parse().unwrap());
            let envelope = Envelope {
                reverse_path: mail_from,
                recipients: to,
                helo: "My Printer [\u{fc}]",
                client: &client,
                protocol: "ESMTP",
                tls,
                body,
                smtputf8,
            };
            let mut record = Record::default();
            record.fill(&envelope, stamp(smtputf8), BytesMut::new());
            let (url, sha256) = ("s3://bucket/mail/2026/01/02/id.eml", "0a".repeat(32));
            if smtputf8 {
                record.refer(url, &sha256);
                let names = record.headers().map(|(name, _)| name);
                assert!(
                    names.eq(header::ALL.iter().copied()),
                    "this mail has something for every header: give the new field of the envelope a value"
                );
            }
            let id = stamp(smtputf8).id.to_string();
            let expected = Attributes {
                id: Some(&id),
                kind: Some(CE_TYPE),
                mail_from: Some(mail_from),
                rcpt_to: Some(to.iter().map(|one| one.as_str().to_owned()).collect()),
                helo: Some(envelope.helo),
                client: Some(client.text().parse().unwrap()),
                protocol: Some("ESMTP"),
                tls,
                body: Some(body),
                smtputf8,
                size: Some(u64::MAX),
                bare_newlines: smtputf8,
                dataref: smtputf8.then_some(url),
                sha256: smtputf8.then_some(&sha256),
                malformed: Vec::new(),
            };
            assert_eq!(decoded(&record), expected);
        }
    }

    #[test]
    fn a_record_of_another_program_is_read_as_far_as_it_goes() {
        assert_eq!(Attributes::decode([]), Attributes::default());
        let headers: [(&str, &[u8]); 6] = [
            ("x", b"\xff"),
            ("ce_smtpfuture", b"1"),
            (header::CONTENT_TYPE, b"text/plain"),
            (header::FROM, b"not an address\n"),
            (header::TO, b"[]"),
            (header::ID, b""),
        ];
        let expected = Attributes {
            id: Some(""),
            mail_from: Some("not an address\n"),
            rcpt_to: Some(Vec::new()),
            ..Attributes::default()
        };
        assert_eq!(Attributes::decode(headers), expected);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_left_out() {
        for (name, value) in [
            (header::ID, &b"\xff"[..]),
            (header::FROM, b"a@\xfe"),
            (header::TO, b""),
            (header::TO, b"b@x"),
            (header::TO, b"\"b@x\""),
            (header::TO, b"[\"b@x\",1]"),
            (header::TO, b"[\"b@x\"] x"),
            (header::TO, b"{\"a\":\"b@x\"}"),
            (header::TO, b"[\"b@x"),
            (header::TO, b"[\"b\xff\"]"),
            (header::CLIENT, b"192.0.2.1"),
            (header::CLIENT, b"host:25"),
            (header::BODY, b"8bitmime"),
            (header::SIZE, b"+1"),
            (header::SIZE, b"18446744073709551616"),
            (header::SIZE, b""),
            (header::BARE_NEWLINES, b"false"),
            (header::DATAREF, b"\xff"),
            (header::SHA256, b"0a"),
            (header::SHA256, &[b'A'; 64]),
            (header::SHA256, &[b'a'; 65]),
            (header::CONTENT_TYPE, b"\xff"),
        ] {
            let expected = Attributes {
                malformed: vec![name],
                ..Attributes::default()
            };
            let read = Attributes::decode([(name, value)]);
            assert_eq!(read, expected, "{name}: {}", value.escape_ascii());
        }
    }

    #[test]
    fn of_a_repeated_name_the_first_value_counts() {
        for name in [
            header::ID,
            header::TYPE,
            header::FROM,
            header::HELO,
            header::PROTOCOL,
            header::TLS,
            header::DATAREF,
        ] {
            let twice = Attributes::decode([(name, &b"1"[..]), (name, b"2")]);
            let once = Attributes::decode([(name, &b"1"[..])]);
            assert_eq!(twice.malformed, [name]);
            assert_eq!(
                Attributes {
                    malformed: Vec::new(),
                    ..twice
                },
                once
            );
        }
        let to = Attributes::decode([(header::TO, &b"[\"a\"]"[..]), (header::TO, b"[\"b\"]")]);
        assert_eq!(to.rcpt_to, Some(vec!["a".to_owned()]));
        assert_eq!(to.malformed, [header::TO]);
        let bare = Attributes::decode([(header::BARE_NEWLINES, &b"true"[..]); 2]);
        assert!(bare.bare_newlines && bare.malformed == [header::BARE_NEWLINES]);
    }
}
