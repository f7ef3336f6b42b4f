//! Messages that are made up: a header, and a body that brings a message to an exact size.
//!
//! Must not know transparency, chunks or numbers. Invariants: a message has exactly the size that was asked for; lines of
//! text have at most 78 bytes (RFC 5322 section 2.1.1) and end with CRLF.
//!
//! # BUGS
//! - The Date is that of the start of the run.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::options::shape::Body;

/// Bytes of a line without its CRLF, RFC 5322 section 2.1.1.
const LINE: usize = 78;
/// Bytes of a line of base64 without its CRLF, RFC 2045 section 6.8.
const BASE64_LINE: usize = 76;
/// In each group of this many lines of the body, one starts with a dot, one is a dot alone, one starts with two dots.
const DOT_PERIOD: usize = 12;

/// What the header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    /// Names the run.
    pub run: &'a str,
    /// Sender; empty for the null sender.
    pub from: &'a str,
    /// First recipient.
    pub to: &'a str,
    /// When the run began.
    pub date: Timestamp,
}

/// The header alone is larger than the size that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSmall {
    /// The smallest size, without the fields that name a message.
    pub smallest: usize,
}

/// Bytes of the smallest message, without the fields that name it.
pub(super) fn smallest(header: &Header, body: Body) -> usize {
    header_text(header, body, 0).len()
}

/// A message of `size` bytes, without the fields that name it.
pub(super) fn message(header: &Header, body: Body, size: usize) -> Result<Vec<u8>, TooSmall> {
    let smallest = smallest(header, body);
    // A body of one byte cannot end with CRLF: that byte goes into the Subject.
    let padding = usize::from(size == smallest + 1);
    let mut message = header_text(header, body, padding).into_bytes();
    if size < message.len() {
        return Err(TooSmall { smallest });
    }
    match body {
        Body::Binary => fill_binary(&mut message, size),
        Body::SevenBit => fill_lines(&mut message, size, LINE, line_text),
        Body::EightBit => fill_lines(&mut message, size, LINE, line_of_accents),
        Body::Base64 => {
            let mut bytes = noise();
            fill_lines(&mut message, size, BASE64_LINE, |_, length| {
                line_of_base64(&mut bytes, length)
            });
        }
    }
    assert!(
        message.len() == size,
        "the message has the size that was asked for"
    );
    Ok(message)
}

fn header_text(header: &Header, body: Body, padding: usize) -> String {
    let from = if header.from.is_empty() {
        "loadtest@ringpost.example"
    } else {
        header.from
    };
    let mut text = String::new();
    write!(
        text,
        "From: <{from}>\r\nTo: <{}>\r\nSubject: load test {}{}\r\nDate: {}\r\n",
        header.to,
        header.run,
        "x".repeat(padding),
        date_text(header.date),
    )
    .expect("a String takes everything");
    text.push_str(match body {
        Body::SevenBit => "\r\n",
        Body::EightBit => {
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n"
        }
        Body::Base64 => {
            "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        }
        Body::Binary => {
            "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n"
        }
    });
    text
}

/// Lines of at most `longest` bytes and CRLF up to `size`; `line` makes the one with this number, of this length at most.
fn fill_lines(
    message: &mut Vec<u8>,
    size: usize,
    longest: usize,
    mut line: impl FnMut(usize, usize) -> Vec<u8>,
) {
    let mut number = 0;
    while message.len() < size {
        let rest = size - message.len();
        assert!(rest >= 2, "room for a CRLF is left");
        let mut length = (rest - 2).min(longest);
        // Never leave one byte: no line is that short.
        if rest - 2 - length == 1 {
            length -= 1;
        }
        message.extend_from_slice(&line(number, length));
        message.extend_from_slice(b"\r\n");
        number += 1;
    }
}

/// Line `number` of the body, at most `length` bytes; lines differ, so that a lost or moved line shows.
fn line_text(number: usize, length: usize) -> Vec<u8> {
    let dots = match number % DOT_PERIOD {
        1 => ".",
        4 => "..",
        // The line that a server must not take for the end. Not where it would leave a single byte.
        7 if length == LINE => return b".".to_vec(),
        _ => "",
    };
    let mut line = format!("{dots}{number:07} ").into_bytes();
    line.extend((b'a'..=b'z').cycle().skip(number % 26).take(LINE));
    line.truncate(length);
    line
}

/// The same; every third letter becomes one with an accent (ISO 8859-1).
fn line_of_accents(number: usize, length: usize) -> Vec<u8> {
    let mut line = line_text(number, length);
    for byte in line
        .iter_mut()
        .step_by(3)
        .filter(|byte| byte.is_ascii_lowercase())
    {
        *byte = *byte - b'a' + 0xE0;
    }
    line
}

/// What an attachment looks like: no line starts with a dot, and nothing compresses below three quarters.
fn line_of_base64(bytes: &mut impl Iterator<Item = u8>, length: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = bytes.map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()]);
    letters.take(length).collect()
}

