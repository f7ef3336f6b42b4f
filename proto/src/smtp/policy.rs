//! What the operator set, as the session needs it: names, limits, and whom this MX takes mail for.
//!
//! Owns: the match of a recipient against domains and lists. Must not know: where the values came from.
//!
//! Of the patterns that hold a recipient's domain, the most specific one decides: the domain itself, then `*.` in front of
//! the longest part of it, then `*`. A pattern with a list takes mail for those on it; one without takes mail for everybody.
//! Where there is a directory, every domain takes those alone whom its list or the directory names.
//!
//! Invariants: `postmaster` is taken at every domain that is taken, listed or not, and without a domain (RFC 5321 4.5.1);
//! domains are compared in their normal form (`domain`); a match of a domain in lower-case ASCII
//! allocates nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::address::Mailbox;
use super::directory::Directory;
use super::domain;
use super::list::{Key, List};
use super::refusal::Refusal;

/// The policy of all sessions of a server.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Name in the banner and in the reply to EHLO.
    pub hostname: String,
    /// Largest message in octets, advertised as SIZE (RFC 1870).
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Commands in error before the session ends; a message that is stored takes them back.
    pub errors: usize,
    /// Recipients that are not taken before the session ends; a message that is stored takes them back.
    pub unknown_recipients: usize,
    /// Longest wait for a command.
    pub command_timeout: Duration,
    /// Longest wait for the next part of the data.
    pub data_timeout: Duration,
    /// Longest wait for the outcome of a commit.
    pub commit_timeout: Duration,
    /// Longest time from the reply to DATA, or from the first BDAT, to the end of the message.
    pub message_timeout: Duration,
    /// Age at which a session ends once it is outside of a transaction.
    pub session_timeout: Duration,
    /// Messages of one session; 0: no limit.
    pub session_messages: u64,
    /// Octets of all messages of one session; 0: no limit.
    pub session_octets: u64,
    /// Commands in a row that bring no message forward before the session ends.
    pub idle_commands: usize,
    /// What becomes of a message that holds a bare CR or a bare LF.
    pub bare_newlines: BareNewlinePolicy,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// Whom mail is taken for.
    pub taken: Arc<Recipients>,
    /// Whether a directory names recipients beside the lists. A session that has not been given it yet asks those who are on
    /// no list to come again.
    pub directory: bool,
}

/// What becomes of a message that holds a bare CR or a bare LF. Neither ever ends a line here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewlinePolicy {
    /// It is refused with 550 5.6.0.
    #[default]
    Reject,
    /// They are data, and the record's header `ce_smtpbarenewlines` warns of them.
    Accept,
}

impl Policy {
    /// A policy to try a session with, in tests, benches, fuzz targets and examples: usual limits, every domain, no TLS. It is a
    /// fixture and no table of defaults: a server sets each field from its configuration.
    pub fn new(hostname: &str) -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            hostname: hostname.to_owned(),
            message_size: 25 << 20,
            recipients: 100,
            errors: 20,
            unknown_recipients: 100,
            command_timeout: minutes(5),
            data_timeout: minutes(3),
            commit_timeout: Duration::from_secs(31),
            message_timeout: minutes(30),
            session_timeout: minutes(24 * 60),
            session_messages: 0,
            session_octets: 0,
            idle_commands: 1000,
            bare_newlines: BareNewlinePolicy::Reject,
            starttls: false,
            taken: Arc::new(Recipients::everybody_at(["*"])),
            directory: false,
        }
    }
}

/// Who is named beside the lists.
#[derive(Debug, Clone, Copy)]
pub enum Beside<'a> {
    /// Nobody: there is no directory.
    Nobody,
    /// There is a directory, and it is not known yet.
    Unread,
    /// Whom this one names.
    Named(&'a Directory),
}

/// Whom this MX takes mail for.
#[derive(Debug, Clone, Default)]
pub struct Recipients {
    /// Patterns that are a domain.
    exact: BTreeMap<Box<str>, Option<List>>,
    /// Those of the form `*.example.com`, without `*.`.
    below: BTreeMap<Box<str>, Option<List>>,
    /// `*`.
    every: Option<Option<List>>,
    /// Each of these octets divides a local-part from what its owner put after it.
    delimiters: Box<[u8]>,
    case_sensitive: bool,
}

