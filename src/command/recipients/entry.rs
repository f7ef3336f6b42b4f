//! Recipients as an operator writes them: on the command line, and in a file with one a line.
//!
//! Owns: what a text without an `@` means, and the form of a file. Must not know: the topic, flags.
//!
//! In the form of `recipients.lists`: one local-part or address a line; blank lines, lines that begin with `#`, and what follows
//! a blank and a `#` are passed over. Beside that, `@example.com` is everybody at a domain, and where no domain is given, so is
//! `example.com`, and `*.example.com` all below one: what `list` prints can be imported.

use std::fmt;

use crate::smtp::domain;
use crate::smtp::list;
use crate::smtp::name::{Name, NotAName};

/// Characters of a text that are shown.
const SHOWN: usize = 80;

/// Why a text is no recipient. Its text is a sentence, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    shown: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// It has no domain, and none is given.
    NoDomain,
    /// It is an address of another domain than the one that is given.
    OtherDomain(String),
    /// It is no name.
    NotAName(NotAName),
    /// It is not text.
    Encoding,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.shown;
        match &self.why {
            Why::NoDomain => write!(
                f,
                "\"{shown}\" has no domain: write an address such as {shown}@example.com, or add --domain"
            ),
            Why::OtherDomain(domain) => {
                write!(f, "\"{shown}\" is not of {domain}, which --domain names")
            }
            Why::NotAName(why) => write!(f, "\"{shown}\" {why}"),
            Why::Encoding => f.write_str("is not text in UTF-8"),
        }
    }
}

/// The name that a text means. `domain` is that of texts without an `@`, in normal form.
///
/// # Errors
/// Why it is none.
pub(super) fn name(text: &str, domain: Option<&str>) -> Result<Name, Wrong> {
    let wrong = |why| Wrong {
        shown: text.escape_debug().take(SHOWN).collect(),
        why,
    };
    let quoted = text.starts_with('"') && text.ends_with('"');
    let bare = quoted || !text.contains('@');
    let name = match domain {
        Some(domain) if bare => Name::of_address(text, domain),
        None if quoted || bare && !text.contains('.') => return Err(wrong(Why::NoDomain)),
        Some(_) | None => Name::parse(text.as_bytes()),
    };
    let name = name.map_err(|why| wrong(Why::NotAName(why)))?;
    match domain {
        Some(domain) if name.domain() != domain => Err(wrong(Why::OtherDomain(domain.to_owned()))),
        Some(_) | None => Ok(name),
    }
}

/// The normal form of a domain; none where it is no domain.
pub(super) fn domain(text: &str) -> Option<String> {
    domain::is_domain(text.as_bytes()).then(|| domain::normal(text).into_owned())
}

/// The recipients of a file, in normal form, sorted, each once.
///
/// # Errors
/// Every line that is no recipient, with its number from 1.
pub(super) fn file(
    octets: &[u8],
    domain: Option<&str>,
) -> Result<Vec<String>, Vec<(usize, Wrong)>> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let (mut names, mut wrong) = (Vec::new(), Vec::new());
    for (place, line) in octets.split(|&octet| octet == b'\n').enumerate() {
        let Some(content) = list::content(line) else {
            continue;
        };
        let read = match std::str::from_utf8(content) {
            Ok(text) => name(text, domain),
            Err(_) => Err(Wrong {
                shown: String::new(),
                why: Why::Encoding,
            }),
        };
        match read {
            Ok(name) => names.push(name.to_string()),
            Err(why) => wrong.push((place + 1, why)),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_form_of_a_list_and_of_what_list_prints() {
        let text = "\u{feff}Joe@Example.com\r\n# nobody\n\n  ann@example.com \t# the boss\n@example.org\n*.example.net\n\
                    example.net\njoe@example.com";
        let names = file(text.as_bytes(), None).expect("a file");
        let printed = [
            "*.example.net",
            "ann@example.com",
            "example.net",
            "example.org",
            "joe@example.com",
        ];
        assert_eq!(names, printed);
        assert_eq!(
            file(names.join("\n").as_bytes(), None).expect("it again"),
            printed
        );
        let bare = "joe\nAnn@example.com\n\"a b\"\nj.smith\n@example.com\n";
        let names = file(bare.as_bytes(), Some("example.com")).expect("a file");
        let expected = [
            "\"a b\"@example.com",
            "ann@example.com",
            "example.com",
            "j.smith@example.com",
            "joe@example.com",
        ];
        assert_eq!(names, expected);
        assert_eq!(file(b"", None).expect("nobody"), [""; 0]);
    }

    #[test]
    fn each_line_that_is_wrong_is_named() {
        let wrong = file(b"joe\nann@example.com\n\xff\na b@example.com\n", None).unwrap_err();
        let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 4]);
        let texts: Vec<String> = wrong.iter().map(|(_, wrong)| wrong.to_string()).collect();
        assert!(
            texts[0].contains("--domain") && texts[0].contains("joe@example.com"),
            "{texts:?}"
        );
        assert!(texts[1].contains("UTF-8"), "{texts:?}");
        let other = file(b"joe@example.org", Some("example.com")).unwrap_err();
        assert!(other[0].1.to_string().contains("example.com"), "{other:?}");
    }
}
