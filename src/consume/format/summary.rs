//! A record as one line for a person.
//!
//! Owns: its columns, and what of a mail may reach a terminal. Must not know: where the line goes.
//!
//! Invariant: a line holds exactly one line feed, its last byte, whatever the record holds.
//!
//! BUGS: only the character sets that mail-parser is built with are decoded; others show replacement characters.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::consume::line::escaped;
use crate::consume::received::Received;

/// What is above the columns on a terminal.
pub fn summary_heading() -> String {
    let [place, time, id, size, from, to] = ["place", "time", "id", "size", "from", "to"];
    format!("{place:<10} {time:<20} {id:<26} {size:>9} {from:<28}   {to:<32} subject\n")
}

/// Writes one line for a person: `partition:offset time id size from → to subject`.
///
/// # Errors
/// What `to` returns.
pub fn summary(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let place = format!("{}:{}", received.partition, received.offset);
    let attributes = received.attributes();
    let from = match attributes.mail_from {
        None => "-".to_owned(),
        Some("") => "<>".to_owned(),
        Some(address) => escaped(address),
    };
    writeln!(
        to,
        "{place:<10} {time:<20} {id:<26} {size:>9} {from:<28} → {recipients:<32} {subject}",
        time = rfc3339(received.timestamp),
        id = attributes.id.map_or_else(|| "-".to_owned(), escaped),
        size = received.value.len(),
        recipients = recipients(&attributes.rcpt_to.unwrap_or_default()),
        subject = subject(&received.value),
    )
}

/// The first recipient, and how many there are beside it.
fn recipients(all: &[String]) -> String {
    match all {
        [] => "-".to_owned(),
        [only] => escaped(only),
        [first, more @ ..] => format!("{} +{}", escaped(first), more.len()),
    }
}

/// The decoded subject, escaped; `-` where there is none.
fn subject(message: &[u8]) -> String {
    // Enough for every real header section; a larger one only loses its subject in the summary.
    const HEADER_OCTETS_MAX: usize = 256 * 1024;
    let head = &message[..message.len().min(HEADER_OCTETS_MAX)];
    mail_parser::MessageParser::default()
        .parse_headers(head)
        .and_then(|parsed| parsed.subject().map(escaped))
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "-".to_owned())
}

fn rfc3339(milliseconds: Option<i64>) -> String {
    milliseconds
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .map_or_else(
            || "-".to_owned(),
            |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::format::sample::{received, text};

    #[test]
    fn summary_is_one_line_decoded_and_escaped() {
        let mut record = received();
        record.headers[2].1 = br#"["b@example.com","c@x","d@x"]"#.to_vec();
        // "grün", then ESC [ 2 J and a right-to-left override, hidden in an encoded word (RFC 2047 section 4.1).
        record.value = b"Subject: =?utf-8?Q?gr=C3=BCn=1B[2J=E2=80=AE?=\r\n\r\nx".to_vec();
        let line = text(summary, &record);
        assert!(
            line.starts_with("3:42       2023-11-14T22:13:20Z "),
            "{line}"
        );
        assert!(line.contains("a@example.net"), "{line}");
        assert!(line.contains("→ b@example.com +2 "), "{line}");
        assert!(line.ends_with("grün\\u{1b}[2J\\u{202e}\n"), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn the_heading_is_above_its_columns() {
        let (heading, line) = (summary_heading(), text(summary, &received()));
        let column = |text: &str, word: &str| {
            let at = text.find(word).unwrap();
            text[..at].chars().count()
        };
        for (above, below) in [
            ("place", "3:42"),
            ("time", "2023-"),
            ("id", "0A-1b"),
            ("from", "a@example.net"),
            ("to", "b@example.com"),
            ("subject", "hi\n"),
        ] {
            assert_eq!(column(&heading, above), column(&line, below), "{above}");
        }
    }

    #[test]
    fn summary_escapes_the_envelope_too() {
        let mut record = received();
        record.headers = vec![
            ("ce_smtpfrom".into(), b"a\x1b]0;x\x07".to_vec()),
            ("ce_smtpto".into(), br#"["b\r\nc\u001b"]"#.to_vec()),
        ];
        let line = text(summary, &record);
        assert!(
            !line.trim_end_matches('\n').chars().any(char::is_control),
            "{line:?}"
        );
        assert!(text(summary, &Received::default()).contains("- "));
    }
}
