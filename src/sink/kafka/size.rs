//! Mail that is refused for its size although it is within the SIZE that EHLO names: one line when that begins, and one when
//! it ends.
//!
//! Owns: when it begins and ends, and the lines. Must not know: how a limit was found out; the clock is an argument.
//!
//! Invariant: the lines are about the server that runs, whose SIZE stays as EHLO gave it.
//!
//! BUGS: where the cluster does not say the topic's limit, the end is a minute without such a refusal.

use std::time::{Duration, Instant};

use super::finding::Finding;
use super::subject::Subject;

/// Time without a refusal after which it is over, where the limit is known to be large enough, and where it is not known.
const QUIET: Duration = Duration::from_secs(10);
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What was seen since the last time.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    /// The topic's limit, if it is known to be too small.
    pub(super) too_small: Option<u64>,
    /// Whether it was seen in this round.
    pub(super) known: bool,
    /// Messages that were refused for their size.
    pub(super) refused: u64,
}

#[derive(Debug)]
struct Trouble {
    from: Instant,
    limit: Option<u64>,
    refused: u64,
    last: Option<Instant>,
}

/// What is said of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// It began, or the topic's limit is another one that is too small.
    Begun(Option<u64>),
    /// It is over after this time; this many messages got no 250.
    Over(Duration, u64),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Size {
    trouble: Option<Trouble>,
}

impl Size {
    /// Takes note of a round, and says what changed.
    pub(super) fn judge(&mut self, round: &Round, now: Instant) -> Option<Line> {
        let Some(trouble) = &mut self.trouble else {
            if round.too_small.is_none() && round.refused == 0 {
                return None;
            }
            self.trouble = Some(Trouble {
                from: now,
                limit: round.too_small,
                refused: round.refused,
                last: (round.refused > 0).then_some(now),
            });
            return Some(Line::Begun(round.too_small));
        };
        trouble.refused += round.refused;
        if round.refused > 0 {
            trouble.last = Some(now);
        }
        if let Some(limit) = round.too_small {
            let changed = trouble.limit.replace(limit) != Some(limit);
            return changed.then_some(Line::Begun(Some(limit)));
        }
        // A cluster that does not answer has not changed the limit.
        if !round.known && trouble.limit.is_some() {
            return None;
        }
        let wait = if round.known { QUIET } else { FORGOTTEN };
        let quiet = |last| now.duration_since(last) >= wait;
        if !trouble.last.is_none_or(quiet) {
            return None;
        }
        let line = Line::Over(now.duration_since(trouble.from), trouble.refused);
        self.trouble = None;
        Some(line)
    }

    /// Whether it is known.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }
}

impl Line {
    /// Says it.
    pub(super) fn write(&self, subject: &Subject) {
        match self {
            Line::Begun(Some(limit)) => {
                tracing::warn!("{}", Finding::TooSmall(*limit).text(subject));
            }
            Line::Begun(None) => tracing::warn!("{}", subject.refused_for_its_size()),
            Line::Over(lasted, refused) => tracing::info!(
                "mail of any size that EHLO names is stored again after {:.1} s; messages that got 451 for their size: {refused}",
                lasted.as_secs_f64()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_small_is_said_when_it_begins_when_it_changes_and_when_it_ends() {
        let (mut size, start) = (Size::default(), Instant::now());
        let mut at = |second, too_small, refused| {
            let round = Round {
                too_small,
                known: true,
                refused,
            };
            size.judge(&round, start + Duration::from_secs(second))
        };
        assert_eq!(at(0, None, 0), None);
        assert_eq!(at(1, Some(500), 0), Some(Line::Begun(Some(500))));
        assert_eq!(at(2, Some(500), 3), None);
        assert_eq!(at(3, Some(400), 0), Some(Line::Begun(Some(400))));
        // One that was under way may still be refused.
        assert_eq!(at(4, None, 1), None);
        assert_eq!(at(5, None, 0), None);
        let over = Line::Over(Duration::from_secs(13), 4);
        assert_eq!(at(14, None, 0), Some(over));
        assert_eq!(at(15, None, 0), None);
    }

    #[test]
    fn a_cluster_that_is_silent_now_and_then_is_no_news() {
        let (mut size, start) = (Size::default(), Instant::now());
        let mut at = |second: u64, seen: bool| {
            let round = Round {
                too_small: seen.then_some(500),
                known: seen,
                refused: 0,
            };
            size.judge(&round, start + Duration::from_secs(second))
        };
        assert_eq!(at(0, true), Some(Line::Begun(Some(500))));
        for second in 1..100 {
            assert_eq!(at(second, second % 4 == 0), None, "{second}");
        }
    }

    #[test]
    fn a_refusal_alone_is_enough_where_the_limit_is_not_told() {
        let (mut size, start) = (Size::default(), Instant::now());
        let mut at = |second, refused| {
            let round = Round {
                refused,
                ..Round::default()
            };
            size.judge(&round, start + Duration::from_secs(second))
        };
        assert_eq!(at(0, 1), Some(Line::Begun(None)));
        assert_eq!(at(10, 1), None);
        assert_eq!(at(69, 0), None);
        assert_eq!(at(70, 0), Some(Line::Over(Duration::from_secs(70), 2)));
    }
}
