//! Whether mail can be stored, as one story: away since when and why, and back.
//!
//! Owns: what counts as away, and when it is said. Must not know: how it was found out; the words, which are `lines`'s; mail that is
//! refused for its size, which is `size`'s. The clock is an argument.
//!
//! ```text
//!           trouble                        senders are refused, or it lasts           every minute
//!   fine ───────────▶ away, nothing said ──────────────────────────────────▶ said ──────────────────┐
//!     ▲                        │                                             │  ▲──────────────────┘
//!     └── none any more ───────┴───────────── none any more: how long it was ┘
//! ```
//!
//! Invariants: a trouble that refuses somebody is two lines, and one more each minute; one that is over before, as when another
//! broker takes over, is none. One that comes and goes is a few lines, and one more each minute. The reason in the log is the one
//! that /readyz shows.
//!
//! BUGS: when the reason changes, /readyz shows the new one at once, the log with its next line.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::lines::{Lately, Line, REMINDER, Refused, Terms, Told, Went};
use super::reason::{Failure, Reason, Stall};
use crate::smtp::session::Intake;

/// A trouble that refuses nobody is said when it lasts this long: mail waits for it.
const SAID_AFTER: Duration = Duration::from_secs(5);
/// Records that Kafka refused are a trouble until others are stored and none was refused this long,
const QUIET: Duration = Duration::from_secs(10);
/// or until nothing is known, as none was sent.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What was seen since the last time.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// What is wrong with the cluster or the topic.
    pub(super) finding: Option<Finding>,
    /// Whether some mail is stored all the same.
    pub(super) partly: bool,
    /// That records are under way in vain.
    pub(super) stalled: Option<Stall>,
    /// The first record that was not stored.
    pub(super) failure: Option<Failure>,
    /// Whether writing is known to be allowed.
    pub(super) writable: bool,
    /// Whether mail gets 451 without being tried.
    pub(super) refuses: bool,
    /// What senders may begin.
    pub(super) intake: Intake,
    /// Who got no 250.
    pub(super) refused: Refused,
    /// Whether any record was stored.
    pub(super) stored: bool,
    /// How long ago mail could last be stored.
    pub(super) lasted: Duration,
    /// Whether a trouble is said at once.
    pub(super) at_once: bool,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            finding: None,
            partly: false,
            stalled: None,
            failure: None,
            writable: false,
            refuses: false,
            intake: Intake::Open,
            refused: Refused::default(),
            stored: false,
            lasted: Duration::ZERO,
            at_once: false,
        }
    }
}

