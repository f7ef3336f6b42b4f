//! A log line made by hand, in the forms that `tracing` gives the others (`log`).
//!
//! Owns: how names, values and their escapes look. Must not know: which fields a line has.
//!
//! Invariants: whatever a value holds, a line stays one line and no terminal obeys it: what is not printable, U+2028, the
//! controls of Unicode's bidirectional text and the C1 controls among it, is escaped in both forms; a JSON line is one object.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `tracing_subscriber`'s compact form.
    Text,
    /// The same with a terminal's colours.
    Colours,
    /// One object.
    Json,
}

/// A line that is being written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    lines: &'a mut Vec<u8>,
    form: Form,
}

impl<'a> Writer<'a> {
    /// Begins a line of level INFO; `time` is RFC 3339's.
    pub(super) fn begin(lines: &'a mut Vec<u8>, form: Form, time: &str, message: &str) -> Self {
        match form {
            Form::Text => push(lines, &[time, "  INFO ", message]),
            Form::Colours => push(
                lines,
                &["\x1b[2m", time, "\x1b[0m \x1b[32m INFO\x1b[0m ", message],
            ),
            Form::Json => push(
                lines,
                &[
                    r#"{"timestamp":""#,
                    time,
                    r#"","level":"INFO","message":""#,
                    message,
                    "\"",
                ],
            ),
        }
        Self { lines, form }
    }

    fn name(&mut self, name: &str) {
        match self.form {
            Form::Text => push(self.lines, &[" ", name, "="]),
            Form::Colours => push(self.lines, &[" \x1b[3m", name, "\x1b[0m\x1b[2m=\x1b[0m"]),
            Form::Json => push(self.lines, &[",\"", name, "\":"]),
        }
    }

    fn value(&mut self, text: &str) {
        if is_plain(text) {
            push(self.lines, &["\"", text, "\""]);
        } else if self.form == Form::Json {
            json_text(self.lines, text);
        } else {
            write!(self.lines, "{text:?}").expect("a Vec takes all bytes");
        }
    }

    /// A text, in quotes.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.value(text);
    }

    /// A text that has nothing to escape: in quotes where the form needs them.
    pub(super) fn word(&mut self, name: &str, word: &str) {
        debug_assert!(is_plain(word) && !word.contains(' '));
        self.name(name);
        match self.form {
            Form::Json => push(self.lines, &["\"", word, "\""]),
            Form::Text | Form::Colours => push(self.lines, &[word]),
        }
    }

    /// Several texts.
    pub(super) fn list<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str>) {
        self.name(name);
        let separator = if self.form == Form::Json { "," } else { ", " };
        push(self.lines, &["["]);
        for (place, text) in texts.enumerate() {
            if place > 0 {
                push(self.lines, &[separator]);
            }
            self.value(text);
        }
        push(self.lines, &["]"]);
    }

    /// A number, in the digits that its formatting has.
    pub(super) fn number(&mut self, name: &str, number: impl Display) {
        self.name(name);
        write!(self.lines, "{number}").expect("a Vec takes all bytes");
    }

    /// Ends the line.
    pub(super) fn end(self) {
        let end = if self.form == Form::Json { "}\n" } else { "\n" };
        push(self.lines, &[end]);
    }
}

fn push(lines: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        lines.extend_from_slice(part.as_bytes());
    }
}

/// A JSON string without any character that Rust's own form of a text would escape. `serde_json` leaves U+2028 and the like
/// as they are.
fn json_text(lines: &mut Vec<u8>, text: &str) {
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push('"');
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            _ if character.escape_debug().len() == 1 || character == '\'' => {
                escaped.push(character);
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").expect("a String takes all text");
                }
            }
        }
    }
    escaped.push('"');
    lines.extend_from_slice(escaped.as_bytes());
}

/// Whether no form has to escape any of it.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, value: &str) -> String {
        let mut lines = Vec::new();
        let mut line = Writer::begin(&mut lines, form, "2026-01-01T00:00:00.000Z", "refused");
        line.text("helo", value);
        line.list("to", ["a", value].into_iter());
        line.end();
        String::from_utf8(lines).unwrap()
    }

    /// Every character that is dangerous to a reader of lines, a terminal, or a reader of JSON, and some that are not.
    #[test]
    fn no_value_forges_a_line_and_json_gives_it_back() {
        let values = [
            "a\r\nb",
            "\n2026-01-01T00:00:00.000Z  INFO message id=forged",
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\"quoted\" \\ back'slash",
            "\u{2028}\u{2029}\u{85}\u{9b}31m",
            "\u{202e}moc.elpmaxe\u{2066}\u{200f}\u{200b}\u{2060}\u{feff}",
            "\0\u{7f}\t",
            "gr\u{fc}n \u{1f4a9} \u{e0001} e\u{301}",
            "},\"level\":\"ERROR\",{",
        ];
        for value in values {
            let text = written(Form::Text, value);
            let json = written(Form::Json, value);
            for line in [&text, &json] {
                assert_eq!(line.matches('\n').count(), 1, "{line:?}");
                let hidden = |character: char| {
                    character.is_control()
                        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
                };
                assert!(!line.trim_end_matches('\n').contains(hidden), "{line:?}");
            }
            let expected = format!("helo={value:?} to=[\"a\", {value:?}]\n");
            assert!(text.ends_with(&expected), "{text}");
            let json: serde_json::Value = serde_json::from_str(&json).expect(&json);
            assert_eq!(json["helo"], value);
            assert_eq!(json["to"], serde_json::json!(["a", value]));
        }
    }
}
