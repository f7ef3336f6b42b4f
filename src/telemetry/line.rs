//! A log line made by hand: how names, values and their escapes look, as text and as JSON. Every line is made here, those of
//! messages (`message_log`) and those that come through `tracing` (`layer`).
//!
//! Owns: the two forms. Must not know: which fields a line has.
//!
//! Invariants: whatever a message or a value holds, a line stays one line and no terminal obeys it: what is not printable, U+2028,
//! the controls of Unicode's bidirectional text and the C1 controls among it, is escaped in both forms; a JSON line is one object.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use tracing::Level;

use super::vocabulary::{Field, List, Milliseconds, Number, Text, Word};
use crate::smtp::decimal::Decimal;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Text,
    /// The same with a terminal's colours.
    Colours,
    /// One object.
    Json,
}

/// A line that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    lines: &'a mut Vec<u8>,
    form: Form,
}

impl<'a> Writer<'a> {
    /// Begins a line; `time` is RFC 3339's.
    pub(super) fn begin(
        lines: &'a mut Vec<u8>,
        form: Form,
        level: Level,
        time: &str,
        message: &str,
    ) -> Self {
        let (word, colour) = faces(level);
        match form {
            Form::Text => push(lines, &[time, " ", word, " "]),
            Form::Colours => push(
                lines,
                &["\x1b[2m", time, "\x1b[0m ", colour, word, "\x1b[0m "],
            ),
            Form::Json => push(
                lines,
                &[
                    r#"{"timestamp":""#,
                    time,
                    r#"","level":""#,
                    word.trim_start(),
                    r#"","message":"#,
                ],
            ),
        }
        match form {
            Form::Text | Form::Colours => plain_text(lines, message),
            Form::Json if is_plain(message) => push(lines, &["\"", message, "\""]),
            Form::Json => json_text(lines, message),
        }
        Self { lines, form }
    }

    /// Begins a field of the vocabulary.
    fn field<K>(&mut self, field: Field<K>) {
        match self.form {
            Form::Text => push(self.lines, &[field.in_text]),
            Form::Json => push(self.lines, &[field.in_json]),
            Form::Colours => self.name(field.name),
        }
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
    pub fn text(&mut self, field: Field<Text>, text: &str) {
        self.field(field);
        self.value(text);
    }

    /// A text that has nothing to escape: in quotes where the form needs them. One that is something else gets them too.
    pub fn word(&mut self, field: Field<Word>, word: &str) {
        self.field(field);
        let is_word = !word.is_empty() && is_plain(word) && !word.contains(' ');
        match self.form {
            Form::Text | Form::Colours if is_word => push(self.lines, &[word]),
            Form::Text | Form::Colours | Form::Json => self.value(word),
        }
    }

    /// Several texts.
    pub fn list<'t>(&mut self, field: Field<List>, texts: impl Iterator<Item = &'t str>) {
        self.field(field);
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

    /// A number.
    pub fn number(&mut self, field: Field<Number>, number: u64) {
        self.field(field);
        push(self.lines, &[Decimal::new(number).as_str()]);
    }

    /// A time, as precise as the clock: microseconds.
    pub fn time(&mut self, field: Field<Milliseconds>, time: Duration) {
        self.field(field);
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let thousandths = (microseconds % 1000) as u32;
        let digit = |divisor: u32| b'0' + (thousandths / divisor % 10) as u8;
        push(
            self.lines,
            &[Decimal::new(microseconds / 1000).as_str(), "."],
        );
        self.lines.extend([100, 10, 1].map(digit));
    }

    /// A text by a name that is not of the vocabulary: that of a library, or one that `tracing` has.
    pub(super) fn any_text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.value(text);
    }

    /// The same for what has no quotes in any form: digits, `true`, `false`.
    pub(super) fn any_bare(&mut self, name: &str, value: &str) {
        debug_assert!(is_plain(value) && !value.contains(' '));
        self.name(name);
        push(self.lines, &[value]);
    }

    /// Ends the line.
    pub(super) fn end(self) {
        let end = if self.form == Form::Json { "}\n" } else { "\n" };
        push(self.lines, &[end]);
    }
}

/// The word of a level, and its colour on a terminal.
fn faces(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("ERROR", "\x1b[31m"),
        Level::WARN => (" WARN", "\x1b[33m"),
        Level::INFO => (" INFO", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    }
}

/// A text without quotes around it, in which quotes and backslashes stay.
fn plain_text(lines: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        return push(lines, &[text]);
    }
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => lines.push(character as u8),
            _ => write!(lines, "{}", character.escape_debug()).expect("a Vec takes all bytes"),
        }
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
    // Without an early end, so that many bytes are looked at in one instruction: nearly every text is plain.
    text.bytes().fold(true, |plain, octet| {
        plain & (octet.wrapping_sub(b' ') <= b'~' - b' ') & (octet != b'"') & (octet != b'\\')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::vocabulary::field::{HELO, MILLISECONDS, SIZE, TO};

    fn written(form: Form, value: &str) -> String {
        let mut lines = Vec::new();
        let time = "2026-01-01T00:00:00.000Z";
        let mut line = Writer::begin(&mut lines, form, Level::INFO, time, value);
        line.text(HELO, value);
        line.list(TO, ["a", value].into_iter());
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
            assert_eq!(json["message"], value);
            assert_eq!(json["to"], serde_json::json!(["a", value]));
        }
    }

    #[test]
    fn numbers_and_times_are_digits() {
        for (time, digits) in [
            (Duration::ZERO, "0.000"),
            (Duration::from_nanos(1_999), "0.001"),
            (Duration::from_micros(1_012), "1.012"),
            (Duration::from_secs(3600), "3600000.000"),
        ] {
            let mut lines = Vec::new();
            let mut line = Writer::begin(&mut lines, Form::Json, Level::WARN, "t", "m");
            line.number(SIZE, 4096);
            line.time(MILLISECONDS, time);
            line.end();
            let expected = format!(
                "{{\"timestamp\":\"t\",\"level\":\"WARN\",\"message\":\"m\",\"size\":4096,\"milliseconds\":{digits}}}\n"
            );
            assert_eq!(String::from_utf8(lines).unwrap(), expected);
        }
    }
}
