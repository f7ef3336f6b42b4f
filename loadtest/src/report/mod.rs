//! The result of a run, as data: what text, JSON and HTML are made of.
//!
//! The JSON's names are stable and described in `report.schema.json`; a change of meaning raises `version`; new names may
//! come without. Units are in the names. A value that was not measured is `null`.

pub mod html;
mod limit;
mod plot;
mod reason;
pub mod text;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::content::generate::date_text;
use crate::engine::{Outcome, ServerUse};
use crate::fault::{ErrorKind, harmless};
use crate::measure::scrape::Change;
use crate::plan::{Plan, Profile};
use crate::tally::series::Point;
use crate::tally::{Phase, Tally};
use crate::units::{grouped, show_microseconds, show_number, show_octets};
use crate::verify::Verdict;
pub use limit::Limit;
pub use reason::Reason;

/// Raised when a name of the JSON changes its meaning.
const VERSION: u32 = 3;
/// Octets that no server can keep a session in. Less growth than that says that it used memory which it had already.
const LEAST_OF_A_SESSION: f64 = 128.0;
/// Points of the latency curve, as shares of messages.
const CURVE: [f64; 16] = [
    0.0, 0.1, 0.25, 0.5, 0.625, 0.75, 0.875, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999,
    1.0,
];

/// The result of a run; its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    pub version: u32,
    pub tool: &'static str,
    pub target: String,
    pub run: String,
    pub began: String,
    pub command_line: Vec<String>,
    pub options: Setting,
    pub elapsed_seconds: f64,
    pub ended_by: &'static str,
    pub start_error: Option<String>,
    pub limit: Limit,
    pub rate_reached: Option<bool>,
    pub messages: Messages,
    pub messages_per_second: f64,
    pub megabytes_per_second: f64,
    pub connections_opened: u64,
    pub waited_for_connection: u64,
    pub recipients_refused: u64,
    pub tls: Handshakes,
    pub idle: Option<Idle>,
    pub errors_total: u64,
    pub errors: BTreeMap<&'static str, u64>,
    pub replies: BTreeMap<String, u64>,
    pub refused_by_code: BTreeMap<String, u64>,
    pub reasons: Vec<Reason>,
    pub reasons_not_listed: u64,
    pub shapes_given_up: Vec<GivenUp>,
    pub misbehaviour: BTreeMap<String, BTreeMap<String, u64>>,
    pub smuggled: u64,
    pub latency_microseconds: BTreeMap<&'static str, Percentiles>,
    pub latency_curve: Vec<CurvePoint>,
    pub series: Vec<SeriesPoint>,
    pub own: Own,
    pub server: Option<Server>,
    pub metrics: Option<Vec<Change>>,
    pub metrics_error: Option<String>,
    pub verify: Option<Verified>,
    pub assertions: Vec<Asserted>,
    pub passed: bool,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub loop_kind: &'static str,
    pub rate: Option<f64>,
    pub connection_rate: Option<f64>,
    pub ramp_seconds: f64,
    pub duration_seconds: Option<f64>,
    pub connections: u32,
    pub messages: u64,
    pub message_octets_mean: f64,
    pub threads: u32,
    pub shapes: usize,
}

/// Each message counts in one of these.
#[derive(Debug, Serialize)]
pub struct Messages {
    pub accepted: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub unsent: u64,
    pub misbehaved: u64,
}

#[derive(Debug, Serialize)]
pub struct Handshakes {
    pub handshakes: u64,
    pub resumed: u64,
}

