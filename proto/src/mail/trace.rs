//! The Received field (RFC 5321 4.4), and what stands between it and the message.
//!
//! Owns: their form. Must not know: the clock; the date comes in as text.
//!
//! A client chooses its name in EHLO, its recipients and its message, and none of these may change what the field says to any
//! parser of header fields:
//!
//! - The name stands in the field only as a domain (a U-label as its A-label) or an address literal. Any other name is written
//!   percent-encoded in a comment, and the client's address in its place: `from [192.0.2.1] (helo=a%3Bb)`.
//! - A recipient is named only where it is alone and its local-part is a plain dot-string.
//! - A message that begins with neither a field nor an empty line gets an empty line in front, as Postfix does it: the header
//!   section is ours alone, and the message is the body. Parsers would take a blank, a tab and whatever else they hold for one
//!   as a continuation of our field, and text without a colon they drop, or refuse the whole mail for it. [`end_section`] makes
//!   room for the line by folding the field once less.
//!
//! Invariant: the message follows the field octet by octet as it was sent, so it is the last `ce_smtpsize` octets.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::BytesMut;

use super::date::RFC5322_LENGTH;
use super::envelope::Envelope;
use super::id::QueueId;
use crate::smtp::address::{is_address_literal, is_strict_dot_string};
use crate::smtp::domain;

/// A field begins within the first line, which has at most this many octets before its CRLF (RFC 5322 2.1.1).
const LINE_OCTETS_MOST: usize = 998;

/// What stands before the date, and what may stand there in its place.
const FOLD: &[u8] = b";\r\n\t";
const NO_FOLD: &[u8] = b"; ";

/// Writes the field of one mail to the end of `body`, CRLF at its end. `date` is in the form of RFC 5322 3.3.
pub fn write(
    body: &mut BytesMut,
    envelope: &Envelope<'_>,
    hostname: &str,
    id: QueueId,
    date: &str,
) {
    assert_eq!(
        date.len(),
        RFC5322_LENGTH,
        "`end_section` finds the date by its length"
    );
    assert!(!hostname.is_empty(), "a server has a name");
    let mut put = |text: &str| body.extend_from_slice(text.as_bytes());
    put("Received: from ");
    let literal = envelope.client.literal();
    match written_name(envelope.helo) {
        Some(name) => {
            put(&name);
            put(" (");
            literal.into_iter().for_each(&mut put);
            put(")");
        }
        None => {
            literal.into_iter().for_each(&mut put);
            put(" (helo=");
            put(&percent_encoded(envelope.helo));
            put(")");
        }
    }
    put("\r\n\tby ");
    put(hostname);
    put(" with ");
    put(envelope.protocol);
    put(" id ");
    body.extend_from_slice(id.as_bytes());
    let mut put = |text: &str| body.extend_from_slice(text.as_bytes());
    if let [one] = envelope.recipients
        && is_strict_dot_string(one.local_part())
    {
        put("\r\n\tfor <");
        put(one.as_str());
        put(">");
    }
    put(";\r\n\t");
    put(date);
    put("\r\n");
}

/// The client's name as a domain or address literal, if it is one.
fn written_name(helo: &str) -> Option<Cow<'_, str>> {
    if helo.is_ascii() {
        let known = domain::is_domain(helo.as_bytes()) || is_address_literal(helo.as_bytes());
        return known.then_some(Cow::Borrowed(helo));
    }
    domain::is_domain(helo.as_bytes()).then(|| domain::normal(helo))
}

/// A name with all octets but letters, digits and a few harmless signs as `%` and their hexadecimal number.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            write!(encoded, "%{octet:02X}").expect("a String takes every write");
        }
    }
    encoded
}

/// Ends the header section after the field, which is the first `field` octets of `value`, unless what follows begins with its
/// own field or an empty line. The length stays the same.
///
/// # Panics
/// If the field is not one that [`write()`] wrote.
pub fn end_section(value: &mut [u8], field: usize) {
    let (field, message) = value.split_at_mut(field);
    if field.is_empty() || message.is_empty() || continues_section(message) {
        return;
    }
    let date = field.len() - 2 - RFC5322_LENGTH;
    let from = date - FOLD.len();
    assert_eq!(&field[from..date], FOLD, "the date stands on its own line");
    field.copy_within(date.., from + NO_FOLD.len());
    field[from..from + NO_FOLD.len()].copy_from_slice(NO_FOLD);
    let end = field.len() - 2;
    field[end..].copy_from_slice(b"\r\n");
}

/// Whether a message begins with a field or an empty line, so that it goes on, or ends, the header section before it. A bare
/// CR or LF is no empty line: some parsers see one there, and some a blank.
///
/// The line `From ` of a mailbox file is let through in front of the fields that it stands before in the file; parsers know it.
pub fn continues_section(message: &[u8]) -> bool {
    let line = &message[..message.len().min(LINE_OCTETS_MOST)];
    if line.starts_with(b"\r\n") {
        return true;
    }
    let ends_name = |octet: &u8| matches!(octet, b':' | b'\r' | b'\n');
    let Some(end) = line.iter().position(ends_name) else {
        return false;
    };
    let name = &line[..end];
    let of_mailbox = name.starts_with(b"From ") || name.starts_with(b">From ");
    line[end] == b':' && (of_mailbox || is_field_name(name))
}

