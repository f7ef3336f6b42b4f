//! `--assert` and `--search`: bounds that a report must keep.
//!
//! Owns the names of what can be bounded, their units, and the comparison. Must not know how a value is measured.

use serde::Serialize;
use thiserror::Error;

use crate::failure::{Blame, Blamed};
use crate::tally::Phase;
use crate::units::{ValueError, parse_duration, parse_size};

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

/// What can be bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A number, or a rate.
    Count(Count),
    /// CPU time of a message.
    Cost(Cost),
    /// The server's memory.
    ServerRss,
    /// Times of messages.
    Time(Span, Percentile),
}

/// A count or a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the fields of the report")]
pub(crate) enum Count {
    Accepted,
    Refused,
    Unanswered,
    Unsent,
    Errors,
    Connections,
    Rate,
    Lost,
    Duplicated,
    Altered,
    Smuggled,
    IdleClosed,
    IdleOpened,
    RecipientsRefused,
}

const COUNTS: [(Count, &str); 14] = [
    (Count::Accepted, "accepted"),
    (Count::Refused, "refused"),
    (Count::Unanswered, "unanswered"),
    (Count::Unsent, "unsent"),
    (Count::Errors, "errors"),
    (Count::Connections, "connections"),
    (Count::Rate, "rate"),
    (Count::Lost, "lost"),
    (Count::Duplicated, "duplicated"),
    (Count::Altered, "altered"),
    (Count::Smuggled, "smuggled"),
    (Count::IdleClosed, "idle_closed"),
    (Count::IdleOpened, "idle_opened"),
    (Count::RecipientsRefused, "recipients_refused"),
];

/// Whose CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// This program's.
    Own,
    /// The server's.
    Server,
}

const COSTS: [(Cost, &str); 2] = [(Cost::Own, "own_cpu"), (Cost::Server, "server_cpu")];
const SERVER_RSS: &str = "server_rss";

/// What part of a message's way is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// One that the run measures.
    Phase(Phase),
    /// From the 250 to the record, which `--verify` measures.
    Readable,
}

const READABLE: &str = "readable";

/// What is taken from many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the fields of the report")]
pub(crate) enum Percentile {
    P50,
    P90,
    P95,
    P99,
    P99_9,
    Mean,
    Max,
}

/// Of the whole time, or of a span, whose name comes first: `reply.p99`.
const PERCENTILES: [(Percentile, &str); 7] = [
    (Percentile::P50, "p50"),
    (Percentile::P90, "p90"),
    (Percentile::P95, "p95"),
    (Percentile::P99, "p99"),
    (Percentile::P99_9, "p99.9"),
    (Percentile::Mean, "mean"),
    (Percentile::Max, "max"),
];

/// What a value is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Time.
    Microseconds,
    /// Memory. The report's name for bytes.
    Octets,
}

/// The value with a name in a table.
fn named<T: Copy>(table: &[(T, &str)], name: &str) -> Option<T> {
    let found = table.iter().find(|(_, known)| *known == name);
    found.map(|(value, _)| *value)
}

