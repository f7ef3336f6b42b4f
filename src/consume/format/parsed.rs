//! What a message says, for programs that do not parse mail themselves: `--parsed`.
//!
//! Owns: the members of the object, and their bounds. Must not know: the line that it is a part of.
//!
//! Invariant: an object has at most [`ATTACHMENTS_MOST`] attachments and [`TEXT_OCTETS_MOST`] bytes of text, and is made in one
//! pass over the message.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _};
use serde::Serialize;

/// Bytes of a message that is parsed: the library counts in 32 bits, and holds decoded copies of what it parses.
const MESSAGE_OCTETS_MOST: usize = 128 << 20;
/// Attachments that are listed.
const ATTACHMENTS_MOST: usize = 1_000;
/// Senders that are listed.
const FROM_MOST: usize = 100;
/// Bytes of the text.
const TEXT_OCTETS_MOST: usize = 1 << 20;

/// What a message says.
#[derive(Debug, Serialize)]
pub(super) struct Parsed {
    /// The subject, decoded.
    subject: Option<String>,
    /// Who is named in From.
    from: Vec<Person>,
    /// Date, in the form of RFC 3339.
    date: Option<String>,
    /// The first text, or the first HTML as text.
    text: Option<String>,
    attachments: Vec<Attachment>,
}

/// An address of a field.
#[derive(Debug, Serialize)]
struct Person {
    name: Option<String>,
    address: Option<String>,
}

/// An attachment.
#[derive(Debug, Serialize)]
struct Attachment {
    name: Option<String>,
    r#type: Option<String>,
    /// Bytes of its content, decoded.
    size: usize,
}

/// Parses a message; none where it is empty or too large, or the library gives up.
pub(super) fn parsed(message: &[u8]) -> Option<Parsed> {
    if message.len() > MESSAGE_OCTETS_MOST {
        return None;
    }
    let octets = message.len();
    let message = MessageParser::default().parse(message)?;
    Some(Parsed {
        subject: message.subject().map(str::to_owned),
        from: from(&message),
        date: date(&message),
        text: message.body_text(0).map(|text| cut(&text).to_owned()),
        attachments: attachments(&message, octets),
    })
}

/// The attachments of a message of so many bytes. To the library a multipart without parts is one, and so is the content that a
/// header section announces when nothing follows it, as with `--no-objects`.
fn attachments(message: &Message<'_>, octets: usize) -> Vec<Attachment> {
    let root = message.parts.first();
    if root.is_none_or(|root| root.raw_body_offset() as usize >= octets) {
        return Vec::new();
    }
    let listed = message
        .attachments()
        .filter(|part| !is_empty_multipart(part));
    listed.take(ATTACHMENTS_MOST).map(attachment).collect()
}

fn is_empty_multipart(part: &MessagePart<'_>) -> bool {
    let kind = part.content_type();
    kind.is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))
        && part.contents().trim_ascii().is_empty()
}

fn from(message: &Message<'_>) -> Vec<Person> {
    let people = message.from().into_iter().flat_map(|from| from.iter());
    people
        .take(FROM_MOST)
        .map(|person| Person {
            name: person.name().map(str::to_owned),
            address: person.address().map(str::to_owned),
        })
        .collect()
}

/// The date, if it is one: the library takes 31 February.
fn date(message: &Message<'_>) -> Option<String> {
    let date = message.date()?.to_rfc3339();
    date.parse::<jiff::Timestamp>().is_ok().then_some(date)
}

fn attachment(part: &MessagePart<'_>) -> Attachment {
    let kind = part.content_type().map(|kind| match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase(),
        None => kind.ctype().to_ascii_lowercase(),
    });
    Attachment {
        name: part.attachment_name().map(str::to_owned),
        r#type: kind,
        size: part.len(),
    }
}