/// Whether parsers take it for a name (RFC 5322 2.2, with the blanks after it of 4.5, and none at all). UTF-8 may stand in it,
/// but not at its beginning, where U+FEFF and U+00A0 are blanks to some.
fn is_field_name(name: &[u8]) -> bool {
    let visible = |octet: &u8| !octet.is_ascii_control() && *octet != b' ';
    let blanks = name.iter().rev().take_while(|octet| b" \t".contains(octet));
    let (visibles, _) = name.split_at(name.len() - blanks.count());
    visibles.iter().all(visible) && name.first().is_none_or(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::envelope::Client;
    use crate::mail::id::Generator;
    use crate::smtp::address::{self, Mailbox};
    use crate::smtp::parameter::Body;

    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 +0000";

    fn field(helo: &str, recipients: &[&str]) -> String {
        let recipients: Vec<Mailbox> = recipients
            .iter()
            .map(|text| address::mailbox(text.as_bytes()).unwrap())
            .collect();
        let client = Client::new("192.0.2.1:4711".parse().unwrap());
        let envelope = Envelope {
            reverse_path: "a@b.example",
            recipients: &recipients,
            helo,
            client: &client,
            protocol: "ESMTP",
            tls: None,
            body: Body::SevenBit,
            smtputf8: false,
        };
        let mut body = BytesMut::new();
        let id = Generator::new(1).next(0);
        write(&mut body, &envelope, "mx.example", id, DATE);
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn the_field_has_its_form() {
        let id = Generator::new(1).next(0);
        assert_eq!(
            field("client.example", &["x@mx.example"]),
            format!(
                "Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTP id {id}\r\n\tfor \
                 <x@mx.example>;\r\n\t{DATE}\r\n"
            )
        );
    }

    #[test]
    fn no_name_changes_what_the_field_says() {
        for (helo, written) in [
            ("client.example.", "from client.example. ([192.0.2.1])"),
            ("under_score", "from under_score ([192.0.2.1])"),
            (
                "[IPv6:2001:db8::1]",
                "from [IPv6:2001:db8::1] ([192.0.2.1])",
            ),
            (
                "b\u{fc}cher.example",
                "from xn--bcher-kva.example ([192.0.2.1])",
            ),
            ("a;b", "from [192.0.2.1] (helo=a%3Bb)"),
            ("My Printer", "from [192.0.2.1] (helo=My%20Printer)"),
            (
                "x) by evil.example; (",
                "from [192.0.2.1] (helo=x%29%20by%20evil.example%3B%20%28)",
            ),
            ("[192.0.2.999]", "from [192.0.2.1] (helo=[192.0.2.999])"),
            ("\"q\\", "from [192.0.2.1] (helo=%22q%5C)"),
            ("a\u{200b}b", "from [192.0.2.1] (helo=a%E2%80%8Bb)"),
            ("\u{fffd}", "from [192.0.2.1] (helo=%EF%BF%BD)"),
            ("a,b@c", "from [192.0.2.1] (helo=a%2Cb%40c)"),
        ] {
            let field = field(helo, &["x@mx.example", "y@mx.example"]);
            assert!(field.is_ascii(), "{field}");
            assert_eq!(field.matches(';').count(), 1, "{field}");
            let first = field.lines().next().unwrap();
            assert_eq!(first, format!("Received: {written}"));
        }
    }

    #[test]
    fn a_recipient_is_named_where_nobody_can_read_it_wrong() {
        for (recipient, named) in [
            ("a.b+c@mx.example", true),
            ("\"a;b\"@mx.example", false),
            ("a..b@mx.example", false),
            ("a.@mx.example", false),
            ("postmaster", true),
            ("j\u{f6}rg@mx.example", true),
            ("a\u{85}b@mx.example", false),
            ("a\u{2028}b@mx.example", false),
        ] {
            let field = field("c.example", &[recipient]);
            assert_eq!(
                field.contains(&format!("for <{recipient}>;")),
                named,
                "{field}"
            );
        }
    }

    #[test]
    fn what_is_no_field_stands_behind_an_empty_line() {
        let field = field("c.example", &["x@mx.example"]);
        let shorter = field.replace(";\r\n\t", "; ");
        for message in [
            "Subject: x\r\n\r\nbody",
            "",
            "\r\n body",
            "From: x",
            "X-\u{fc}: x",
            "Subject \t: x",
            ":\r\n",
            "~:",
            "From a@b Thu Jan  1 00:00:00 2026\r\nFrom: x",
            ">From a@b Thu Jan  1 00:00:00 2026\r\nFrom: x",
        ] {
            let mut value = format!("{field}{message}").into_bytes();
            end_section(&mut value, field.len());
            assert_eq!(
                value,
                format!("{field}{message}").into_bytes(),
                "{message:?}"
            );
        }
        for message in [
            &b" ; Mon, 1 Jan 1990 00:00:00 +0000\r\n"[..],
            b"\tFrom: x",
            b" ",
            b"\x0bx",
            b"\x0cx",
            b"\0",
            b"\x7f",
            b"\xef\xbb\xbfFrom: x",
            b"\x85x",
            b"\xa0x",
            b"\xc2\xa0x: y",
            b"body",
            b"body\r\nSubject: x\r\n",
            b"body ; Thu, 1 Jan 1990",
            b"two words: x",
            b"a\tb: x",
            b"a\0: x",
            b"From \r\nSubject: x",
            b" : x",
            b"\r x: y\r\n",
            b"\n x: y\r\n",
            b"a\rb: y\r\n",
            b"\r",
            b".",
            &[&[b'x'; LINE_OCTETS_MOST][..], b":"].concat(),
        ] {
            let mut value = [field.as_bytes(), message].concat();
            end_section(&mut value, field.len());
            assert_eq!(value, [shorter.as_bytes(), b"\r\n", message].concat());
        }
        let mut alone = b" x".to_vec();
        end_section(&mut alone, 0);
        assert_eq!(alone, b" x", "without a field there is nothing to continue");
    }
}
