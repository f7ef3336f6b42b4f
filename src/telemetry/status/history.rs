//! Samples of the metrics over the last minutes, and what follows from them: rates, quantiles, and when something last happened.
//!
//! Owns: the samples and the arithmetic. Must not know: the clock (the time comes in), who looks.
//!
//! Invariants: at most [`STATUS_SAMPLES_KEPT`] samples are kept, each with one number for a followed series; a rate is over the time
//! that really passed between two samples, never over the time that was meant to pass.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::followed::{Followed, Row};
use super::reading::Reading;
use super::snapshot::{Flow, Latency, Quantiles, RefusalFlow, Windows};
use crate::limits::STATUS_SAMPLES_KEPT;

const SHORT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    followed: Followed,
    samples: VecDeque<Sample>,
    /// For each of the reasons, in their order: its counts when it was last looked at, and when they last grew.
    reasons: Vec<(f64, Option<Timestamp>)>,
}

#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    /// Those of the followed rows.
    flows: Box<[f64]>,
    /// Those of the reasons, one metric after the other.
    reasons: Box<[f64]>,
    /// The buckets of the histograms, one after the other.
    times: Box<[Buckets]>,
}

/// Bounds and counts of a histogram, each count with those before it.
type Buckets = Vec<(f64, f64)>;

impl Sample {
    fn of(followed: &Followed, reading: &Reading, at: Instant) -> Self {
        let value = |row: &Row| match row.label {
            None => reading.sum(row.metric),
            Some((label, value)) => reading.labelled(row.metric, label, value),
        };
        let reasons = followed.reasons.iter();
        let times = followed.times.iter();
        Self {
            at,
            flows: followed.flows.iter().map(value).collect(),
            reasons: reasons
                .flat_map(|reasons| reading.by_label(reasons.metric, "reason"))
                .map(|(_, count)| count)
                .collect(),
            times: times.map(|row| reading.buckets(row.metric)).collect(),
        }
    }
}

impl History {
    /// Nothing has been seen.
    pub(super) fn new(followed: Followed) -> Self {
        Self {
            followed,
            samples: VecDeque::new(),
            reasons: Vec::new(),
        }
    }

