//! Questions to the DNS, their answers, and what is known of them while a mail is checked.
//!
//! Owns: which names are asked for, and the answers of one mail. Must not know: how a question gets its answer.
//!
//! A check is a function of the mail and of these answers. Where an answer is missing it ends with [`Need`]; the caller gets the
//! answer and calls again. So checks do no I/O, and a test is a mail and a list of records.
//!
//! Invariants: a question's name is in lower case, in ASCII, and fits a DNS message. A mail asks [`QUESTIONS_MOST`] questions at most;
//! those after that have [`Answer::Trouble`] without being asked.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ringpost_proto::smtp::domain;

/// Questions that one mail may cause: SPF for MAIL FROM and HELO takes about 20 where records are sane and 240 at the limits of RFC
/// 7208, each signature one, DMARC eight for each domain.
pub const QUESTIONS_MOST: usize = 200;

/// Longest name, without the dot at its end (RFC 1035 2.3.4).
const NAME_OCTETS: usize = 253;
/// Longest label.
const LABEL_OCTETS: usize = 63;

/// What kind of record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Texts.
    Txt,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail servers.
    Mx,
    /// Names of an address.
    Ptr,
    /// What a certificate has to be (RFC 6698).
    Tlsa,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name, without the dot at its end.
    pub name: String,
    /// What is asked for.
    pub kind: Kind,
}

/// A TLSA record, with its numbers as RFC 6698 2.1 has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    /// Which certificate is meant.
    pub usage: u8,
    /// What of it.
    pub selector: u8,
    /// How it is compared.
    pub matching: u8,
    /// With what.
    pub data: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Texts, each with its strings joined.
    Txt(Vec<Vec<u8>>),
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// Mail servers with their preference.
    Mx(Vec<(u16, String)>),
    /// Names.
    Names(Vec<String>),
    /// What a certificate has to be.
    Tlsa(Vec<Tlsa>),
    /// The name has no such records.
    Empty,
    /// There is no such name.
    NoName,
    /// There was no answer.
    Trouble,
}

/// A check cannot go on without the answers that were noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need;

/// What is known while a mail is checked.
#[derive(Debug, Default)]
pub struct Answers {
    known: HashMap<Question, Arc<Answer>>,
    needed: RefCell<HashSet<Question>>,
}

impl Question {
    /// The question for this name, if it is one that the DNS can have.
    pub fn new(name: &str, kind: Kind) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = if name.is_ascii() {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            domain::normal(name)
        };
        is_name(&name).then(|| Self {
            name: name.into_owned(),
            kind,
        })
    }

    /// The question for the names of an address.
    pub fn names_of(address: IpAddr) -> Self {
        let name = match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(address) => {
                let nibbles = address.octets().map(|octet| [octet >> 4, octet & 15]);
                let digits = nibbles.as_flattened().iter().rev();
                let digits: String = digits.map(|digit| format!("{digit:x}.")).collect();
                format!("{digits}ip6.arpa")
            }
        };
        Self {
            name,
            kind: Kind::Ptr,
        }
    }
}

/// Whether the DNS can have such a name; any visible characters are fine.
pub(super) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| (1..=LABEL_OCTETS).contains(&label.len());
    name.is_ascii() && name.len() <= NAME_OCTETS && name.split('.').all(is_label)
}

impl Answers {
    /// Takes an answer.
    pub fn insert(&mut self, question: Question, answer: Arc<Answer>) {
        self.known.insert(question, answer);
    }

    /// The answer for this name. One that the DNS cannot have does not exist.
    ///
    /// # Errors
    /// It is not known yet; it is noted as needed.
    pub fn look(&self, name: &str, kind: Kind) -> Result<&Answer, Need> {
        match Question::new(name, kind) {
            Some(question) => self.answer(question),
            None => Ok(&Answer::NoName),
        }
    }

