//! The server's words, made fit for a terminal, a page and a log.
//!
//! Invariant: what [`harmless`] returns has no control character, none that changes the direction of text, and is bounded.

/// Letters of a reply that are shown.
const MAX_LETTERS: usize = 240;

/// The enhanced status code (RFC 3463) at the beginning of a reply's line, with what follows it.
pub(super) fn split_enhanced(line: &[u8]) -> (Option<&str>, &[u8]) {
    let end = line
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(line.len());
    let word = &line[..end];
    let parts: Vec<&[u8]> = word.split(|byte| *byte == b'.').collect();
    let fits = matches!(parts[..], [class, subject, detail]
    if matches!(class, b"2" | b"4" | b"5")
        && [subject, detail].iter().all(|part| {
            (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit)
        }));
    if !fits {
        return (None, line);
    }
    let rest = line[end..].strip_prefix(b" ").unwrap_or(&line[end..]);
    (std::str::from_utf8(word).ok(), rest)
}

/// A reply's text in one line: the enhanced code of its first line, and the texts of all its lines.
pub(crate) fn one_line(text: &[u8]) -> (Option<String>, String) {
    let first = text
        .split(|byte| *byte == b'\n')
        .next()
        .and_then(|line| split_enhanced(line).0)
        .map(str::to_owned);
    let mut joined = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let (enhanced, rest) = split_enhanced(line);
        let rest = if enhanced == first.as_deref() {
            rest
        } else {
            line
        };
        if !joined.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(rest);
    }
    (first, harmless(&joined))
}

/// The server's words for a terminal, a page or a log: characters that control a terminal or hide text become `?`, and a long text
/// is cut.
pub(crate) fn harmless(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let mut out = String::new();
    for (count, letter) in text.trim().chars().enumerate() {
        if count == MAX_LETTERS {
            out.push('\u{2026}');
            break;
        }
        out.push(match letter {
            '\n' | '\r' | '\t' => ' ',
            _ if letter.is_control() || is_invisible(letter) => '?',
            _ => letter,
        });
    }
    out
}

/// Letters without a picture that change how others are shown: of direction, of width zero, line separators, tags.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_several_lines_becomes_one_with_its_code_in_front() {
        for (text, enhanced, words) in [
            (
                &b"5.7.1 Relaying denied"[..],
                Some("5.7.1"),
                "Relaying denied",
            ),
            (b"4.3.0 try\n4.3.0 later", Some("4.3.0"), "try later"),
            (b"5.1.1 one\n5.1.2 two", Some("5.1.1"), "one 5.1.2 two"),
            (b"5.1.1", Some("5.1.1"), ""),
            (b"No enhanced code", None, "No enhanced code"),
            (b"5.1.1000 x", None, "5.1.1000 x"),
            (b"3.1.1 x", None, "3.1.1 x"),
            (b"5.7 x", None, "5.7 x"),
            (b"", None, ""),
        ] {
            let (found, line) = one_line(text);
            assert_eq!((found.as_deref(), &line[..]), (enhanced, words));
        }
    }

    #[test]
    fn words_cannot_control_a_terminal_and_are_bounded() {
        assert_eq!(
            harmless(b"a\x1b[31mred\x07\x9b\r\nb"),
            "a?[31mred?\u{fffd}  b"
        );
        assert_eq!(harmless("a\u{202e}b\u{200b}c\u{85}d".as_bytes()), "a?b?c?d");
        assert_eq!(
            harmless("Empfänger unbekannt".as_bytes()),
            "Empfänger unbekannt"
        );
        let long = harmless(&b"x".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_LETTERS + 1);
        for byte in 0..=u8::MAX {
            let shown = harmless(&[b'a', byte, b'b']);
            assert!(!shown.chars().any(char::is_control), "{byte}: {shown:?}");
        }
    }
}
