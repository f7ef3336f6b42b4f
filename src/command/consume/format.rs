//! One record in each of the text forms: JSON line, summary line, mbox entry; and the file names made from a record.
//!
//! Owns: the shape of what is printed. Must not know: where the octets go, or how the record was read.
//! Invariants: a JSON line and a summary line hold exactly one line feed, their last octet, whatever the record holds.
//! BUGS: a foreign record can carry another record's `ce_id` and so take its `.eml` name. The summary decodes only the character sets that mail-parser is built with; others show replacement characters.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// A record as it was read, free of the client library's types.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The topic it was read from.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// The record's key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Kafka's timestamp in milliseconds since the epoch, if the record has one.
    pub timestamp: Option<i64>,
    /// The headers in their order; a header without a value has an empty one.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The message; empty where the record has no value.
    pub value: Vec<u8>,
}

impl Received {
    /// The first header of this name as text; what is not UTF-8 is replaced.
    fn header(&self, name: &str) -> Option<String> {
        self.headers_named(name).next()
    }

    fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.headers
            .iter()
            .filter(move |(have, _)| have == name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// The object of a JSON line; the order of the fields is the order in the line.
#[derive(Serialize)]
struct JsonLine<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    key: Option<String>,
    timestamp: Option<i64>,
    mail_from: Option<String>,
    rcpt_to: Vec<String>,
    headers: Map<String, Value>,
    size: usize,
    message_base64: String,
}

/// Writes the record as one JSON object and a line feed.
///
/// # Errors
/// What `to` returns.
pub fn json(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let line = JsonLine {
        topic: &received.topic,
        partition: received.partition,
        offset: received.offset,
        key: received
            .key
            .as_ref()
            .map(|key| String::from_utf8_lossy(key).into_owned()),
        timestamp: received.timestamp,
        mail_from: received.header("smtp_from"),
        rcpt_to: received.headers_named("smtp_to").collect(),
        headers: json_headers(&received.headers),
        size: received.value.len(),
        message_base64: STANDARD.encode(&received.value),
    };
    serde_json::to_writer(&mut *to, &line).map_err(io::Error::from)?;
    to.write_all(b"\n")
}

/// Every header; a name that is repeated has an array. `smtp_to` always has one, so that its type does not depend on
/// how many recipients a mail has.
fn json_headers(headers: &[(String, Vec<u8>)]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in headers {
        let value = Value::String(String::from_utf8_lossy(value).into_owned());
        match object.get_mut(name) {
            None if name == "smtp_to" => {
                object.insert(name.clone(), Value::Array(vec![value]));
            }
            None => {
                object.insert(name.clone(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(single) => {
                let first = single.take();
                *single = Value::Array(vec![first, value]);
            }
        }
    }
    object
}

/// Writes one line for a person: `partition:offset time size from → to subject`.
///
/// # Errors
/// What `to` returns.
pub fn summary(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let place = format!("{}:{}", received.partition, received.offset);
    let from = match received.header("smtp_from") {
        None => "-".to_owned(),
        Some(empty) if empty.is_empty() => "<>".to_owned(),
        Some(address) => escaped(&address),
    };
    writeln!(
        to,
        "{place:<10} {time:<20} {size:>9} {from:<28} → {recipients:<32} {subject}",
        time = rfc3339(received.timestamp),
        size = received.value.len(),
        recipients = recipients(received),
        subject = subject(&received.value),
    )
}

/// The first recipient, and how many there are beside it.
fn recipients(received: &Received) -> String {
    let mut all = received.headers_named("smtp_to");
    let Some(first) = all.next() else {
        return "-".to_owned();
    };
    match all.count() {
        0 => escaped(&first),
        more => format!("{} +{more}", escaped(&first)),
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

/// The text with everything escaped that could steer a terminal or turn the reading direction: mail is written by
/// strangers, and a summary is read on a terminal.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || steers_text(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Line and paragraph separators, and the marks that change the direction of text.
fn steers_text(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn rfc3339(milliseconds: Option<i64>) -> String {
    milliseconds
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .map_or_else(
            || "-".to_owned(),
            |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
}

/// Writes the record as an entry of an mbox file: mboxrd quoting, line feeds only, an empty line behind it.
///
/// # Errors
/// What `to` returns.
pub fn mbox(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let sender = mbox_sender(received.header("smtp_from").as_deref());
    let time = Timestamp::from_millisecond(received.timestamp.unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    writeln!(
        to,
        "From {sender} {}",
        time.strftime("%a %b %e %H:%M:%S %Y")
    )?;
    let mut rest = received.value.as_slice();
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
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
    let quotes = line.iter().take_while(|octet| **octet == b'>').count();
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

/// The name of the record's `.eml` file: its `ce_id`, or `topic-partition-offset` where that is missing.
///
/// An id that is no file name is made one, and the record's place added to keep such ids apart. A repeat of the same id
/// takes the same file: that is the produce retry which consumers drop.
pub fn eml_name(received: &Received) -> String {
    const ID_OCTETS_MAX: usize = 120;
    let place = format!(
        "{}-{}-{}",
        received.topic, received.partition, received.offset
    );
    let id = received.header("ce_id").unwrap_or_default();
    if id.is_empty() {
        return format!("{place}.eml");
    }
    let safe = file_name(&id, ID_OCTETS_MAX);
    if safe == id {
        format!("{safe}.eml")
    } else {
        format!("{safe}-{place}.eml")
    }
}

/// Letters, digits, `-`, `_` and dots that are not the first; all else becomes `_`.
fn file_name(text: &str, octets_max: usize) -> String {
    text.chars()
        .take(octets_max)
        .enumerate()
        .map(|(at, character)| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
            '.' if at > 0 => character,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received() -> Received {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Received {
            topic: "mail".into(),
            partition: 3,
            offset: 42,
            key: None,
            timestamp: Some(1_700_000_000_123),
            headers: vec![
                header("ce_id", "0A-1b"),
                header("smtp_from", "a@example.net"),
                header("smtp_to", "b@example.com"),
            ],
            value: b"Subject: hi\r\n\r\nbody\r\n".to_vec(),
        }
    }

    fn text(write: fn(&Received, &mut dyn Write) -> io::Result<()>, received: &Received) -> String {
        let mut out = Vec::new();
        write(received, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_line_has_the_contracts_fields_in_order() {
        assert_eq!(
            text(json, &received()),
            concat!(
                r#"{"topic":"mail","partition":3,"offset":42,"key":null,"timestamp":1700000000123,"#,
                r#""mail_from":"a@example.net","rcpt_to":["b@example.com"],"headers":{"ce_id":"0A-1b","#,
                r#""smtp_from":"a@example.net","smtp_to":["b@example.com"]},"size":21,"#,
                r#""message_base64":"U3ViamVjdDogaGkNCg0KYm9keQ0K"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn json_repeats_become_arrays_and_any_octets_are_taken() {
        let mut record = received();
        record.key = Some(b"k\xff".to_vec());
        for value in ["1", "2", "3"] {
            record.headers.push(("x".into(), value.into()));
        }
        record.headers.push(("smtp_to".into(), b"c@x\n".to_vec()));
        record.value = vec![0, 255, b'\n'];
        let line = text(json, &record);
        assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["key"], "k\u{fffd}");
        assert_eq!(object["headers"]["x"], serde_json::json!(["1", "2", "3"]));
        assert_eq!(
            object["rcpt_to"],
            serde_json::json!(["b@example.com", "c@x\n"])
        );
        assert_eq!(object["rcpt_to"], object["headers"]["smtp_to"]);
        assert_eq!(object["message_base64"], "AP8K");
    }

    #[test]
    fn json_of_a_foreign_record_has_nulls_and_an_empty_list() {
        let object: Value = serde_json::from_str(&text(json, &Received::default())).unwrap();
        assert_eq!(object["mail_from"], Value::Null);
        assert_eq!(object["timestamp"], Value::Null);
        assert_eq!(object["rcpt_to"], serde_json::json!([]));
        assert_eq!(object["headers"], serde_json::json!({}));
        assert_eq!(object["size"], 0);
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
    fn mbox_from_line_is_three_parts_whatever_the_sender() {
        let mut record = received();
        record.timestamp = Some(1_699_228_800_000);
        record.headers = vec![("smtp_from".into(), b"\"a b\"\n@x".to_vec())];
        assert!(text(mbox, &record).starts_with("From \"a-b\"-@x Mon Nov  6 00:00:00 2023\n"));
        record.headers = vec![("smtp_from".into(), Vec::new())];
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
        record.headers.clear();
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
    }

    #[test]
    fn summary_is_one_line_decoded_and_escaped() {
        let mut record = received();
        record.headers.push(("smtp_to".into(), b"c@x".to_vec()));
        record.headers.push(("smtp_to".into(), b"d@x".to_vec()));
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
    fn summary_escapes_the_envelope_too() {
        let mut record = received();
        record.headers = vec![
            ("smtp_from".into(), b"a\x1b]0;x\x07".to_vec()),
            ("smtp_to".into(), b"b\r\nc".to_vec()),
        ];
        let line = text(summary, &record);
        assert!(
            !line.trim_end_matches('\n').chars().any(char::is_control),
            "{line:?}"
        );
        assert!(text(summary, &Received::default()).contains("- "));
    }

    #[test]
    fn eml_names_stay_inside_the_folder_and_do_not_collide() {
        let named = |id: &str| {
            let mut record = received();
            record.headers = vec![("ce_id".into(), id.into())];
            eml_name(&record)
        };
        assert_eq!(named("0A-1b"), "0A-1b.eml");
        assert_eq!(named(""), "mail-3-42.eml");
        assert_eq!(named("../../etc/passwd"), "_._.._etc_passwd-mail-3-42.eml");
        assert_eq!(named(".hidden"), "_hidden-mail-3-42.eml");
        assert!(named(&"x".repeat(4000)).len() < 255 - 16);
        assert_eq!(eml_name(&Received::default()), "-0-0.eml");
    }
}
