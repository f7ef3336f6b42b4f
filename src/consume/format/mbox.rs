//! A record as an entry of an mbox file, and the line ends of local mail.
//!
//! Owns: mboxrd's quoting, the line before each entry. Must not know: the file.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::Timestamp;

use super::envelope::with_envelope;
use crate::consume::received::Received;

/// Writes the record as an entry of an mbox file, its envelope in front: mboxrd quoting, line feeds only, an empty line after it.
///
/// # Errors
/// What `to` returns.
pub fn mbox(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    entry(received, &with_envelope(received), to)
}

/// The same without the envelope.
///
/// # Errors
/// What `to` returns.
pub fn mbox_raw(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    entry(received, &received.value, to)
}

fn entry(received: &Received, message: &[u8], to: &mut dyn Write) -> io::Result<()> {
    let sender = mbox_sender(received.attributes().mail_from);
    let time = Timestamp::from_millisecond(received.timestamp.unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    writeln!(
        to,
        "From {sender} {}",
        time.strftime("%a %b %e %H:%M:%S %Y")
    )?;
    let message = local_line_ends(message);
    let mut rest: &[u8] = &message;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if needs_quote(line) {
            to.write_all(b">")?;
        }
        to.write_all(line)?;
        to.write_all(b"\n")?;
    }
    to.write_all(b"\n")
}

/// Whether a line is `From `, with any number of `>` in front: mboxrd quotes those too, so that reading is exact.
fn needs_quote(line: &[u8]) -> bool {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    line[quotes..].starts_with(b"From ")
}

/// The sender of a `From ` line, which is one word: `MAILER-DAEMON` for the null sender or none.
fn mbox_sender(sender: Option<&str>) -> String {
    match sender {
        None | Some("") => "MAILER-DAEMON".to_owned(),
        Some(address) => address
            .chars()
            .map(|character| {
                if character.is_whitespace() || character.is_control() {
                    '-'
                } else {
                    character
                }
            })
            .collect(),
    }
}

/// The message with the line ends of local mail: CRLF becomes LF, as MTAs deliver it; a bare CR stays.
pub fn local_line_ends(message: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(message, b"\r\n").is_none() {
        return Cow::Borrowed(message);
    }
    let mut local = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        local.extend_from_slice(&rest[..at]);
        local.push(b'\n');
        rest = &rest[at + 2..];
    }
    local.extend_from_slice(rest);
    Cow::Owned(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::format::sample::{mail, received, text};

    #[test]
    fn only_crlf_becomes_lf() {
        for (message, local) in [
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\rb\nc\r\r\n\r", "a\rb\nc\r\n\r"),
            ("\r\n", "\n"),
            ("", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(local_line_ends(message.as_bytes()), local.as_bytes());
        }
    }

    #[test]
    fn mbox_quotes_every_from_line_and_drops_carriage_returns() {
        let mut record = received();
        record.value =
            b"A: b\r\n\r\nFrom here\r\n>From there\r\n>>From\r\n From\r\nFromage\nlast".to_vec();
        assert_eq!(
            text(mbox, &record),
            "From a@example.net Tue Nov 14 22:13:20 2023\nA: b\n\n>From here\n>>From there\n>>From\n From\nFromage\nlast\n\n"
        );
    }

    #[test]
    fn mbox_has_the_envelope_in_front_unless_it_is_raw() {
        let record = mail();
        let from = "From a@example.net Tue Nov 14 22:13:20 2023\n";
        let fields = "Return-Path: <a@example.net>\nDelivered-To: b@example.com\nX-Original-To: b@example.com\n\
                      X-Ringpost-Id: 0A-1b\n";
        let message = "Subject: hi\n\nbody\n\n";
        assert_eq!(text(mbox, &record), format!("{from}{fields}{message}"));
        assert_eq!(text(mbox_raw, &record), format!("{from}{message}"));
    }

    #[test]
    fn mbox_from_line_is_three_parts_whatever_the_sender() {
        let mut record = received();
        record.timestamp = Some(1_699_228_800_000);
        record.headers = vec![("ce_smtpfrom".into(), b"\"a b\"\n@x".to_vec())];
        assert!(text(mbox, &record).starts_with("From \"a-b\"-@x Mon Nov  6 00:00:00 2023\n"));
        record.headers = vec![("ce_smtpfrom".into(), Vec::new())];
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
        record.headers.clear();
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
    }
}
