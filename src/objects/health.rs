//! Whether the store of large messages is away, as one story: away since when and why, and back.
//!
//! Owns: what counts as away, the probe that finds the return, and the lines. Must not know: uploads.
//!
//! An upload that fails is a suspicion: a probe, one small object that is written and deleted, decides. While the store is away
//! large messages are refused at once, and the probe is repeated.
//!
//! Invariants: an outage is two lines, and one more each minute; failures while the store answers are one line a minute.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::failure::{Failure, Kind};
use super::open::Opened;
use super::probe::probe;

/// Time between two lines of the same trouble.
const REMINDER: Duration = Duration::from_secs(60);

/// Time between two probes while the store is away.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Health {
    /// 0, or the place of the kind of failure that keeps it away, from 1.
    away: AtomicU8,
    reason: Mutex<Option<String>>,
    suspected: Notify,
    suspicion: Mutex<Option<Failure>>,
    /// Messages that were refused since the last look.
    refused: AtomicU64,
}

impl Health {
    /// Nothing is known yet; the first look is due.
    pub(super) fn new() -> Self {
        let health = Self {
            away: AtomicU8::new(0),
            reason: Mutex::default(),
            suspected: Notify::new(),
            suspicion: Mutex::default(),
            refused: AtomicU64::new(0),
        };
        health.suspected.notify_one();
        health
    }