impl Recipients {
    /// Nobody yet. `delimiters` are the characters of plus-addressing, such as `+`; where `case_sensitive`, local-parts that
    /// differ in case alone are two.
    pub fn new(delimiters: &str, case_sensitive: bool) -> Self {
        Self {
            delimiters: delimiters.as_bytes().into(),
            case_sensitive,
            ..Self::default()
        }
    }

    /// Takes mail for a pattern of domains. If there is a list, only those on it are taken; the list has to have been read
    /// with the same pattern and rule of case.
    pub fn take(&mut self, pattern: &str, list: Option<List>) {
        match pattern.strip_prefix('*') {
            Some("") => self.every = Some(list),
            Some(suffix) => {
                let name = domain::normal(suffix.trim_start_matches('.'));
                self.below.insert((*name).into(), list);
            }
            None => {
                self.exact.insert((*domain::normal(pattern)).into(), list);
            }
        }
    }

    /// All of these patterns, everybody there.
    pub fn everybody_at<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut recipients = Self::default();
        for pattern in patterns {
            recipients.take(pattern, None);
        }
        recipients
    }

    /// Patterns of domains.
    pub fn domains(&self) -> usize {
        self.exact.len() + self.below.len() + usize::from(self.every.is_some())
    }

    /// Recipients on all lists.
    pub fn listed(&self) -> usize {
        let lists = self
            .exact
            .values()
            .chain(self.below.values())
            .chain(&self.every);
        lists.flatten().map(List::len).sum()
    }

    /// The patterns whose list named somebody in `before` and names nobody here.
    pub fn emptied(&self, before: &Self) -> Vec<String> {
        let named = |lists: &BTreeMap<Box<str>, Option<List>>, pattern: &str| {
            let list = lists.get(pattern)?.as_ref()?;
            Some(!list.is_empty())
        };
        let mut found = Vec::new();
        for (prefix, ours, theirs) in [
            ("", &self.exact, &before.exact),
            ("*.", &self.below, &before.below),
        ] {
            let emptied = ours.keys().filter(|pattern| {
                named(ours, pattern) == Some(false) && named(theirs, pattern) == Some(true)
            });
            found.extend(emptied.map(|pattern| format!("{prefix}{pattern}")));
        }
        if let (Some(Some(ours)), Some(Some(theirs))) = (&self.every, &before.every)
            && ours.is_empty()
            && !theirs.is_empty()
        {
            found.push("*".to_owned());
        }
        found
    }

    /// Whether mail for `mailbox` is taken.
    ///
    /// # Errors
    /// [`Refusal::RelayDenied`] for a domain that is not taken, [`Refusal::UnknownRecipient`] for a recipient that is not listed,
    /// [`Refusal::DirectoryUnread`] for one that may be in the directory.
    pub fn check(&self, mailbox: &Mailbox, beside: Beside<'_>) -> Result<(), Refusal> {
        if mailbox.is_postmaster() {
            return Ok(());
        }
        let domain = &*mailbox.normal_domain();
        let list = self.rule(domain).ok_or(Refusal::RelayDenied)?;
        let local_part = mailbox.local_part();
        match (list, beside) {
            (None, Beside::Nobody) => Ok(()),
            (Some(list), _) if self.is_listed(list, local_part, domain) => Ok(()),
            (Some(_), Beside::Nobody) => Err(Refusal::UnknownRecipient),
            (_, Beside::Unread) if is_postmaster(local_part) => Ok(()),
            (_, Beside::Unread) => Err(Refusal::DirectoryUnread),
            (_, Beside::Named(directory)) if self.is_named(directory, local_part, domain) => Ok(()),
            (_, Beside::Named(_)) => Err(Refusal::UnknownRecipient),
        }
    }

    /// Whether mail is taken for a domain in normal form, whoever gets it there; of a pattern `*.`, for any domain that it holds.
    pub fn takes_some_of(&self, pattern: &str) -> bool {
        let Some(domain) = pattern.strip_prefix("*.") else {
            return self.rule(pattern).is_some();
        };
        let is_inside = |name: &str| {
            let front = name.strip_suffix(domain);
            front.is_some_and(|front| front.ends_with('.'))
        };
        self.every.is_some()
            || self.below.contains_key(domain)
            || self.rule_below(domain).is_some()
            || self
                .exact
                .keys()
                .chain(self.below.keys())
                .any(|name| is_inside(name))
    }

    /// What holds for a domain: its list if it has one; nothing where it is not taken.
    fn rule(&self, domain: &str) -> Option<&Option<List>> {
        if let Some(rule) = self.exact.get(domain) {
            return Some(rule);
        }
        self.rule_below(domain).or(self.every.as_ref())
    }

    /// What the longest pattern `*.` says of a domain that it holds.
    fn rule_below(&self, domain: &str) -> Option<&Option<List>> {
        if self.below.is_empty() {
            return None;
        }
        let mut rest = domain;
        loop {
            let (_, parent) = rest.split_once('.')?;
            if let Some(rule) = self.below.get(parent) {
                return Some(rule);
            }
            rest = parent;
        }
    }

    fn is_listed(&self, list: &List, local_part: &str, domain: &str) -> bool {
        let Some(mut key) = Key::new(local_part.as_bytes(), self.case_sensitive) else {
            return false;
        };
        key.octets().eq_ignore_ascii_case(POSTMASTER)
            || list.lists(&key, domain.as_bytes())
            || key.cut(&self.delimiters) && list.lists(&key, domain.as_bytes())
    }

    /// The same of a directory, in which no name has a case.
    fn is_named(&self, directory: &Directory, local_part: &str, domain: &str) -> bool {
        if directory.has_domain(domain) {
            return true;
        }
        let Some(mut key) = Key::new(local_part.as_bytes(), false) else {
            return false;
        };
        key.octets() == POSTMASTER
            || directory.has_address(&key, domain)
            || key.cut(&self.delimiters) && directory.has_address(&key, domain)
    }
}

