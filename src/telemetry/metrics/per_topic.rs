//! Handles with a series for each topic of the configuration, and when something last happened.
//!
//! Owns: what a worker counts for each topic. Must not know: any one metric, what a topic is for.
//!
//! Invariant: there are as many series as topics, and a topic keeps its place.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use metrics::{Counter, Gauge, counter, gauge};

use super::handle::{Handle, Kind, Own, Scope, add};
use super::label::Label;
use crate::limits::TOPICS_MOST;

const LABEL: &str = "topic";
const MICROSECONDS: f64 = 1e6;

fn names(scope: &Scope) -> Vec<String> {
    let topics = scope.topics.iter();
    topics.map(|(_, name)| name.to_owned()).collect()
}

/// A gauge for each topic.
pub struct GaugePerTopic(Vec<Gauge>);

impl GaugePerTopic {
    /// That of the topic at this place.
    pub fn of(&self, place: usize) -> &Gauge {
        &self.0[place]
    }
}

impl Handle for GaugePerTopic {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = LABEL;
    type Own = ();

    fn values(scope: &Scope) -> Vec<String> {
        names(scope)
    }

    fn register(name: &'static str, scope: &Scope) -> Self {
        let gauge = |topic: String| gauge!(name, LABEL => topic);
        Self(names(scope).into_iter().map(gauge).collect())
    }
}

/// A counter for each topic, which each worker counts for itself.
pub struct TalliedPerTopic(Vec<Counter>);

impl Handle for TalliedPerTopic {
    const KIND: Kind = Kind::Counter;
    const LABEL: &'static str = LABEL;
    type Own = CountsPerTopic;

    fn values(scope: &Scope) -> Vec<String> {
        names(scope)
    }

    fn register(name: &'static str, scope: &Scope) -> Self {
        let counter = |topic: String| counter!(name, LABEL => topic);
        Self(names(scope).into_iter().map(counter).collect())
    }

    fn show(&self, sum: &CountsPerTopic) {
        for (counter, count) in self.0.iter().zip(sum.0.all()) {
            counter.absolute(count.load(Ordering::Relaxed));
        }
    }
}

/// When something last happened with each topic, which each worker notes for itself.
pub struct LatestPerTopic(Vec<Gauge>);

impl Handle for LatestPerTopic {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = LABEL;
    type Own = TimePerTopic;

    fn values(scope: &Scope) -> Vec<String> {
        names(scope)
    }

    fn register(name: &'static str, scope: &Scope) -> Self {
        let gauge = |topic: String| gauge!(name, LABEL => topic);
        Self(names(scope).into_iter().map(gauge).collect())
    }

    fn show(&self, sum: &TimePerTopic) {
        for (gauge, time) in self.0.iter().zip(sum.0.all()) {
            gauge.set(seconds(time));
        }
    }
}

/// When something last happened, which each worker notes for itself.
pub struct Latest(Gauge);

impl Handle for Latest {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = <() as Label>::NAME;
    type Own = Time;

    fn values(_scope: &Scope) -> Vec<String> {
        <() as Label>::values()
    }

    fn register(name: &'static str, _scope: &Scope) -> Self {
        Self(gauge!(name))
    }

    fn show(&self, sum: &Time) {
        self.0.set(seconds(&sum.0));
    }
}

/// A number for each topic that there can be: how many there are is not known here.
#[derive(Default)]
struct Numbers(OnceLock<Box<[AtomicU64]>>);

impl Numbers {
    fn all(&self) -> &[AtomicU64] {
        let zeros = || (0..TOPICS_MOST).map(|_| AtomicU64::new(0)).collect();
        self.0.get_or_init(zeros)
    }

    /// Joins each number with that of another, if it has any.
    fn join(&self, other: &Self, join: fn(&AtomicU64, u64)) {
        if let Some(others) = other.0.get() {
            for (number, other) in self.all().iter().zip(others) {
                join(number, other.load(Ordering::Relaxed));
            }
        }
    }
}

/// What a worker has counted, for each topic. Only its worker writes to it.
#[derive(Default)]
pub struct CountsPerTopic(Numbers);

impl CountsPerTopic {
    /// One more of the topic at this place.
    pub fn increment(&self, place: usize) {
        add(&self.0.all()[place], 1);
    }
}

impl Own for CountsPerTopic {
    fn add(&self, other: &Self) {
        self.0.join(&other.0, add);
    }
}

/// When it last happened in a worker, for each topic. Only its worker writes to it.
#[derive(Default)]
pub struct TimePerTopic(Numbers);

impl TimePerTopic {
    /// It happened with the topic at this place.
    pub fn set(&self, place: usize, at: Timestamp) {
        later(&self.0.all()[place], microseconds(at));
    }
}

impl Own for TimePerTopic {
    fn add(&self, other: &Self) {
        self.0.join(&other.0, later);
    }
}

/// When it last happened in a worker. Only its worker writes to it.
#[derive(Default)]
pub struct Time(AtomicU64);

impl Time {
    /// It happened.
    pub fn set(&self, at: Timestamp) {
        later(&self.0, microseconds(at));
    }
}

impl Own for Time {
    fn add(&self, other: &Self) {
        later(&self.0, other.0.load(Ordering::Relaxed));
    }
}

/// Since 1970; 0 before that.
fn microseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

fn seconds(microseconds: &AtomicU64) -> f64 {
    microseconds.load(Ordering::Relaxed) as f64 / MICROSECONDS
}

/// Keeps the later of two times, in a number that has no other writer.
fn later(time: &AtomicU64, other: u64) {
    if other > time.load(Ordering::Relaxed) {
        time.store(other, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::value;
    use super::*;

    #[test]
    fn the_latest_time_of_all_workers_is_shown() {
        let (metrics, scrape) = Metrics::new(2);
        let (first, second) = (metrics.tally(), metrics.tally());
        let last = |text: &str| {
            [
                value(text, "ringpost_last_stored_timestamp_seconds"),
                value(
                    text,
                    "ringpost_topic_last_stored_timestamp_seconds{topic=\"mail\"}",
                ),
            ]
        };
        assert_eq!(last(&scrape.render()), [0.0, 0.0]);
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        for (tally, time) in [(&second, 1_700_000_009_500), (&first, 1_700_000_003_000)] {
            tally.last_stored.set(at(time));
            tally.topic_last_stored.set(0, at(time));
        }
        // The clock was set back.
        second.last_stored.set(at(1_600_000_000_000));
        second.topic_last_stored.set(0, at(1_600_000_000_000));
        assert_eq!(last(&scrape.render()), [1_700_000_009.5; 2]);
        drop(second);
        assert_eq!(last(&scrape.render()), [1_700_000_009.5; 2]);
    }
}
