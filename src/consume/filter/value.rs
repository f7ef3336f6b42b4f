//! What a field is compared with, out of its text.
//!
//! Owns: addresses, patterns of texts, comparisons. Must not know: records, and where in a filter a value is.
//!
//! Invariant: spellings of one address or domain are one value, as everywhere in ringpost (`smtp::name`, `smtp::domain`).

use ringpost_proto::smtp::address;
use ringpost_proto::smtp::domain;
use ringpost_proto::smtp::name::{Name, NotAName};
use ringpost_proto::smtp::pattern;

use crate::config::{self, Reason};

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Operator {
    /// The operator at the front of a text, and its length.
    pub(super) fn at_front(text: &str) -> Option<(Self, usize)> {
        let known = [
            ("!=", Self::Different),
            ("<=", Self::AtMost),
            (">=", Self::AtLeast),
            ("=", Self::Equal),
            ("<", Self::Less),
            (">", Self::More),
        ];
        let found = known.iter().find(|(sign, _)| text.starts_with(sign));
        found.map(|&(sign, operator)| (operator, sign.len()))
    }

    /// An operator at the front that other languages have: how it is written, how it is written here, and which it is. After a
    /// field without an order, `=>` and `=<` are `=` and a value.
    pub(super) fn misspelled(
        text: &str,
        is_ordered: bool,
    ) -> Option<(&'static str, &'static str, Self)> {
        let known = [
            ("==", "=", Self::Equal, false),
            ("<>", "!=", Self::Different, false),
            ("=>", ">=", Self::AtLeast, true),
            ("=<", "<=", Self::AtMost, true),
        ];
        let found = known.iter().find(|(written, .., needs_order)| {
            text.starts_with(written) && (is_ordered || !needs_order)
        });
        found.map(|&(written, meant, operator, _)| (written, meant, operator))
    }

    /// Whether it holds between these two.
    pub(super) fn holds<T: Ord>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Different => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// Whom a value names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// The null sender.
    Nobody,
    /// One address.
    Address(Box<Name>),
    /// One mailbox that is no name of a directory, at an address literal or without a domain; in lower case.
    Mailbox(String),
    /// Everybody at the domains of a pattern, which is in normal form.
    Domains(String),
}

/// Why a value names nobody. Its text is the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotWho {
    /// `<>` is a sender.
    #[error(
        "is the null sender, and no recipient: write an address such as joe@example.com, or a domain"
    )]
    NullRecipient,
    /// A pattern of local-parts.
    #[error(
        "has a * before the @, where it is no pattern: write {domain} for all addresses there, or put what is before the @ in \
         double quotes and the whole in single ones for a mailbox of that name"
    )]
    Star {
        /// What is after the @.
        domain: String,
    },
    /// One word, which may be meant as a local-part or as a domain.
    #[error(
        "is neither an address nor a domain with a dot: write {word}@example.com, or @{word} for all addresses of the domain \
         {word}"
    )]
    Word {
        /// It.
        word: String,
    },
    /// Not an address.
    #[error("{0}")]
    Address(#[from] NotAName),
    /// Not a pattern of domains.
    #[error("{0}")]
    Domains(#[from] Reason),
}

impl Who {
    /// Reads `joe@example.com`, `<joe@example.com>`, `example.com`, `@example.com`, `*.example.com`, and `<>`. A domain without a
    /// dot needs the `@`, and a `*` in a local-part quotes: without them, something else is meant as a rule.
    pub(super) fn parse(text: &str, null_is_one: bool) -> Result<Self, NotWho> {
        let inner = text
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        let text = match inner {
            Some("") if null_is_one => return Ok(Self::Nobody),
            Some("") => return Err(NotWho::NullRecipient),
            _ => inner.unwrap_or(text),
        };
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Mailbox(text.to_ascii_lowercase()));
        }
        match text.rsplit_once('@') {
            None => {
                let pattern = config::domain_pattern(text)?;
                if pattern == "*" || pattern.contains('.') {
                    return Ok(Self::Domains(pattern));
                }
                let word = text.trim_end_matches('.').to_owned();
                Err(NotWho::Word { word })
            }
            Some(("", domains)) => Ok(Self::Domains(config::domain_pattern(domains)?)),
            Some((local_part, domain))
                if local_part.contains('*') && !local_part.starts_with('"') =>
            {
                let domain = domain.to_owned();
                Err(NotWho::Star { domain })
            }
            Some(_) => match Name::parse(text.as_bytes()) {
                Ok(name) => Ok(Self::Address(Box::new(name))),
                Err(_) if address::mailbox(text.as_bytes()).is_ok() => {
                    Ok(Self::Mailbox(text.to_ascii_lowercase()))
                }
                Err(why) => Err(why.into()),
            },
        }
    }

    /// Whether this mailbox of an envelope is one of them. Nobody has checked it.
    pub(super) fn is(&self, mailbox: &str) -> bool {
        match self {
            Self::Nobody => mailbox.is_empty(),
            Self::Address(name) => mailbox
                .rsplit_once('@')
                .is_some_and(|(local_part, domain)| {
                    Name::of_address(local_part, domain).is_ok_and(|found| found == **name)
                }),
            Self::Mailbox(text) => mailbox.eq_ignore_ascii_case(text),
            Self::Domains(pattern) => is_of(pattern, mailbox),
        }
    }
}