/// The front of a text, at the end of a character.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_OCTETS_MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn value(message: &[u8]) -> Value {
        serde_json::to_value(parsed(message)).unwrap()
    }

    #[test]
    fn a_mail_with_attachments() {
        let message = b"From: =?utf-8?Q?J=C3=B6rg?= <j@example.com>, ann@example.com\r\n\
            Date: Sat, 28 Nov 2026 05:12:01 +0200\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
            --c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            gr=FCn\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>gr&uuml;n</p>\r\n--c--\r\n\
            --b\r\nContent-Type: Application/PDF; name=\"a.pdf\"\r\nContent-Disposition: attachment\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n";
        let found = value(message);
        assert_eq!(found["subject"], "Gr\u{fc}\u{df}e");
        assert_eq!(
            found["from"],
            json!([{"name": "J\u{f6}rg", "address": "j@example.com"}, {"name": null, "address": "ann@example.com"}])
        );
        assert_eq!(found["date"], "2026-11-28T05:12:01+02:00");
        assert_eq!(found["text"].as_str().unwrap().trim_end(), "gr\u{fc}n");
        assert_eq!(
            found["attachments"][0],
            json!({"name": "a.pdf", "type": "application/pdf", "size": 4})
        );
        assert_eq!(found["attachments"][1]["type"], "message/rfc822");
        assert_eq!(found["attachments"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_is_missing_is_null_or_empty() {
        assert_eq!(
            value(b"X: y\r\n\r\n"),
            json!({"subject": null, "from": [], "date": null, "text": "", "attachments": []})
        );
        assert_eq!(
            value(b"Date: 31 Feb 2026 00:00:00 +0000\r\n\r\n")["date"],
            Value::Null
        );
        let html = value(b"Content-Type: text/html\r\n\r\n<b>bold</b>");
        assert_eq!(html["text"].as_str().unwrap().trim(), "bold");
        assert_eq!(value(b"\r\nbody")["text"], "body");
        assert_eq!(value(b""), Value::Null);
    }

    #[test]
    fn a_header_section_alone_has_no_attachments() {
        for kind in [
            "multipart/mixed; boundary=b",
            "multipart/mixed",
            "multipart/related; boundary=\"b\"; type=\"text/html\"",
            "message/rfc822",
            "application/pdf; name=a.pdf",
            "text/html",
            "text/plain\r\nContent-Disposition: attachment; filename=a.txt",
            "image/png\r\nContent-Transfer-Encoding: base64",
        ] {
            for end in ["\r\n\r\n", "\r\n", "\n\n", ""] {
                let section = format!("Subject: x\r\nContent-Type: {kind}{end}");
                let found = value(section.as_bytes());
                assert_eq!(found["attachments"], json!([]), "{section:?}");
                assert_eq!(found["subject"], "x", "{section:?}");
            }
        }
    }

    #[test]
    fn an_empty_multipart_is_no_attachment() {
        let bare = value(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\r\n");
        assert_eq!(bare["attachments"], json!([]));
        let within = value(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: Multipart/Alternative; boundary=c\r\n\r\n\r\n\
            --b\r\nContent-Type: application/x\r\n\r\n\r\n--b--\r\n",
        );
        assert_eq!(
            within["attachments"],
            json!([{"name": null, "type": "application/x", "size": 0}])
        );
        // What could not be taken apart is shown.
        let whole = value(b"Content-Type: multipart/mixed\r\n\r\nhidden");
        assert_eq!(whole["attachments"][0]["size"], 6);
    }

    #[test]
    fn text_and_attachments_are_bounded() {
        let long = format!("X: y\r\n\r\n{}", "\u{fc}".repeat(TEXT_OCTETS_MOST));
        let found = value(long.as_bytes());
        assert_eq!(found["text"].as_str().unwrap().len(), TEXT_OCTETS_MOST);
        let part = "--b\r\nContent-Type: application/x\r\n\r\n\r\n";
        let many = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            part.repeat(ATTACHMENTS_MOST + 5)
        );
        let found = value(many.as_bytes());
        assert_eq!(
            found["attachments"].as_array().unwrap().len(),
            ATTACHMENTS_MOST
        );
    }
}
