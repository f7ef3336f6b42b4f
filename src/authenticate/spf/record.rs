//! A record of SPF (RFC 7208 sections 4.5, 4.6, 5, 6, 12).
//!
//! Owns: which text of a domain is its record, and the syntax of one. Must not know: how it is evaluated.
//!
//! Invariant: a record with a mistake anywhere is none, whatever stands before the mistake.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::MacroString;
use crate::authenticate::word::Word;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// In their order.
    pub directives: Vec<Directive>,
    /// Where to go on if none matches.
    pub redirect: Option<MacroString>,
}

/// A mechanism and what it means if it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub result: Word,
    pub mechanism: Mechanism,
}

/// What may match. A domain that is not given is the record's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefix),
    Mx(Option<MacroString>, Prefix),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u32),
    Ip6(Ipv6Addr, u32),
    Exists(MacroString),
}

/// Bits that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub ip4: u32,
    pub ip6: u32,
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRecord {
    /// No text is one.
    None,
    /// There are several, or it has a mistake.
    Wrong,
}

/// The record among the texts of a domain.
pub(super) fn select(texts: &[Vec<u8>]) -> Result<Record, NoRecord> {
    let is_record = |text: &&Vec<u8>| {
        let version = text.get(..6);
        version.is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"))
            && text.get(6).is_none_or(|octet| *octet == b' ')
    };
    let mut records = texts.iter().filter(is_record);
    match (records.next(), records.next()) {
        (None, _) => Err(NoRecord::None),
        (Some(_), Some(_)) => Err(NoRecord::Wrong),
        (Some(text), None) => parse(&text[6..]).ok_or(NoRecord::Wrong),
    }
}

/// Parses what follows the version.
fn parse(text: &[u8]) -> Option<Record> {
    if !text.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut record = Record {
        directives: Vec::new(),
        redirect: None,
    };
    let mut explained = false;
    for term in text.split(' ').filter(|term| !term.is_empty()) {
        match modifier(term) {
            None => record.directives.push(directive(term)?),
            Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                if record.redirect.is_some() {
                    return None;
                }
                record.redirect = Some(MacroString::parse_domain(value)?);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                MacroString::parse_domain(value)?;
                if std::mem::replace(&mut explained, true) {
                    return None;
                }
            }
            Some((_, value)) => drop(MacroString::parse(value)?),
        }
    }
    Some(record)
}

/// Name and value, where a term is a modifier.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && name.chars().all(is_inside)).then_some((name, value))
}

fn directive(term: &str) -> Option<Directive> {
    let (result, term) = match term.as_bytes().first()? {
        b'+' => (Word::Pass, &term[1..]),
        b'-' => (Word::Fail, &term[1..]),
        b'~' => (Word::SoftFail, &term[1..]),
        b'?' => (Word::Neutral, &term[1..]),
        _ => (Word::Pass, term),
    };
    Some(Directive {
        result,
        mechanism: mechanism(term)?,
    })
}

fn mechanism(term: &str) -> Option<Mechanism> {
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let after_colon = rest.strip_prefix(':');
    Some(match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(MacroString::parse_domain(after_colon?)?),
        "exists" => Mechanism::Exists(MacroString::parse_domain(after_colon?)?),
        "a" => {
            let (domain, prefix) = domain_and_prefix(rest)?;
            Mechanism::A(domain, prefix)
        }
        "mx" => {
            let (domain, prefix) = domain_and_prefix(rest)?;
            Mechanism::Mx(domain, prefix)
        }
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(MacroString::parse_domain(after_colon?)?)),
        "ip4" => {
            let (network, bits) = network(after_colon?, 32)?;
            Mechanism::Ip4(network.parse().ok()?, bits)
        }
        "ip6" => {
            let (network, bits) = network(after_colon?, 128)?;
            Mechanism::Ip6(network.parse().ok()?, bits)
        }
        _ => return None,
    })
}

/// A network and its prefix length, if it has one.
fn network(text: &str, most: u32) -> Option<(&str, u32)> {
    match text.split_once('/') {
        None => Some((text, most)),
        Some((network, bits)) => Some((network, prefix_length(bits, most)?)),
    }
}

