//! What the log says of the storage: a line when it goes away, one a minute, one when it is back; and when that is too much.
//!
//! Owns: the words, and how many lines a storage that comes and goes may have. Must not know: what counts as away.
//!
//! Invariants: a line says what senders are told, and no more than is so; whoever reads that it went away reads that it is back.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::reason::{Reason, listed};
use super::subject::Subject;
use crate::smtp::session::Intake;

/// Time between two lines of the same trouble.
pub(super) const REMINDER: Duration = Duration::from_secs(60);
/// Lines that a storage which comes and goes may have in this time; what is beyond them is counted, and said at its end.
const LINES: u32 = 4;

/// Who got no 250.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// Messages that were not stored.
    pub(super) messages: u64,
    /// Clients that were refused before a message.
    pub(super) clients: u64,
}

impl Refused {
    pub(super) fn add(&mut self, other: Self) {
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

/// What becomes of mail for which there is no storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long it waits.
    pub(super) delivery: Duration,
    /// After how long senders are refused before their mail; none: never.
    pub(super) fail_fast: Option<Duration>,
}

/// What senders are told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing yet: their mail waits.
    Waits,
    /// 451, after their mail.
    After,
    /// This, before they send.
    Before(Intake),
}

/// How it went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Went {
    pub(super) since: Timestamp,
    /// Whether other mail is stored.
    pub(super) partly: bool,
    pub(super) told: Told,
    pub(super) terms: Terms,
    pub(super) reason: Reason,
}

impl Went {
    /// What senders are told now and later, of all topics or of one.
    fn then(&self, of_all: bool) -> String {
        let waits = self.terms.delivery;
        let later = match self.terms.fail_fast.filter(|_| of_all && !self.partly) {
            Some(after) => format!(", and after {after:?} 421 and 451 4.3.2 before they send"),
            None => String::new(),
        };
        match (self.told, self.partly) {
            (Told::Before(Intake::Closed), _) => {
                "senders get 421 and 451 4.3.2 before they send".to_owned()
            }
            (Told::Before(Intake::NoMail), _) => {
                "senders get 451 4.3.2 before they send".to_owned()
            }
            (Told::After | Told::Before(Intake::Open), true) => {
                "some senders get 451, other mail is stored".to_owned()
            }
            (Told::After | Told::Before(Intake::Open), false) => format!("senders get 451{later}"),
            (Told::Waits, true) => {
                format!("some mail waits up to {waits:?} for its 451, other mail is stored")
            }
            (Told::Waits, false) => {
                format!("mail waits up to {waits:?}, then senders get 451{later}")
            }
        }
    }
}

