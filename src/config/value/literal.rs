//! Texts as TOML has them.
//!
//! Invariant: what is made here is one line of printable characters, and is read back as the text that it was made of.

/// A text in quotes.
pub(in crate::config) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if is_seen(character) => quoted.push(character),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

/// A name in front of an equals sign or between the brackets of a section.
pub(in crate::config) fn key(name: &str) -> String {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A text for a comment, or for the middle of a sentence.
pub(in crate::config) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_seen(character) {
            true => escaped.push(character),
            false => escaped.extend(character.escape_default()),
        }
    }
    escaped
}

/// Whether a terminal shows it as itself: no control character, no mark that turns the direction of what follows.
fn is_seen(character: char) -> bool {
    let is_quote = matches!(character, '"' | '\'' | '\\');
    is_quote || character.escape_debug().eq([character])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_line_and_read_back_as_itself() {
        for text in [
            "",
            "mx.example",
            "a\"b'c\\d",
            "line\nfeed\r\ttab\0\u{1b}[31m",
            "b\u{fc}cher \u{1f4ec}",
            "\u{202e}right to left\u{2060}",
            "# no comment",
        ] {
            let line = format!("{} = {}", key(text), quoted(text));
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(!line.contains(['\u{202e}', '\u{2060}']), "{line:?}");
            let table: toml::Table = line.parse().unwrap_or_else(|why| panic!("{line}: {why}"));
            assert_eq!(table[text].as_str(), Some(text), "{line}");
            assert!(!escaped(text).chars().any(char::is_control), "{text:?}");
        }
        assert_eq!(key("linger.ms"), "\"linger.ms\"");
        assert_eq!(key("linger_ms"), "linger_ms");
        assert_eq!(escaped("a\nb \"\u{e9}\""), "a\\nb \"\u{e9}\"");
    }
}
