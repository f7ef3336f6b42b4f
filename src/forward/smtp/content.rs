//! The message as it goes over the wire.
//!
//! Owns: transparency (RFC 5321 4.5.2), what a message asks of a server, how often it has been relayed. Must not know: sockets,
//! what a server offers.
//!
//! Invariants: a server that follows RFC 5321 gets the bytes of the message back, but for a CRLF at its end if there was none; no
//! line of what goes out by DATA ends with anything but CRLF, so no server finds another end of the data in it.
//!
//! BUGS: a bare CR or a bare LF becomes CRLF where the message goes out by DATA.

use memchr::memmem;

use crate::consume::received::Received;
use crate::smtp::parameter::Body;

/// What a message asks of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// It has bytes above 127.
    pub eight_bit: bool,
    /// Its header section has, or it was given with SMTPUTF8 and so may.
    pub international: bool,
    /// Its lines are no lines (RFC 3030).
    pub binary: bool,
    /// It has a CR or a LF that is no part of a CRLF.
    pub bare_newlines: bool,
}

impl Needs {
    /// Those of a record's message.
    pub(super) fn of(record: &Received) -> Self {
        let (attributes, message) = (record.attributes(), &record.value);
        let eight_bit = !message.is_ascii();
        Self {
            eight_bit,
            international: attributes.smtputf8 && eight_bit && !header_section(message).is_ascii(),
            binary: attributes.body == Some(Body::BinaryMime),
            bare_newlines: has_bare_newline(message),
        }
    }
}

/// The header section, with the empty line after it if there is one.
fn header_section(message: &[u8]) -> &[u8] {
    match memmem::find(message, b"\r\n\r\n") {
        Some(at) => &message[..at + 4],
        None => message,
    }
}

fn has_bare_newline(message: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', message).any(|at| match message[at] {
        b'\r' => message.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || message[at - 1] != b'\r',
    })
}

/// How many `Received` fields the message has: one for each server that it came through.
pub(super) fn hops(message: &[u8]) -> usize {
    const FIELD: &[u8] = b"received:";
    let header = header_section(message);
    let lines = header.split(|&byte| byte == b'\n');
    lines
        .filter(|line| {
            line.get(..FIELD.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(FIELD))
        })
        .count()
}

/// Appends a message as it goes out by DATA, with the line that ends it.
pub(super) fn stuff(message: &[u8], bare_newlines: bool, out: &mut Vec<u8>) {
    out.reserve(message.len() + message.len() / 64 + 8);
    if bare_newlines {
        for line in lines(message) {
            stuff_line(line, out);
        }
    } else {
        stuff_lines(message, out);
    }
    out.extend_from_slice(b".\r\n");
}

/// The lines of a message in which any newline ends one.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        let newline = match rest.get(end..end + 2) {
            Some(b"\r\n") => 2,
            _ => 1,
        };
        rest = &rest[(end + newline).min(rest.len())..];
        Some(line)
    })
}

fn stuff_line(line: &[u8], out: &mut Vec<u8>) {
    if line.first() == Some(&b'.') {
        out.push(b'.');
    }
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

/// A message that has nothing but CRLF between its lines.
fn stuff_lines(message: &[u8], out: &mut Vec<u8>) {
    if message.first() == Some(&b'.') {
        out.push(b'.');
    }
    let mut from = 0;
    for at in memmem::find_iter(message, b"\r\n.") {
        out.extend_from_slice(&message[from..at + 3]);
        out.push(b'.');
        from = at + 3;
    }
    out.extend_from_slice(&message[from..]);
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server makes of it: the specification, as simple as possible.
    fn received(wire: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut rest = wire;
        loop {
            let end = memmem::find(rest, b"\r\n").expect("a line") + 2;
            let line = &rest[..end];
            rest = &rest[end..];
            if line == b".\r\n" {
                assert!(rest.is_empty(), "the end is the end");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
    }

    fn wire(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        stuff(message, has_bare_newline(message), &mut out);
        out
    }

    /// Every message of up to this many of these pieces.
    fn messages(pieces: &[&[u8]], most: u32, check: impl Fn(&[u8])) {
        for count in 0..=most {
            for number in 0..pieces.len().pow(count) {
                let mut rest = number;
                let mut message = Vec::new();
                for _ in 0..count {
                    message.extend_from_slice(pieces[rest % pieces.len()]);
                    rest /= pieces.len();
                }
                check(&message);
            }
        }
    }

    #[test]
    fn a_server_gets_the_message_back() {
        messages(&[b".", b"\r\n", b"a"], 9, |message| {
            let mut expected = message.to_vec();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            assert_eq!(
                received(&wire(message)),
                expected,
                "{}",
                message.escape_ascii()
            );
        });
    }

    #[test]
    fn no_bare_newline_goes_out_and_none_ends_the_data() {
        messages(&[b".", b"\r", b"\n", b"a"], 7, |message| {
            let wire = wire(message);
            assert!(!has_bare_newline(&wire), "{}", wire.escape_ascii());
            let lines: Vec<Vec<u8>> = lines(message).map(<[u8]>::to_vec).collect();
            let mut expected = lines.join(&b"\r\n"[..]);
            if !lines.is_empty() {
                expected.extend_from_slice(b"\r\n");
            }
            assert_eq!(received(&wire), expected, "{}", message.escape_ascii());
        });
    }

    #[test]
    fn hops_are_counted_in_the_header_section() {
        let message = b"Received: a\r\n\tby b\r\nRECEIVED:c\r\nX-Received: d\r\nSubject: x\r\n\r\nReceived: e\r\n";
        assert_eq!(hops(message), 2);
        assert_eq!(hops(b""), 0);
    }

    #[test]
    fn what_a_message_needs() {
        let needs = |headers: &[(&str, &str)], message: &[u8]| {
            let headers = headers.iter();
            Needs::of(&Received {
                headers: headers
                    .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                    .collect(),
                value: message.to_vec(),
                ..Received::default()
            })
        };
        let plain = Needs {
            eight_bit: false,
            international: false,
            binary: false,
            bare_newlines: false,
        };
        let global = ("content-type", "message/global");
        assert_eq!(needs(&[global], b"Subject: x\r\n\r\nbody\r\n"), plain);
        let eight_bit = Needs {
            eight_bit: true,
            ..plain
        };
        assert_eq!(needs(&[global], "S: x\r\n\r\nü\r\n".as_bytes()), eight_bit);
        let international = Needs {
            international: true,
            ..eight_bit
        };
        assert_eq!(
            needs(&[global], "S: ü\r\n\r\nb\r\n".as_bytes()),
            international
        );
        assert_eq!(needs(&[], "S: ü\r\n\r\nb\r\n".as_bytes()), eight_bit);
        assert!(needs(&[("ce_smtpbody", "BINARYMIME")], b"\n").binary);
        assert!(needs(&[], b"a\nb\r\n").bare_newlines);
    }
}
