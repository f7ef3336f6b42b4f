//! What a metric is counted through: made once, so that counting is an operation on a number without a look-up.
//!
//! Owns: the kinds of handles, and what a worker counts by itself. Must not know: any one metric.
//!
//! | handle | label | counted |
//! |---|---|---|
//! | [`Counter`], [`Gauge`] | none | anywhere |
//! | [`CounterBy`], [`GaugeBy`] | one | anywhere |
//! | [`GaugePerWorker`] | the worker | anywhere |
//! | [`Tallied`] | none or one | by each worker for itself, as often as mail comes |
//! | [`TalliedGauge`] | none | by each worker for itself |
//!
//! The handle of a histogram is in `histogram`, those with a series for each topic in `per_topic`, and those without a fixed set of
//! series in `read`.
//!
//! Invariant: every series exists from the start, so that a rate is known from the first event on.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, counter, gauge};

use super::label::Label;
use crate::config::Topics;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counted in buckets.
    Histogram,
}

/// What of a server decides how many series some metrics have.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its workers.
    pub workers: usize,
    /// Its topics, in the order of the configuration.
    pub topics: Topics,
}

/// A handle of one metric.
pub trait Handle {
    /// What the metric is.
    const KIND: Kind;
    /// The name of its label; empty for no label.
    const LABEL: &'static str;
    /// What a worker counts of it by itself; nothing for most.
    type Own: Own;
    /// The values of its label in this server: one for each series.
    fn values(scope: &Scope) -> Vec<String>;
    /// Makes it for this server, in the recorder of this thread.
    fn register(name: &'static str, scope: &Scope) -> Self;
    /// Shows what all workers together have counted by themselves.
    fn show(&self, _sum: &Self::Own) {}
    /// Writes what the recorder does not render.
    fn write(&self, _name: &str, _help: &str, _sum: &Self::Own, _text: &mut String) {}
}

/// What one worker, or all of them together, counted of one metric.
pub trait Own: Default {
    /// Adds what another one counted. The caller is the only writer of `self`.
    fn add(&self, other: &Self);
}

impl Own for () {
    fn add(&self, (): &Self) {}
}

macro_rules! unlabelled {
    ($($handle:ident $register:ident)*) => { $(
        impl Handle for $handle {
            const KIND: Kind = Kind::$handle;
            const LABEL: &'static str = <() as Label>::NAME;
            type Own = ();
            fn values(_scope: &Scope) -> Vec<String> {
                <() as Label>::values()
            }
            fn register(name: &'static str, _scope: &Scope) -> Self {
                $register!(name)
            }
        }
    )* };
}

unlabelled! { Counter counter Gauge gauge }

/// A counter for each value of a label.
pub struct CounterBy<L> {
    counters: Vec<Counter>,
    label: PhantomData<L>,
}

impl<L: Label> CounterBy<L> {
    /// One more of this value.
    pub fn increment(&self, of: L) {
        self.counters[of.place()].increment(1);
    }

    /// So many of this value so far.
    pub fn absolute(&self, of: L, so_far: u64) {
        self.counters[of.place()].absolute(so_far);
    }
}

impl<L: Label> Handle for CounterBy<L> {
    const KIND: Kind = Kind::Counter;
    const LABEL: &'static str = L::NAME;
    type Own = ();

    fn values(_scope: &Scope) -> Vec<String> {
        L::values()
    }

    fn register(name: &'static str, _scope: &Scope) -> Self {
        let counter = |value: String| match L::NAME {
            "" => counter!(name),
            label => counter!(name, label => value),
        };
        Self {
            counters: L::values().into_iter().map(counter).collect(),
            label: PhantomData,
        }
    }
}

/// A gauge for each value of a label.
pub struct GaugeBy<L> {
    gauges: Vec<Gauge>,
    label: PhantomData<L>,
}

impl<L: Label> GaugeBy<L> {
    /// It is this much now for this value.
    pub fn set(&self, of: L, now: f64) {
        self.gauges[of.place()].set(now);
    }
}

impl<L: Label> Handle for GaugeBy<L> {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = L::NAME;
    type Own = ();

    fn values(_scope: &Scope) -> Vec<String> {
        L::values()
    }

