//! The result of a run, as data: what text, JSON and HTML are made of.
//!
//! The JSON's names are stable and described in `report.schema.json`; a change of meaning raises `version`; new names may
//! come without. Units are in the names. A value that was not measured is `null`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::limit::Limit;
use crate::fault::Reason;
use crate::measure::scrape::Change;
use crate::net::choice::Io;
use crate::options::assertion::Unit;
use crate::tally::Phase;

/// The result of a run; its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub version: u32,
    pub tool: &'static str,
    pub target: String,
    pub run: String,
    pub began: String,
    pub command_line: Vec<String>,
    pub options: Setting,
    pub machine: Machine,
    pub greeting: Option<Greeted>,
    pub elapsed_seconds: f64,
    pub ended_by: EndedBy,
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

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndedBy {
    Signal,
    Errors,
    Duration,
    Messages,
}

/// Whether messages have intended starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoopKind {
    Open,
    Closed,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub loop_kind: LoopKind,
    pub rate: Option<f64>,
    pub connection_rate: Option<f64>,
    pub ramp_seconds: f64,
    pub duration_seconds: Option<f64>,
    pub connections: u32,
    pub messages: u64,
    pub message_octets_mean: f64,
    pub threads: u32,
    pub shapes: usize,
    /// `--allow-less`.
    pub allow_less: bool,
}

/// The machine that the load tester ran on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub cpu: String,
    pub cpus: Option<u32>,
    pub cpus_usable: Option<u32>,
    pub kernel: Option<String>,
    pub memory_bytes: Option<u64>,
}

/// What the server said to the first connection.
#[derive(Debug, Serialize)]
pub(crate) struct Greeted {
    pub banner: String,
    pub extensions: Vec<String>,
}

/// Each message counts in one of these.
#[derive(Debug, Serialize)]
pub(crate) struct Messages {
    pub accepted: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub unsent: u64,
    pub misbehaved: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Handshakes {
    pub handshakes: u64,
    pub resumed: u64,
}

/// A shape of a mixture that never worked.
#[derive(Debug, Serialize)]
pub(crate) struct GivenUp {
    pub shape: String,
    pub errors: u64,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    pub asked: u32,
    pub opened: u64,
    pub closed_by_server: u64,
    pub server_rss_bytes_per_session: Option<f64>,
    pub server_rss_note: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentiles {
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
pub(crate) struct CurvePoint {
    pub share: f64,
    pub microseconds: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct SeriesPoint {
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
pub(crate) struct Own {
    pub io: Option<Io>,
    pub cpu_seconds: f64,
    pub cpu_microseconds_per_message: Option<f64>,
    pub threads_busy: Vec<f64>,
    pub machine_busy: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub pids: Vec<u32>,
    pub processes: u32,
    pub cpu_seconds: f64,
    pub cpu_microseconds_per_message: Option<f64>,
    pub rss_bytes: u64,
    pub peak_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Verified {
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
pub(crate) struct Asserted {
    pub text: String,
    pub value: Option<f64>,
    pub unit: Option<Unit>,
    pub holds: bool,
}

impl Report {
    /// The times of a phase.
    pub(crate) fn phase(&self, phase: Phase) -> &Percentiles {
        &self.latency_microseconds[phase.name()]
    }

    /// Whether any message came far enough to have a latency worth a figure.
    pub(crate) fn has_latencies(&self) -> bool {
        self.phase(Phase::Reply).count > 0
    }

    /// The server's counters that changed, by how much.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&str, f64)> {
        let changes = self.metrics.iter().flatten();
        let counters = changes.filter(|change| change.name.contains("_total"));
        counters.map(|change| {
            let grown = change.after - change.before.unwrap_or(0.0);
            (&change.name[..], grown)
        })
    }

    /// One JSON object in one line.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain maps with text keys and finite numbers")
    }
}