    /// Keeps a sample.
    pub(super) fn sample(&mut self, reading: &Reading, at: Instant, time: Timestamp) {
        let sample = Sample::of(&self.followed, reading, at);
        self.note(&sample, time);
        if self.samples.len() == STATUS_SAMPLES_KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// What passes, as of now.
    pub(super) fn look(&mut self, reading: &Reading, at: Instant, time: Timestamp) -> Seen {
        let now = Sample::of(&self.followed, reading, at);
        self.note(&now, time);
        Seen {
            flows: self.flows(&now),
            refusals: self.refusals(&now, reading),
            latencies: self.latencies(&now),
        }
    }

    /// When each reason was last given: a count that has grown since the last look.
    fn note(&mut self, now: &Sample, time: Timestamp) {
        self.reasons.resize(now.reasons.len(), (0.0, None));
        for ((before, last), &count) in self.reasons.iter_mut().zip(&now.reasons) {
            if count > *before {
                *last = Some(time);
            }
            *before = count;
        }
    }

    fn flows(&self, now: &Sample) -> Vec<Flow> {
        let rows = self.followed.flows.iter().enumerate();
        rows.map(|(place, row)| Flow {
            name: row.name.to_owned(),
            text: row.text.to_owned(),
            unit: row.unit.name().to_owned(),
            total: now.flows[place],
            per_second: self.rates(now, |sample| sample.flows.get(place).copied()),
        })
        .collect()
    }

    fn refusals(&self, now: &Sample, reading: &Reading) -> Vec<RefusalFlow> {
        let named = self.followed.reasons.iter().flat_map(|reasons| {
            let all = reading.by_label(reasons.metric, "reason");
            all.map(|(reason, _)| (reasons.stage, reason))
        });
        let rows = named.zip(&now.reasons).zip(&self.reasons).enumerate();
        let mut refusals: Vec<RefusalFlow> = rows
            .filter_map(|(place, (((stage, reason), &total), (_, last)))| {
                Some(RefusalFlow {
                    reason: reason.to_owned(),
                    stage: stage.to_owned(),
                    total,
                    per_second: self.rates(now, |sample| sample.reasons.get(place).copied()),
                    last: format!("{:.3}", (*last)?),
                })
            })
            .collect();
        // What happened last is what is looked for.
        refusals.sort_by(|one, other| other.last.cmp(&one.last));
        refusals
    }

    fn latencies(&self, now: &Sample) -> Vec<Latency> {
        let rows = self.followed.times.iter().enumerate();
        rows.map(|(place, row)| {
            let since = |window| {
                let base = self.base(now.at, window);
                let base = base.and_then(|sample| sample.times.get(place));
                quantiles(&now.times[place], base.map_or(&[], Vec::as_slice))
            };
            Latency {
                name: row.name.to_owned(),
                text: row.text.to_owned(),
                last_1m: since(MINUTE),
                last_5m: since(LONG),
                total: quantiles(&now.times[place], &[]),
            }
        })
        .collect()
    }

    fn rates(&self, now: &Sample, count: impl Fn(&Sample) -> Option<f64>) -> Windows {
        let rate = |window| {
            let base = self.base(now.at, window)?;
            let grown = count(now)? - count(base)?;
            let passed = now.at.duration_since(base.at).as_secs_f64();
            (passed > 0.0).then_some(grown.max(0.0) / passed)
        };
        Windows {
            last_10s: rate(SHORT).unwrap_or(0.0),
            last_1m: rate(MINUTE).unwrap_or(0.0),
            last_5m: rate(LONG).unwrap_or(0.0),
        }
    }

    /// The newest sample that is as old as this, or the oldest.
    fn base(&self, now: Instant, window: Duration) -> Option<&Sample> {
        let is_old = |sample: &&Sample| now.duration_since(sample.at) >= window;
        let old = self.samples.iter().rev().find(is_old);
        old.or_else(|| self.samples.front())
    }
}

/// See [`History::look`].
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) flows: Vec<Flow>,
    pub(super) refusals: Vec<RefusalFlow>,
    pub(super) latencies: Vec<Latency>,
}

/// The quantiles of what was measured between two moments.
fn quantiles(now: &[(f64, f64)], before: &[(f64, f64)]) -> Quantiles {
    let counts: Buckets = now
        .iter()
        .enumerate()
        .map(|(place, &(bound, count))| {
            let earlier = before.get(place).map_or(0.0, |&(_, count)| count);
            (bound, (count - earlier).max(0.0))
        })
        .collect();
    let count = counts.last().map_or(0.0, |&(_, count)| count);
    Quantiles {
        count,
        p50: quantile(&counts, 0.5),
        p90: quantile(&counts, 0.9),
        p99: quantile(&counts, 0.99),
    }
}

