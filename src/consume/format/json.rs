//! A record as a JSON line.
//!
//! Owns: its members and their order. Must not know: where the line goes.
//!
//! Invariant: a line holds exactly one line feed, its last byte, whatever the record holds.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::parsed::{Parsed, parsed};
use crate::consume::received::Received;

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
    /// None: not asked for. Some of none: asked for, and the message cannot be parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    parsed: Option<Option<Parsed>>,
}

/// Writes the record as one JSON object and a line feed.
///
/// # Errors
/// What `to` returns.
pub fn json(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    line(received, None, to)
}

/// The same with a last member `parsed`: what the message says.
///
/// # Errors
/// What `to` returns.
pub fn json_parsed(received: &Received, to: &mut dyn Write) -> io::Result<()> {
    line(received, Some(parsed(&received.value)), to)
}

fn line(received: &Received, parsed: Option<Option<Parsed>>, to: &mut dyn Write) -> io::Result<()> {
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
        parsed,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::format::sample::{received, text};

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
    fn json_has_what_the_message_says_on_request() {
        let object: Value = serde_json::from_str(&text(json_parsed, &received())).unwrap();
        assert_eq!(object["parsed"]["subject"], "hi");
        let mut record = received();
        record.value.clear();
        let line = text(json_parsed, &record);
        assert!(line.ends_with(",\"parsed\":null}\n"), "{line}");
        assert!(!text(json, &record).contains("parsed"));
    }

    #[test]
    fn json_repeats_become_arrays_and_any_bytes_are_taken() {
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
    fn json_of_a_foreign_record_has_nulls_and_an_empty_list() {
        let object: Value = serde_json::from_str(&text(json, &Received::default())).unwrap();
        assert_eq!(object["mail_from"], Value::Null);
        assert_eq!(object["timestamp"], Value::Null);
        assert_eq!(object["rcpt_to"], serde_json::json!([]));
        assert_eq!(object["headers"], serde_json::json!({}));
        assert_eq!(object["size"], 0);
    }
}
