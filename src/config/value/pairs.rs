//! A table on one line, as the environment has it: `name=value;name=value`.
//!
//! Knows nothing of what the names are.

use crate::config::reason::Reason;

/// `name=value;name=value`; a backslash takes the next character as it is, so that a value can hold a semicolon. The
/// error does not show the text: it may hold a password.
pub(in crate::config) fn pairs(text: &str) -> Result<Vec<(String, String)>, Reason> {
    let mut pairs = Vec::new();
    for (index, entry) in split_unescaped(text).into_iter().enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = entry.split_once('=') else {
            return Err(Reason::NoEquals(index + 1));
        };
        pairs.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

fn split_unescaped(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == ';' {
            entries.push(String::new());
            continue;
        }
        let literal = if character == '\\' {
            characters.next().unwrap_or('\\')
        } else {
            character
        };
        entries
            .last_mut()
            .expect("it begins with one entry")
            .push(literal);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_into_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let cases = [
            ("", vec![]),
            ("linger.ms=2", vec![pair("linger.ms", "2")]),
            ("a=1; b=x=y;", vec![pair("a", "1"), pair("b", "x=y")]),
            (
                r"sasl.password=a\;b\\c;d=",
                vec![pair("sasl.password", r"a;b\c"), pair("d", "")],
            ),
        ];
        for (text, properties) in cases {
            assert_eq!(pairs(text), Ok(properties), "{text}");
        }
        let why = pairs("a=1;hunter2")
            .expect_err("the second part has no =")
            .to_string();
        assert!(
            why.starts_with("its part 2 has no =") && !why.contains("hunter2"),
            "{why}"
        );
    }
}