/// The names of a table.
fn names<T>(table: &[(T, &'static str)]) -> String {
    let names: Vec<&str> = table.iter().map(|(_, name)| *name).collect();
    names.join(" ")
}

impl Measure {
    fn parse(name: &str) -> Option<Measure> {
        if let Some(count) = named(&COUNTS, name) {
            return Some(Measure::Count(count));
        }
        if let Some(cost) = named(&COSTS, name) {
            return Some(Measure::Cost(cost));
        }
        if name == SERVER_RSS {
            return Some(Measure::ServerRss);
        }
        if let Some(percentile) = named(&PERCENTILES, name) {
            return Some(Measure::Time(Span::Phase(Phase::Whole), percentile));
        }
        let (span, percentile) = name.split_once('.')?;
        let span = match span {
            READABLE => Span::Readable,
            _ => Span::Phase(named(&Phase::ALL, span)?),
        };
        Some(Measure::Time(span, named(&PERCENTILES, percentile)?))
    }

    /// In microseconds, bytes, or as it is.
    fn parse_value(self, name: &str, value: &str) -> Result<f64, Problem> {
        match self {
            Measure::Count(_) => value.parse().map_err(|_| Problem::NoNumber),
            Measure::ServerRss => Ok(parse_size(value)? as f64),
            // A number alone would mean seconds, which is rarely intended.
            Measure::Cost(_) | Measure::Time(..) if value.parse::<f64>().is_ok() => {
                Err(Problem::NoUnit {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
            }
            Measure::Cost(_) | Measure::Time(..) => Ok(parse_duration(value)?.as_secs_f64() * 1e6),
        }
    }
}

/// Why a text is no bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?}: {problem}")]
pub(crate) struct BoundError {
    text: String,
    #[source]
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Problem {
    #[error("give name<value, with one of < <= = >= >, e.g. p99<20ms")]
    NoSign,
    #[error(
        "unknown name; known are {}, {SERVER_RSS}, and {} {} with a unit of time, the percentiles also of {} {READABLE}: \
         reply.p99",
        names(&COUNTS), names(&COSTS), names(&PERCENTILES), names(&Phase::ALL)
    )]
    UnknownName,
    #[error("the unit is missing; give us, ms, s, m or h, e.g. {name}<{value}ms")]
    NoUnit { name: String, value: String },
    #[error("give a number")]
    NoNumber,
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl Blamed for BoundError {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// One bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assertion {
    /// As it was given.
    pub text: String,
    /// The name of what is bounded, as it was given.
    pub name: String,
    /// What is bounded.
    pub measure: Measure,
    comparison: Comparison,
    bound: f64,
}

impl Assertion {
    /// Parses `p99<20ms,errors=0`.
    pub(crate) fn parse_list(list: &str) -> Result<Vec<Assertion>, BoundError> {
        let parts = list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(Assertion::parse).collect()
    }

    /// Parses one bound.
    pub(crate) fn parse(text: &str) -> Result<Assertion, BoundError> {
        let wrong = |problem| BoundError {
            text: text.to_owned(),
            problem,
        };
        let found = COMPARISONS
            .iter()
            .filter_map(|(sign, comparison)| {
                text.find(sign).map(|at| (at, sign.len(), *comparison))
            })
            .min_by_key(|(at, length, _)| (*at, usize::MAX - length));
        let (at, length, comparison) = found.ok_or_else(|| wrong(Problem::NoSign))?;
        let (name, value) = (text[..at].trim(), text[at + length..].trim());
        let measure = Measure::parse(name).ok_or_else(|| wrong(Problem::UnknownName))?;
        let bound = measure.parse_value(name, value).map_err(wrong)?;
        Ok(Assertion {
            text: text.to_owned(),
            name: name.to_owned(),
            measure,
            comparison,
            bound,
        })
    }

    /// What its value is measured in; nothing for a number.
    pub(crate) fn unit(&self) -> Option<Unit> {
        match self.measure {
            Measure::Count(_) => None,
            Measure::Cost(_) | Measure::Time(..) => Some(Unit::Microseconds),
            Measure::ServerRss => Some(Unit::Octets),
        }
    }

    /// Whether only `--verify` measures it.
    pub(crate) fn needs_verify(&self) -> bool {
        matches!(
            self.measure,
            Measure::Count(Count::Lost | Count::Duplicated | Count::Altered)
                | Measure::Time(Span::Readable, _)
        )
    }

    /// Whether only `--pid` measures it.
    pub(crate) fn needs_pid(&self) -> bool {
        matches!(
            self.measure,
            Measure::Cost(Cost::Server) | Measure::ServerRss
        )
    }

    /// Whether a higher rate can only break it: what a search needs. `errors=0` is one, since nothing is below it.
    pub(crate) fn is_upper(&self) -> bool {
        match self.comparison {
            Comparison::Below | Comparison::AtMost => true,
            Comparison::Equal => self.bound == 0.0,
            Comparison::AtLeast | Comparison::Above => false,
        }
    }

    /// Whether a value keeps the bound.
    pub(crate) fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.bound,
            Comparison::AtMost => value <= self.bound,
            Comparison::Equal => value == self.bound,
            Comparison::AtLeast => value >= self.bound,
            Comparison::Above => value > self.bound,
        }
    }
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
        let of_the_server: Vec<bool> = list.iter().map(Assertion::needs_pid).collect();
        assert_eq!(
            of_the_server,
            [false, false, false, false, false, true, true]
        );
        let reply = Measure::Time(Span::Phase(Phase::Reply), Percentile::P99_9);
        assert_eq!(
            (list[4].measure, list[4].unit()),
            (reply, Some(Unit::Microseconds))
        );
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