    /// The answer to this question.
    ///
    /// # Errors
    /// It is not known yet; it is noted as needed.
    pub fn answer(&self, question: Question) -> Result<&Answer, Need> {
        if let Some(answer) = self.known.get(&question) {
            return Ok(answer);
        }
        let mut needed = self.needed.borrow_mut();
        if !needed.contains(&question) && self.known.len() + needed.len() >= QUESTIONS_MOST {
            return Ok(&Answer::Trouble);
        }
        needed.insert(question);
        Err(Need)
    }

    /// What was needed since the last call.
    pub fn needed(&mut self) -> Vec<Question> {
        self.needed.get_mut().drain().collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A zone for tests: names and their records, as text.
    #[derive(Default, Clone)]
    pub(in crate::authenticate) struct Zone(HashMap<Question, Answer>);

    impl Zone {
        pub(in crate::authenticate) fn with(
            mut self,
            name: &str,
            kind: Kind,
            values: &[&str],
        ) -> Self {
            let question = Question::new(name, kind).expect("a name of a test");
            let answer = match kind {
                Kind::Txt => {
                    Answer::Txt(values.iter().map(|text| text.as_bytes().to_vec()).collect())
                }
                Kind::A | Kind::Aaaa => {
                    Answer::Addresses(values.iter().map(|text| text.parse().unwrap()).collect())
                }
                Kind::Mx => {
                    Answer::Mx(values.iter().map(|text| (10, (*text).to_owned())).collect())
                }
                Kind::Ptr => Answer::Names(values.iter().map(|text| (*text).to_owned()).collect()),
                Kind::Tlsa => panic!("no check asks for TLSA records"),
            };
            self.0.insert(question, answer);
            self
        }

        pub(in crate::authenticate) fn broken(mut self, name: &str, kind: Kind) -> Self {
            let question = Question::new(name, kind).expect("a name of a test");
            self.0.insert(question, Answer::Trouble);
            self
        }

        pub(in crate::authenticate) fn ask(&self, question: &Question) -> Answer {
            if let Some(answer) = self.0.get(question) {
                return answer.clone();
            }
            let below = format!(".{}", question.name);
            let exists =
                |known: &Question| known.name == question.name || known.name.ends_with(&below);
            if self.0.keys().any(exists) {
                Answer::Empty
            } else {
                Answer::NoName
            }
        }

        /// Calls a check until it needs nothing more.
        pub(in crate::authenticate) fn run<T>(
            &self,
            check: impl Fn(&Answers) -> Result<T, Need>,
        ) -> T {
            let mut answers = Answers::default();
            loop {
                match check(&answers) {
                    Ok(done) => return done,
                    Err(Need) => {
                        let needed = answers.needed();
                        assert!(!needed.is_empty(), "a check that ends needs something");
                        for question in needed {
                            let answer = self.ask(&question);
                            answers.insert(question, Arc::new(answer));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_what_the_dns_can_have() {
        let name = |text| Question::new(text, Kind::A).map(|question| question.name);
        assert_eq!(name("MX.Example."), Some("mx.example".to_owned()));
        assert_eq!(
            name("b\u{fc}cher.example"),
            Some("xn--bcher-kva.example".to_owned())
        );
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "\u{fffd}.example",
            &"a".repeat(64),
            &"a.".repeat(130),
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_has_its_name() {
        let name = |text: &str| Question::names_of(text.parse().unwrap()).name;
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            name("2001:db8::1"),
            format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23))
        );
    }

    #[test]
    fn a_mail_asks_a_bounded_number_of_questions() {
        let mut answers = Answers::default();
        for number in 0..QUESTIONS_MOST {
            assert_eq!(
                answers.look(&format!("{number}.example"), Kind::A),
                Err(Need)
            );
            assert_eq!(
                answers.look(&format!("{number}.example"), Kind::A),
                Err(Need)
            );
        }
        assert_eq!(answers.look("more.example", Kind::A), Ok(&Answer::Trouble));
        for question in answers.needed() {
            answers.insert(question, Arc::new(Answer::Empty));
        }
        assert_eq!(answers.look("0.example", Kind::A), Ok(&Answer::Empty));
        assert_eq!(answers.look("more.example", Kind::A), Ok(&Answer::Trouble));
    }
}