    fn register(name: &'static str, _scope: &Scope) -> Self {
        let gauge = |value: String| gauge!(name, L::NAME => value);
        Self {
            gauges: L::values().into_iter().map(gauge).collect(),
            label: PhantomData,
        }
    }
}

/// A gauge for each worker: as many series as there are workers.
pub struct GaugePerWorker(Vec<Gauge>);

impl GaugePerWorker {
    /// That of the worker of this index.
    pub fn of(&self, worker: usize) -> &Gauge {
        &self.0[worker]
    }
}

impl Handle for GaugePerWorker {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = "worker";
    type Own = ();

    fn values(scope: &Scope) -> Vec<String> {
        let workers = 0..scope.workers;
        workers.map(|worker| worker.to_string()).collect()
    }

    fn register(name: &'static str, scope: &Scope) -> Self {
        let gauge = |value: String| gauge!(name, Self::LABEL => value);
        Self(Self::values(scope).into_iter().map(gauge).collect())
    }
}

/// A counter that each worker counts for itself: no other worker writes there, so no cache line goes from core to
/// core. A scrape adds the workers up.
pub struct Tallied<L = ()>(CounterBy<L>);

impl<L: Label> Handle for Tallied<L> {
    const KIND: Kind = Kind::Counter;
    const LABEL: &'static str = L::NAME;
    type Own = Counts<L>;

    fn values(_scope: &Scope) -> Vec<String> {
        L::values()
    }

    fn register(name: &'static str, scope: &Scope) -> Self {
        Self(CounterBy::register(name, scope))
    }

    fn show(&self, sum: &Counts<L>) {
        for (counter, count) in self.0.counters.iter().zip(sum.0.as_ref()) {
            counter.absolute(count.load(Ordering::Relaxed));
        }
    }
}

/// What a worker has counted, for each value of a label. Only its worker writes to it.
pub struct Counts<L: Label>(L::Numbers);

impl<L: Label> Counts<L> {
    /// One more of this value.
    pub fn increment(&self, of: L) {
        add(&self.0.as_ref()[of.place()], 1);
    }
}

impl<L: Label> Counts<L> {
    /// How many there are of this value.
    pub(super) fn of(&self, of: L) -> u64 {
        self.0.as_ref()[of.place()].load(Ordering::Relaxed)
    }
}

impl Counts<()> {
    /// This many more.
    pub fn add(&self, more: u64) {
        add(&self.0[0], more);
    }
}

impl<L: Label> Default for Counts<L> {
    fn default() -> Self {
        Self(L::zeros())
    }
}

impl<L: Label> Own for Counts<L> {
    fn add(&self, other: &Self) {
        for (sum, count) in self.0.as_ref().iter().zip(other.0.as_ref()) {
            add(sum, count.load(Ordering::Relaxed));
        }
    }
}

/// A gauge of which each worker has its part: the sum is shown.
pub struct TalliedGauge(Gauge);

impl Handle for TalliedGauge {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = <() as Label>::NAME;
    type Own = Level;

    fn values(_scope: &Scope) -> Vec<String> {
        <() as Label>::values()
    }

    fn register(name: &'static str, _scope: &Scope) -> Self {
        Self(gauge!(name))
    }

    fn show(&self, sum: &Level) {
        self.0.set(sum.0.load(Ordering::Relaxed) as f64);
    }
}

/// How much a worker has of something. Only its worker writes to it.
#[derive(Default)]
pub struct Level(AtomicU64);

impl Level {
    /// It is this much now.
    pub fn set(&self, now: usize) {
        self.0.store(now as u64, Ordering::Relaxed);
    }
}

impl Own for Level {
    fn add(&self, other: &Self) {
        add(&self.0, other.0.load(Ordering::Relaxed));
    }
}

/// Adds to a number that has no other writer: no locked instruction.
pub(super) fn add(number: &AtomicU64, more: u64) {
    let sum = number.load(Ordering::Relaxed).wrapping_add(more);
    number.store(sum, Ordering::Relaxed);
}

/// Always 1; its label is the version of this program.
pub struct BuildInfo;

impl Handle for BuildInfo {
    const KIND: Kind = Kind::Gauge;
    const LABEL: &'static str = "version";
    type Own = ();

    fn values(_scope: &Scope) -> Vec<String> {
        vec![env!("CARGO_PKG_VERSION").to_owned()]
    }

    fn register(name: &'static str, _scope: &Scope) -> Self {
        gauge!(name, Self::LABEL => env!("CARGO_PKG_VERSION")).set(1);
        Self
    }
}