/// The local-part that is taken at every domain, in lower case.
const POSTMASTER: &[u8] = b"postmaster";

fn is_postmaster(local_part: &str) -> bool {
    Key::new(local_part.as_bytes(), false).is_some_and(|key| key.octets() == POSTMASTER)
}

#[cfg(test)]
mod tests {
    use super::super::address;
    use super::super::directory::Origin;
    use super::super::list::Reading;
    use super::super::name::Name;
    use super::super::pattern::matches;
    use super::*;

    fn check(recipients: &Recipients, mailbox: &str) -> Result<(), Refusal> {
        ask(recipients, mailbox, Beside::Nobody)
    }

    fn ask(recipients: &Recipients, mailbox: &str, beside: Beside<'_>) -> Result<(), Refusal> {
        let parsed = address::mailbox(mailbox.as_bytes()).unwrap_or_else(|_| panic!("{mailbox}"));
        recipients.check(&parsed, beside)
    }

    fn directory(keys: &[&str]) -> Directory {
        let empty = Directory::new(7);
        let mut changes = empty.changes();
        for key in keys {
            let name = Name::parse(key.as_bytes()).unwrap_or_else(|why| panic!("{key}: {why}"));
            let origin = Origin {
                time: 1,
                partition: 0,
            };
            changes.push(&name, origin, true);
        }
        empty.with(&mut changes).0
    }

    fn with_lists(
        delimiters: &str,
        case_sensitive: bool,
        lists: &[(&str, Option<&str>)],
    ) -> Recipients {
        let mut recipients = Recipients::new(delimiters, case_sensitive);
        for &(pattern, text) in lists {
            let reading = Reading {
                pattern,
                case_sensitive,
                seed: 1,
            };
            recipients.take(
                pattern,
                text.map(|text| List::parse(text.into(), reading).unwrap()),
            );
        }
        recipients
    }

