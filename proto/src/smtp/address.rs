//! Paths, mailboxes and address literals (RFC 5321 4.1.2 and 4.1.3, RFC 6531 3.3).
//!
//! Owns: their syntax and their lengths (RFC 5321 4.5.3.1). Must not know: whom this MX takes mail for; what a domain is,
//! `domain` decides.
//!
//! A source route is accepted and ignored (RFC 5321 appendix C). A mailbox is kept as it was written, octet by octet.
//!
//! More generous than the letter, since real senders need it (docs/protocol.md names them): a path may lack its brackets, a
//! local-part may have dots anywhere, a domain may end with a dot, and one that is missing is for the caller to judge.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::domain::{self, is_domain};
use super::octet::{self, ATEXT, HYPHEN, LABEL, PLAIN_ATEXT};
use crate::limits::{DOMAIN_LABEL_OCTETS, LOCAL_PART_OCTETS, PATH_OCTETS};

/// A mailbox as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    text: String,
    /// Octets of the local-part.
    at: usize,
}

impl Mailbox {
    /// The whole mailbox, local-part and domain.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local-part, with its quotes if it has some.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain or address literal; empty where there is none.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or("")
    }

    /// The domain in the one form that all its spellings share. Allocates only where it is written in another form.
    pub fn normal_domain(&self) -> Cow<'_, str> {
        domain::normal(self.domain())
    }

    /// Whether it is `postmaster` without a domain, in any case (RFC 5321 4.1.1.3).
    pub fn is_postmaster(&self) -> bool {
        self.text.eq_ignore_ascii_case("postmaster")
    }

    /// Bytes that it takes in a JSON array of strings, its quotes and a comma included. A backslash stands before each quote and
    /// each backslash, which a quoted local-part alone has; control characters, which are longer in JSON, no mailbox has.
    pub fn json_octets(&self) -> usize {
        let escaped = if self.is_quoted() {
            memchr::memchr2_iter(b'"', b'\\', self.text.as_bytes()).count()
        } else {
            0
        };
        self.text.len() + escaped + "\"\",".len()
    }

    /// Whether its local-part is a quoted string.
    pub fn is_quoted(&self) -> bool {
        self.text.starts_with('"')
    }

    /// Whether it needs SMTPUTF8.
    pub fn is_international(&self) -> bool {
        !self.text.is_ascii()
    }
}

/// A path is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A path at the front of `input`, and the octets after it. `None` is the null path `<>`.
///
/// # Errors
/// [`Malformed`] where no path stands there.
pub fn path(input: &[u8]) -> Result<(Option<Mailbox>, &[u8]), Malformed> {
    let Some(inner) = input.strip_prefix(b"<") else {
        return bare_path(input);
    };
    match plain_path(inner) {
        Some((mailbox, rest)) => Ok((Some(mailbox), rest)),
        None => thorough_path(inner),
    }
}

/// A path without its brackets, up to the first blank.
fn bare_path(input: &[u8]) -> Result<(Option<Mailbox>, &[u8]), Malformed> {
    let length = unquoted(input, |octet| octet == b' ' || octet == b'\t').unwrap_or(input.len());
    let (inner, rest) = input.split_at(length);
    if inner.len() + 2 > PATH_OCTETS {
        return Err(Malformed);
    }
    Ok((Some(mailbox(inner)?), rest))
}

/// The path that nearly all are: a dot-string and a domain, in ASCII. `None` for any other one, well-formed or not, which the
/// thorough way decides.
fn plain_path(inner: &[u8]) -> Option<(Mailbox, &[u8])> {
    let (at, _) = dotted(inner, PLAIN_ATEXT)?;
    let domain = inner[at..].strip_prefix(b"@")?;
    let (length, classes) = dotted(domain, LABEL)?;
    let rest = domain[length..].strip_prefix(b">")?;
    let domain = &domain[..length];
    // A domain that is no longer than a label may be has no label that is too long.
    let simple = length <= DOMAIN_LABEL_OCTETS && classes & HYPHEN == 0;
    if at > LOCAL_PART_OCTETS || at + 1 + length + 2 > PATH_OCTETS || !(simple || is_domain(domain))
    {
        return None;
    }
    let text = std::str::from_utf8(&inner[..at + 1 + length]).ok()?;
    let text = text.to_owned();
    Some((Mailbox { text, at }, rest))
}

