//! `--assert`: bounds that a report must keep, for CI.
//!
//! Owns the names, their units, and the comparison. Must not know how a report is made: values come in by name.

use crate::units::{parse_duration, parse_size};

/// How a value compares to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

/// Counts and rates by name; percentiles come besides.
const COUNTS: [&str; 14] = [
    "accepted",
    "refused",
    "unanswered",
    "unsent",
    "errors",
    "connections",
    "rate",
    "lost",
    "duplicated",
    "altered",
    "smuggled",
    "idle_closed",
    "idle_opened",
    "recipients_refused",
];
/// Microseconds a message.
const COSTS: [&str; 2] = ["own_cpu", "server_cpu"];
/// Octets.
const SIZES: [&str; 1] = ["server_rss"];
/// Percentiles, of the whole time, or of a phase with its name in front: `reply.p99`.
const PERCENTILES: [&str; 7] = ["p50", "p90", "p95", "p99", "p99.9", "mean", "max"];
const PHASES: [&str; 9] = [
    "connect",
    "banner",
    "tls",
    "ehlo",
    "envelope",
    "reply",
    "whole",
    "start_lag",
    "readable",
];
/// What only `--verify` can tell.
const VERIFIED: [&str; 4] = ["lost", "duplicated", "altered", "readable"];

/// One bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    /// As it was given.
    pub text: String,
    /// What is bounded.
    pub name: String,
    comparison: Comparison,
    bound: f64,
}

impl Assertion {
    /// Parses `p99<20ms,errors=0`. The error is a text for the operator.
    pub fn parse_list(list: &str) -> Result<Vec<Assertion>, String> {
        let parts = list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(Assertion::parse).collect()
    }

    /// Parses one bound.
    pub fn parse(text: &str) -> Result<Assertion, String> {
        let found = COMPARISONS
            .iter()
            .filter_map(|(sign, comparison)| {
                text.find(sign).map(|at| (at, sign.len(), *comparison))
            })
            .min_by_key(|(at, length, _)| (*at, usize::MAX - length));
        let Some((at, length, comparison)) = found else {
            return Err(format!(
                "{text:?}: give name<value, with one of < <= = >= >, e.g. p99<20ms"
            ));
        };
        let (name, value) = (text[..at].trim(), text[at + length..].trim());
        let bound = parse_value(name, value).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Assertion {
            text: text.to_owned(),
            name: name.to_owned(),
            comparison,
            bound,
        })
    }

    /// What its value is measured in; nothing for a number.
    pub fn unit(&self) -> Option<&'static str> {
        if SIZES.contains(&&self.name[..]) {
            Some("octets")
        } else if COUNTS.contains(&&self.name[..]) {
            None
        } else {
            Some("microseconds")
        }
    }

    /// Whether only `--verify` can tell.
    pub fn needs_verify(&self) -> bool {
        VERIFIED.contains(&self.name.split('.').next().unwrap_or(""))
    }

    /// Whether a higher rate can only break it: what a search needs. `errors=0` is one, since nothing is below it.
    pub fn is_upper(&self) -> bool {
        match self.comparison {
            Comparison::Below | Comparison::AtMost => true,
            Comparison::Equal => self.bound == 0.0,
            Comparison::AtLeast | Comparison::Above => false,
        }
    }

    /// Whether a value keeps the bound.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.bound,
            Comparison::AtMost => value <= self.bound,
            Comparison::Equal => value == self.bound,
            Comparison::AtLeast => value >= self.bound,
            Comparison::Above => value > self.bound,
        }
    }
}

/// In microseconds, octets, or as it is.
fn parse_value(name: &str, value: &str) -> Result<f64, String> {
    let percentile = name
        .split_once('.')
        .filter(|(phase, _)| PHASES.contains(phase))
        .map_or(name, |(_, of)| of);
    if PERCENTILES.contains(&percentile) || COSTS.contains(&name) {
        // A number alone would be seconds, which hardly anybody means.
        if value.parse::<f64>().is_ok() {
            return Err(format!(
                "the unit is missing; give us, ms, s, m or h, e.g. {name}<{value}ms"
            ));
        }
        return parse_duration(value).map(|time| time.as_secs_f64() * 1e6);
    }
    if SIZES.contains(&name) {
        return parse_size(value).map(|size| size as f64);
    }
    if COUNTS.contains(&name) {
        return value.parse::<f64>().map_err(|_| "give a number".to_owned());
    }
    Err(format!(
        "unknown name; known are {}, {}, and {} with a unit of time, the percentiles also of {}: reply.p99",
        COUNTS.join(" "),
        SIZES.join(" "),
        [&COSTS[..], &PERCENTILES].concat().join(" "),
        PHASES.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_parsed_with_their_units() {
        let list = Assertion::parse_list("p99<20ms, errors=0,lost<=0,rate>=1000,reply.p99.9>1us,server_rss<64MiB,server_cpu<50us")
            .expect("fits");
        let bounds: Vec<f64> = list.iter().map(|assertion| assertion.bound).collect();
        assert_eq!(
            bounds,
            [20_000.0, 0.0, 0.0, 1000.0, 1.0, 67_108_864.0, 50.0]
        );
        assert!(list[0].holds(19_999.0) && !list[0].holds(20_000.0));
        assert!(list[1].holds(0.0) && !list[1].holds(1.0));
        assert!(list[2].holds(0.0) && list[3].holds(1000.0) && !list[4].holds(1.0));
        let verified: Vec<bool> = list.iter().map(Assertion::needs_verify).collect();
        assert_eq!(verified, [false, false, true, false, false, false, false]);
    }

    #[test]
    fn what_is_no_bound_is_named() {
        for list in [
            "p99",
            "p99<",
            "p98<1ms",
            "errors=no",
            "nap.p99<1ms",
            "p99<20parsec",
            "p99<20",
            "reply.max<=1.5",
            "own_cpu<50",
        ] {
            assert!(Assertion::parse_list(list).is_err(), "{list}");
        }
        assert_eq!(Assertion::parse_list(" , "), Ok(vec![]));
    }
}