/// Any bytes, the same each time, including what ends a line or the data elsewhere.
fn fill_binary(message: &mut Vec<u8>, size: usize) {
    const TRAPS: &[u8] = b"\r\n.\r\n\n.\n\r.\r\0\r\n.\n\n.\r\n";
    let room = size - message.len();
    message.extend_from_slice(&TRAPS[..TRAPS.len().min(room)]);
    let room = size - message.len();
    message.extend(noise().take(room));
}

/// xorshift64: bytes that do not compress, the same each time.
fn noise() -> impl Iterator<Item = u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
}

/// RFC 5322 section 3.3, in UTC.
pub(crate) fn date_text(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        run: "0123456789abcdef",
        from: "a@x.example",
        to: "b@x.example",
        date: Timestamp::constant(1_000_000_000, 0),
    };

    #[test]
    fn a_message_has_exactly_its_size() {
        for body in [Body::SevenBit, Body::EightBit, Body::Base64, Body::Binary] {
            let smallest = smallest(&HEADER, body);
            let refusal = Err(TooSmall { smallest });
            assert_eq!(message(&HEADER, body, smallest - 1), refusal);
            for size in (smallest..smallest + 1200).chain([4096, 65_536, 1 << 20]) {
                let message = message(&HEADER, body, size).expect("large enough");
                assert_eq!(message.len(), size);
                if body == Body::Binary {
                    continue;
                }
                for line in message.split_inclusive(|byte| *byte == b'\n') {
                    assert!(
                        line.ends_with(b"\r\n") && line.len() <= LINE + 2,
                        "size {size}"
                    );
                    assert!(!line[..line.len() - 2].contains(&b'\r'));
                }
            }
        }
    }

    #[test]
    fn bodies_hold_what_they_are_for() {
        let has = |bytes: &[u8], part: &[u8]| memchr::memmem::find(bytes, part).is_some();
        let text = message(&HEADER, Body::SevenBit, 4096).expect("fits");
        assert!(
            has(&text, b"\r\n.0000001 ")
                && has(&text, b"\r\n..0000004 ")
                && has(&text, b"\r\n.\r\n")
        );
        assert!(text.is_ascii());
        let accents = message(&HEADER, Body::EightBit, 4096).expect("fits");
        assert!(accents.iter().filter(|byte| **byte > 127).count() > 500);
        let attachment = message(&HEADER, Body::Base64, 4096).expect("fits");
        assert!(attachment.is_ascii() && !has(&attachment, b"\r\n."));
        let binary = message(&HEADER, Body::Binary, 4096).expect("fits");
        assert!(has(&binary, b"\r\n.\r\n") && has(&binary, b"\n.\n") && has(&binary, b"\0"));
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        let of = |seconds| date_text(Timestamp::constant(seconds, 0));
        assert_eq!(of(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(of(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(of(1_000_000_000), "Sun, 09 Sep 2001 01:46:40 +0000");
        assert_eq!(of(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 +0000");
        assert_eq!(of(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 +0000");
    }
}
