//! A list of recipients: the mailboxes of a domain, or of the domains of a pattern, as a set over one buffer.
//!
//! Owns: the form of the file, when two local-parts are the same one, and the set. Must not know: files, and what becomes
//! of a recipient that is not listed.
//!
//! One local-part or address a line; blank lines, lines that begin with `#`, and what follows a blank and a `#` are
//! passed over. Case is that of ASCII letters; quotes that a local-part does not need make no difference (RFC 5321 4.1.2:
//! `"joe"@example.com` is `joe@example.com`).
//!
//! Invariant: entries stand in the octets of the file itself, each before an octet that no text has, never further back than
//! they were read from; so a list of a million lines is the file's size and 6 to 12 octets a line, and is loaded without a
//! copy. The few entries that are longer than their line (a U-label's A-label may be) stand after all others.
//!
//! Domains are compared in their normal form (`domain`).
//!
//! BUGS: letters outside of ASCII in a local-part are compared as they are, in upper or lower case and as they are composed.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use hashbrown::HashTable;

use super::address;
use super::domain;
use super::pattern::matches;
use crate::limits::{DOMAIN_OCTETS, LOCAL_PART_OCTETS, PATH_OCTETS};

/// A set of recipients. See the module.
#[derive(Debug, Clone)]
pub struct List {
    /// Entries, each with [`END`] after it.
    octets: Vec<u8>,
    /// Places in `octets` of the entries that differ, by hash.
    places: HashTable<u32>,
    /// Whether there are entries with a domain.
    with_domains: bool,
    /// Mixed into hashes, so that nobody can choose mailboxes that collide.
    seed: u64,
}

/// How a list is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The pattern of domains whose recipients these are, in normal form: `example.com`, `*.example.com`, `*`.
    pub pattern: &'a str,
    /// Whether local-parts that differ in case alone are two.
    pub case_sensitive: bool,
    /// Any number that senders do not know.
    pub seed: u64,
}

/// A line that is no recipient.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Wrong,
}

/// What is wrong with a line of a list. Its text is the end of a sentence: what is wrong and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The file is larger than places in it can be counted.
    TooLarge,
    /// It is not text in UTF-8.
    Encoding,
    /// It is neither a local-part nor an address.
    NotARecipient {
        /// The front of the line, with control characters escaped.
        shown: String,
    },
    /// It is an address of a domain that the pattern does not hold.
    OtherDomain {
        /// The domain, in normal form.
        domain: String,
        /// The pattern whose list this is.
        pattern: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                f.write_str("the file is larger than 4 GiB: divide the domain's recipients")
            }
            Self::Encoding => f.write_str("is not text in UTF-8"),
            Self::NotARecipient { shown } => write!(
                f,
                "\"{shown}\" is no recipient: write a local-part or an address, such as joe or joe@example.com"
            ),
            Self::OtherDomain { domain, pattern } => write!(
                f,
                "{domain} is not of {pattern}, whose list this is: move the address to the list of its domain"
            ),
        }
    }
}

/// A local-part, and perhaps a domain, in the one form that all the same ones have; on the stack.
pub struct Key {
    octets: [u8; KEY_OCTETS],
    length: usize,
}

const KEY_OCTETS: usize = LOCAL_PART_OCTETS + 1 + DOMAIN_OCTETS;

/// Stands between local-part and domain: an octet that no local-part has. `@` may stand in a quoted one.
const SEPARATOR: u8 = 0;

/// Stands after each entry: an octet that no text in UTF-8 has.
const END: u8 = 0xff;

impl Key {
    /// The key of a local-part; none where it is too long to be one.
    pub fn new(local_part: &[u8], case_sensitive: bool) -> Option<Self> {
        let mut key = Self {
            octets: [0; KEY_OCTETS],
            length: 0,
        };
        let quoted = local_part
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        let mut octets = quoted.unwrap_or(local_part).iter().copied();
        while let Some(octet) = octets.next() {
            let octet = match octet {
                b'\\' if quoted.is_some() => octets.next()?,
                _ => octet,
            };
            let octet = if case_sensitive {
                octet
            } else {
                octet.to_ascii_lowercase()
            };
            *key.octets[..LOCAL_PART_OCTETS].get_mut(key.length)? = octet;
            key.length += 1;
        }
        Some(key)
    }