/// Length of the front that is made of octets of this class and single dots between them, and all classes of these octets.
/// Something else follows it.
fn dotted(input: &[u8], class: u8) -> Option<(usize, u8)> {
    let mut atom_begins = true;
    let mut all = 0;
    for (place, &octet) in input.iter().enumerate() {
        let classes = octet::classes_of(octet);
        if classes & class != 0 {
            atom_begins = false;
            all |= classes;
        } else if octet == b'.' && !atom_begins {
            atom_begins = true;
        } else {
            return (!atom_begins).then_some((place, all));
        }
    }
    None
}

/// What follows the `<`.
fn thorough_path(inner: &[u8]) -> Result<(Option<Mailbox>, &[u8]), Malformed> {
    let length = closing_bracket(inner).ok_or(Malformed)?;
    let (inner, rest) = (without_blanks(&inner[..length]), &inner[length + 1..]);
    if inner.is_empty() {
        return Ok((None, rest));
    }
    if inner.len() + 2 > PATH_OCTETS {
        return Err(Malformed);
    }
    let mailbox = mailbox(without_source_route(inner)?)?;
    Ok((Some(mailbox), rest))
}

/// Without blanks at both ends, which some devices put inside the brackets.
fn without_blanks(inner: &[u8]) -> &[u8] {
    let blanks = |octet: &&u8| **octet == b' ';
    let front = inner.iter().take_while(blanks).count();
    let inner = &inner[front..];
    &inner[..inner.len() - inner.iter().rev().take_while(blanks).count()]
}

/// The place of the `>` that ends the path: not one inside a quoted string.
fn closing_bracket(inner: &[u8]) -> Option<usize> {
    unquoted(inner, |octet| octet == b'>')
}

/// The first octet outside of a quoted string for which `is` holds.
fn unquoted(input: &[u8], is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    input.iter().position(|&octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if !quoted => return is(octet),
            _ => {}
        }
        false
    })
}

/// `@a,@b:user@c` without its route (RFC 5321 4.1.2, A-d-l).
fn without_source_route(inner: &[u8]) -> Result<&[u8], Malformed> {
    if inner.first() != Some(&b'@') {
        return Ok(inner);
    }
    let colon = memchr::memchr(b':', inner).ok_or(Malformed)?;
    for hop in inner[..colon].split(|&octet| octet == b',') {
        let domain = hop.strip_prefix(b"@").ok_or(Malformed)?;
        if !is_domain(domain) {
            return Err(Malformed);
        }
    }
    Ok(&inner[colon + 1..])
}

/// A mailbox, or the name of a user of the client's machine alone, as cron and devices give it.
///
/// # Errors
/// [`Malformed`] where it is neither.
pub fn mailbox(input: &[u8]) -> Result<Mailbox, Malformed> {
    let text = std::str::from_utf8(input).map_err(|_| Malformed)?;
    if is_user_name(input) {
        return Ok(Mailbox {
            text: text.to_owned(),
            at: text.len(),
        });
    }
    let at = local_part_length(input).ok_or(Malformed)?;
    if at == 0 || at > LOCAL_PART_OCTETS || input.get(at) != Some(&b'@') {
        return Err(Malformed);
    }
    let domain = &input[at + 1..];
    if !is_domain(domain) && !is_address_literal(domain) {
        return Err(Malformed);
    }
    Ok(Mailbox {
        text: text.to_owned(),
        at,
    })
}

/// Length of the dot-string or quoted string at the front.
fn local_part_length(input: &[u8]) -> Option<usize> {
    if input.first() == Some(&b'"') {
        return quoted_string_length(input);
    }
    let length = input.iter().position(|&octet| octet == b'@')?;
    is_dot_string(&input[..length]).then_some(length)
}

