//! One record in each of the text forms: JSON line, summary line, mbox entry; and the file names made from a record.
//!
//! Owns: the shape of what is printed. Must not know: where the octets go, or how the record was read.
//! Invariants: a JSON line and a summary line hold exactly one line feed, their last octet, whatever the record holds.
//! BUGS: the summary decodes only the character sets that mail-parser is built with; others show replacement characters.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ringpost_proto::mail::decode::Attributes;
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
    /// The message.
    pub value: Vec<u8>,
}

impl Received {
    /// What its headers say.
    pub fn attributes(&self) -> Attributes<'_> {
        let headers = self.headers.iter();
        Attributes::decode(headers.map(|(name, value)| (name.as_str(), value.as_slice())))
    }
}

/// The object of a JSON line; the order of the fields is the order in the line.
#[derive(Serialize)]
struct JsonLine<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    timestamp: Option<i64>,
    id: Option<&'a str>,
    mail_from: Option<&'a str>,
    rcpt_to: Vec<String>,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers_base64: Map<String, Value>,
    size: usize,
    message_base64: String,
}

/// Writes the record as one JSON object and a line feed.
///
/// # Errors
/// What `to` returns.
pub fn json(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let key = received.key.as_deref();
    let (headers, headers_base64) = json_headers(&received.headers);
    let attributes = received.attributes();
    let line = JsonLine {
        topic: &received.topic,
        partition: received.partition,
        offset: received.offset,
        key: key.and_then(|key| std::str::from_utf8(key).ok()),
        key_base64: key
            .filter(|key| std::str::from_utf8(key).is_err())
            .map(|key| STANDARD.encode(key)),
        timestamp: received.timestamp,
        id: attributes.id,
        mail_from: attributes.mail_from,
        rcpt_to: attributes.rcpt_to.unwrap_or_default(),
        headers,
        headers_base64,
        size: received.value.len(),
        message_base64: STANDARD.encode(&received.value),
    };
    serde_json::to_writer(&mut *to, &line).map_err(io::Error::from)?;
    to.write_all(b"\n")
}

/// Every header as it is; a name that is repeated has an array, which none of ringpost's is. A name of which a value is not
/// UTF-8 is in the second map instead, all its values in base64.
fn json_headers(headers: &[(String, Vec<u8>)]) -> (Map<String, Value>, Map<String, Value>) {
    let (mut texts, mut binary) = (Map::new(), Map::new());
    for (name, value) in headers {
        let mut values = headers.iter().filter(|(other, _)| other == name);
        match std::str::from_utf8(value) {
            Ok(text) if values.all(|(_, value)| std::str::from_utf8(value).is_ok()) => {
                add_header(&mut texts, name, text.to_owned());
            }
            _ => add_header(&mut binary, name, STANDARD.encode(value)),
        }
    }
    (texts, binary)
}

fn add_header(object: &mut Map<String, Value>, name: &str, value: String) {
    let value = Value::String(value);
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(single) => {
            let first = single.take();
            *single = Value::Array(vec![first, value]);
        }
    }
}

/// Writes one line for a person: `partition:offset time size from → to subject`.
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
        "{place:<10} {time:<20} {size:>9} {from:<28} → {recipients:<32} {subject}",
        time = rfc3339(received.timestamp),
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

/// Writes the record as an entry of an mbox file: mboxrd quoting, line feeds only, an empty line after it.
///
/// # Errors
/// What `to` returns.
pub fn mbox(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    let sender = mbox_sender(received.attributes().mail_from);
    let time = Timestamp::from_millisecond(received.timestamp.unwrap_or(0))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    writeln!(
        to,
        "From {sender} {}",
        time.strftime("%a %b %e %H:%M:%S %Y")
    )?;
    let message = local_line_ends(&received.value);
    let mut rest: &[u8] = &message;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
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
/// An id that is no file name is made one, and the record's place added to keep such ids apart.
pub fn eml_name(received: &Received) -> String {
    let id = received.attributes().id.unwrap_or_default();
    if !id.is_empty() && file_name(id) == id {
        format!("{id}.eml")
    } else {
        eml_name_of_place(received)
    }
}

/// The name of a record whose id alone does not tell it from others.
pub fn eml_name_of_place(received: &Received) -> String {
    let place = format!(
        "{}-{}-{}",
        received.topic, received.partition, received.offset
    );
    match file_name(received.attributes().id.unwrap_or_default()) {
        id if id.is_empty() => format!("{place}.eml"),
        id => format!("{id}-{place}.eml"),
    }
}

/// Letters, digits, `-`, `_` and dots that are not the first; all else becomes `_`.
fn file_name(text: &str) -> String {
    const OCTETS_MAX: usize = 120;
    text.chars()
        .take(OCTETS_MAX)
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
                header("ce_smtpfrom", "a@example.net"),
                header("ce_smtpto", r#"["b@example.com"]"#),
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
                r#""id":"0A-1b","mail_from":"a@example.net","rcpt_to":["b@example.com"],"headers":{"ce_id":"0A-1b","#,
                r#""ce_smtpfrom":"a@example.net","ce_smtpto":"[\"b@example.com\"]"},"size":21,"#,
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
        record.headers[2].1 = br#"["b@example.com","c@x\n"]"#.to_vec();
        record.value = vec![0, 255, b'\n'];
        let line = text(json, &record);
        assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["key"], Value::Null);
        assert_eq!(object["key_base64"], "a/8=");
        assert_eq!(object["headers"]["x"], serde_json::json!(["1", "2", "3"]));
        assert_eq!(
            object["rcpt_to"],
            serde_json::json!(["b@example.com", "c@x\n"])
        );
        assert_eq!(
            object["headers"]["ce_smtpto"],
            r#"["b@example.com","c@x\n"]"#
        );
        assert_eq!(object["message_base64"], "AP8K");
    }

    #[test]
    fn json_has_no_replacement_characters() {
        let mut record = received();
        record.key = Some("clé".into());
        record.headers = vec![
            ("ce_id".into(), b"\xff".to_vec()),
            ("ce_smtpfrom".into(), b"\xfe@x".to_vec()),
            ("ce_smtpto".into(), b"[\"\xfd@x\"]".to_vec()),
            ("x".into(), "ü".into()),
        ];
        let line = text(json, &record);
        assert!(!line.contains('\u{fffd}'), "{line}");
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["key"], "clé");
        assert!(object.get("key_base64").is_none());
        assert_eq!(
            (&object["id"], &object["mail_from"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(object["rcpt_to"], serde_json::json!([]));
        assert_eq!(object["headers"], serde_json::json!({"x": "ü"}));
        assert_eq!(
            object["headers_base64"],
            serde_json::json!({"ce_id": "/w==", "ce_smtpfrom": "/kB4", "ce_smtpto": "WyL9QHgiXQ=="})
        );
    }

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
        record.headers = vec![("ce_smtpfrom".into(), b"\"a b\"\n@x".to_vec())];
        assert!(text(mbox, &record).starts_with("From \"a-b\"-@x Mon Nov  6 00:00:00 2023\n"));
        record.headers = vec![("ce_smtpfrom".into(), Vec::new())];
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
        record.headers.clear();
        assert!(text(mbox, &record).starts_with("From MAILER-DAEMON Mon "));
    }

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