    /// Whether an object would be stored. A message that is refused because of this is counted.
    pub(super) fn takes(&self) -> Result<(), Kind> {
        let away = self.away.load(Ordering::Relaxed);
        let Some(place) = away.checked_sub(1) else {
            return Ok(());
        };
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Kind::ALL[usize::from(place)])
    }

    /// Why it is away.
    pub(super) fn away(&self) -> Option<String> {
        lock(&self.reason).clone()
    }

    /// An upload has failed.
    pub(super) fn suspect(&self, failure: Failure) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        *lock(&self.suspicion) = Some(failure);
        self.suspected.notify_one();
    }

    fn set(&self, away: Option<&Failure>) {
        *lock(&self.reason) = away.map(|failure| failure.text.clone());
        let place = away.map_or(0, |failure| failure.kind as u8 + 1);
        self.away.store(place, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the store when there is a suspicion, and while it is away.
pub(super) async fn watch(health: &Health, opened: &Opened) {
    let mut story = Story::default();
    loop {
        if story.away.is_some() {
            tokio::time::sleep(PAUSE).await;
        } else {
            health.suspected.notified().await;
        }
        let suspicion = lock(&health.suspicion).take();
        let probed = probe(opened).await.err();
        health.set(probed.as_ref());
        let round = Round {
            probed,
            suspicion,
            refused: health.refused.swap(0, Ordering::Relaxed),
        };
        if let Some(line) = story.judge(round, Instant::now(), Timestamp::now()) {
            line.write();
        }
    }
}

/// What a look found.
struct Round {
    /// Why the probe failed, if it did.
    probed: Option<Failure>,
    /// Why an upload failed, if one did.
    suspicion: Option<Failure>,
    /// Messages that got 451 since the last look.
    refused: u64,
}

struct Away {
    since: Timestamp,
    from: Instant,
    said: Instant,
    refused: u64,
}

/// What was said.
#[derive(Default)]
struct Story {
    away: Option<Away>,
    /// When a failure was said while the store answers, and how many there were since.
    partial: Option<(Instant, u64)>,
}

/// What is said of a change.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// It went away at this time, for this reason.
    Away(Timestamp, String),
    /// It has been away since then; this many messages got no 250; the reason now.
    Still(Timestamp, u64, String),
    /// It is back after this time; this many messages got no 250.
    Back(Duration, u64),
    /// It answers, and this many messages were not stored; the reason of the last.
    Partial(u64, String),
}

impl Story {
    fn judge(&mut self, round: Round, now: Instant, time: Timestamp) -> Option<Line> {
        match (&mut self.away, round.probed) {
            (None, None) => self.partial(round.suspicion?, round.refused, now),
            (None, Some(failure)) => {
                self.away = Some(Away {
                    since: time,
                    from: now,
                    said: now,
                    refused: round.refused,
                });
                Some(Line::Away(time, failure.text))
            }
            (Some(away), Some(failure)) => {
                away.refused += round.refused;
                if now.duration_since(away.said) < REMINDER {
                    return None;
                }
                away.said = now;
                Some(Line::Still(away.since, away.refused, failure.text))
            }
            (Some(away), None) => {
                let lasted = now.duration_since(away.from);
                let line = Line::Back(lasted, away.refused + round.refused);
                self.away = None;
                Some(line)
            }
        }
    }

    fn partial(&mut self, failure: Failure, refused: u64, now: Instant) -> Option<Line> {
        let (said, before) = match self.partial {
            Some((said, count)) => (Some(said), count),
            None => (None, 0),
        };
        let count = before + refused;
        if let Some(said) = said.filter(|&said| now.duration_since(said) < REMINDER) {
            self.partial = Some((said, count));
            return None;
        }
        self.partial = Some((now, 0));
        Some(Line::Partial(count, failure.text))
    }
}

impl Line {
    fn write(&self) {
        match self {
            Line::Away(since, reason) => tracing::error!(
                "store of large messages away since {since:.0}, senders of large messages get 451: {reason}"
            ),
            Line::Still(since, refused, reason) => tracing::warn!(
                "store of large messages still away since {since:.0}, messages that got 451: {refused}; {reason}"
            ),
            Line::Back(lasted, refused) => tracing::info!(
                "store of large messages back after {:.1} s; messages that got 451: {refused}",
                lasted.as_secs_f64()
            ),
            Line::Partial(count, reason) => tracing::warn!(
                "the store of large messages answers, and did not take all of them; messages that got 451: {count}; the last: {reason}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> Option<Failure> {
        Some(Failure {
            kind: Kind::Unavailable,
            text: text.to_owned(),
        })
    }

    #[test]
    fn an_outage_is_two_lines_and_one_a_minute() {
        let (mut story, start) = (Story::default(), Instant::now());
        let since = Timestamp::from_second(7).unwrap();
        let mut at = |second: u64, probed: Option<Failure>, refused| {
            let round = Round {
                probed,
                suspicion: None,
                refused,
            };
            story.judge(round, start + Duration::from_secs(second), since)
        };
        assert_eq!(at(0, None, 0), None);
        assert_eq!(at(1, failure("a"), 1), Some(Line::Away(since, "a".into())));
        for second in 2..61 {
            assert_eq!(at(second, failure("b"), 1), None);
        }
        let still = Line::Still(since, 61, "b".into());
        assert_eq!(at(61, failure("b"), 1), Some(still));
        let back = Line::Back(Duration::from_secs(64), 62);
        assert_eq!(at(65, None, 1), Some(back));
        assert_eq!(at(66, None, 0), None);
    }

    #[test]
    fn failures_while_the_store_answers_are_one_line_a_minute() {
        let (mut story, start) = (Story::default(), Instant::now());
        let mut at = |second: u64| {
            let round = Round {
                probed: None,
                suspicion: failure("x"),
                refused: 1,
            };
            story.judge(
                round,
                start + Duration::from_secs(second),
                Timestamp::UNIX_EPOCH,
            )
        };
        assert_eq!(at(0), Some(Line::Partial(1, "x".into())));
        assert_eq!((at(1), at(59)), (None, None));
        assert_eq!(at(60), Some(Line::Partial(3, "x".into())));
    }

    #[test]
    fn what_is_refused_while_it_is_away_is_counted() {
        let health = Health::new();
        assert_eq!((health.takes(), health.away()), (Ok(()), None));
        health.set(failure("gone").as_ref());
        assert_eq!(health.takes(), Err(Kind::Unavailable));
        assert_eq!(health.away().as_deref(), Some("gone"));
        assert_eq!(health.refused.load(Ordering::Relaxed), 1);
        health.set(None);
        assert_eq!(health.takes(), Ok(()));
    }
}
