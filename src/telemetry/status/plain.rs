//! Texts without what a terminal or a browser would obey: a client chooses its HELO, an error may quote it.
//!
//! Owns: which characters are shown as their code. Must not know: where a text goes.
//!
//! Invariant: what is returned has no control character, none of C1, none that reverses the direction of text, and no invisible one.

/// The text, with each such character as its code, such as `\u{1b}`.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => shown.push(' '),
            // Quotes and backslashes harm nobody here.
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_is_obeyed() {
        let hidden = |character: char| {
            character.is_control()
                || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        for text in [
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m\u{85}",
            "\u{202e}moc.elpmaxe\u{2066}\u{200f}\u{200b}",
            "a\r\nb\tc\0\u{7f}",
        ] {
            let shown = plain(text);
            assert!(!shown.contains(hidden), "{shown:?}");
        }
        assert_eq!(plain("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(
            plain("<b> \"gr\u{fc}n\" it's \\"),
            "<b> \"gr\u{fc}n\" it's \\"
        );
    }
}