/// What is said of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It went away.
    Away(Went),
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
            (Line::Away(went), Line::Away(other)) => {
                let alike = |one: &Went| (one.partly, one.told);
                alike(went) == alike(other) && went.reason.is_alike(&other.reason)
            }
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
            (Line::Away(_) | Line::Still(..) | Line::Back(..) | Line::ComesAndGoes { .. }, _) => {
                false
            }
        }
    }

    /// Says it of topics in this subject's cluster, named by their first ones, or, for none, of all of them.
    pub(super) fn write(&self, subject: &Subject, topics: &[&str]) {
        let storage = storage(topics);
        match self {
            Line::Away(went) => {
                let (since, reason) = (went.since, went.reason.text(subject));
                let then = went.then(topics.is_empty());
                match went.partly {
                    true => {
                        tracing::warn!("{storage} partly away since {since:.0}, {then}: {reason}");
                    }
                    false => tracing::error!("{storage} away since {since:.0}, {then}: {reason}"),
                }
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
    let names: Vec<String> = topics.iter().map(|topic| format!("{topic:?}")).collect();
    match topics.len() {
        0 => "storage".to_owned(),
        1 => format!("topic {}", names[0]),
        _ => format!("topics {}", listed(&names)),
    }
}

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// When the first of these lines was said.
    began: Option<Instant>,
    /// How many were said of troubles that refuse senders before they send, and of others: neither keeps the other from being said.
    closing: u32,
    others: u32,
    /// Whether the last trouble was said.
    said: bool,
    /// Troubles that were not said, and who got no 250 in them.
    unsaid: u32,
    refused: Refused,
}

impl Lately {
    /// The line, if it is said; in its place, once enough time has passed, what was not said.
    pub(super) fn pass(&mut self, line: Option<Line>, away: bool, now: Instant) -> Option<Line> {
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
        let says = match &line {
            Line::Away(went) => self.has_room_for(went.told),
            // Whoever reads that it went away reads that it is back.
            Line::Back(..) => self.said || self.unsaid == 0,
            Line::Still(..) | Line::ComesAndGoes { .. } => true,
        };
        self.said = says;
        if says {
            return Some(line);
        }
        self.count(Some(&line));
        None
    }

    /// Counts the two lines of a trouble, if it may be said.
    fn has_room_for(&mut self, told: Told) -> bool {
        let closes = matches!(told, Told::Before(_));
        let lines = match closes {
            true => &mut self.closing,
            false if self.unsaid > 0 => return false,
            false => &mut self.others,
        };
        let room = *lines < LINES;
        *lines += if room { 2 } else { 0 };
        room
    }

    fn count(&mut self, line: Option<&Line>) {
        match line {
            Some(Line::Away(_)) => self.unsaid += 1,
            Some(Line::Back(_, refused)) => self.refused.add(*refused),
            Some(Line::Still(..) | Line::ComesAndGoes { .. }) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Finding;
    use super::*;

    fn went(count: usize) -> Went {
        Went {
            since: Timestamp::UNIX_EPOCH,
            partly: false,
            told: Told::Waits,
            terms: Terms {
                delivery: Duration::from_secs(30),
                fail_fast: Some(Duration::from_secs(5)),
            },
            reason: Reason::Finding(Finding::Leaderless(count, 8)),
        }
    }

    #[test]
    fn topics_with_the_same_trouble_share_a_line() {
        let mut line = Line::Away(went(2));
        assert!(line.join(&Line::Away(went(3))));
        let other = Went {
            reason: Reason::Finding(Finding::Missing(3)),
            ..went(2)
        };
        assert!(!line.join(&Line::Away(other)));
        let refused = Went {
            told: Told::After,
            ..went(2)
        };
        assert!(
            !line.join(&Line::Away(refused)),
            "its senders are told something else"
        );
        let refused = |messages| Refused {
            messages,
            ..Refused::default()
        };
        let mut back = Line::Back(Duration::from_secs(1), refused(1));
        assert!(back.join(&Line::Back(Duration::from_secs(2), refused(3))));
        assert_eq!(back, Line::Back(Duration::from_secs(2), refused(4)));
        assert_eq!(storage(&["a"]), "topic \"a\"");
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        let text = "topics \"a\", \"b\", \"c\", \"d\", \"e\" and 2 more";
        assert_eq!(storage(&many), text);
    }

    #[test]
    fn a_line_says_what_senders_are_told_and_no_more() {
        for (told, partly, of_all, words) in [
            (
                Told::Waits,
                false,
                true,
                "mail waits up to 30s, then senders get 451, and after 5s 421 and 451 4.3.2 before they send",
            ),
            (
                Told::Waits,
                false,
                false,
                "mail waits up to 30s, then senders get 451",
            ),
            (
                Told::Waits,
                true,
                true,
                "some mail waits up to 30s for its 451, other mail is stored",
            ),
            (Told::After, false, false, "senders get 451"),
            (
                Told::After,
                true,
                true,
                "some senders get 451, other mail is stored",
            ),
            (
                Told::Before(Intake::Closed),
                false,
                true,
                "senders get 421 and 451 4.3.2 before they send",
            ),
            (
                Told::Before(Intake::NoMail),
                false,
                true,
                "senders get 451 4.3.2 before they send",
            ),
        ] {
            let went = Went {
                told,
                partly,
                ..went(1)
            };
            assert_eq!(went.then(of_all), words);
        }
    }

    #[test]
    fn clients_that_were_refused_before_their_mail_are_counted_apart() {
        let refused = Refused {
            messages: 2,
            clients: 40,
        };
        assert_eq!(
            refused.text(),
            "messages that got 451: 2, refused before a message: 40"
        );
    }
}