    #[test]
    fn domains_without_lists() {
        let recipients =
            Recipients::everybody_at(["example.com", "*.sub.example", "xn--exmple-cua.example"]);
        for taken in [
            "a@example.com",
            "a@EXAMPLE.Com",
            "\"a b\"@example.com",
            "a@b.sub.example",
            "a@c.b.Sub.example",
            "a@example.com.",
            "a@ex\u{e4}mple.example",
            "a@EX\u{c4}MPLE.example.",
            "a@exa\u{308}mple.sub.example",
            "postmaster",
            "PostMaster",
        ] {
            assert_eq!(check(&recipients, taken), Ok(()), "{taken}");
        }
        for denied in [
            "a@b.example.com",
            "a@sub.example",
            "a@badsub.example",
            "a@com",
            "a@[192.0.2.1]",
            "a@\u{e4}.example",
            "postmaster@other.example",
        ] {
            assert_eq!(
                check(&recipients, denied),
                Err(Refusal::RelayDenied),
                "{denied}"
            );
        }
        let every = Recipients::everybody_at(["*"]);
        for taken in ["a@com", "a@[192.0.2.1]", "a@\u{e4}.example"] {
            assert_eq!(check(&every, taken), Ok(()), "{taken}");
        }
        assert_eq!(
            check(&Recipients::default(), "a@example.com"),
            Err(Refusal::RelayDenied)
        );
        assert_eq!(
            (recipients.domains(), recipients.listed(), every.domains()),
            (3, 0, 1)
        );
    }

