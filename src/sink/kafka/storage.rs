//! Whether mail can be stored, as one story: away since when and why, and back.
//!
//! Owns: what counts as away, and the lines that say it. Must not know: how it was found out, nor mail that is refused for
//! its size, which is `size`'s; the clock is an argument.
//!
//! ```text
//!           trouble: ERROR, the reason                    every minute: WARN, the reason now
//!   fine ──────────────────────────────▶ away ──────────────────────────────────────────────┐
//!     ▲                                   │  ▲──────────────────────────────────────────────┘
//!     └───── none any more: INFO, how long┘
//! ```
//!
//! Invariants: a trouble is two lines, and one more each minute; the reason in the log is the one that /readyz shows.
//!
//! BUGS: when the reason changes, /readyz shows the new one at once, the log with its next line.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::{Finding, Subject};
use super::verdict::refusal;
use crate::kafka::name::{meaning, named};
use crate::smtp::refusal::Refusal;

/// Time between two lines of the same trouble.
const REMINDER: Duration = Duration::from_secs(60);
/// Records that Kafka refused are a trouble until others are stored and none was refused this long,
const QUIET: Duration = Duration::from_secs(10);
/// or until nothing is known, as none was sent.
const FORGOTTEN: Duration = Duration::from_secs(60);

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
}

impl Reason {
    /// For an operator.
    pub(super) fn text(&self, subject: &Subject) -> String {
        match self {
            Self::Finding(finding) => finding.text(subject),
            Self::Failure(failure) => failure.text(subject),
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Finding(_) => None,
            Self::Failure(failure) => Some(failure),
        }
    }
}

/// What was seen since the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    /// What is wrong with the cluster or the topic.
    pub(super) finding: Option<Finding>,
    /// The first record that was not stored.
    pub(super) failure: Option<Failure>,
    /// Whether writing is known to be allowed.
    pub(super) writable: bool,
    /// Messages that were not stored.
    pub(super) refused: u64,
    /// Whether any was.
    pub(super) stored: bool,
}

#[derive(Debug)]
struct Away {
    since: Timestamp,
    from: Instant,
    said: Instant,
    reason: Reason,
    /// When the reason was last seen.
    seen: Instant,
    refused: u64,
    stored_since: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Storage {
    away: Option<Away>,
    /// Whether some records are refused and others stored: one odd record must not make the whole server unready.
    partial: bool,
}

impl Storage {
    /// Why mail cannot be stored, if so.
    pub(super) fn reason(&self) -> Option<&Reason> {
        self.away.as_ref().map(|away| &away.reason)
    }

    /// The same, where it is worth sending mail elsewhere: not while other records are stored.
    pub(super) fn unready(&self) -> Option<&Reason> {
        self.reason().filter(|_| !self.partial)
    }

    /// Takes note of a round, and says what changed.
    pub(super) fn judge(&mut self, round: Round, now: Instant, time: Timestamp) -> Option<Line> {
        let trouble = self.trouble(&round, now);
        self.partial = match (&round.finding, &round.failure) {
            (Some(_), _) => false,
            (None, Some(_)) => round.stored,
            (None, None) => self.partial || round.stored,
        };
        match (&mut self.away, trouble) {
            (None, None) => None,
            (None, Some((reason, seen))) => {
                let line = Line::Away(time, reason.clone());
                self.away = Some(Away {
                    since: time,
                    from: now,
                    said: now,
                    reason,
                    seen,
                    refused: round.refused,
                    stored_since: false,
                });
                Some(line)
            }
            (Some(away), Some((reason, seen))) => {
                let again = round.failure.is_some();
                away.stored_since = !again && (away.stored_since || round.stored);
                (away.reason, away.seen) = (reason, seen);
                away.refused += round.refused;
                if now.duration_since(away.said) < REMINDER {
                    return None;
                }
                away.said = now;
                Some(Line::Still(away.since, away.refused, away.reason.clone()))
            }
            (Some(away), None) => {
                let lasted = now.duration_since(away.from);
                let line = Line::Back(lasted, away.refused + round.refused);
                self.away = None;
                Some(line)
            }
        }
    }

    /// The trouble after this round, and when it was last seen.
    fn trouble(&self, round: &Round, now: Instant) -> Option<(Reason, Instant)> {
        if let Some(finding) = &round.finding {
            return Some((Reason::Finding(finding.clone()), now));
        }
        let away = self.away.as_ref();
        let known = away.and_then(|away| away.reason.failure());
        if let Some(failure) = &round.failure {
            // What waited for a cluster that is back now runs out of time a little later.
            let late = away.is_some() && known.is_none() && !failure.is_a_refusal();
            return (!late).then(|| (Reason::Failure(failure.clone()), now));
        }
        let (away, failure) = (away?, known?);
        let quiet = now.duration_since(away.seen);
        let stored = away.stored_since || round.stored;
        let over = match failure.is_a_refusal() {
            true if failure.code == Code::TopicAuthorizationFailed && round.writable => {
                quiet >= QUIET
            }
            true => quiet >= FORGOTTEN || stored && quiet >= QUIET,
            false => stored || quiet >= QUIET,
        };
        (!over).then(|| (Reason::Failure(failure.clone()), away.seen))
    }
}

/// What is said of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It went away at this time, for this reason.
    Away(Timestamp, Reason),
    /// It has been away since then; this many messages got no 250; the reason now.
    Still(Timestamp, u64, Reason),
    /// It is back after this time; this many messages got no 250.
    Back(Duration, u64),
}

