//! A histogram that each worker counts for itself.
//!
//! Owns: the buckets, the counts in them, and their text for Prometheus. Must not know: what is measured.
//!
//! Invariant: a measurement is in one bucket, the first whose upper bound it does not exceed, and in the sum.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handle::{Handle, Kind, Own, Scope, add};
use super::label::Label;

/// Upper bounds of the buckets of times: a reply within a millisecond to one after half a minute.
pub const SECONDS_BUCKETS: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Upper bounds of the buckets of sizes: powers of four from 1 KiB to 64 MiB.
pub const SIZE_BUCKETS: [f64; 9] = [
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Buckets of one kind of measurement.
pub trait Buckets: 'static {
    /// Their upper bounds, growing.
    const BOUNDS: &'static [f64];
    /// A number for each, and one for what is beyond the last.
    type Numbers: AsRef<[AtomicU64]> + Default;
}

/// [`SECONDS_BUCKETS`].
pub struct Times;

impl Buckets for Times {
    const BOUNDS: &'static [f64] = &SECONDS_BUCKETS;
    type Numbers = [AtomicU64; SECONDS_BUCKETS.len() + 1];
}

/// [`SIZE_BUCKETS`].
pub struct Sizes;

impl Buckets for Sizes {
    const BOUNDS: &'static [f64] = &SIZE_BUCKETS;
    type Numbers = [AtomicU64; SIZE_BUCKETS.len() + 1];
}

/// The handle of a histogram. It is written beside what the recorder renders, which takes single measurements alone.
pub struct TalliedHistogram<B>(PhantomData<B>);

impl<B: Buckets> Handle for TalliedHistogram<B> {
    const KIND: Kind = Kind::Histogram;
    const LABEL: &'static str = "";
    type Own = Observed<B>;

    fn values(_scope: &Scope) -> Vec<String> {
        <() as Label>::values()
    }

    fn register(_name: &'static str, _scope: &Scope) -> Self {
        Self(PhantomData)
    }

    fn write(&self, name: &str, help: &str, sum: &Observed<B>, text: &mut String) {
        sum.write(name, help, text)
            .expect("a String takes every write");
    }
}

/// What a worker has measured. Only its worker writes to it.
pub struct Observed<B: Buckets> {
    /// Measurements in each bucket.
    counts: B::Numbers,
    /// The bits of the sum of all measurements, an `f64`.
    sum: AtomicU64,
}

impl<B: Buckets> Observed<B> {
    /// One more measurement, in the base unit.
    pub fn record(&self, measured: f64) {
        let place = B::BOUNDS.iter().position(|&bound| measured <= bound);
        add(&self.counts.as_ref()[place.unwrap_or(B::BOUNDS.len())], 1);
        self.add_to_sum(measured);
    }

    fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }

    fn add_to_sum(&self, more: f64) {
        let sum = self.sum() + more;
        self.sum.store(sum.to_bits(), Ordering::Relaxed);
    }

    fn write(&self, name: &str, help: &str, text: &mut String) -> std::fmt::Result {
        let counts = self.counts.as_ref();
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut so_far = 0;
        for (bound, count) in B::BOUNDS.iter().zip(counts) {
            so_far += count.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {so_far}")?;
        }
        let all: u64 = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum();
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {all}")?;
        writeln!(text, "{name}_sum {}\n{name}_count {all}\n", self.sum())
    }
}

impl<B: Buckets> Default for Observed<B> {
    fn default() -> Self {
        Self {
            counts: B::Numbers::default(),
            sum: AtomicU64::new(0_f64.to_bits()),
        }
    }
}

impl<B: Buckets> Own for Observed<B> {
    fn add(&self, other: &Self) {
        for (sum, count) in self.counts.as_ref().iter().zip(other.counts.as_ref()) {
            add(sum, count.load(Ordering::Relaxed));
        }
        self.add_to_sum(other.sum());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::value;

    #[test]
    fn the_measurements_of_all_workers_are_in_their_buckets() {
        let (metrics, scrape) = Metrics::new(2);
        let (first, second) = (metrics.tally(), metrics.tally());
        for size in [1024.0, 1025.0, 1e9] {
            first.message_size.record(size);
        }
        second.message_size.record(0.0);
        drop(second);
        let text = scrape.render();
        let shown = |end: &str| value(&text, &format!("ringpost_message_size_bytes_{end}"));
        for (bound, count) in [
            ("1024", 2.0),
            ("4096", 3.0),
            ("67108864", 3.0),
            ("+Inf", 4.0),
        ] {
            assert_eq!(shown(&format!("bucket{{le=\"{bound}\"}}")), count);
        }
        assert_eq!((shown("count"), shown("sum")), (4.0, 1e9 + 2049.0));
    }
}
