//! Why mail cannot be stored, as far as records show it or a finding says it, for an operator.
//!
//! Owns: which failure is the storage's and which its record's alone; the texts. Must not know: since when, and what senders are
//! told; what is wrong with a topic is `finding`'s.
//!
//! Invariant: a text names where, and no value of a property.

use std::fmt;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::subject::Subject;
use super::verdict::refusal;
use crate::kafka::name::{meaning, named};
use crate::smtp::refusal::Refusal;

/// A record that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    /// The broker's own words.
    pub(super) text: Option<String>,
}

impl Failure {
    /// Whether it is of its record alone, and not of the storage.
    pub(super) fn is_the_records_own(code: Code) -> bool {
        matches!(code, Code::PurgeQueue | Code::PurgeInflight) || Self::is_of_its_size(code)
    }

    /// Whether it is of the record's size, or of its batch's.
    pub(super) fn is_of_its_size(code: Code) -> bool {
        refusal(code) == Refusal::StorageTooBig
    }

    /// Whether Kafka said no, rather than nothing.
    pub(super) fn is_a_refusal(&self) -> bool {
        refusal(self.code) == Refusal::StorageRefused
    }

    fn text(&self, subject: &Subject) -> String {
        let what = if self.is_a_refusal() {
            "Kafka refuses records"
        } else {
            "records are not stored"
        };
        let words = match (&self.text, self.code) {
            // The fix is worth more than the broker's words.
            (_, Code::TopicAuthorizationFailed) => {
                format!(": {}", Finding::Unwritable.text(subject))
            }
            (Some(text), code) if *text != meaning(code) => format!(": {text}"),
            _ => String::new(),
        };
        format!("{what}: {}{words}", named(self.code))
    }
}

/// Why mail cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// Something is wrong with the cluster or the topic.
    Finding(Finding),
    /// Records are not stored; this is the last one.
    Failure(Failure),
    /// Records are under way, and none is stored.
    Stalled(Stall),
}

/// Which leaders could take no mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stall {
    /// How long records have been under way in vain.
    pub(super) lasted: Duration,
    /// The addresses of those that do not answer a question.
    pub(super) silent: Vec<String>,
    /// Those that have records of ours, and confirm none.
    pub(super) holding: Vec<String>,
    /// Why there is no token to log in with: a broker takes nothing from a connection whose token has run out.
    pub(super) no_token: Option<String>,
}

impl Stall {
    fn text(&self, subject: &Subject) -> String {
        let lasted = self.lasted.as_secs_f64();
        let mut why: Vec<String> = self.no_token.iter().cloned().collect();
        if !self.silent.is_empty() {
            why.push(format!("no answer from {}", listed(&self.silent)));
        }
        if !self.holding.is_empty() {
            why.push(format!(
                "no record is confirmed by {}",
                listed(&self.holding)
            ));
        }
        if why.is_empty() {
            why.push("brokers answer other questions".to_owned());
        }
        format!(
            "kafka.brokers {}: records have been under way for {lasted:.0} s and none was stored: {}",
            subject.brokers(),
            why.join("; ")
        )
    }
}

/// The first few of these, and how many more there are.
pub(super) fn listed<T: fmt::Display>(all: &[T]) -> String {
    const SHOWN: usize = 5;
    let (shown, more) = all.split_at(all.len().min(SHOWN));
    let shown: Vec<String> = shown.iter().map(T::to_string).collect();
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Reason {
    /// For an operator.
    pub(super) fn text(&self, subject: &Subject) -> String {
        match self {
            Self::Finding(finding) => finding.text(subject),
            Self::Failure(failure) => failure.text(subject),
            Self::Stalled(stall) => stall.text(subject),
        }
    }

    /// Whether it is the same trouble, of another topic.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Finding(finding), Self::Finding(another)) => {
                std::mem::discriminant(finding) == std::mem::discriminant(another)
            }
            (Self::Failure(failure), Self::Failure(another)) => failure.code == another.code,
            (Self::Stalled(_), Self::Stalled(_)) => true,
            (Self::Finding(_) | Self::Failure(_) | Self::Stalled(_), _) => false,
        }
    }

    /// The record, if it is one that was not stored.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Finding(_) | Self::Stalled(_) => None,
            Self::Failure(failure) => Some(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_names_the_brokers_and_what_they_do() {
        let names = |count| (1..=count).map(|number| format!("k:{number}")).collect();
        let subject = Subject::of_a_test();
        for (silent, holding, words) in [
            (2, 0, "none was stored: no answer from k:1, k:2"),
            (0, 1, "none was stored: no record is confirmed by k:1"),
            (7, 1, "k:4, k:5 and 2 more; no record is confirmed by k:1"),
            (0, 0, "brokers answer other questions"),
        ] {
            let stall = Stall {
                lasted: Duration::from_secs(5),
                silent: names(silent),
                holding: names(holding),
                no_token: None,
            };
            let text = Reason::Stalled(stall).text(&subject);
            assert!(
                text.contains("k:9092: records have been under way for 5 s"),
                "{text}"
            );
            assert!(text.ends_with(words), "{text}");
        }
    }
}
