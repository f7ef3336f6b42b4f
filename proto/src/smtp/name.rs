//! What one key of a directory names: an address, a domain, or all domains below one.
//!
//! Owns: the syntax of a key, and the normal form that all spellings of it share. Must not know: whose mail is taken, and
//! where keys come from.
//!
//! | key | names |
//! |---|---|
//! | `joe@example.com` | this recipient |
//! | `example.com` or `@example.com` | every local-part at this domain |
//! | `*.example.com` or `@*.example.com` | every local-part at every domain below this one |
//!
//! Case is ignored, quotes that a local-part does not need make no difference, and a domain is in its normal form
//! ([`super::domain`]). There is no key for all domains: one record would open a server to everybody.
//!
//! Invariant: two spellings of one name have the same octets, and the text of a name is a key of the same name.
//!
//! BUGS: letters outside of ASCII in a local-part are compared as they are.

use std::fmt;

use super::address;
use super::domain::{self, NotADomain};
use super::list::Key;
use crate::limits::{DOMAIN_OCTETS, LOCAL_PART_OCTETS, PATH_OCTETS};

/// The longest name: domain, separator, local-part.
const NAME_OCTETS: usize = DOMAIN_OCTETS + 1 + LOCAL_PART_OCTETS;
/// Stands between domain and local-part: an octet that neither has.
const SEPARATOR: u8 = 0;
/// In place of a local-part: all of them. No local-part has a control character.
const WHOLE: u8 = 1;
/// In place of a local-part: all of them, at all domains below.
const BELOW: u8 = 2;

/// What a key names. Its octets are the domain first, so that the names of one domain sort together.
#[derive(Clone)]
pub struct Name {
    octets: [u8; NAME_OCTETS],
    length: usize,
}

/// Which recipients a name holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One.
    Address,
    /// Every local-part at a domain.
    Whole,
    /// Every local-part at every domain below one.
    Below,
}

/// Why a text is no key. The text of an error is a clause about it, with what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAName {
    /// It is empty.
    Empty,
    /// It is longer than any address.
    TooLong,
    /// It is not text in UTF-8.
    Encoding,
    /// It is `*`, which would name everybody.
    Everybody,
    /// What is in front of the `@` is no local-part.
    LocalPart,
    /// The domain is none.
    Domain(NotADomain),
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty: write an address such as joe@example.com, or a domain",
            Self::TooLong => "is longer than an address may be",
            Self::Encoding => "is not text in UTF-8",
            Self::Everybody => "would name everybody: name each domain",
            Self::LocalPart => {
                "has no local-part before the @: write an address such as joe@example.com, or a domain"
            }
            Self::Domain(why) => return write!(f, "names no domain: {why}"),
        })
    }
}

impl std::error::Error for NotAName {}

impl Name {
    /// Reads a key in any spelling.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(key: &[u8]) -> Result<Self, NotAName> {
        if key.is_empty() {
            return Err(NotAName::Empty);
        }
        if key.len() > PATH_OCTETS {
            return Err(NotAName::TooLong);
        }
        let text = std::str::from_utf8(key).map_err(|_| NotAName::Encoding)?;
        match text.rsplit_once('@') {
            None | Some(("", _)) => Self::of_pattern(text.strip_prefix('@').unwrap_or(text)),
            Some((local_part, domain)) => Self::of_address(local_part, domain),
        }
    }

    /// The name of one recipient.
    ///
    /// # Errors
    /// What of it is malformed.
    pub fn of_address(local_part: &str, domain: &str) -> Result<Self, NotAName> {
        if !address::is_local_part(local_part.as_bytes()) {
            return Err(NotAName::LocalPart);
        }
        domain::check(domain.as_bytes()).map_err(NotAName::Domain)?;
        let key = Key::new(local_part.as_bytes(), false).ok_or(NotAName::LocalPart)?;
        Ok(Self::at(&domain::normal(domain), key.octets()))
    }

    fn of_pattern(text: &str) -> Result<Self, NotAName> {
        if text == "*" {
            return Err(NotAName::Everybody);
        }
        let (domain, scope) = match text.strip_prefix("*.") {
            Some(domain) => (domain, BELOW),
            None => (text, WHOLE),
        };
        domain::check(domain.as_bytes()).map_err(NotAName::Domain)?;
        Ok(Self::at(&domain::normal(domain), &[scope]))
    }

    fn at(domain: &str, rest: &[u8]) -> Self {
        let mut name = Self {
            octets: [0; NAME_OCTETS],
            length: 0,
        };
        name.push(domain.as_bytes());
        name.push(&[SEPARATOR]);
        name.push(rest);
        name
    }

    fn push(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        assert!(
            end <= NAME_OCTETS,
            "a name has room for the longest of both"
        );
        self.octets[self.length..end].copy_from_slice(octets);
        self.length = end;
    }

    /// A recipient whose local-part is a list's key made without regard to case; none where the domain is no name.
    pub(super) fn of_key(key: &Key, domain: &str) -> Option<Self> {
        let fits = domain.len() <= DOMAIN_OCTETS && !key.octets().is_empty();
        fits.then(|| Self::at(domain, key.octets()))
    }

    /// A domain in normal form as a whole.
    pub(super) fn whole(domain: &str) -> Option<Self> {
        (domain.len() <= DOMAIN_OCTETS).then(|| Self::at(domain, &[WHOLE]))
    }

    /// All that is below a domain in normal form.
    pub(super) fn below(domain: &str) -> Option<Self> {
        (domain.len() <= DOMAIN_OCTETS).then(|| Self::at(domain, &[BELOW]))
    }

    /// The name that has these octets.
    ///
    /// # Panics
    /// If no name has them.
    pub(super) fn of_octets(octets: &[u8]) -> Self {
        let mut name = Self {
            octets: [0; NAME_OCTETS],
            length: 0,
        };
        name.push(octets);
        assert!(name.split().is_some(), "they were a name's");
        name
    }

    /// The one form that all spellings have.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// The domain, in normal form; that of the pattern where all below it are named.
    pub fn domain(&self) -> &str {
        self.parts().0
    }

    /// Which recipients it holds.
    pub fn scope(&self) -> Scope {
        scope_of(self.octets())
    }

    fn split(&self) -> Option<(&str, &str)> {
        let at = memchr::memchr(SEPARATOR, self.octets())?;
        let text = |octets| std::str::from_utf8(octets).ok();
        Some((text(&self.octets()[..at])?, text(&self.octets()[at + 1..])?))
    }

    fn parts(&self) -> (&str, &str) {
        self.split().expect("a name is a domain and what is at it")
    }
}

