//! A mail as the header section of a POST: the HTTP binding of CloudEvents 1.0, binary mode.
//!
//! Owns: which attributes become header fields, and how their values are encoded. Must not know: how they are sent, the signature.
//!
//! Values are percent-encoded as section 3.1.3.2 of the binding says: the space, the double quote, the percent sign, and all but
//! printable ASCII, the bytes of UTF-8 in upper-case hexadecimal.
//!
//! Invariants: each attribute is one field, and a field has no character but printable ASCII; the recipients are those that are
//! still open.
//!
//! BUGS: a header of the record that is no attribute of CloudEvents, or that is not UTF-8, is not passed on.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ringpost_proto::mail::header;
use thiserror::Error;

use crate::forward::delivery::Delivery;
use crate::limits::WEBHOOK_HEADER_OCTETS;

/// What is encoded of ASCII; all that is not ASCII always is.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// What an attribute's name begins with in a record, and in HTTP.
const IN_RECORD: &str = "ce_";
const IN_HTTP: &str = "ce-";
/// The binding forbids this attribute: `content-type` is in its place.
const DATA_CONTENT_TYPE: &str = "ce_datacontenttype";
/// The media type of a record that does not name any.
const MAIL: HeaderValue = HeaderValue::from_static("message/rfc822");
/// Bytes of a field beside its name and value.
const FIELD_OCTETS: usize = ": \r\n".len();

/// The header section would be larger than servers take.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "the envelope takes more than {WEBHOOK_HEADER_OCTETS} bytes of header fields: let one record have fewer recipients (kafka.split, \
     limits.recipients)"
)]
pub struct TooLarge;

/// The fields of a mail.
///
/// # Errors
/// There would be more of them than servers take.
pub fn fields(delivery: &Delivery) -> Result<HeaderMap, TooLarge> {
    let mut fields = HeaderMap::new();
    let mut octets = 0;
    let mut add = |name: HeaderName, value: HeaderValue| {
        octets += name.as_str().len() + value.len() + FIELD_OCTETS;
        if octets > WEBHOOK_HEADER_OCTETS {
            return Err(TooLarge);
        }
        // Of a name that a record has twice, the first value counts, as it does for every reader.
        fields.entry(name).or_insert(value);
        Ok(())
    };
    add(CONTENT_TYPE, media_type(delivery))?;
    for (name, value) in &delivery.record.headers {
        let Some(field) = field_name(name) else {
            continue;
        };
        let value = match name.as_str() {
            header::TO => encoded(&recipients(delivery)),
            header::FROM => encoded(&delivery.sender),
            _ => match std::str::from_utf8(value) {
                Ok(text) => encoded(text),
                Err(_) => continue,
            },
        };
        add(field, value)?;
    }
    Ok(fields)
}

/// The id of a mail, the same each time that it is posted.
pub fn id(delivery: &Delivery) -> HeaderValue {
    let record = &delivery.record;
    match record.attributes().id {
        Some(id) => encoded(id),
        // Another program's record: its place is its own as well.
        None => encoded(&format!(
            "{}/{}/{}",
            record.topic, record.partition, record.offset
        )),
    }
}

/// The field of an attribute; none for other headers, and for names that CloudEvents does not allow.
fn field_name(name: &str) -> Option<HeaderName> {
    let attribute = name.strip_prefix(IN_RECORD)?;
    let is_attribute = !attribute.is_empty()
        && attribute
            .bytes()
            .all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9'));
    if !is_attribute || name == DATA_CONTENT_TYPE {
        return None;
    }
    HeaderName::try_from(format!("{IN_HTTP}{attribute}")).ok()
}

fn media_type(delivery: &Delivery) -> HeaderValue {
    let mut headers = delivery.record.headers.iter();
    let named = headers.find(|(name, _)| name == header::CONTENT_TYPE);
    let value = named.and_then(|(_, value)| HeaderValue::from_bytes(value).ok());
    value.filter(|value| value.to_str().is_ok()).unwrap_or(MAIL)
}

/// The recipients that are still open, as a record has them.
fn recipients(delivery: &Delivery) -> String {
    serde_json::to_string(&delivery.recipients).expect("strings are JSON")
}