    /// The octets of the key.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// Cuts it in front of the first delimiter that is not its first octet; whether there was one.
    pub fn cut(&mut self, delimiters: &[u8]) -> bool {
        let rest = self.octets().iter().skip(1);
        let found = rest.take_while(|octet| !delimiters.contains(octet)).count() + 1;
        let cut = found < self.length;
        assert!(!cut || found > 0, "a key keeps its first octet");
        self.length = self.length.min(found);
        cut
    }

    fn push_domain(&mut self, domain: &[u8]) {
        assert!(
            self.length <= LOCAL_PART_OCTETS && domain.len() <= DOMAIN_OCTETS,
            "a key has room for the longest of both"
        );
        let end = self.length + 1 + domain.len();
        self.octets[self.length] = SEPARATOR;
        self.octets[self.length + 1..end].copy_from_slice(domain);
        self.octets[self.length + 1..end].make_ascii_lowercase();
        self.length = end;
    }
}

impl List {
    /// Reads a list out of the octets of a file.
    ///
    /// # Errors
    /// The first line that is no recipient of the pattern.
    pub fn parse(mut octets: Vec<u8>, reading: Reading<'_>) -> Result<Self, Mistake> {
        if u32::try_from(octets.len()).is_err() {
            return Err(Mistake {
                line: 1,
                reason: Wrong::TooLarge,
            });
        }
        if let Err(error) = std::str::from_utf8(&octets) {
            let line = lines(&octets[..error.valid_up_to()]) + 1;
            return Err(Mistake {
                line,
                reason: Wrong::Encoding,
            });
        }
        if octets.last().is_some_and(|&last| last != b'\n') {
            octets.push(b'\n');
        }
        let mark = if octets.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let (mut read, mut write, mut line, mut entries, mut with_domains) = (mark, 0, 0, 0, false);
        let mut longer = Vec::new();
        while let Some(length) = memchr::memchr(b'\n', &octets[read..]) {
            line += 1;
            if let Some(text) = content(&octets[read..read + length]) {
                let (key, has_domain) =
                    entry(text, reading).map_err(|reason| Mistake { line, reason })?;
                with_domains |= has_domain;
                entries += 1;
                let end = write + key.octets().len() + 1;
                if end <= read + length + 1 {
                    octets[write..end - 1].copy_from_slice(key.octets());
                    octets[end - 1] = END;
                    write = end;
                } else {
                    longer.extend_from_slice(key.octets());
                    longer.push(END);
                }
            }
            read += length + 1;
            assert!(write <= read, "no line is overwritten before it is read");
        }
        octets.truncate(write);
        octets.append(&mut longer);
        octets.shrink_to_fit();
        let mut list = Self {
            octets,
            places: HashTable::with_capacity(entries),
            with_domains,
            seed: reading.seed,
        };
        list.index();
        assert!(
            list.len() <= entries && (entries == 0) == list.is_empty(),
            "each entry is found, and those that are the same once"
        );
        Ok(list)
    }

    /// Entries that differ.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is listed.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether the key's local-part is listed, alone or with `domain`, which is in normal form.
    pub fn lists(&self, key: &Key, domain: &[u8]) -> bool {
        if self.contains(key.octets()) {
            return true;
        }
        if !self.with_domains || domain.len() > DOMAIN_OCTETS {
            return false;
        }
        let mut full = Key {
            octets: key.octets,
            length: key.length,
        };
        full.push_domain(domain);
        self.contains(full.octets())
    }

    fn contains(&self, entry: &[u8]) -> bool {
        let is_it = |&place: &u32| is_at(&self.octets, place, entry);
        self.places.find(hash(self.seed, entry), is_it).is_some()
    }

    /// Fills the table; of entries that are the same, the first.
    fn index(&mut self) {
        let (octets, seed) = (&self.octets, self.seed);
        let mut at = 0;
        while let Some(length) = memchr::memchr(END, &octets[at..]) {
            let entry = &octets[at..at + length];
            let is_it = |&place: &u32| is_at(octets, place, entry);
            let rehash = |&place: &u32| hash(seed, entry_at(octets, place));
            let place = u32::try_from(at).expect("a list is smaller than 4 GiB");
            self.places
                .entry(hash(seed, entry), is_it, rehash)
                .or_insert(place);
            at += length + 1;
        }
    }
}

impl PartialEq for List {
    /// The rest follows from these.
    fn eq(&self, other: &Self) -> bool {
        (&self.octets, self.seed) == (&other.octets, other.seed)
    }
}

impl Eq for List {}

fn hash(seed: u64, entry: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write(entry);
    hasher.finish()
}

