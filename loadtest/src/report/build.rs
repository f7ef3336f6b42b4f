//! Puts a run's report together.

use std::collections::BTreeMap;

use super::data::{
    CurvePoint, EndedBy, GivenUp, Greeted, Handshakes, Idle, Machine, Messages, Own,
};
use super::data::{Percentiles, Report, SeriesPoint, Server, Setting, Verified};
use super::limit::{Limit, rate_reached};
use crate::content::date_text;
use crate::fault::{ErrorKind, Reason};
use crate::measure::host::Host;
use crate::options::Options;
use crate::plan::Plan;
use crate::tally::{MisdeedOutcome, Outcome, Phase, Tally};

/// Raised when a name of the JSON changes its meaning.
const VERSION: u32 = 3;
/// Points of the latency curve, as shares of messages.
const CURVE: [f64; 16] = [
    0.0, 0.1, 0.25, 0.5, 0.625, 0.75, 0.875, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999,
    1.0,
];

impl Report {
    /// Puts a run's result together.
    pub(crate) fn new(plan: &Plan, outcome: &Outcome) -> Report {
        let (tally, options) = (&outcome.tally, &plan.options);
        let seconds = outcome.elapsed.as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let (metrics, metrics_error) = match &outcome.metrics {
            None => (None, None),
            Some(Ok(changes)) => (Some(changes.clone()), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        let server = outcome.server.as_ref();
        let mut report = Report {
            version: VERSION,
            tool: concat!("ringpost-loadtest ", env!("CARGO_PKG_VERSION")),
            target: plan.address.to_string(),
            run: plan.run.clone(),
            began: date_text(outcome.began),
            command_line: command_line(std::env::args()),
            options: Setting::new(plan),
            machine: Machine::new(Host::read()),
            greeting: outcome.greeting.as_ref().map(Greeted::new),
            elapsed_seconds: seconds,
            ended_by: ended_by(plan, outcome),
            start_error: outcome.start_error.as_ref().map(ToString::to_string),
            limit: Limit::find(plan, outcome),
            rate_reached: rate_reached(plan, outcome),
            messages: Messages::new(plan, tally),
            messages_per_second: per_second(tally.accepted as f64),
            megabytes_per_second: per_second(tally.accepted_bytes as f64 / 1e6),
            connections_opened: tally.connections,
            waited_for_connection: tally.waited,
            recipients_refused: tally.recipients_refused,
            tls: Handshakes::new(tally),
            idle: Idle::new(options.idle, outcome),
            errors_total: tally.errors_total(),
            errors: errors(tally),
            replies: by_code(&tally.replies),
            refused_by_code: by_code(&tally.refused_by),
            reasons: reasons(options, outcome),
            reasons_not_listed: outcome.troubles.others(),
            shapes_given_up: given_up(plan, outcome),
            misbehaviour: tally.misdeeds.by_misdeed(),
            smuggled: tally.misdeeds.with_outcome(MisdeedOutcome::Smuggled),
            latency_microseconds: latencies(tally),
            latency_curve: curve(tally),
            series: series(outcome),
            own: Own::new(outcome),
            server: server.map(|server| Server::new(&options.pid, server, tally)),
            metrics,
            metrics_error,
            verify: outcome.verify.as_ref().map(Verified::new),
            assertions: Vec::new(),
            passed: false,
        };
        report.judge(&plan.assertions);
        report
    }
}

/// The words of the command line; the value of a Kafka property, which may be a secret, is left out.
pub(crate) fn command_line(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_property = false;
    let masked = words.map(|word| {
        let (option, property) = match word.strip_prefix("--kafka=") {
            Some(property) => ("--kafka=", property),
            None if is_property => ("", &word[..]),
            None => {
                is_property = word == "--kafka";
                return word;
            }
        };
        is_property = false;
        let name = property.split_once('=').map_or("", |(name, _)| name);
        format!("{option}{name}=***")
    });
    masked.collect()
}

fn ended_by(plan: &Plan, outcome: &Outcome) -> EndedBy {
    match plan.options.duration {
        _ if outcome.stopped => EndedBy::Signal,
        _ if outcome.gave_up || outcome.start_error.is_some() => EndedBy::Errors,
        Some(duration) if outcome.elapsed >= duration => EndedBy::Duration,
        _ => EndedBy::Messages,
    }
}

fn errors(tally: &Tally) -> BTreeMap<&'static str, u64> {
    let errors = ErrorKind::ALL.iter();
    errors
        .map(|(kind, name)| (*name, tally.errors[*kind as usize]))
        .collect()
}

fn by_code(counts: &[u64]) -> BTreeMap<String, u64> {
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted
        .map(|(code, count)| (code.to_string(), *count))
        .collect()
}

fn reasons(options: &Options, outcome: &Outcome) -> Vec<Reason> {
    let kinds = outcome.troubles.kinds().into_iter();
    kinds
        .map(|kind| Reason::new(kind, options.addresses()))
        .collect()
}

fn given_up(plan: &Plan, outcome: &Outcome) -> Vec<GivenUp> {
    let given_up = outcome.given_up.iter();
    given_up
        .map(|given_up| GivenUp::new(&plan.profiles[given_up.shape], given_up))
        .collect()
}

fn latencies(tally: &Tally) -> BTreeMap<&'static str, Percentiles> {
    let phases = Phase::ALL.iter();
    phases
        .map(|(phase, name)| (*name, Percentiles::new(tally.phase(*phase))))
        .collect()
}

fn curve(tally: &Tally) -> Vec<CurvePoint> {
    let whole = tally.phase(Phase::Whole);
    let points = CURVE.iter().map(|share| CurvePoint {
        share: *share,
        microseconds: whole.value_at_quantile(*share),
    });
    points.collect()
}

fn series(outcome: &Outcome) -> Vec<SeriesPoint> {
    let points = outcome.series.points().iter();
    points.map(SeriesPoint::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_a_report_has_no_secret() {
        let words = [
            "x",
            "--kafka",
            "sasl.password=a=b",
            "--kafka=ssl.key.password=c",
            "--kafka",
        ];
        let shown = command_line(words.into_iter().map(str::to_owned));
        let expected = [
            "x",
            "--kafka",
            "sasl.password=***",
            "--kafka=ssl.key.password=***",
            "--kafka",
        ];
        assert_eq!(shown, expected);
        let forgotten = ["--kafka", "open sesame", "--verify"];
        let shown = command_line(forgotten.into_iter().map(str::to_owned));
        assert_eq!(shown, ["--kafka", "=***", "--verify"]);
    }
}