/// Whether a mailbox is at a domain of the pattern.
pub(super) fn is_of(pattern: &str, mailbox: &str) -> bool {
    // A local-part may hold an @ in quotes, a domain holds none.
    let domain = mailbox.rsplit_once('@').map(|(_, domain)| domain);
    domain.is_some_and(|domain| pattern::matches(pattern, &domain::normal(domain)))
}

/// A text in which `*` is any text, without regard to the case of ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wild {
    /// What is between the stars, in lower case; never empty.
    parts: Vec<String>,
}

impl Wild {
    /// Any text is one.
    pub(super) fn new(text: &str) -> Self {
        let parts = text.split('*').map(str::to_ascii_lowercase);
        Self {
            parts: parts.collect(),
        }
    }

    /// Whether a text fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let (first, rest) = self.parts.split_first().expect("there is a part");
        let Some((last, middle)) = rest.split_last() else {
            return text == *first;
        };
        let Some(mut open) = text
            .strip_prefix(first.as_str())
            .and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        // The first place of each part leaves the most for those after it.
        for part in middle {
            match open.find(part.as_str()) {
                Some(at) => open = &open[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_any_text() {
        for (pattern, text, fits) in [
            ("a", "A", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "x", true),
            ("a*", "abc", true),
            ("*c", "abC", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*bb*bb*", "abbb", false),
            ("*bb*bb*", "abbbb", true),
            ("", "", true),
            ("", "x", false),
            ("tlsv1.3 *", "TLSv1.3 TLS13_AES_256_GCM_SHA384", true),
        ] {
            assert_eq!(Wild::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn one_mailbox_has_many_spellings() {
        for (value, mailbox, is) in [
            ("Joe@Example.com.", "joe@EXAMPLE.com", true),
            ("<joe@example.com>", "\"joe\"@example.com", true),
            ("joe@b\u{fc}cher.example", "joe@xn--bcher-kva.example", true),
            ("joe@xn--bcher-kva.example", "joe@B\u{dc}CHER.example", true),
            ("joe@example.com", "joe+tag@example.com", false),
            ("example.com", "\"a@b\"@Example.com", true),
            ("@example.com", "x@example.com", true),
            ("example.com", "x@a.example.com", false),
            ("*.example.com", "x@a.example.com", true),
            ("*.example.com", "x@example.com", false),
            ("*", "x@example.com", true),
            ("*", "", false),
            ("<>", "", true),
            ("<>", "x@example.com", false),
            ("@localhost", "root@LOCALHOST", true),
            ("\"*\"@example.com", "*@example.com", true),
            ("\"*\"@example.com", "x@example.com", false),
            ("postmaster", "Postmaster", true),
            ("postmaster", "postmaster@example.com", false),
            ("joe@[192.0.2.1]", "Joe@[192.0.2.1]", true),
            ("joe@[192.0.2.1]", "joe@[192.0.2.2]", false),
            ("example.com", "not an address\n", false),
        ] {
            let who = Who::parse(value, true).unwrap();
            assert_eq!(who.is(mailbox), is, "{value} {mailbox}");
        }
        assert_eq!(Who::parse("<>", false), Err(NotWho::NullRecipient));
        for text in [
            "",
            "a b@example.com",
            "joe@",
            "a*.example.com",
            ".example.com",
            "<",
            "joe@*.example.com",
            "*@example.com",
            "joe",
            "<joe>",
            "b\u{fc}cher.",
        ] {
            assert!(Who::parse(text, true).is_err(), "{text}");
        }
    }
}
