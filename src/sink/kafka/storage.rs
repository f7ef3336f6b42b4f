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
//! Invariants: a trouble is two lines, and one more each minute; one that comes and goes is a few lines, and one more each minute; the
//! reason in the log is the one that /readyz shows.
//!
//! BUGS: when the reason changes, /readyz shows the new one at once, the log with its next line.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::subject::Subject;
use super::verdict::refusal;
use crate::kafka::name::{meaning, named};
use crate::smtp::refusal::Refusal;

/// Time between two lines of the same trouble.
const REMINDER: Duration = Duration::from_secs(60);
/// Lines that a storage which comes and goes may have in this time; what is beyond them is counted, and said at its end.
const LINES: u32 = 4;
/// Records that Kafka refused are a trouble until others are stored and none was refused this long,
const QUIET: Duration = Duration::from_secs(10);
/// or until nothing is known, as none was sent.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Topics that a line names.
const NAMES: usize = 5;

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
    /// Brokers answer, and none of the records under way has been stored for this long.
    Stalled(Duration),
}

impl Reason {
    /// For an operator.
    pub(super) fn text(&self, subject: &Subject) -> String {
        match self {
            Self::Finding(finding) => finding.text(subject),
            Self::Failure(failure) => failure.text(subject),
            Self::Stalled(lasted) => format!(
                "kafka.brokers {}: they answer, but records have been under way for {:.0} s, none was stored, and a leader is \
                 silent: it may be frozen or cut off",
                subject.brokers(),
                lasted.as_secs_f64()
            ),
        }
    }

    /// Whether it is the same trouble, of another topic.
    fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Finding(finding), Self::Finding(another)) => {
                std::mem::discriminant(finding) == std::mem::discriminant(another)
            }
            (Self::Failure(failure), Self::Failure(another)) => failure.code == another.code,
            (Self::Stalled(_), Self::Stalled(_)) => true,
            (Self::Finding(_) | Self::Failure(_) | Self::Stalled(_), _) => false,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Finding(_) | Self::Stalled(_) => None,
            Self::Failure(failure) => Some(failure),
        }
    }
}

/// What was seen since the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    /// What is wrong with the cluster or the topic.
    pub(super) finding: Option<Finding>,
    /// How long records have been under way in vain.
    pub(super) stalled: Option<Duration>,
    /// The first record that was not stored.
    pub(super) failure: Option<Failure>,
    /// Whether writing is known to be allowed.
    pub(super) writable: bool,
    /// Who got no 250.
    pub(super) refused: Refused,
    /// Whether any record was stored.
    pub(super) stored: bool,
}

/// Who got no 250.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// Messages that were not stored.
    pub(super) messages: u64,
    /// Clients that were refused before a message.
    pub(super) clients: u64,
}

impl Refused {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.clients += other.clients;
    }

    fn text(self) -> String {
        let before = match self.clients {
            0 => String::new(),
            clients => format!(", refused before a message: {clients}"),
        };
        format!("messages that got 451: {}{before}", self.messages)
    }
}

#[derive(Debug)]
struct Away {
    since: Timestamp,
    from: Instant,
    said: Instant,
    reason: Reason,
    /// When the reason was last seen.
    seen: Instant,
    refused: Refused,
    stored_since: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Storage {
    away: Option<Away>,
    /// Whether some records are refused and others stored: one odd record must not make the whole server unready.
    partial: bool,
    /// After how long senders are refused before their mail; none: never.
    fail_fast: Option<Duration>,
    lately: Lately,
}

/// What was said lately.
#[derive(Debug, Default)]
struct Lately {
    /// When the first of these lines was said.
    began: Option<Instant>,
    lines: u32,
    /// Troubles that were not said, and who got no 250 in them.
    unsaid: u32,
    refused: Refused,
}

impl Storage {
    /// Nothing is known yet. Zero: senders are never refused before their mail.
    pub(super) fn new(fail_fast: Duration) -> Self {
        Self {
            fail_fast: (!fail_fast.is_zero()).then_some(fail_fast),
            ..Self::default()
        }
    }

