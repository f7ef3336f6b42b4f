//! Messages that are made up: a header, and a body that brings a message to an exact size.
//!
//! Must not know transparency, chunks or numbers. Invariants: a message has exactly the size that was asked for; lines of
//! text have at most 78 octets (RFC 5322 section 2.1.1) and end with CRLF.
//!
//! # BUGS
//! - The Date is that of the start of the run.

use std::fmt::Write as _;

use crate::options::shape::Body;

/// Octets of a line without its CRLF, RFC 5322 section 2.1.1.
const LINE: usize = 78;
/// Octets of a line of base64 without its CRLF, RFC 2045 section 6.8.
const BASE64_LINE: usize = 76;
/// Each so many lines of the body, one starts with a dot, one is a dot alone, one starts with two dots.
const DOT_PERIOD: usize = 12;

/// What the header says.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// Names the run.
    pub run: &'a str,
    /// Sender; empty for the null sender.
    pub from: &'a str,
    /// First recipient.
    pub to: &'a str,
    /// Seconds since 1970.
    pub date: u64,
}

/// A message of `size` octets, without the fields that name it. The error is the smallest size.
pub fn message(header: &Header, body: Body, size: usize) -> Result<Vec<u8>, usize> {
    let smallest = header_text(header, body, 0).len();
    // A body of one octet cannot end with CRLF: that octet goes into the Subject.
    let padding = usize::from(size == smallest + 1);
    let mut message = header_text(header, body, padding).into_bytes();
    if size < message.len() {
        return Err(smallest);
    }
    match body {
        Body::Binary => fill_binary(&mut message, size),
        Body::SevenBit => fill_lines(&mut message, size, LINE, line_text),
        Body::EightBit => fill_lines(&mut message, size, LINE, line_of_accents),
        Body::Base64 => {
            let mut octets = octets();
            fill_lines(&mut message, size, BASE64_LINE, |_, length| {
                line_of_base64(&mut octets, length)
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

/// Lines of at most `longest` octets and CRLF up to `size`; `line` makes the one with this number, of this length at most.
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
        // Never leave one octet: no line is that short.
        if rest - 2 - length == 1 {
            length -= 1;
        }
        message.extend_from_slice(&line(number, length));
        message.extend_from_slice(b"\r\n");
        number += 1;
    }
}

/// Line `number` of the body, at most `length` octets; lines differ, so that a lost or moved one would show.
fn line_text(number: usize, length: usize) -> Vec<u8> {
    let dots = match number % DOT_PERIOD {
        1 => ".",
        4 => "..",
        // The line that a server must not take for the end. Not where it would leave one octet behind.
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
    for octet in line
        .iter_mut()
        .step_by(3)
        .filter(|octet| octet.is_ascii_lowercase())
    {
        *octet = *octet - b'a' + 0xE0;
    }
    line
}

/// What an attachment looks like: no line starts with a dot, and nothing compresses below three quarters.
fn line_of_base64(octets: &mut impl Iterator<Item = u8>, length: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = octets.map(|octet| ALPHABET[usize::from(octet) % ALPHABET.len()]);
    letters.take(length).collect()
}

/// Any octets, the same each time; among them what ends a line or the data elsewhere.
fn fill_binary(message: &mut Vec<u8>, size: usize) {
    const TRAPS: &[u8] = b"\r\n.\r\n\n.\n\r.\r\0\r\n.\n\n.\r\n";
    let room = size - message.len();
    message.extend_from_slice(&TRAPS[..TRAPS.len().min(room)]);
    let room = size - message.len();
    message.extend(octets().take(room));
}

/// xorshift64: any octets that no codec has reason to keep will do, the same each time.
fn octets() -> impl Iterator<Item = u8> {
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
pub fn date_text(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} +0000",
        DAYS[(days % 7) as usize],
        MONTHS[month]
    )
}

/// Year, month from 0, day from 1, of a day counted from 1 January 1970.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        run: "0123456789abcdef",
        from: "a@x.example",
        to: "b@x.example",
        date: 1_000_000_000,
    };

    #[test]
    fn a_message_has_exactly_its_size() {
        for body in [Body::SevenBit, Body::EightBit, Body::Base64, Body::Binary] {
            let smallest = message(&HEADER, body, 1).expect_err("too small");
            assert_eq!(message(&HEADER, body, smallest - 1), Err(smallest));
            for size in (smallest..smallest + 1200).chain([4096, 65_536, 1 << 20]) {
                let message = message(&HEADER, body, size).expect("large enough");
                assert_eq!(message.len(), size);
                if body == Body::Binary {
                    continue;
                }
                for line in message.split_inclusive(|octet| *octet == b'\n') {
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
        let has = |octets: &[u8], part: &[u8]| memchr::memmem::find(octets, part).is_some();
        let text = message(&HEADER, Body::SevenBit, 4096).expect("fits");
        assert!(
            has(&text, b"\r\n.0000001 ")
                && has(&text, b"\r\n..0000004 ")
                && has(&text, b"\r\n.\r\n")
        );
        assert!(text.is_ascii());
        let accents = message(&HEADER, Body::EightBit, 4096).expect("fits");
        assert!(accents.iter().filter(|octet| **octet > 127).count() > 500);
        let attachment = message(&HEADER, Body::Base64, 4096).expect("fits");
        assert!(attachment.is_ascii() && !has(&attachment, b"\r\n."));
        let binary = message(&HEADER, Body::Binary, 4096).expect("fits");
        assert!(has(&binary, b"\r\n.\r\n") && has(&binary, b"\n.\n") && has(&binary, b"\0"));
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        assert_eq!(date_text(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date_text(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date_text(1_000_000_000), "Sun, 09 Sep 2001 01:46:40 +0000");
        assert_eq!(date_text(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 +0000");
        assert_eq!(date_text(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 +0000");
    }
}
