//! Whom mail is taken for: patterns of domains, and the characters of plus-addressing.
//!
//! Knows nothing of lists; what a pattern matches is decided in `smtp`.

use super::host::domain_name;
use crate::config::reason::Reason;

/// A pattern of recipient domains, in their normal form: lower case, A-labels, no dot at the end.
///
/// # Errors
/// Why the text is none, and what to write instead.
pub fn domain_pattern(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    let pattern = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if pattern == "*" {
        return Ok(pattern);
    }
    if let Some(rest) = pattern.strip_prefix('.') {
        let rest = rest.to_owned();
        return Err(Reason::LeadingDot { rest });
    }
    if let Some((_, domain)) = pattern.rsplit_once('@') {
        let domain = domain.to_owned();
        return Err(Reason::Mailbox { domain });
    }
    let (front, name) = match pattern.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", &*pattern),
    };
    if name.contains('*') {
        return Err(Reason::StarInside);
    }
    domain_name(name).map(|name| format!("{front}{name}"))
}

/// The characters of plus-addressing, of which each divides a local-part.
pub(in crate::config) fn delimiters(text: &str) -> Result<String, Reason> {
    const CHARACTERS: usize = 4;
    let legal = |octet: u8| b"!#$%&'*+-/=?^_`{|}~.".contains(&octet);
    if text.len() <= CHARACTERS && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err(Reason::NotDelimiters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_patterns_are_normalised() {
        let good = [
            ("*", "*"),
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("*.Sub.example", "*.sub.example"),
            ("a_b.example", "a_b.example"),
            ("Bücher.example.", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("*.bücher.example", "*.xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ];
        for (text, pattern) in good {
            assert_eq!(domain_pattern(text), Ok(pattern.to_owned()));
        }
        let cases = [
            (
                ".example.com",
                "begins with a dot: write *.example.com for the names below example.com",
            ),
            (
                "user@example.com",
                "is a mailbox: a domain is expected, such as example.com",
            ),
            (
                "mx*.example.com",
                "has a * in the middle: write * for every domain, *.example.com for the names below one",
            ),
            (
                "*.*",
                "has a * in the middle: write * for every domain, *.example.com for the names below one",
            ),
            ("", "is not a domain name: it is empty"),
            (
                "exa mple.com",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
        ];
        for (text, why) in cases {
            let said = domain_pattern(text).expect_err(text).to_string();
            assert_eq!(said, why, "{text}");
        }
    }

    #[test]
    fn delimiters_are_characters_of_a_local_part() {
        for text in ["", "+", "+-=_"] {
            assert_eq!(delimiters(text), Ok(text.to_owned()));
        }
        for text in ["@", "a", " ", "\"", "+-=_.", "\u{e4}"] {
            let why = delimiters(text).expect_err(text).to_string();
            assert!(why.starts_with("is not a set of delimiters"), "{why}");
        }
    }
}