fn encoded(text: &str) -> HeaderValue {
    let text = utf8_percent_encode(text, ENCODED).to_string();
    HeaderValue::try_from(text).expect("printable ASCII fits a header field")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::consume::received::Received;

    fn delivery(headers: &[(&str, &[u8])], sender: &str, recipients: &[&str]) -> Delivery {
        let header = |&(name, value): &(&str, &[u8])| (name.to_owned(), value.to_vec());
        Delivery {
            record: Arc::new(Received {
                topic: "mail".to_owned(),
                partition: 3,
                offset: 17,
                headers: headers.iter().map(header).collect(),
                ..Received::default()
            }),
            sender: sender.to_owned(),
            recipients: recipients.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    fn pairs(fields: &HeaderMap) -> Vec<(&str, &str)> {
        let pairs = fields.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn values_are_encoded_as_the_binding_says() {
        for (text, value) in [
            // The binding's own example.
            ("Euro \u{20ac} \u{1f600}", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("", ""),
            ("100%", "100%25"),
            ("%41", "%2541"),
            ("\"a b\"@x", "%22a%20b%22@x"),
            (
                "j\u{f6}rg@b\u{fc}cher.example",
                "j%C3%B6rg@b%C3%BCcher.example",
            ),
            (
                "a\u{0}\t\r\n\u{1f}\u{7f}\u{80}\u{9f}",
                "a%00%09%0D%0A%1F%7F%C2%80%C2%9F",
            ),
            (
                "\\'!#$&()*+,-./:;<=>?@[]^_`{|}~",
                "\\'!#$&()*+,-./:;<=>?@[]^_`{|}~",
            ),
            ("\u{ffff}\u{10ffff}", "%EF%BF%BF%F4%8F%BF%BF"),
        ] {
            let field = encoded(text);
            assert_eq!(field, value);
            let decoded = percent_encoding::percent_decode(field.as_bytes());
            assert_eq!(decoded.decode_utf8().unwrap(), text);
        }
        for octet in 0..=127_u8 {
            let is_kept = matches!(octet, 0x21..=0x7e) && !matches!(octet, b'"' | b'%');
            let field = encoded(&char::from(octet).to_string());
            let expected = match is_kept {
                true => char::from(octet).to_string(),
                false => format!("%{octet:02X}"),
            };
            assert_eq!(field, expected);
        }
    }

    #[test]
    fn an_envelope_becomes_fields() {
        let headers: [(&str, &[u8]); 6] = [
            ("content-type", b"message/global"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"01M8G26T9MWMDJH9X80000000T"),
            ("ce_smtpfrom", b""),
            ("ce_smtpto", b"[\"a@x\",\"b c@x\"]"),
            ("ce_smtptls", b"TLSv1.3 TLS13_AES_256_GCM_SHA384"),
        ];
        let delivery = delivery(&headers, "", &["\"b c\"@x"]);
        assert_eq!(
            pairs(&fields(&delivery).unwrap()),
            [
                ("content-type", "message/global"),
                ("ce-specversion", "1.0"),
                ("ce-id", "01M8G26T9MWMDJH9X80000000T"),
                ("ce-smtpfrom", ""),
                ("ce-smtpto", "[%22\\%22b%20c\\%22@x%22]"),
                ("ce-smtptls", "TLSv1.3%20TLS13_AES_256_GCM_SHA384"),
            ]
        );
        assert_eq!(id(&delivery), "01M8G26T9MWMDJH9X80000000T");
    }

    #[test]
    fn what_is_no_attribute_is_left_out() {
        let headers: [(&str, &[u8]); 9] = [
            ("content-type", b"text/plain\r\nx: y"),
            ("ce_datacontenttype", b"text/plain"),
            ("ce_", b"1"),
            ("ce_Upper", b"1"),
            ("ce_a-b", b"1"),
            ("other", b"1"),
            ("ce_future", b"\xff"),
            ("ce_twice", b"1"),
            ("ce_twice", b"2"),
        ];
        let delivery = delivery(&headers, "", &["a@x"]);
        assert_eq!(
            pairs(&fields(&delivery).unwrap()),
            [("content-type", "message/rfc822"), ("ce-twice", "1")]
        );
        assert_eq!(id(&delivery), "mail/3/17");
    }

    #[test]
    fn a_hundred_recipients_fit_and_a_flood_does_not() {
        let headers: [(&str, &[u8]); 1] = [("ce_smtpto", b"")];
        let to: Vec<String> = (0..100)
            .map(|n| format!("recipient-{n:03}@long-subdomain.example.com"))
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let made = fields(&delivery(&headers, "", &to)).unwrap();
        let octets = made["ce-smtpto"].len();
        assert!((4_000..8_000).contains(&octets), "{octets}");
        let long = "\u{f6}".repeat(120) + "@example.com";
        let to = vec![long.as_str(); 100];
        assert_eq!(fields(&delivery(&headers, "", &to)), Err(TooLarge));
        let many: Vec<String> = (0..40_000).map(|n| format!("ce_a{n}")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
        assert_eq!(fields(&delivery(&many, "", &["a@x"])), Err(TooLarge));
    }
}