fn is_at(octets: &[u8], place: u32, entry: &[u8]) -> bool {
    let rest = &octets[place as usize..];
    rest.starts_with(entry) && rest[entry.len()] == END
}

fn entry_at(octets: &[u8], place: u32) -> &[u8] {
    let rest = &octets[place as usize..];
    let length = memchr::memchr(END, rest).expect("each entry has its end");
    &rest[..length]
}

fn lines(octets: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', octets).count()
}

/// What a line of a list says, without blanks and comment; none where it says nothing.
pub fn content(line: &[u8]) -> Option<&[u8]> {
    let text = line.trim_ascii();
    let commented = |at: usize| at == 0 || text[at - 1].is_ascii_whitespace();
    let end = match text.first()? {
        // In quotes a # is one of the name's characters.
        b'"' => text.len(),
        _ => memchr::memchr_iter(b'#', text)
            .find(|&at| commented(at))
            .unwrap_or(text.len()),
    };
    Some(text[..end].trim_ascii_end()).filter(|text| !text.is_empty())
}

/// The key of a line, and whether it has a domain.
fn entry(text: &[u8], reading: Reading<'_>) -> Result<(Key, bool), Wrong> {
    let wrong = || {
        let text = String::from_utf8_lossy(text);
        Wrong::NotARecipient {
            shown: text.escape_debug().take(80).collect(),
        }
    };
    if address::is_local_part(text) {
        let key = Key::new(text, reading.case_sensitive).ok_or_else(wrong)?;
        return Ok((key, false));
    }
    let at = memchr::memrchr(b'@', text).ok_or_else(wrong)?;
    let (local_part, domain) = (&text[..at], &text[at + 1..]);
    if !address::is_local_part(local_part)
        || !domain::is_domain(domain)
        || text.len() + 2 > PATH_OCTETS
    {
        return Err(wrong());
    }
    let mut key = Key::new(local_part, reading.case_sensitive).ok_or_else(wrong)?;
    let domain = std::str::from_utf8(domain).map_err(|_| wrong())?;
    let domain = domain::normal(domain);
    if !matches(reading.pattern, &domain) {
        return Err(Wrong::OtherDomain {
            domain: domain.into_owned(),
            pattern: reading.pattern.to_owned(),
        });
    }
    if reading.pattern == domain {
        return Ok((key, false));
    }
    key.push_domain(domain.as_bytes());
    Ok((key, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(pattern: &str) -> Reading<'_> {
        Reading {
            pattern,
            case_sensitive: false,
            seed: 7,
        }
    }

    fn list(pattern: &str, text: &str) -> List {
        List::parse(text.into(), reading(pattern)).unwrap()
    }

    fn lists(list: &List, local_part: &str, domain: &str) -> bool {
        list.lists(
            &Key::new(local_part.as_bytes(), false).unwrap(),
            domain.as_bytes(),
        )
    }

    #[test]
    fn lines_comments_and_blanks() {
        let text = "\u{feff}joe\r\n# a comment\n\n  Ann \t# the boss\n\"a b\"\na#b\n#\n \t\nJOE@example.com\nlast@Example.com.";
        let list = list("example.com", text);
        for name in [
            "joe",
            "JOE",
            "\"joe\"",
            "\"j\\oe\"",
            "ann",
            "\"A b\"",
            "\"a\\ b\"",
            "a#b",
            "last",
        ] {
            assert!(lists(&list, name, "example.com"), "{name}");
        }
        for name in [
            "",
            "jo",
            "joe2",
            "a",
            "a b c",
            "comment",
            "#",
            "\"\"",
            "\u{feff}joe",
        ] {
            assert!(!lists(&list, name, "example.com"), "{name}");
        }
        assert_eq!(list.len(), 5, "joe is there twice");
        assert!(list.octets.len() < text.len() && list.octets.capacity() <= text.len() + 1);
    }

    #[test]
    fn a_list_of_several_domains_tells_them_apart() {
        let list = list(
            "*.example.com",
            "everywhere\nann@a.example.com\n\"x@b.example.com\"\n",
        );
        assert!(
            lists(&list, "everywhere", "a.example.com")
                && lists(&list, "everywhere", "b.example.com")
        );
        assert!(lists(&list, "ann", "a.example.com") && !lists(&list, "ann", "b.example.com"));
        assert!(
            !lists(&list, "x", "b.example.com")
                && lists(&list, "\"x@b.example.com\"", "a.example.com")
        );
        assert!(!lists(&list, "ann", &"a".repeat(300)));
    }

    #[test]
    fn case_of_a_local_part_counts_where_that_is_asked_for() {
        let reading = Reading {
            case_sensitive: true,
            ..reading("example.com")
        };
        let list = List::parse(b"Joe@EXAMPLE.com".to_vec(), reading).unwrap();
        let lists =
            |name: &str| list.lists(&Key::new(name.as_bytes(), true).unwrap(), b"example.com");
        assert!(lists("Joe") && !lists("joe"));
    }

    #[test]
    fn addresses_are_listed_in_any_spelling_of_their_domain() {
        let long = "x".repeat(256);
        let text = format!(
            "a@\u{fc}.example\nb@xn--tda.example.\n{long}\nc@\u{dc}.EXAMPLE\nd..e@other.example"
        );
        let list = list("*", &text);
        for (local_part, domain) in [
            ("a", "xn--tda.example"),
            ("b", "xn--tda.example"),
            ("c", "xn--tda.example"),
            (&long, "any.example"),
            ("d..e", "other.example"),
        ] {
            assert!(lists(&list, local_part, domain), "{local_part}@{domain}");
        }
        assert!(!lists(&list, "a", "tda.example") && !lists(&list, "d.e", "other.example"));
        assert_eq!(list.len(), 5);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let long = format!("ok\n{}\n", "x".repeat(257));
        for (text, line, part) in [
            ("joe\n\n# c\njoe ann\n", 4, "\"joe ann\" is no recipient"),
            ("joe@", 1, "is no recipient"),
            ("@example.com", 1, "is no recipient"),
            ("ok\r\n..", 2, "is no recipient"),
            ("joe@exam\u{200b}ple.com", 1, "is no recipient"),
            ("a,b", 1, "is no recipient"),
            ("<joe@example.com>", 1, "is no recipient"),
            ("\"open", 1, "is no recipient"),
            ("joe@a@example.com", 1, "is no recipient"),
            (
                "joe@other.example",
                1,
                "other.example is not of example.com",
            ),
            (&long, 2, "is no recipient"),
            ("joe\u{1b}[0m", 1, "\\u{1b}"),
        ] {
            let mistake = List::parse(text.into(), reading("example.com")).expect_err(text);
            assert_eq!(mistake.line, line, "{text:?}: {mistake:?}");
            let reason = mistake.reason.to_string();
            assert!(reason.contains(part), "{text:?}: {reason}");
        }
        let mistake = List::parse(b"a\nb\n\xff\n".to_vec(), reading("*")).unwrap_err();
        assert_eq!((mistake.line, mistake.reason), (3, Wrong::Encoding));
    }

    #[test]
    fn nothing_is_an_empty_list() {
        for text in ["", "\n", "#", "\u{feff}", "  # x\n\n"] {
            let list = list("example.com", text);
            assert!(
                list.is_empty() && !lists(&list, "joe", "example.com"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_key_is_cut_at_its_first_delimiter() {
        for (name, delimiters, cut) in [
            ("joe+tag", "+", Some("joe")),
            ("joe+a+b", "+", Some("joe")),
            ("joe-a+b", "+-", Some("joe")),
            ("joe+", "+", Some("joe")),
            ("joe", "+", None),
            ("+joe", "+", None),
            ("+joe+x", "+", Some("+joe")),
            ("joe+tag", "", None),
            ("", "+", None),
        ] {
            let mut key = Key::new(format!("\"{name}\"").as_bytes(), false).unwrap();
            assert_eq!(key.cut(delimiters.as_bytes()), cut.is_some(), "{name}");
            assert_eq!(key.octets(), cut.unwrap_or(name).as_bytes());
        }
    }

    /// Against a set of the standard library, with names that are dense enough to collide in the table.
    #[test]
    fn a_list_agrees_with_a_set() {
        let (listed, asked) = if cfg!(miri) {
            (100, 200)
        } else {
            (5_000, 6_000)
        };
        let names: Vec<String> = (0..listed)
            .map(|n| format!("user{}", n * 7 % 3_000))
            .collect();
        let list = list("example.com", &names.join("\n"));
        let set: std::collections::HashSet<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(list.len(), set.len());
        assert!(
            list.places.allocation_size() <= 12 * names.len(),
            "what the head of this file says of its memory"
        );
        for n in 0..asked {
            let name = format!("user{n}");
            assert_eq!(
                lists(&list, &name, "example.com"),
                set.contains(&*name),
                "{name}"
            );
        }
    }
}