    #[test]
    fn every_pattern_agrees_with_a_look_at_each() {
        let names = ["a", "b", "a.b", "b.a", "a.a.b", "b.b.a", "ab", "b.a.b"];
        let patterns: Vec<String> = names
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("*.{name}")])
            .collect();
        for set in (0..1 << 10).step_by(if cfg!(miri) { 37 } else { 1 }) {
            let chosen: Vec<&str> = (0..10)
                .filter(|bit| set >> bit & 1 == 1)
                .map(|bit| &*patterns[bit])
                .collect();
            let recipients = Recipients::everybody_at(chosen.iter().copied());
            for name in names {
                let expected = chosen.iter().any(|pattern| matches(pattern, name));
                assert_eq!(
                    check(&recipients, &format!("x@{name}")).is_ok(),
                    expected,
                    "{name} in {chosen:?}"
                );
            }
        }
    }

    #[test]
    fn the_most_specific_pattern_decides() {
        let lists = [
            ("*", Some("every\nann@only.example")),
            ("*.example.com", Some("below")),
            ("*.a.example.com", None),
            ("example.com", Some("exact")),
        ];
        let recipients = with_lists("+", false, &lists);
        for taken in [
            "exact@example.com",
            "below@b.example.com",
            "any@b.a.example.com",
            "below@a.example.com",
            "every@else.example",
            "ann@only.example",
        ] {
            assert_eq!(check(&recipients, taken), Ok(()), "{taken}");
        }
        for unknown in [
            "below@example.com",
            "every@example.com",
            "exact@b.example.com",
            "ann@else.example",
        ] {
            assert_eq!(
                check(&recipients, unknown),
                Err(Refusal::UnknownRecipient),
                "{unknown}"
            );
        }
        assert_eq!(recipients.listed(), 4);
    }

    #[test]
    fn what_stands_behind_a_delimiter_is_the_owners() {
        let lists = [("example.com", Some("joe\nann+list\n+odd"))];
        let recipients = with_lists("+", false, &lists);
        for taken in [
            "joe+tag@example.com",
            "Joe+Tag+more@Example.COM",
            "joe+@example.com",
            "\"joe+a b\"@example.com",
            "ann+list@example.com",
            "+odd@example.com",
        ] {
            assert_eq!(check(&recipients, taken), Ok(()), "{taken}");
        }
        for unknown in [
            "ann@example.com",
            "ann+other@example.com",
            "ann+list+x@example.com",
            "+joe@example.com",
            "joe-x@example.com",
            "+@example.com",
        ] {
            assert_eq!(
                check(&recipients, unknown),
                Err(Refusal::UnknownRecipient),
                "{unknown}"
            );
        }
        let none = with_lists("", false, &lists);
        assert_eq!(
            check(&none, "joe+tag@example.com"),
            Err(Refusal::UnknownRecipient)
        );
    }

    #[test]
    fn postmaster_is_taken_at_every_domain_of_ours() {
        let recipients = with_lists(
            "",
            true,
            &[("example.com", Some("")), ("*.example.com", Some("joe"))],
        );
        for taken in [
            "postmaster",
            "postmaster@example.com",
            "POSTMASTER@example.com",
            "PostMaster@a.example.com",
            "\"postmaster\"@example.com",
        ] {
            assert_eq!(check(&recipients, taken), Ok(()), "{taken}");
        }
        assert_eq!(
            check(&recipients, "Joe@a.example.com"),
            Err(Refusal::UnknownRecipient)
        );
        assert_eq!(
            check(&recipients, "postmaster@example.org"),
            Err(Refusal::RelayDenied)
        );
    }

    #[test]
    fn a_recipient_is_taken_if_a_list_or_the_directory_names_it() {
        let lists = [
            ("example.com", Some("Listed")),
            ("example.org", None),
            ("*.example.org", None),
        ];
        let recipients = with_lists("+", true, &lists);
        let directory = directory(&[
            "joe@example.com",
            "ann+list@example.com",
            "example.org",
            "eve@a.example.org",
            "*.b.example.org",
            "mallory@elsewhere.example",
        ]);
        let beside = Beside::Named(&directory);
        for taken in [
            "Listed@example.com",
            "Listed+x@example.com",
            "JOE@Example.COM.",
            "joe+tag@example.com",
            "ann+list@example.com",
            "anybody@example.org",
            "Eve@a.example.org",
            "x@c.b.example.org",
            "Postmaster@a.example.org",
            "postmaster",
        ] {
            assert_eq!(ask(&recipients, taken, beside), Ok(()), "{taken}");
        }
        for unknown in [
            // A list keeps its rule of case; the directory has none.
            "listed@example.com",
            "ann@example.com",
            "bob@example.com",
            "bob@a.example.org",
            "x@b.example.org",
        ] {
            let refused = Err(Refusal::UnknownRecipient);
            assert_eq!(ask(&recipients, unknown, beside), refused, "{unknown}");
        }
        for denied in ["mallory@elsewhere.example", "postmaster@elsewhere.example"] {
            let refused = Err(Refusal::RelayDenied);
            assert_eq!(ask(&recipients, denied, beside), refused, "{denied}");
        }
    }

    #[test]
    fn a_directory_that_is_not_read_yet_bounces_nobody() {
        let lists = [("example.com", Some("joe")), ("example.org", None)];
        let recipients = with_lists("+", false, &lists);
        for (mailbox, answer) in [
            ("joe@example.com", Ok(())),
            ("joe+tag@example.com", Ok(())),
            ("ann@example.com", Err(Refusal::DirectoryUnread)),
            ("ann@example.org", Err(Refusal::DirectoryUnread)),
            ("\"Postmaster\"@example.org", Ok(())),
            ("ann@elsewhere.example", Err(Refusal::RelayDenied)),
        ] {
            assert_eq!(
                ask(&recipients, mailbox, Beside::Unread),
                answer,
                "{mailbox}"
            );
        }
    }

    #[test]
    fn a_pattern_of_a_directory_may_hold_domains_that_are_taken() {
        let recipients = Recipients::everybody_at(["example.com", "*.sub.example"]);
        for ours in [
            "example.com",
            "a.sub.example",
            "*.com",
            "*.sub.example",
            "*.a.sub.example",
            "*.example",
        ] {
            assert!(recipients.takes_some_of(ours), "{ours}");
        }
        for foreign in [
            "a.example.com",
            "sub.example",
            "*.example.com",
            "*.other.example",
            "*.le.com",
        ] {
            assert!(!recipients.takes_some_of(foreign), "{foreign}");
        }
        assert!(Recipients::everybody_at(["*"]).takes_some_of("*.any.example"));
    }
}