impl Line {
    /// Says it.
    pub(super) fn write(&self, subject: &Subject) {
        match self {
            Line::Away(since, reason) => {
                let reason = reason.text(subject);
                tracing::error!("storage away since {since:.0}, senders get 451: {reason}");
            }
            Line::Still(since, refused, reason) => {
                let reason = reason.text(subject);
                tracing::warn!(
                    "storage still away since {since:.0}, messages that got 451: {refused}; {reason}"
                );
            }
            Line::Back(lasted, refused) => {
                let seconds = lasted.as_secs_f64();
                tracing::info!(
                    "storage back after {seconds:.1} s; messages that got 451: {refused}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        storage: Storage,
        start: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self {
                storage: Storage::default(),
                start: Instant::now(),
            }
        }

        fn at(&mut self, second: u64, round: Round) -> Option<Line> {
            let now = self.start + Duration::from_secs(second);
            let time = Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
            self.storage.judge(round, now, time)
        }
    }

    fn unreachable(text: &str) -> Finding {
        Finding::Unreachable(text.to_owned())
    }

    fn reason(text: &str) -> Reason {
        Reason::Finding(unreachable(text))
    }

    fn finding(text: &str) -> Round {
        Round {
            finding: Some(unreachable(text)),
            ..Round::default()
        }
    }

    fn failing(code: Code) -> Round {
        Round {
            failure: Some(Failure { code, text: None }),
            refused: 1,
            ..Round::default()
        }
    }

    fn stored() -> Round {
        Round {
            stored: true,
            ..Round::default()
        }
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_outage_is_two_lines_and_a_reminder_a_minute() {
        let mut story = Story::new();
        assert_eq!(story.at(0, stored()), None);
        assert_eq!(
            story.at(2, finding("a")),
            Some(Line::Away(second(2), reason("a")))
        );
        for at in 3..62 {
            assert_eq!(story.at(at, finding("b")), None);
            assert_eq!(story.storage.reason(), Some(&reason("b")));
        }
        let late = Round {
            refused: 7,
            ..finding("c")
        };
        assert_eq!(
            story.at(62, late),
            Some(Line::Still(second(2), 7, reason("c")))
        );
        assert_eq!(story.at(63, finding("c")), None);
        assert_eq!(
            story.at(64, stored()),
            Some(Line::Back(Duration::from_secs(62), 7))
        );
        assert_eq!(
            (story.at(65, stored()), story.storage.reason()),
            (None, None)
        );
    }

    #[test]
    fn what_runs_out_of_time_after_an_outage_is_part_of_it() {
        let mut story = Story::new();
        story.at(0, finding("a"));
        let line = story.at(9, failing(Code::MessageTimedOut));
        assert_eq!(line, Some(Line::Back(Duration::from_secs(9), 1)));
    }

    #[test]
    fn a_refusal_has_kafkas_name_and_lasts_until_records_are_stored_again() {
        let mut story = Story::new();
        let Some(Line::Away(_, reason)) = story.at(0, failing(Code::InvalidRecord)) else {
            panic!("it is said");
        };
        let text = reason.text(&Subject::of_a_test());
        assert!(text.contains("INVALID_RECORD"), "{text}");
        assert_eq!(story.at(1, failing(Code::InvalidRecord)), None);
        assert_eq!(story.at(2, stored()), None, "others may still be refused");
        assert_eq!(story.at(10, Round::default()), None);
        let line = story.at(11, Round::default());
        assert_eq!(line, Some(Line::Back(Duration::from_secs(11), 2)));
    }

    #[test]
    fn a_refusal_that_nobody_can_prove_any_more_is_forgotten() {
        let mut story = Story::new();
        story.at(0, failing(Code::InvalidRecord));
        assert_eq!(story.at(59, Round::default()), None);
        assert!(matches!(
            story.at(60, Round::default()),
            Some(Line::Back(..))
        ));
    }

    #[test]
    fn a_right_that_is_there_again_ends_the_refusal_for_its_want() {
        let allowed = || Round {
            writable: true,
            ..Round::default()
        };
        let mut story = Story::new();
        story.at(0, failing(Code::TopicAuthorizationFailed));
        assert_eq!(story.at(9, allowed()), None, "it may be wrong");
        assert_eq!(story.at(10, Round::default()), None);
        assert!(matches!(story.at(11, allowed()), Some(Line::Back(..))));
        story.at(12, failing(Code::InvalidRecord));
        assert_eq!(story.at(23, allowed()), None);
    }

    #[test]
    fn one_record_that_is_refused_beside_others_leaves_the_server_ready() {
        let mut story = Story::new();
        let odd = || Round {
            stored: true,
            ..failing(Code::InvalidRecord)
        };
        assert!(story.at(0, odd()).is_some());
        assert!(story.storage.reason().is_some());
        assert_eq!(story.storage.unready(), None);
        story.at(2, failing(Code::InvalidRecord));
        assert!(story.storage.unready().is_some(), "no other was stored");
        story.at(4, stored());
        assert_eq!(story.storage.unready(), None);
        story.at(6, finding("a"));
        assert_eq!(story.storage.unready(), Some(&reason("a")));
    }

    #[test]
    fn records_that_are_late_are_a_trouble_until_one_is_stored_or_none_is_sent() {
        for (round, ends) in [(stored(), 1), (Round::default(), 10)] {
            let mut story = Story::new();
            assert!(story.at(0, failing(Code::MessageTimedOut)).is_some());
            if ends > 1 {
                assert_eq!(story.at(ends - 1, round.clone()), None);
            }
            assert!(matches!(story.at(ends, round), Some(Line::Back(..))));
        }
    }
}