/// Which recipients the name with these octets holds.
pub(super) fn scope_of(octets: &[u8]) -> Scope {
    match octets {
        [.., SEPARATOR, WHOLE] => Scope::Whole,
        [.., SEPARATOR, BELOW] => Scope::Below,
        _ => Scope::Address,
    }
}

impl fmt::Display for Name {
    /// The normal form as a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, local_part) = self.parts();
        match self.scope() {
            Scope::Whole => f.write_str(domain),
            Scope::Below => write!(f, "*.{domain}"),
            Scope::Address => {
                let plain =
                    !local_part.starts_with('"') && address::is_local_part(local_part.as_bytes());
                if plain {
                    return write!(f, "{local_part}@{domain}");
                }
                let escaped = local_part.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{escaped}\"@{domain}")
            }
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.octets().cmp(other.octets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Name {
        Name::parse(key.as_bytes()).unwrap_or_else(|why| panic!("{key}: {why}"))
    }

    #[test]
    fn all_spellings_have_one_form_which_is_a_key_of_the_same_name() {
        for (key, form, scope) in [
            ("joe@example.com", "joe@example.com", Scope::Address),
            ("JOE@Example.COM.", "joe@example.com", Scope::Address),
            ("\"joe\"@example.com", "joe@example.com", Scope::Address),
            ("\"j\\oe\"@example.com", "joe@example.com", Scope::Address),
            ("Joe+Tag@example.com", "joe+tag@example.com", Scope::Address),
            ("\"a b\"@example.com", "\"a b\"@example.com", Scope::Address),
            ("\"a@b\"@example.com", "\"a@b\"@example.com", Scope::Address),
            ("\"a\\\"\\\\b\"@x", "\"a\\\"\\\\b\"@x", Scope::Address),
            ("\"\\\"\"@x", "\"\\\"\"@x", Scope::Address),
            (
                "joe@B\u{dc}CHER.example",
                "joe@xn--bcher-kva.example",
                Scope::Address,
            ),
            (
                "j\u{f6}rg@example.com",
                "j\u{f6}rg@example.com",
                Scope::Address,
            ),
            ("Example.COM.", "example.com", Scope::Whole),
            ("@example.com", "example.com", Scope::Whole),
            ("b\u{fc}cher.example", "xn--bcher-kva.example", Scope::Whole),
            ("*.Example.com", "*.example.com", Scope::Below),
            ("@*.example.com", "*.example.com", Scope::Below),
        ] {
            let found = name(key);
            assert_eq!(
                (found.to_string().as_str(), found.scope()),
                (form, scope),
                "{key}"
            );
            assert_eq!(name(form), found, "{key}");
            assert_eq!(Name::of_octets(found.octets()), found, "{key}");
        }
        assert_eq!(name("\"a b\"@*.x".replace("*.", "").as_str()).domain(), "x");
        assert!(
            name("joe@a.example") < name("ann@b.example"),
            "domains sort first"
        );
    }

    #[test]
    fn what_names_nobody() {
        let long = format!("{}@example.com", "x".repeat(257));
        let longer = "x".repeat(PATH_OCTETS + 1);
        for (key, why) in [
            ("", NotAName::Empty),
            ("*", NotAName::Everybody),
            ("@*", NotAName::Everybody),
            ("a b@example.com", NotAName::LocalPart),
            ("<joe@example.com>", NotAName::LocalPart),
            (&long, NotAName::LocalPart),
            (&longer, NotAName::TooLong),
            ("joe@", NotAName::Domain(NotADomain::Empty)),
            ("joe@*.example.com", NotAName::Domain(NotADomain::Character)),
            ("joe@[192.0.2.1]", NotAName::Domain(NotADomain::Character)),
            ("a*.example.com", NotAName::Domain(NotADomain::Character)),
            ("*.*.example.com", NotAName::Domain(NotADomain::Character)),
            ("not an address", NotAName::Domain(NotADomain::Character)),
            ("{\"id\":1}", NotAName::Domain(NotADomain::Character)),
            ("joe\0@example.com", NotAName::LocalPart),
            ("\"joe\u{1}\"@example.com", NotAName::LocalPart),
        ] {
            assert_eq!(Name::parse(key.as_bytes()).err(), Some(why), "{key:?}");
        }
        assert_eq!(Name::parse(b"\xff@x").err(), Some(NotAName::Encoding));
        // No quoted local-part passes for a whole domain.
        assert_eq!(name("\"\"@example.com").scope(), Scope::Address);
        assert_ne!(name("\"\"@example.com"), name("example.com"));
    }
}