/// As Prometheus' `histogram_quantile` has it: measurements lie evenly in their bucket, and what is beyond the last bound counts as
/// that bound.
fn quantile(counts: &[(f64, f64)], part: f64) -> Option<f64> {
    let &(_, all) = counts.last()?;
    if all <= 0.0 {
        return None;
    }
    let rank = part * all;
    let place = counts.iter().position(|&(_, count)| count >= rank)?;
    let (lower, below) = match place {
        0 => (0.0, 0.0),
        _ => counts[place - 1],
    };
    let (upper, count) = counts[place];
    if upper.is_infinite() {
        return Some(lower);
    }
    let inside = (rank - below) / (count - below).max(f64::MIN_POSITIVE);
    Some(lower + (upper - lower) * inside.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::followed::SERVE;
    use super::*;

    fn reading(stored: u64, denied: u64, acks: [u64; 3]) -> Reading {
        let [first, second, all] = acks;
        let metric = "ringpost_produce_to_report_seconds_bucket";
        Reading::of(&format!(
            "ringpost_messages_total{{outcome=\"accepted\"}} {stored}\n\
             ringpost_messages_total{{outcome=\"refused\"}} 9\n\
             ringpost_refusals_total{{reason=\"access_denied\"}} {denied}\n\
             ringpost_refusals_total{{reason=\"other\"}} 0\n\
             {metric}{{le=\"0.01\"}} {first}\n{metric}{{le=\"0.1\"}} {second}\n{metric}{{le=\"+Inf\"}} {all}\n"
        ))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_rate_is_over_the_time_that_passed() {
        let (mut history, start) = (History::new(SERVE), Instant::now());
        let second = |second: u64| start + Duration::from_secs(second);
        let stored = |seen: &Seen| {
            let flow = seen.flows.iter().find(|flow| flow.name == "stored");
            let flow = flow.unwrap();
            (flow.total, flow.per_second)
        };
        let seen = history.look(&reading(5, 0, [0; 3]), start, at(0));
        assert_eq!(stored(&seen), (5.0, Windows::default()), "no sample");
        // Ten a second for five minutes, then twenty.
        for sample in 0..=150 {
            let reading = reading(20 * sample, 0, [0; 3]);
            history.sample(&reading, second(2 * sample), at(0));
        }
        assert_eq!(history.samples.len(), 151);
        let seen = history.look(&reading(3000 + 240, 0, [0; 3]), second(312), at(0));
        let (total, rates) = stored(&seen);
        assert_eq!((total, rates.last_10s), (3240.0, 20.0));
        assert!((rates.last_1m - (480.0 + 240.0) / 60.0).abs() < 1e-9);
        assert!((rates.last_5m - (2880.0 + 240.0) / 300.0).abs() < 1e-9);
        for sample in 151..1000 {
            history.sample(&reading(3000, 0, [0; 3]), second(2 * sample), at(0));
        }
        assert_eq!(history.samples.len(), STATUS_SAMPLES_KEPT);
    }

    #[test]
    fn a_reason_is_shown_once_it_was_given_with_the_time_of_the_last() {
        let (mut history, start) = (History::new(SERVE), Instant::now());
        history.sample(&reading(0, 0, [0; 3]), start, at(0));
        let seen = history.look(&reading(0, 0, [0; 3]), start, at(1));
        assert!(seen.refusals.is_empty(), "{seen:?}");
        history.sample(&reading(0, 4, [0; 3]), start, at(2));
        let later = start + Duration::from_secs(20);
        let seen = history.look(&reading(0, 4, [0; 3]), later, at(22));
        let [refusal] = &seen.refusals[..] else {
            panic!("{seen:?}")
        };
        assert_eq!(
            (refusal.reason.as_str(), refusal.stage.as_str()),
            ("access_denied", "in the session")
        );
        assert_eq!(
            (refusal.total, refusal.last.as_str()),
            (4.0, "1970-01-01T00:00:02.000Z")
        );
        let seen = history.look(&reading(0, 5, [0; 3]), later, at(23));
        assert_eq!(seen.refusals[0].last, "1970-01-01T00:00:23.000Z");
    }

    #[test]
    fn quantiles_are_of_what_was_measured_meanwhile() {
        let (mut history, start) = (History::new(SERVE), Instant::now());
        history.sample(&reading(0, 0, [100, 100, 100]), start, at(0));
        let later = start + Duration::from_secs(30);
        let seen = history.look(&reading(0, 0, [100, 110, 110]), later, at(30));
        let ack = &seen.latencies[0];
        assert_eq!((ack.last_1m.count, ack.total.count), (10.0, 110.0));
        let half = ack.last_1m.p50.unwrap();
        assert!((half - 0.055).abs() < 1e-9, "{half}");
        let half = ack.total.p50.unwrap();
        assert!((half - 0.0055).abs() < 1e-9, "{half}");
        let seen = history.look(&reading(0, 0, [100, 100, 101]), later, at(30));
        let ack = &seen.latencies[0];
        assert_eq!(ack.last_1m.p99, Some(0.1), "beyond the last bound");
        assert_eq!(seen.latencies[1].total, Quantiles::default());
    }
}