/// Atoms with dots anywhere between and around them: a large carrier has given out addresses such as `ilo.@` and `u..n@`.
fn is_dot_string(input: &[u8]) -> bool {
    let mut atoms = input.split(|&octet| octet == b'.');
    atoms.all(|atom| atom.iter().all(|&octet| is_atext(octet)))
        && input.iter().any(|&octet| octet != b'.')
}

/// Whether a local-part is a dot-string by the letter (RFC 5321 4.1.2): no quotes, no dot without an atom on each side, and
/// nothing that a reader of a header field could take for something else.
pub fn is_strict_dot_string(local_part: &str) -> bool {
    let mut atoms = local_part.as_bytes().split(|&octet| octet == b'.');
    if !atoms.all(|atom| !atom.is_empty()) {
        return false;
    }
    let plain = |c: char| c != '"' && !c.is_control() && !c.is_whitespace();
    let is_plain = |octet: u8| octet == b'.' || octet::is(octet, PLAIN_ATEXT);
    // What nearly all are made of needs no look at its characters.
    local_part.bytes().all(is_plain) || local_part.chars().all(plain)
}

/// Letters, digits and few signs: what has no domain is taken only where nobody could mean anything else with it.
fn is_user_name(input: &[u8]) -> bool {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(octet);
    input.iter().all(plain) && is_local_part(input)
}

/// Whether `input` is a local-part and nothing else.
pub(super) fn is_local_part(input: &[u8]) -> bool {
    let well_formed = match input.first() {
        Some(b'"') => quoted_string_length(input) == Some(input.len()),
        _ => is_dot_string(input),
    };
    well_formed && input.len() <= LOCAL_PART_OCTETS
}

fn quoted_string_length(input: &[u8]) -> Option<usize> {
    let mut octets = input.iter().enumerate().skip(1);
    while let Some((at, &octet)) = octets.next() {
        match octet {
            b'"' => return Some(at + 1),
            b'\\' => {
                octets
                    .next()
                    .filter(|&(_, &escaped)| (32..=126).contains(&escaped))?;
            }
            32..=126 | 128.. => {}
            _ => return None,
        }
    }
    None
}

/// RFC 5322 atext, and UTF-8 as RFC 6531 adds it.
fn is_atext(octet: u8) -> bool {
    octet::is(octet, ATEXT)
}

