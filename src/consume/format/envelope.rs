//! The envelope of a mail as header fields in front of it, as a mail server writes them when it delivers.
//!
//! Owns: which fields these are, and which values can be one. Must not know: the form that they are written into.
//!
//! | field | times | what |
//! |---|---|---|
//! | `Return-Path` | once | the sender; `<>` for the null sender |
//! | `Delivered-To` | each recipient | as the client wrote it |
//! | `X-Original-To` | each recipient | the same |
//! | `X-Ringpost-Id` | once | the record's id |
//!
//! Invariants: each is one line, whatever the record holds, and none of them is changed by what the message begins with. A value
//! with a control character, or longer than an address may be, is left out with its field: changed, it would be somebody else's.

use std::borrow::Cow;

use ringpost_proto::limits::PATH_OCTETS;
use ringpost_proto::mail::trace;

use crate::consume::line::is_harmless;
use crate::consume::received::Received;

/// The fields of the record's envelope, and what has to be between them and its message, with CRLF at their ends. Empty for a
/// record that ringpost did not write.
pub(super) fn envelope(received: &Received) -> String {
    let mut fields = String::new();
    if !received.is_ours() {
        return fields;
    }
    let attributes = received.attributes();
    if let Some(sender) = attributes.mail_from {
        push(&mut fields, "Return-Path", sender, Some(("<", ">")));
    }
    let recipients = attributes.rcpt_to.unwrap_or_default();
    for name in ["Delivered-To", "X-Original-To"] {
        for recipient in &recipients {
            push(&mut fields, name, recipient, None);
        }
    }
    if let Some(id) = attributes.id {
        push(&mut fields, "X-Ringpost-Id", id, None);
    }
    if !fields.is_empty() && !trace::continues_section(&received.value) {
        fields.push_str("\r\n");
    }
    fields
}

/// The record's message with these fields in front.
pub fn with_envelope(received: &Received) -> Cow<'_, [u8]> {
    let fields = envelope(received);
    if fields.is_empty() {
        return Cow::Borrowed(&received.value);
    }
    Cow::Owned([fields.as_bytes(), &received.value].concat())
}

fn push(fields: &mut String, name: &str, value: &str, around: Option<(&str, &str)>) {
    let (open, close) = around.unwrap_or_default();
    let is_empty = value.trim().is_empty() && around.is_none();
    if is_empty || value.len() > PATH_OCTETS || !value.chars().all(is_harmless) {
        return;
    }
    for part in [name, ": ", open, value, close, "\r\n"] {
        fields.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::format::sample::mail;

    #[test]
    fn every_recipient_has_its_fields() {
        let mut record = mail();
        record.headers[3].1 = "[\"b@example.com\",\"\u{fc}@x\"]".into();
        let expected = "Return-Path: <a@example.net>\r\nDelivered-To: b@example.com\r\nDelivered-To: \u{fc}@x\r\n\
                        X-Original-To: b@example.com\r\nX-Original-To: \u{fc}@x\r\nX-Ringpost-Id: 0A-1b\r\n";
        assert_eq!(envelope(&record), expected);
        let whole = [expected.as_bytes(), &record.value].concat();
        assert_eq!(with_envelope(&record), whole);
        record.headers[2].1.clear();
        assert!(envelope(&record).starts_with("Return-Path: <>\r\n"));
    }

    #[test]
    fn no_value_adds_a_line_and_no_message_continues_a_field() {
        let mut record = mail();
        for bad in [
            "a\r\nBcc: x@y",
            "a\n b@x",
            "a\u{0}@x",
            "\u{85}@x",
            "\u{2028}@x",
            &"x".repeat(600),
        ] {
            record.headers[1].1 = bad.into();
            record.headers[2].1 = bad.into();
            record.headers[3].1 = serde_json::to_vec(&[bad, "b@x"]).unwrap();
            assert_eq!(
                envelope(&record),
                "Delivered-To: b@x\r\nX-Original-To: b@x\r\n",
                "{bad:?}"
            );
        }
        record.headers[3].1 = br#"["", " "]"#.to_vec();
        assert_eq!(
            envelope(&record),
            "",
            "an address that is none has no field"
        );
        let mut record = mail();
        for (message, between) in [
            ("Subject: x\r\n", ""),
            ("\r\nbody", ""),
            (" folded: x\r\n", "\r\n"),
            ("\tx", "\r\n"),
            ("no field", "\r\n"),
            ("", "\r\n"),
        ] {
            record.value = message.into();
            let fields = envelope(&record);
            assert!(
                fields.ends_with(&format!("X-Ringpost-Id: 0A-1b\r\n{between}")),
                "{message:?}: {fields}"
            );
        }
    }

    #[test]
    fn a_foreign_record_has_none() {
        let mut record = mail();
        record.headers.remove(0);
        assert_eq!(with_envelope(&record), record.value);
    }
}