/// A shape of a mixture that never worked.
#[derive(Debug, Serialize)]
pub struct GivenUp {
    pub shape: String,
    pub errors: u64,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct Idle {
    pub asked: u32,
    pub opened: u64,
    pub closed_by_server: u64,
    pub server_rss_bytes_per_session: Option<f64>,
    pub server_rss_note: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub min: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
}

#[derive(Debug, Serialize)]
pub struct CurvePoint {
    pub share: f64,
    pub microseconds: u64,
}

#[derive(Debug, Serialize)]
pub struct SeriesPoint {
    pub end_seconds: f64,
    pub seconds: f64,
    pub accepted: u64,
    pub refused: u64,
    pub errors: u64,
    pub p50_microseconds: Option<u64>,
    pub p90_microseconds: Option<u64>,
    pub p99_microseconds: Option<u64>,
    pub max_microseconds: Option<u64>,
    pub own_cpu_seconds: f64,
    pub server_cpu_seconds: Option<f64>,
    pub server_rss_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Own {
    pub cpu_seconds: f64,
    pub cpu_microseconds_per_message: Option<f64>,
    pub threads_busy: Vec<f64>,
    pub machine_busy: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Server {
    pub pids: Vec<u32>,
    pub processes: u32,
    pub cpu_seconds: f64,
    pub cpu_microseconds_per_message: Option<f64>,
    pub rss_bytes: u64,
    pub peak_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Verified {
    pub complete: bool,
    pub records: u64,
    /// `None` where it is not known, because the topic was not read to its end.
    pub lost: Option<u64>,
    pub not_found: u64,
    pub lost_message_ids: Vec<String>,
    pub duplicated: u64,
    pub duplicated_same_id: u64,
    pub altered: u64,
    pub envelope_differs: u64,
    pub stored_without_reply: u64,
    pub foreign: u64,
    pub readable_microseconds: Percentiles,
    pub kafka_errors: u64,
    pub kafka_last_error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Asserted {
    pub text: String,
    pub value: Option<f64>,
    pub unit: Option<&'static str>,
    pub holds: bool,
}

impl Report {
    /// Puts a run's result together.
    pub fn new(plan: &Plan, outcome: &Outcome) -> Report {
        let tally = &outcome.tally;
        let options = &plan.options;
        let seconds = outcome.elapsed.as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let curve = CURVE.iter().map(|share| CurvePoint {
            share: *share,
            microseconds: tally.phase(Phase::Whole).value_at_quantile(*share),
        });
        let (metrics, metrics_error) = match outcome.metrics.clone() {
            None => (None, None),
            Some(Ok(changes)) => (Some(changes), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let mut report = Report {
            version: VERSION,
            tool: concat!("ringpost-loadtest ", env!("CARGO_PKG_VERSION")),
            target: plan.address.to_string(),
            run: plan.run.clone(),
            began: began_text(outcome.began),
            command_line: std::env::args().collect(),
            options: Setting::new(plan),
            elapsed_seconds: seconds,
            ended_by: ended_by(plan, outcome),
            start_error: outcome.start_error.clone(),
            limit: Limit::find(plan, outcome),
            rate_reached: limit::rate_reached(plan, outcome),
            messages: Messages::new(plan, tally),
            messages_per_second: per_second(tally.accepted as f64),
            megabytes_per_second: per_second(tally.accepted_octets as f64 / 1e6),
            connections_opened: tally.connections,
            waited_for_connection: tally.waited,
            recipients_refused: tally.recipients_refused,
            tls: Handshakes {
                handshakes: tally.handshakes,
                resumed: tally.resumed,
            },
            idle: Idle::new(options.idle, outcome),
            errors_total: tally.errors_total(),
            errors: ErrorKind::ALL
                .iter()
                .map(|(kind, name)| (*name, tally.errors[*kind as usize]))
                .collect(),
            replies: by_code(&tally.replies),
            refused_by_code: by_code(&tally.refused_by),
            reasons: outcome
                .troubles
                .kinds()
                .into_iter()
                .map(|kind| Reason::new(kind, options))
                .collect(),
            reasons_not_listed: outcome.troubles.others(),
            shapes_given_up: plan.profiles.iter().filter_map(GivenUp::new).collect(),
            misbehaviour: tally.misdeeds.by_misdeed(),
            smuggled: tally.misdeeds.with_outcome("SMUGGLED"),
            latency_microseconds: Phase::ALL
                .iter()
                .map(|(phase, name)| (*name, Percentiles::new(tally.phase(*phase))))
                .collect(),
            latency_curve: curve.collect(),
            series: outcome
                .series
                .points()
                .iter()
                .map(SeriesPoint::new)
                .collect(),
            own: Own::new(outcome),
            server: outcome
                .server
                .as_ref()
                .map(|server| Server::new(&options.pid, server, tally)),
            metrics,
            metrics_error,
            verify: outcome.verify.as_ref().map(Verified::new),
            assertions: Vec::new(),
            passed: false,
        };
        report.judge(plan);
        report
    }

    /// Compares with `--assert`, or with what everyone would ask for.
    fn judge(&mut self, plan: &Plan) {
        let asserted = plan.assertions.iter().map(|assertion| {
            let value = self.value(&assertion.name);
            Asserted {
                text: assertion.text.clone(),
                value,
                unit: assertion.unit(),
                holds: value.is_some_and(|value| assertion.holds(value)),
            }
        });
        self.assertions = asserted.collect();
        let read_back = self.verify.as_ref().is_none_or(|verify| verify.complete);
        self.passed = read_back
            && self.start_error.is_none()
            && if plan.assertions.is_empty() {
                let messages = &self.messages;
                let none_lost = self
                    .verify
                    .as_ref()
                    .is_none_or(|verify| verify.not_found + verify.altered == 0);
                messages.refused + messages.unanswered + messages.unsent == 0
                    // A run that sent nothing, though it had to, has shown nothing.
                    && (messages.accepted + messages.misbehaved > 0 || self.options.messages == 0)
                    && none_lost
                    && self.shapes_given_up.is_empty()
                    && self.ended_by != "signal"
            } else {
                self.assertions.iter().all(|assertion| assertion.holds)
            };
    }

    /// Whether any message came far enough to have a latency worth a figure.
    fn has_latencies(&self) -> bool {
        self.latency_microseconds["reply"].count > 0
    }

    /// What is not as it should be, in sentences; nothing for a run that passed.
    pub fn failures(&self) -> Vec<String> {
        if let Some(error) = &self.start_error {
            return vec![error.clone()];
        }
        if self.passed {
            return Vec::new();
        }
        let messages = &self.messages;
        let mut failures: Vec<String> = self
            .assertions
            .iter()
            .filter(|assertion| !assertion.holds)
            .map(|assertion| format!("{} fails: {}", assertion.text, assertion.measured()))
            .collect();
        let mut count = |count: u64, one: &str, many: &str| match count {
            0 => {}
            1 => failures.push(format!("1 {one}")),
            _ => failures.push(format!("{} {many}", grouped(count))),
        };
        count(
            messages.refused,
            "message was refused",
            "messages were refused",
        );
        count(
            messages.unanswered,
            "message got no answer",
            "messages got no answer",
        );
        count(
            messages.unsent,
            "message was still waiting to be sent at the end",
            "messages were still waiting to be sent at the end",
        );
        if let Some(verify) = &self.verify {
            count(
                verify.lost.unwrap_or(0),
                "accepted message was lost",
                "accepted messages were lost",
            );
            count(
                verify.altered,
                "message was altered",
                "messages were altered",
            );
            if !verify.complete {
                failures.push(verify.incomplete());
            }
        }
        for shape in &self.shapes_given_up {
            failures.push(format!("{} never worked", shape.name()));
        }
        match self.ended_by {
            "signal" => failures.push("it was stopped by a signal".to_owned()),
            "errors" => failures.push("it gave up after too many errors (--max-errors)".to_owned()),
            _ => {}
        }
        if messages.accepted == 0 {
            failures.push("no message was accepted".to_owned());
        }
        failures
    }

    /// A value by the name that `--assert` has for it; `None` where it was not measured.
    pub fn value(&self, name: &str) -> Option<f64> {
        let count = |count: u64| Some(count as f64);
        let verify = self.verify.as_ref();
        match name {
            "accepted" => count(self.messages.accepted),
            "refused" => count(self.messages.refused),
            "unanswered" => count(self.messages.unanswered),
            "unsent" => count(self.messages.unsent),
            "errors" => count(self.errors_total),
            "connections" => count(self.connections_opened),
            "recipients_refused" => count(self.recipients_refused),
            "smuggled" => count(self.smuggled),
            "rate" => Some(self.messages_per_second),
            "lost" => verify?.lost.map(|lost| lost as f64),
            "duplicated" => verify.map(|verify| verify.duplicated as f64),
            "altered" => verify.map(|verify| verify.altered as f64),
            "idle_opened" => self.idle.as_ref().map(|idle| idle.opened as f64),
            "idle_closed" => self.idle.as_ref().map(|idle| idle.closed_by_server as f64),
            "own_cpu" => self.own.cpu_microseconds_per_message,
            "server_cpu" => self.server.as_ref()?.cpu_microseconds_per_message,
            "server_rss" => self.server.as_ref().map(|server| server.rss_bytes as f64),
            _ => self.percentile(name),
        }
    }

    fn percentile(&self, name: &str) -> Option<f64> {
        let (phase, percentile) = match name.split_once('.') {
            Some((phase, percentile)) if !phase.starts_with('p') => (phase, percentile),
            _ => ("whole", name),
        };
        let percentiles = match phase {
            "readable" => &self.verify.as_ref()?.readable_microseconds,
            _ => self.latency_microseconds.get(phase)?,
        };
        if percentiles.count == 0 {
            return None;
        }
        Some(match percentile {
            "p50" => percentiles.p50 as f64,
            "p90" => percentiles.p90 as f64,
            "p95" => percentiles.p95 as f64,
            "p99" => percentiles.p99 as f64,
            "p99.9" => percentiles.p99_9 as f64,
            "max" => percentiles.max as f64,
            "mean" => percentiles.mean,
            _ => return None,
        })
    }

    /// One JSON object in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain maps with text keys and finite numbers")
    }
}

fn began_text(time: SystemTime) -> String {
    date_text(
        time.duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    )
}

fn ended_by(plan: &Plan, outcome: &Outcome) -> &'static str {
    match plan.options.duration {
        _ if outcome.stopped => "signal",
        _ if outcome.gave_up || outcome.start_error.is_some() => "errors",
        Some(duration) if outcome.elapsed >= duration => "duration",
        _ => "messages",
    }
}

impl Setting {
    fn new(plan: &Plan) -> Setting {
        let options = &plan.options;
        Setting {
            loop_kind: if plan.is_open_loop() {
                "open"
            } else {
                "closed"
            },
            rate: options.rate,
            connection_rate: options.connection_rate,
            ramp_seconds: options.ramp.as_secs_f64(),
            duration_seconds: options.duration.map(|duration| duration.as_secs_f64()),
            connections: options.connections,
            messages: options.most_messages(),
            message_octets_mean: plan.mean_octets(),
            threads: options.threads,
            shapes: plan.profiles.len(),
        }
    }
}

impl Messages {
    /// With `--duration` alone nobody knows how many messages there were to be in the closed loop: none is unsent then.
    fn new(plan: &Plan, tally: &Tally) -> Messages {
        let misbehaved = tally.misdeeds.total();
        let tried = tally.accepted + tally.refused + tally.unanswered + misbehaved;
        let unsent = match plan.options.duration {
            None => plan.options.most_messages().saturating_sub(tried),
            Some(_) => tally.overdue,
        };
        Messages {
            accepted: tally.accepted,
            refused: tally.refused,
            unanswered: tally.unanswered,
            unsent,
            misbehaved,
        }
    }
}

impl GivenUp {
    fn new(profile: &Profile) -> Option<GivenUp> {
        let fault = profile.fate.given_up()?;
        Some(GivenUp {
            shape: profile.text.clone(),
            errors: profile.fate.failures(),
            reason: harmless(&fault.words),
        })
    }

    /// The shape for a sentence.
    fn name(&self) -> String {
        match &self.shape[..] {
            "" => "the shape".to_owned(),
            shape => format!("--mix '{shape}'"),
        }
    }

    /// For people.
    fn line(&self) -> String {
        let (name, errors) = (self.name(), grouped(self.errors));
        format!(
            "{name}, which never worked, after {errors} errors: {}",
            self.reason
        )
    }
}

impl Idle {
    fn new(asked: u32, outcome: &Outcome) -> Option<Idle> {
        let opened = outcome.tally.idle_opened;
        let grown = outcome
            .server
            .filter(|_| opened > 0)
            .map(|server| server.start.rss as f64 - server.before.rss as f64);
        let each = grown.map(|grown| grown / opened as f64);
        let is_seen = each.is_some_and(|each| each >= LEAST_OF_A_SESSION);
        let note = match outcome.server {
            Some(server) if each.is_some() && !is_seen => Some(format!(
                "no growth seen above the {} that the server had already: sessions before these left memory free in it; \
                 start it anew for a figure",
                show_octets(server.before.rss as f64)
            )),
            _ => None,
        };
        (asked > 0).then(|| Idle {
            asked,
            opened,
            closed_by_server: outcome.tally.idle_closed,
            server_rss_bytes_per_session: each.filter(|_| is_seen),
            server_rss_note: note,
        })
    }
}

impl Percentiles {
    /// Of a histogram of microseconds; all zero for an empty one.
    pub fn new(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles {
            count: histogram.len(),
            min: if histogram.is_empty() {
                0
            } else {
                histogram.min()
            },
            mean: histogram.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        }
    }
}

impl SeriesPoint {
    fn new(point: &Point) -> SeriesPoint {
        let whole = &point.interval.whole;
        let at = |quantile| (!whole.is_empty()).then(|| whole.value_at_quantile(quantile));
        SeriesPoint {
            end_seconds: point.end.as_secs_f64(),
            seconds: point.length.as_secs_f64(),
            accepted: point.interval.accepted,
            refused: point.interval.refused,
            errors: point.interval.errors,
            p50_microseconds: at(0.5),
            p90_microseconds: at(0.9),
            p99_microseconds: at(0.99),
            max_microseconds: at(1.0),
            own_cpu_seconds: point.own_cpu.as_secs_f64(),
            server_cpu_seconds: point.server_cpu.map(|cpu| cpu.as_secs_f64()),
            server_rss_bytes: point.server.map(|server| server.rss),
        }
    }
}

impl Asserted {
    /// What was measured, for people.
    pub fn measured(&self) -> String {
        match (self.value, self.unit) {
            (None, _) => "not measured".to_owned(),
            (Some(value), Some("microseconds")) => show_microseconds(value),
            (Some(value), Some(_)) => show_octets(value),
            (Some(value), None) => show_number(value),
        }
    }
}

/// CPU time of a message, over those that were answered.
fn per_message(time: Duration, tally: &Tally) -> Option<f64> {
    let answered = tally.accepted + tally.refused;
    (answered > 0).then(|| time.as_secs_f64() * 1e6 / answered as f64)
}

impl Own {
    fn new(outcome: &Outcome) -> Own {
        Own {
            cpu_seconds: outcome.own_cpu.as_secs_f64(),
            cpu_microseconds_per_message: per_message(outcome.own_cpu, &outcome.tally),
            threads_busy: outcome.threads_busy.clone(),
            machine_busy: outcome.machine_busy,
        }
    }
}

impl Server {
    fn new(pids: &[u32], server: &ServerUse, tally: &Tally) -> Server {
        Server {
            pids: pids.to_vec(),
            processes: server.end.processes,
            cpu_seconds: server.cpu.as_secs_f64(),
            cpu_microseconds_per_message: per_message(server.cpu, tally),
            rss_bytes: server.end.rss,
            peak_rss_bytes: server.end.peak_rss,
        }
    }
}

impl Verified {
    /// What is not known, for a sentence.
    fn incomplete(&self) -> String {
        let why = match self.kafka_errors {
            0 => "the topic was not read to its end",
            _ => "the brokers did not answer, so the topic was not read to its end",
        };
        match self.not_found {
            0 => why.to_owned(),
            one_or_more => format!(
                "{why}: whether {} accepted message{} there is unknown",
                grouped(one_or_more),
                if one_or_more == 1 { " is" } else { "s are" }
            ),
        }
    }

    fn new(verdict: &Verdict) -> Verified {
        Verified {
            complete: verdict.complete,
            records: verdict.records,
            lost: verdict.complete.then_some(verdict.missing),
            not_found: verdict.missing,
            lost_message_ids: verdict.lost_ids.clone(),
            duplicated: verdict.duplicated_same_id + verdict.duplicated_other_id,
            duplicated_same_id: verdict.duplicated_same_id,
            altered: verdict.altered,
            envelope_differs: verdict.envelope_differs,
            stored_without_reply: verdict.stored_without_reply,
            foreign: verdict.foreign,
            readable_microseconds: Percentiles::new(&verdict.readable),
            kafka_errors: verdict.errors,
            kafka_last_error: verdict.last_error.clone(),
        }
    }
}

fn by_code(counts: &[u64]) -> BTreeMap<String, u64> {
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted
        .map(|(code, count)| (code.to_string(), *count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let percentiles = Percentiles::new(Tally::new().phase(Phase::Reply));
        assert_eq!(
            (
                percentiles.count,
                percentiles.min,
                percentiles.p99_9,
                percentiles.max
            ),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn cpu_per_message_counts_answered_messages() {
        let mut tally = Tally::new();
        assert_eq!(per_message(Duration::from_secs(1), &tally), None);
        (tally.accepted, tally.refused, tally.unanswered) = (3, 1, 7);
        assert_eq!(per_message(Duration::from_secs(1), &tally), Some(250_000.0));
    }
}