/// Whether `input` is an address literal (RFC 5321 4.1.3): `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
pub fn is_address_literal(input: &[u8]) -> bool {
    let Some(inner) = input
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
    else {
        return false;
    };
    let Ok(inner) = std::str::from_utf8(inner) else {
        return false;
    };
    match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_way_decides_as_the_thorough_one_does() {
        let alphabet = b"a.-@>\"_\xc3";
        let mut plain = 0;
        let mut agree = |inner: &[u8]| {
            if let Some((mailbox, rest)) = plain_path(inner) {
                let expected = thorough_path(inner);
                assert_eq!(
                    expected,
                    Ok((Some(mailbox), rest)),
                    "{}",
                    inner.escape_ascii()
                );
                plain += 1;
            }
        };
        for number in (0..8_usize.pow(6)).step_by(if cfg!(miri) { 8_191 } else { 1 }) {
            let mut inner: Vec<u8> = (0..6)
                .map(|place| alphabet[number >> (3 * place) & 7])
                .collect();
            inner.extend_from_slice(b".a@a>a@a>");
            agree(&inner);
        }
        for local in [
            1,
            LOCAL_PART_OCTETS - 1,
            LOCAL_PART_OCTETS,
            LOCAL_PART_OCTETS + 1,
        ] {
            for label in (1..=DOMAIN_LABEL_OCTETS + 1).step_by(if cfg!(miri) { 21 } else { 1 }) {
                for labels in 1..=5 {
                    let domain = vec!["x".repeat(label); labels].join(".");
                    agree(format!("{}@{domain}> SIZE=1", "l".repeat(local)).as_bytes());
                }
            }
        }
        assert!(
            plain > if cfg!(miri) { 20 } else { 1000 },
            "{plain} were plain"
        );
    }

    #[test]
    fn a_mailbox_takes_in_json_what_is_counted() {
        let escaped = format!("\"{}\"@{}.example", "\\\"".repeat(127), "x".repeat(63));
        let mut longest = 0;
        for text in [
            "user@example.com",
            "postmaster",
            "o'brien/x@b.example",
            "\"\"@b",
            "\"a b\"@[IPv6:2001:db8::1]",
            "\"\\\\\\\"\"@b",
            "\"\u{80}\u{2028}\u{fc}\"@b\u{fc}cher.example",
            &escaped,
        ] {
            let mailbox = mailbox(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"));
            let json = serde_json::to_string(mailbox.as_str()).unwrap();
            assert_eq!(mailbox.json_octets(), json.len() + 1, "{text}");
            longest = longest.max(mailbox.json_octets() - text.len());
        }
        assert_eq!(longest, LOCAL_PART_OCTETS + 3, "every character escaped");
    }

    #[test]
    fn paths_that_are_accepted() {
        for (text, local, domain) in [
            ("<user@example.com>", "user", "example.com"),
            ("<a.b+c@sub.example.com>", "a.b+c", "sub.example.com"),
            ("<\"a b\"@example.com>", "\"a b\"", "example.com"),
            ("<\"a\\\"b>c\"@example.com>", "\"a\\\"b>c\"", "example.com"),
            ("<user@[192.0.2.1]>", "user", "[192.0.2.1]"),
            ("<user@[IPv6:2001:db8::1]>", "user", "[IPv6:2001:db8::1]"),
            (
                "<@a.example,@b.example:user@c.example>",
                "user",
                "c.example",
            ),
            ("<Postmaster>", "Postmaster", ""),
            ("<jörg@exämple.de>", "jörg", "exämple.de"),
            ("<user@example.com.>", "user", "example.com."),
            ("user@example.com", "user", "example.com"),
            ("\"a b\"@example.com", "\"a b\"", "example.com"),
            ("postmaster", "postmaster", ""),
            ("<root>", "root", ""),
            ("< user@example.com >", "user", "example.com"),
            ("<ilo.@b>", "ilo.", "b"),
            ("<.a@b>", ".a", "b"),
            ("<u..n@b>", "u..n", "b"),
        ] {
            let (mailbox, rest) = path(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"));
            let mailbox = mailbox.unwrap();
            assert_eq!(
                (mailbox.local_part(), mailbox.domain(), rest),
                (local, domain, &b""[..]),
                "{text}"
            );
        }
        assert_eq!(path(b"<> SIZE=1"), Ok((None, &b" SIZE=1"[..])));
    }

    #[test]
    fn paths_that_are_refused() {
        let long_local = format!("<{}@example.com>", "x".repeat(257));
        let long_label = format!("<x@{}.com>", "x".repeat(64));
        let long_path = format!("<x@{}>", ["x"; 129].join("."));
        let long_route = format!("<@{0},@{0}:{1}@b>", ["x"; 127].join("."), "y".repeat(5));
        for text in [
            "",
            "user@example.com>",
            "<user@example.com",
            "..@example.com",
            "<...@example.com>",
            "<user@example.com..>",
            "<user@>",
            "<@example.com>",
            "<a@b@c>",
            "<a b@c>",
            "<a@-b>",
            "<a@b->",
            "<a@b..c>",
            "<a@[1.2.3]>",
            "<a@[IPv6:zz]>",
            "<\"a@b>",
            "<a@b",
            "<a\0@b>",
            "<a@b\r>",
            "<\"a\"b@c>",
            "<@a:>",
            "<@a b@c>",
            &long_local,
            &long_label,
            &long_path,
            &long_route,
        ] {
            assert_eq!(path(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(path(b"<\xff@example.com>"), Err(Malformed));
    }
}