#[derive(Debug)]
struct Away {
    since: Timestamp,
    from: Instant,
    /// When a line was last about it.
    said: Option<Instant>,
    /// Whether that was said of some mail alone.
    partly: bool,
    reason: Reason,
    /// When the reason was last seen.
    seen: Instant,
    refused: Refused,
    stored_since: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Storage {
    away: Option<Away>,
    /// Whether some records are refused and others stored: one odd record must not make the whole server unready.
    partial: bool,
    terms: Terms,
    lately: Lately,
}

impl Storage {
    /// Nothing is known yet.
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            away: None,
            partial: false,
            terms,
            lately: Lately::default(),
        }
    }

    /// Since when mail cannot be stored, if so.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.away.as_ref().map(|away| away.since)
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
        let line = self.change(&round, now, time);
        let away = self.away.is_some();
        self.lately.pass(line, away, now)
    }

    fn change(&mut self, round: &Round, now: Instant, time: Timestamp) -> Option<Line> {
        let trouble = self.trouble(round, now);
        let known = round.finding.is_some() || round.stalled.is_some();
        self.partial = match (known, &round.failure) {
            (true, _) => false,
            (false, Some(_)) => round.stored,
            (false, None) => self.partial || round.stored,
        };
        match (&mut self.away, trouble) {
            (None, None) => return None,
            (None, Some((reason, seen))) => {
                self.away = Some(Away {
                    since: time.checked_sub(round.lasted).unwrap_or(time),
                    from: now.checked_sub(round.lasted).unwrap_or(now),
                    said: None,
                    partly: false,
                    reason,
                    seen,
                    refused: round.refused,
                    stored_since: false,
                });
            }
            (Some(away), Some((reason, seen))) => {
                let again = round.failure.is_some();
                away.stored_since = !again && (away.stored_since || round.stored);
                (away.reason, away.seen) = (reason, seen);
                away.refused.add(round.refused);
            }
            (Some(_), None) => return self.end(round, now),
        }
        self.tell(round, now, time)
    }

    /// What is said while it is away.
    fn tell(&mut self, round: &Round, now: Instant, time: Timestamp) -> Option<Line> {
        let partly = round.partly || self.partial;
        let away = self.away.as_mut()?;
        if away.partly && !partly && round.intake != Intake::Open {
            // It is all mail now, which is another story.
            away.since = time.checked_sub(round.lasted).unwrap_or(time);
            away.from = now.checked_sub(round.lasted).unwrap_or(now);
            away.said = None;
        }
        if let Some(said) = away.said {
            let due = now.duration_since(said) >= REMINDER;
            let line = Line::Still(away.since, away.refused, away.reason.clone());
            return due.then(|| {
                away.said = Some(now);
                line
            });
        }
        let told = match round.intake {
            Intake::NoMail | Intake::Closed => Told::Before(round.intake),
            Intake::Open if round.refuses || away.refused.messages > 0 => Told::After,
            Intake::Open => Told::Waits,
        };
        let lasts = now.duration_since(away.from) >= SAID_AFTER;
        if told == Told::Waits && !lasts && !round.at_once {
            return None;
        }
        (away.said, away.partly) = (Some(now), partly);
        Some(Line::Away(Went {
            since: away.since,
            partly,
            told,
            terms: self.terms,
            reason: away.reason.clone(),
        }))
    }

    /// What is said when it is back.
    fn end(&mut self, round: &Round, now: Instant) -> Option<Line> {
        let mut away = self.away.take()?;
        away.refused.add(round.refused);
        let lasted = now.duration_since(away.from);
        match away.said {
            Some(_) => Some(Line::Back(lasted, away.refused)),
            None => {
                let reason = &away.reason;
                tracing::debug!(?reason, ?lasted, "mail waited, and nobody was refused");
                None
            }
        }
    }

    /// The trouble after this round, and when it was last seen.
    fn trouble(&self, round: &Round, now: Instant) -> Option<(Reason, Instant)> {
        if let Some(finding) = &round.finding {
            return Some((Reason::Finding(finding.clone()), now));
        }
        if let Some(stall) = &round.stalled {
            return Some((Reason::Stalled(stall.clone()), now));
        }
        let away = self.away.as_ref();
        let known = away.and_then(|away| away.reason.failure());
        if let Some(failure) = &round.failure {
            // What waited for a cluster that is back now runs out of time a little later.
            let was_said = away.is_some_and(|away| away.said.is_some());
            let late = was_said && known.is_none() && !failure.is_a_refusal();
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

#[cfg(test)]
mod tests {
    use super::super::subject::Subject;
    use super::*;

    const TERMS: Terms = Terms {
        delivery: Duration::from_secs(30),
        fail_fast: Some(Duration::from_secs(5)),
    };

    fn messages(messages: u64) -> Refused {
        Refused {
            messages,
            ..Refused::default()
        }
    }

    fn away(at: i64, told: Told, reason: Reason) -> Line {
        Line::Away(Went {
            since: second(at),
            partly: false,
            told,
            terms: TERMS,
            reason,
        })
    }

    struct Story {
        storage: Storage,
        start: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self {
                storage: Storage::new(TERMS),
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

    /// Nobody is refused yet.
    fn waiting(text: &str) -> Round {
        Round {
            finding: Some(unreachable(text)),
            ..Round::default()
        }
    }

    /// Senders are refused before they send.
    fn finding(text: &str) -> Round {
        Round {
            intake: Intake::Closed,
            ..waiting(text)
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

    const CLOSED: Told = Told::Before(Intake::Closed);

    #[test]
    fn an_outage_is_two_lines_and_a_reminder_a_minute() {
        let mut story = Story::new();
        assert_eq!(story.at(0, stored()), None);
        assert_eq!(story.at(1, waiting("a")), None, "nobody is refused yet");
        assert_eq!(
            story.at(2, finding("a")),
            Some(away(1, CLOSED, reason("a")))
        );
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
            Some(Line::Still(second(1), messages(7), reason("c")))
        );
        assert_eq!(story.at(63, finding("c")), None);
        assert_eq!(
            story.at(64, stored()),
            Some(Line::Back(Duration::from_secs(63), messages(7)))
        );
        assert_eq!(
            (story.at(65, stored()), story.storage.reason()),
            (None, None)
        );
    }

    #[test]
    fn a_trouble_that_refuses_nobody_is_said_when_it_lasts_and_not_when_it_is_over_before() {
        let mut story = Story::new();
        for at in 0..5 {
            assert_eq!(story.at(at, waiting("a")), None);
            assert!(story.storage.unready().is_some(), "it is seen at once");
        }
        assert_eq!(story.at(5, stored()), None);
        for at in 10..15 {
            assert_eq!(story.at(at, waiting("a")), None);
        }
        assert_eq!(
            story.at(15, waiting("a")),
            Some(away(10, Told::Waits, reason("a")))
        );
        // What it comes to is in that line.
        assert_eq!(story.at(16, finding("a")), None);
        assert!(matches!(story.at(17, stored()), Some(Line::Back(..))));
    }

    #[test]
    fn a_trouble_at_the_start_is_said_at_once_and_one_that_closes_a_topic_is_too() {
        let start = Round {
            at_once: true,
            ..waiting("a")
        };
        let line = Story::new().at(0, start);
        assert_eq!(line, Some(away(0, Told::Waits, reason("a"))));
        let closed = Round {
            refuses: true,
            ..waiting("a")
        };
        let line = Story::new().at(0, closed);
        assert_eq!(line, Some(away(0, Told::After, reason("a"))));
    }

    #[test]
    fn where_other_mail_is_stored_the_line_says_so() {
        let some_leaderless = Round {
            finding: Some(Finding::Leaderless(2, 8)),
            partly: true,
            refused: messages(1),
            stored: true,
            ..Round::default()
        };
        let some_refused = Round {
            stored: true,
            ..failing(Code::MessageTimedOut)
        };
        for (round, partly) in [
            (some_leaderless, true),
            (some_refused, true),
            (failing(Code::MessageTimedOut), false),
        ] {
            let line = Story::new().at(0, round);
            let Some(Line::Away(went)) = line else {
                panic!("{line:?}");
            };
            assert_eq!((went.partly, went.told), (partly, Told::After), "{went:?}");
        }
    }

    #[test]
    fn a_trouble_of_some_mail_that_becomes_one_of_all_is_said_again() {
        let mut story = Story::new();
        let some = Round {
            stored: true,
            ..failing(Code::QueueFull)
        };
        assert!(story.at(0, some).is_some());
        let all = || Round {
            lasted: Duration::from_secs(5),
            ..finding("a")
        };
        assert_eq!(story.at(7, all()), Some(away(2, CLOSED, reason("a"))));
        assert_eq!(story.at(8, all()), None, "once");
        let line = story.at(9, stored());
        assert_eq!(line, Some(Line::Back(Duration::from_secs(7), messages(1))));
    }

    #[test]
    fn what_runs_out_of_time_after_an_outage_is_part_of_it() {
        let mut story = Story::new();
        story.at(0, finding("a"));
        let line = story.at(9, failing(Code::MessageTimedOut));
        assert_eq!(line, Some(Line::Back(Duration::from_secs(9), messages(1))));
        // One that was not said is said for it.
        story.at(20, waiting("a"));
        let line = story.at(21, failing(Code::MessageTimedOut));
        assert!(matches!(line, Some(Line::Away(_))), "{line:?}");
    }

    #[test]
    fn a_refusal_has_kafkas_name_and_lasts_until_records_are_stored_again() {
        let mut story = Story::new();
        let Some(Line::Away(went)) = story.at(0, failing(Code::InvalidRecord)) else {
            panic!("it is said");
        };
        let text = went.reason.text(&Subject::of_a_test());
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
    fn a_trouble_counts_from_when_mail_could_last_be_stored() {
        let mut story = Story::new();
        let vain = |seconds| Round {
            stalled: Some(Stall {
                lasted: Duration::from_secs(seconds),
                ..Stall::default()
            }),
            intake: Intake::Closed,
            lasted: Duration::from_secs(seconds),
            ..Round::default()
        };
        let line = story.at(7, vain(5));
        let Some(Line::Away(went)) = line else {
            panic!("{line:?}");
        };
        assert_eq!((went.since, went.told), (second(2), CLOSED));
        assert_eq!(story.at(8, vain(6)), None);
        assert!(story.storage.unready().is_some());
        let line = story.at(11, stored());
        assert_eq!(line, Some(Line::Back(Duration::from_secs(9), messages(0))));
    }

    #[test]
    fn an_outage_is_said_after_a_few_troubles_that_passed() {
        let mut story = Story::new();
        let full = |at| (at, failing(Code::QueueFull));
        let rounds = [0, 2, 4].map(|at| [full(at), (at + 1, stored())]);
        let said = rounds.into_iter().flatten();
        let said = said.filter_map(|(at, round)| story.at(at, round));
        assert_eq!(said.count(), 4, "the third is counted");
        assert!(matches!(story.at(9, finding("a")), Some(Line::Away(_))));
        assert!(matches!(story.at(20, stored()), Some(Line::Back(..))));
        let sum = story.at(60, stored());
        assert!(
            matches!(sum, Some(Line::ComesAndGoes { times: 1, .. })),
            "{sum:?}"
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
            Line::Away(_) => 1,
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
