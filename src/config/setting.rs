//! What an option is: its entry in the table, the kinds of values, and how a text becomes a value in a [`Config`].
//!
//! Owns the checks by kind and range and their messages. Knows neither the table nor files, positions or precedence.
//!
//! Invariant: what [`Setting::set`] accepts is within the option's range.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reason::Reason;
use super::{Config, value};

/// A section of the file and what its options have in common.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name without brackets.
    pub name: &'static str,
    /// A sentence on it.
    pub doc: &'static str,
}

/// One option: everything that there is to know of it.
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// What it takes and where that goes.
    pub(super) kind: Kind,
    /// Its default, as it would be written in the environment.
    pub default: &'static str,
    /// What it does, in a paragraph of Markdown.
    pub doc: &'static str,
    /// The flag of the command line that sets it.
    pub flag: Option<&'static str>,
    /// Whether SIGHUP applies a new value; other options need a restart.
    pub reload: bool,
}

/// A word of a choice and what it does.
pub(super) type Word = (&'static str, fn(&mut Config));

/// Gives the place in a configuration that a value goes to.
type At<T> = fn(&mut Config) -> &mut T;

/// What checks a name and gives it its one form, what checks the value of a name, and where the table is.
pub(super) type Table = (
    fn(&str) -> Result<String, Reason>,
    fn(&str, &str) -> Result<(), Reason>,
    At<BTreeMap<String, String>>,
);

/// What an option takes, within which range, and where it goes.
pub(super) enum Kind {
    /// `true` or `false`.
    Switch(At<bool>),
    /// A whole number; both ends of the range are allowed.
    Count(usize, usize, At<usize>),
    /// A number of octets; both ends of the range are allowed.
    Size(u64, u64, At<u64>),
    /// A duration; both ends of the range are allowed, given in milliseconds.
    Time(u64, u64, At<Duration>),
    /// One of these words, each with what it does.
    Choice(&'static [Word]),
    /// A text of this description, and what checks and sets it.
    Text(&'static str, fn(&mut Config, &str) -> Result<(), Reason>),
    /// A list of texts of this description, what empties it, and what checks and adds one. It may be empty if its default
    /// is.
    List(
        &'static str,
        fn(&mut Config),
        fn(&mut Config, &str) -> Result<(), Reason>,
    ),
    /// A table of texts of this description, what checks a name and gives it its one form, what checks the value of a name,
    /// and where the texts go.
    Table(
        &'static str,
        fn(&str) -> Result<String, Reason>,
        fn(&str, &str) -> Result<(), Reason>,
        At<BTreeMap<String, String>>,
    ),
}

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count,
    /// A number of bytes, or a text with a unit.
    Size,
    /// A text with a unit.
    Time,
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A table of texts.
    Table,
}

/// What is wrong with a value: of a list, with which item of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The index of the item in a list; none where the value as a whole is meant.
    pub item: Option<usize>,
    /// What is wrong, what is allowed, and what to write instead.
    pub reason: Reason,
}

impl Setting {
    /// The section of its key.
    pub fn section(&self) -> &'static str {
        self.split().0
    }

    /// Its key without the section.
    pub fn name(&self) -> &'static str {
        self.split().1
    }

    fn split(&self) -> (&'static str, &'static str) {
        self.key
            .split_once('.')
            .expect("every key of the table has a section")
    }

    /// The environment variable that sets it, `RINGPOST_LIMITS_MESSAGE_SIZE`.
    pub fn variable(&self) -> String {
        format!(
            "RINGPOST_{}",
            self.key.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// How it is written in the file.
    pub fn shape(&self) -> Shape {
        match self.kind {
            Kind::Switch(_) => Shape::Switch,
            Kind::Count(..) => Shape::Count,
            Kind::Size(..) => Shape::Size,
            Kind::Time(..) => Shape::Time,
            Kind::Choice(_) | Kind::Text(..) => Shape::Text,
            Kind::List(..) => Shape::List,
            Kind::Table(..) => Shape::Table,
        }
    }

    /// What it takes, for people: `1KiB to 1GiB`.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Switch(_) => "`true` or `false`".to_owned(),
            Kind::Count(least, most, _) => format!("{least} to {most}"),
            Kind::Size(least, most, _) => {
                format!("{} to {}", value::size_text(least), value::size_text(most))
            }
            Kind::Time(least, most, _) => {
                let text = |milliseconds| value::time_text(Duration::from_millis(milliseconds));
                format!("{} to {}", text(least), text(most))
            }
            Kind::Choice(words) => {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("`{word}`")).collect();
                words.join(", ")
            }
            Kind::Text(allowed, _) => allowed.to_owned(),
            Kind::List(allowed, ..) => format!("a list of {allowed}"),
            Kind::Table(allowed, ..) => format!("a table of {allowed}"),
        }
    }

    /// Whether it takes several values.
    pub fn is_list(&self) -> bool {
        self.shape() == Shape::List
    }

    /// Whether its value may hold a password and is not to be shown.
    pub(super) fn is_secret(&self) -> bool {
        self.shape() == Shape::Table
    }

    /// The texts that its default consists of: one, or those of a list.
    pub fn default_texts(&self) -> Vec<&'static str> {
        self.texts(self.default)
    }

    /// A text of the environment as one value, or as those of a list, which commas separate.
    pub(super) fn texts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        match self.kind {
            Kind::List(..) if text.trim().is_empty() => Vec::new(),
            Kind::List(..) => text.split(',').map(str::trim).collect(),
            _ => vec![text],
        }
    }

    /// What checks the names and values of its table, and where the table is.
    pub(super) fn table(&self) -> Option<Table> {
        match self.kind {
            Kind::Table(_, check, check_value, at) => Some((check, check_value, at)),
            _ => None,
        }
    }

    /// Checks a value, written as one text or as those of a list, and sets it. What is wrong leaves a scalar as it was.
    pub(super) fn set(&self, config: &mut Config, texts: &[&str]) -> Result<(), Vec<Fault>> {
        if let Kind::List(_, clear, add) = self.kind {
            return self.set_list(config, texts, clear, add);
        }
        let whole = |reason| vec![Fault { item: None, reason }];
        match texts {
            [text] => self.set_one(config, text).map_err(whole),
            _ => Err(whole(Reason::GivenTimes(texts.len()))),
        }
    }

    fn set_list(
        &self,
        config: &mut Config,
        texts: &[&str],
        clear: fn(&mut Config),
        add: fn(&mut Config, &str) -> Result<(), Reason>,
    ) -> Result<(), Vec<Fault>> {
        if texts.is_empty() && !self.default.is_empty() {
            let allowed = self.allowed();
            let reason = Reason::EmptyList { allowed };
            return Err(vec![Fault { item: None, reason }]);
        }
        clear(config);
        let mut faults = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if let Err(reason) = add(config, text) {
                faults.push(Fault {
                    item: Some(index),
                    reason,
                });
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn set_one(&self, config: &mut Config, text: &str) -> Result<(), Reason> {
        match self.kind {
            Kind::Switch(at) => *at(config) = value::switch(text)?,
            Kind::Count(least, most, at) => {
                *at(config) = self.within(self.count(text)?, least, most)?
            }
            Kind::Size(least, most, at) => {
                *at(config) = self.within(value::size(text)?, least, most)?
            }
            Kind::Time(least, most, at) => {
                let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
                *at(config) = self.within(value::time(text)?, least, most)?;
            }
            Kind::Choice(words) => {
                let chosen = words.iter().find(|(word, _)| *word == text.trim());
                let (_, choose) = chosen.ok_or_else(|| Reason::NoneOf {
                    allowed: self.allowed(),
                })?;
                choose(config);
            }
            Kind::Text(_, set) => set(config, text)?,
            Kind::Table(_, check, check_value, at) => {
                for (name, value) in value::pairs(text)? {
                    let entry = |reason| Reason::Entry {
                        name: name.clone(),
                        reason: Box::new(reason),
                    };
                    let name = check(&name).map_err(entry)?;
                    check_value(&name, &value).map_err(entry)?;
                    at(config).insert(name, value);
                }
            }
            Kind::List(..) => unreachable!("a list is set as one"),
        }
        Ok(())
    }

    fn count(&self, text: &str) -> Result<usize, Reason> {
        value::count(text).ok_or_else(|| Reason::NotAWholeNumber {
            allowed: self.allowed(),
        })
    }

    fn within<T: PartialOrd>(&self, value: T, least: T, most: T) -> Result<T, Reason> {
        if value < least || value > most {
            return Err(Reason::OutOfRange {
                allowed: self.allowed(),
                default: self.default,
            });
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{SETTINGS, setting};
    use super::*;

    fn set(key: &str, texts: &[&str]) -> Result<Config, Vec<Fault>> {
        let mut config = Config::default();
        setting(key)
            .expect("in the table")
            .set(&mut config, texts)?;
        Ok(config)
    }

    #[test]
    fn both_ends_of_a_range_are_allowed_and_no_more() {
        let cases = [
            ("limits.recipients", "0", "1", "10000", "10001"),
            ("limits.message_size", "1023", "1KiB", "1GiB", "1073741825"),
            (
                "kafka.delivery_timeout",
                "99ms",
                "100ms",
                "9min",
                "540001ms",
            ),
        ];
        for (key, below, least, most, above) in cases {
            for text in [least, most] {
                assert!(set(key, &[text]).is_ok(), "{key} = {text}");
            }
            for text in [below, above] {
                let faults = set(key, &[text]).expect_err(text);
                assert!(
                    matches!(faults[0].reason, Reason::OutOfRange { .. }),
                    "{key} = {text}: {faults:?}"
                );
            }
        }
        let faults = set("limits.message_size", &["2GiB"]).expect_err("above the range");
        assert_eq!(
            faults[0].reason.to_string(),
            "is out of range: 1KiB to 1GiB is allowed, 25MiB is the default"
        );
    }

    #[test]
    fn every_choice_can_be_made() {
        for setting in &SETTINGS {
            let Kind::Choice(words) = setting.kind else {
                continue;
            };
            let mut made = Vec::new();
            for (word, _) in words {
                made.push(set(setting.key, &[word]).expect("a word of the table"));
            }
            for (index, config) in made.iter().enumerate() {
                assert!(
                    !made[index + 1..].contains(config),
                    "{}: two words do the same",
                    setting.key
                );
            }
        }
        let faults = set("log.format", &["xml"]).expect_err("no such format");
        assert_eq!(faults[0].reason.to_string(), "is none of `text`, `json`");
    }

    #[test]
    fn a_list_says_which_item_is_wrong() {
        let faults =
            set("server.listen", &["localhost:25", "[::]:25", "25"]).expect_err("two are wrong");
        let items: Vec<Option<usize>> = faults.iter().map(|fault| fault.item).collect();
        assert_eq!(items, [Some(0), Some(2)]);
    }

    #[test]
    fn a_list_replaces_its_default() {
        let config =
            set("recipients.domains", &["a.example", "*.b.example"]).expect("two patterns");
        assert_eq!(config.recipients.domains, ["a.example", "*.b.example"]);
        assert!(set("recipients.domains", &[]).is_err());
    }

    #[test]
    fn a_scalar_takes_one_value() {
        let faults = set("kafka.topic", &["a", "b"]).expect_err("two topics");
        assert_eq!(faults[0].reason, Reason::GivenTimes(2));
    }

    #[test]
    fn an_empty_path_is_none() {
        assert_eq!(set("tls.key", &[""]).expect("allowed").tls.key, None);
        assert_eq!(
            set("tls.key", &["mx.key"]).expect("allowed").tls.key,
            Some("mx.key".into())
        );
    }

    #[test]
    fn brokers_are_a_list_or_a_word() {
        use super::super::Brokers;
        let cases = [
            ("embedded", Brokers::Embedded),
            ("discard", Brokers::Discard),
            ("a:1, b:2", Brokers::List("a:1,b:2".to_owned())),
        ];
        for (text, brokers) in cases {
            assert_eq!(
                set("kafka.brokers", &[text]).expect(text).kafka.brokers,
                brokers
            );
        }
    }
}
