//! Our `Authentication-Results` field (RFC 8601).
//!
//! Owns: its form. Must not know: how a verdict came about.
//!
//! A sender chooses much of what is in it: its address, its HELO name, the domain and selector of a signature. Each such value is a
//! plain word of the grammar, or is quoted, or is left out.
//!
//! Invariants: what a sender chose changes no other part of the field; the field is ASCII and has no line end but the folds made here.
//! A line is longer than [`LINE_OCTETS`] only where one word is.

use std::fmt::Write as _;

use ringpost_proto::smtp::domain;

use super::verdicts::{Claimed, Verdicts};
use super::word::Word;

/// Length of a line that should not be exceeded (RFC 5322 2.1.1).
const LINE_OCTETS: usize = 78;
/// Longest value that is written; no address or domain in use is that long.
const VALUE_OCTETS: usize = 320;

/// One result and its properties.
struct Result {
    words: Vec<String>,
}

impl Result {
    fn new(method: &str, word: Word) -> Self {
        Self {
            words: vec![format!("{method}={word}")],
        }
    }

    /// Why, in words of ours.
    fn reason(mut self, why: Option<&'static str>) -> Self {
        self.words
            .extend(why.map(|why| format!("reason=\"{why}\"")));
        self
    }

    /// A comment of ours.
    fn comment(mut self, text: Option<String>) -> Self {
        self.words.extend(text.map(|text| format!("({text})")));
        self
    }

    fn property(mut self, name: &str, value: Option<String>) -> Self {
        self.words
            .extend(value.map(|value| format!("{name}={value}")));
        self
    }
}

/// The field, with CRLF at its end.
pub(super) fn write(hostname: &str, verdicts: &Verdicts) -> String {
    let mut text = format!("Authentication-Results: {hostname}");
    let mut results = results(verdicts).into_iter().peekable();
    text.push(';');
    while let Some(result) = results.next() {
        let mut line = 0;
        let count = result.words.len();
        for (at, word) in result.words.into_iter().enumerate() {
            let is_last = at + 1 == count;
            let end = if is_last && results.peek().is_some() {
                ";"
            } else {
                ""
            };
            let length = word.len() + end.len() + 1;
            if line == 0 || line + length > LINE_OCTETS {
                text.push_str("\r\n\t");
                line = 8;
            } else {
                text.push(' ');
            }
            text.push_str(&word);
            text.push_str(end);
            line += length;
        }
    }
    text.push_str("\r\n");
    assert!(text.is_ascii(), "what is not ASCII is left out");
    text
}

fn results(verdicts: &Verdicts) -> Vec<Result> {
    let mut results = Vec::new();
    for (claimed, word) in &verdicts.spf {
        results.push(match claimed {
            Claimed::Sender(sender) => {
                Result::new("spf", *word).property("smtp.mailfrom", mailbox(sender))
            }
            Claimed::Helo(helo) => Result::new("spf", *word).property("smtp.helo", value(helo)),
        });
    }
    if verdicts.dkim.is_empty() {
        results.push(Result::new("dkim", Word::None));
    }
    for signed in &verdicts.dkim {
        results.push(
            Result::new("dkim", signed.word)
                .reason(signed.why)
                .property("header.d", value(&signed.domain))
                .property("header.s", value(&signed.selector))
                .property("header.b", value(&signed.start)),
        );
    }
    let dmarc = &verdicts.dmarc;
    results.push(
        Result::new("dmarc", dmarc.word)
            .reason(dmarc.why)
            .property("header.from", value(&dmarc.domain))
            .property("policy.dmarc", dmarc.policy.map(str::to_owned)),
    );
    let sealed = verdicts.arc.last.as_ref().map(|(sets, sealer)| {
        let sealer =
            plain(sealer).map_or_else(String::new, |sealer| format!(" sealed by {sealer}"));
        format!("i={sets}{sealer}")
    });
    results.push(Result::new("arc", verdicts.arc.word).comment(sealed));
    let name = verdicts.iprev.name.as_deref().and_then(plain);
    results.push(
        Result::new("iprev", verdicts.iprev.word)
            .property("policy.iprev", value(&verdicts.client.to_string()))
            .comment(name),
    );
    results
}

/// A domain that needs no quotes, not in a comment either.
fn plain(text: &str) -> Option<String> {
    let text = domain::normal(text);
    let is_plain =
        text.len() <= VALUE_OCTETS && text.is_ascii() && domain::is_domain(text.as_bytes());
    is_plain.then(|| text.into_owned())
}

/// An address: as it is where it is plain, quoted where it is not, its domain alone where it cannot be quoted.
fn mailbox(address: &str) -> Option<String> {
    let Some((local_part, domain)) = address.rsplit_once('@') else {
        return value(address);
    };
    let domain = domain::normal(domain);
    let whole = format!("{local_part}@{domain}");
    if is_dot_atom(local_part) && plain(&domain).is_some() && whole.len() <= VALUE_OCTETS {
        return Some(whole);
    }
    quoted(&whole).or_else(|| value(&domain))
}

/// Whether a local-part needs no quotes (RFC 5322 3.2.3).
fn is_dot_atom(text: &str) -> bool {
    let is_inside =
        |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet);
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_inside))
}

/// A value: a token (RFC 2045 5.1), or quoted; none where it is empty or has what cannot be quoted.
fn value(text: &str) -> Option<String> {
    let is_token = |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet);
    if !text.is_empty() && text.len() <= VALUE_OCTETS && text.bytes().all(is_token) {
        return Some(text.to_owned());
    }
    quoted(text)
}

fn quoted(text: &str) -> Option<String> {
    let is_visible = |octet: u8| octet.is_ascii_graphic() || octet == b' ';
    if text.is_empty() || text.len() > VALUE_OCTETS || !text.bytes().all(is_visible) {
        return None;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let escape = if matches!(character, '"' | '\\') {
            "\\"
        } else {
            ""
        };
        write!(quoted, "{escape}{character}").expect("a String takes every write");
    }
    quoted.push('"');
    Some(quoted)
}

#[cfg(test)]
mod tests;