/// `[":" domain-spec] [ip4-cidr-length] ["/" ip6-cidr-length]`.
fn domain_and_prefix(rest: &str) -> Option<(Option<MacroString>, Prefix)> {
    let (rest, ip6) = match rest.rfind("//") {
        Some(at) if is_digits(&rest[at + 2..]) => {
            (&rest[..at], prefix_length(&rest[at + 2..], 128)?)
        }
        _ => (rest, 128),
    };
    let (rest, ip4) = match rest.rfind('/') {
        Some(at) if is_digits(&rest[at + 1..]) => {
            (&rest[..at], prefix_length(&rest[at + 1..], 32)?)
        }
        _ => (rest, 32),
    };
    let domain = match rest {
        "" => None,
        rest => Some(MacroString::parse_domain(rest.strip_prefix(':')?)?),
    };
    Some((domain, Prefix { ip4, ip6 }))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// A number without a zero in front.
fn prefix_length(text: &str, most: u32) -> Option<u32> {
    let canonical = is_digits(text) && (text == "0" || !text.starts_with('0'));
    let bits = canonical.then(|| text.parse().ok()).flatten()?;
    (bits <= most).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Record, NoRecord> {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        select(&texts)
    }

    #[test]
    fn one_text_is_the_record() {
        assert_eq!(of(&[]), Err(NoRecord::None));
        assert_eq!(
            of(&["v=spf10", "v=spf", "x v=spf1", "v=spf1,a"]),
            Err(NoRecord::None)
        );
        assert!(of(&["other", "V=SPF1", "v=spf10"]).is_ok());
        assert_eq!(of(&["v=spf1", "v=spf1 a"]), Err(NoRecord::Wrong));
    }

    #[test]
    fn a_mistake_anywhere_is_one_of_the_record() {
        for term in [
            "foo",
            "all:x",
            "all.",
            "all/8",
            "include",
            "include:",
            "include:x",
            "exists:",
            "a:",
            "a:x",
            "a/33",
            "a//129",
            "a/08",
            "a/",
            "a//",
            "a:x.example/a",
            "mx:1.2.3.4.",
            "ptr:",
            "ptr/0",
            "ip4",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/00",
            "ip4:1.2.3.4/",
            "ip4:01.2.3.4",
            "ip4:1.2.3.4:8",
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "ip6:x",
            "+-a",
            "redirect=",
            "redirect=x",
            "exp=",
            "redirect=a.b redirect=a.b",
            "exp=a.b exp=a.b",
            "x=%",
            "=x",
            "1=x",
            "a\tmx",
            "?",
            "x=\u{e9}",
        ] {
            assert_eq!(
                of(&[&format!("v=spf1 +all {term}")]),
                Err(NoRecord::Wrong),
                "{term}"
            );
        }
    }

    #[test]
    fn a_record_has_its_parts() {
        let text = "v=spf1  -A:%{d}.x.example/24//64 ?mx//0 a/0 ptr ip4:192.0.2.0/24 ~IP6:2001:db8::/32 x=%{s} \
                    exists:%{i}.y.example exp=e.example redirect=z.example all";
        let record = of(&[text]).unwrap();
        let mechanisms: Vec<Word> = record.directives.iter().map(|one| one.result).collect();
        assert_eq!(
            mechanisms,
            [
                Word::Fail,
                Word::Neutral,
                Word::Pass,
                Word::Pass,
                Word::Pass,
                Word::SoftFail,
                Word::Pass,
                Word::Pass
            ]
        );
        assert!(record.redirect.is_some());
        let prefixes: Vec<(u32, u32)> = record
            .directives
            .iter()
            .filter_map(|one| match &one.mechanism {
                Mechanism::A(_, prefix) | Mechanism::Mx(_, prefix) => {
                    Some((prefix.ip4, prefix.ip6))
                }
                _ => None,
            })
            .collect();
        assert_eq!(prefixes, [(24, 64), (32, 0), (0, 128)]);
    }
}