    /// Why mail cannot be stored, if so.
    pub(super) fn reason(&self) -> Option<&Reason> {
        self.away.as_ref().map(|away| &away.reason)
    }

    /// The same, where it is worth sending mail elsewhere: not while other records are stored.
    pub(super) fn unready(&self) -> Option<&Reason> {
        self.reason().filter(|_| !self.partial)
    }

    /// Takes note of a round, and says what changed, unless too much has been said lately.
    pub(super) fn judge(&mut self, round: Round, now: Instant, time: Timestamp) -> Option<Line> {
        let line = self.change(round, now, time);
        let away = self.away.is_some();
        self.lately.pass(line, away, now)
    }

    fn change(&mut self, round: Round, now: Instant, time: Timestamp) -> Option<Line> {
        let trouble = self.trouble(&round, now);
        let known = round.finding.is_some() || round.stalled.is_some();
        self.partial = match (known, &round.failure) {
            (true, _) => false,
            (false, Some(_)) => round.stored,
            (false, None) => self.partial || round.stored,
        };
        match (&mut self.away, trouble) {
            (None, None) => None,
            (None, Some((reason, seen))) => {
                let line = Line::Away(time, self.fail_fast, reason.clone());
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
                away.refused.add(round.refused);
                if now.duration_since(away.said) < REMINDER {
                    return None;
                }
                away.said = now;
                Some(Line::Still(away.since, away.refused, away.reason.clone()))
            }
            (Some(away), None) => {
                let lasted = now.duration_since(away.from);
                away.refused.add(round.refused);
                let line = Line::Back(lasted, away.refused);
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
        if let Some(lasted) = round.stalled {
            return Some((Reason::Stalled(lasted), now));
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

impl Lately {
    /// The line, if it is said; in its place, once enough time has passed, what was not said.
    fn pass(&mut self, line: Option<Line>, away: bool, now: Instant) -> Option<Line> {
        if let Some(Line::Still(..)) = line {
            return line;
        }
        let over = |began| now.duration_since(began) >= REMINDER;
        if self.began.is_some_and(over) {
            let mut last = std::mem::take(self);
            if last.unsaid > 0 {
                last.count(line.as_ref());
                return Some(Line::ComesAndGoes {
                    times: last.unsaid,
                    away,
                    refused: last.refused,
                });
            }
        }
        let line = line?;
        self.began.get_or_insert(now);
        // Whoever reads that it went away reads that it is back.
        let ends = matches!(line, Line::Back(..));
        if self.unsaid == 0 && (ends || self.lines < LINES) {
            self.lines += 1;
            return Some(line);
        }
        self.count(Some(&line));
        None
    }

    fn count(&mut self, line: Option<&Line>) {
        match line {
            Some(Line::Away(..)) => self.unsaid += 1,
            Some(Line::Back(_, refused)) => self.refused.add(*refused),
            Some(Line::Still(..) | Line::ComesAndGoes { .. }) | None => {}
        }
    }
}

/// What is said of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It went away at this time, for this reason; after so long senders are refused before their mail.
    Away(Timestamp, Option<Duration>, Reason),
    /// It has been away since then; who got no 250; the reason now.
    Still(Timestamp, Refused, Reason),
    /// It is back after this time; who got no 250.
    Back(Duration, Refused),
    /// It went away more often than was said.
    ComesAndGoes {
        /// How often.
        times: u32,
        /// Whether it is away now.
        away: bool,
        /// Who got no 250 in those that are over.
        refused: Refused,
    },
}

impl Line {
    /// Whether the same is said of another topic at the same time; who got no 250 there is added then.
    pub(super) fn join(&mut self, other: &Line) -> bool {
        match (self, other) {
            (Line::Away(_, _, reason), Line::Away(_, _, another)) => reason.is_alike(another),
            (Line::Still(_, refused, reason), Line::Still(_, more, another)) => {
                let alike = reason.is_alike(another);
                if alike {
                    refused.add(*more);
                }
                alike
            }
            (Line::Back(lasted, refused), Line::Back(longer, more)) => {
                *lasted = (*lasted).max(*longer);
                refused.add(*more);
                true
            }
            (Line::Away(..) | Line::Still(..) | Line::Back(..) | Line::ComesAndGoes { .. }, _) => {
                false
            }
        }
    }

    /// Says it of topics in this subject's cluster, named by their first ones, or, for none, of all of them.
    pub(super) fn write(&self, subject: &Subject, topics: &[&str]) {
        let storage = storage(topics);
        match self {
            Line::Away(since, fail_fast, reason) => {
                let reason = reason.text(subject);
                let then = match (fail_fast, topics.first()) {
                    (Some(after), None) => format!(
                        ", and after {:.0?} 421 and 451 4.3.2 before they send",
                        after
                    ),
                    (Some(_), Some(_)) | (None, _) => String::new(),
                };
                tracing::error!("{storage} away since {since:.0}, senders get 451{then}: {reason}");
            }
            Line::Still(since, refused, reason) => {
                let (refused, reason) = (refused.text(), reason.text(subject));
                tracing::warn!("{storage} still away since {since:.0}, {refused}; {reason}");
            }
            Line::Back(lasted, refused) => {
                let (seconds, refused) = (lasted.as_secs_f64(), refused.text());
                tracing::info!("{storage} back after {seconds:.1} s; {refused}");
            }
            Line::ComesAndGoes {
                times,
                away,
                refused,
            } => {
                let (now, refused) = (if *away { "away" } else { "back" }, refused.text());
                tracing::warn!(
                    "{storage} comes and goes: away {times} more times in the last minute, {now} now; {refused}"
                );
            }
        }
    }
}

/// What is away: the topics that are named, the first of them if they are many, or all.
fn storage(topics: &[&str]) -> String {
    let (shown, more) = topics.split_at(topics.len().min(NAMES));
    let names: Vec<String> = shown.iter().map(|topic| format!("{topic:?}")).collect();
    let names = names.join(", ");
    match (shown.len(), more.len()) {
        (0, _) => "storage".to_owned(),
        (1, _) => format!("topic {names}"),
        (_, 0) => format!("topics {names}"),
        (_, more) => format!("topics {names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAIL_FAST: Duration = Duration::from_secs(5);

    fn messages(messages: u64) -> Refused {
        Refused {
            messages,
            ..Refused::default()
        }
    }

    fn away(at: i64, reason: Reason) -> Line {
        Line::Away(second(at), Some(FAIL_FAST), reason)
    }

    struct Story {
        storage: Storage,
        start: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self {
                storage: Storage::new(FAIL_FAST),
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
            refused: messages(1),
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
        assert_eq!(story.at(2, finding("a")), Some(away(2, reason("a"))));
        for at in 3..62 {
            assert_eq!(story.at(at, finding("b")), None);
            assert_eq!(story.storage.reason(), Some(&reason("b")));
        }
        let late = Round {
            refused: messages(7),
            ..finding("c")
        };
        assert_eq!(
            story.at(62, late),
            Some(Line::Still(second(2), messages(7), reason("c")))
        );
        assert_eq!(story.at(63, finding("c")), None);
        assert_eq!(
            story.at(64, stored()),
            Some(Line::Back(Duration::from_secs(62), messages(7)))
        );
        assert_eq!(
            (story.at(65, stored()), story.storage.reason()),
            (None, None)
        );
    }

    #[test]
    fn topics_with_the_same_trouble_share_a_line() {
        let away = |count| {
            Line::Away(
                second(1),
                None,
                Reason::Finding(Finding::Leaderless(count, 8)),
            )
        };
        let mut line = away(2);
        assert!(line.join(&away(3)));
        assert!(!line.join(&Line::Away(second(1), None, reason("gone"))));
        let mut back = Line::Back(Duration::from_secs(1), messages(1));
        assert!(back.join(&Line::Back(Duration::from_secs(2), messages(3))));
        assert_eq!(back, Line::Back(Duration::from_secs(2), messages(4)));
        assert_eq!(storage(&["a"]), "topic \"a\"");
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        let text = "topics \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more";
        assert_eq!(storage(&many), text);
    }

    #[test]
    fn what_runs_out_of_time_after_an_outage_is_part_of_it() {
        let mut story = Story::new();
        story.at(0, finding("a"));
        let line = story.at(9, failing(Code::MessageTimedOut));
        assert_eq!(line, Some(Line::Back(Duration::from_secs(9), messages(1))));
    }

    #[test]
    fn a_refusal_has_kafkas_name_and_lasts_until_records_are_stored_again() {
        let mut story = Story::new();
        let Some(Line::Away(_, _, reason)) = story.at(0, failing(Code::InvalidRecord)) else {
            panic!("it is said");
        };
        let text = reason.text(&Subject::of_a_test());
        assert!(text.contains("INVALID_RECORD"), "{text}");
        assert_eq!(story.at(1, failing(Code::InvalidRecord)), None);
        assert_eq!(story.at(2, stored()), None, "others may still be refused");
        assert_eq!(story.at(10, Round::default()), None);
        let line = story.at(11, Round::default());
        assert_eq!(line, Some(Line::Back(Duration::from_secs(11), messages(2))));
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

    #[test]
    fn records_under_way_in_vain_are_a_trouble_until_one_is_stored() {
        let mut story = Story::new();
        let vain = |seconds| Round {
            stalled: Some(Duration::from_secs(seconds)),
            ..Round::default()
        };
        let line = story.at(5, vain(5));
        let Some(Line::Away(_, _, reason)) = line else {
            panic!("{line:?}");
        };
        let text = reason.text(&Subject::of_a_test());
        assert!(
            text.contains("k:9092") && text.contains("for 5 s"),
            "{text}"
        );
        assert_eq!(story.at(6, vain(6)), None);
        assert!(story.storage.unready().is_some());
        assert!(matches!(story.at(9, stored()), Some(Line::Back(..))));
    }

    #[test]
    fn clients_that_were_refused_before_their_mail_are_counted_apart() {
        let mut story = Story::new();
        story.at(0, finding("a"));
        let refused = Refused {
            messages: 2,
            clients: 40,
        };
        let round = Round {
            refused,
            ..finding("a")
        };
        story.at(6, round);
        let line = story.at(9, stored());
        assert_eq!(line, Some(Line::Back(Duration::from_secs(9), refused)));
        assert_eq!(
            refused.text(),
            "messages that got 451: 2, refused before a message: 40"
        );
    }

    #[test]
    fn a_storage_that_comes_and_goes_is_a_few_lines_a_minute() {
        let mut story = Story::new();
        let (mut lines, mut times) = (Vec::new(), 0);
        for at in 0..600 {
            let round = match at % 4 {
                0 | 1 => finding("a"),
                _ => stored(),
            };
            times += u32::from(at % 4 == 0);
            lines.extend(story.at(at, round));
        }
        // Ten minutes of it: at most four lines and a sum in each, and the minute that has begun.
        assert!(lines.len() <= 55, "{}", lines.len());
        let said = lines.iter().map(|line| match line {
            Line::Away(..) => 1,
            Line::ComesAndGoes { times, .. } => *times,
            Line::Still(..) | Line::Back(..) => 0,
        });
        let said: u32 = said.sum();
        assert!(said <= times && said >= times - 16, "{said} of {times}");
        // Once it stays, the last word is how it is.
        let mut last = None;
        for at in 600..700 {
            last = story.at(at, stored()).or(last);
        }
        assert!(
            matches!(last, Some(Line::ComesAndGoes { away: false, .. })),
            "{last:?}"
        );
    }
}
