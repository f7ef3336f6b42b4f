//! The one table of metrics, and the handles that are counted through.
//!
//! Owns: names, units, labels and help of every metric. Handles are made once, so that counting is an atomic operation
//! without a look-up. Must not know: who counts, nor how the text reaches Prometheus.
//!
//! Invariant: every handle's name stands in [`TABLE`], which a test checks against what is rendered, and
//! every series exists from the start, so that a rate is known from the first event on.
//!
//! BUGS: the counters are shared by all workers; a counter of its own per worker would save them the cache line.
//! What librdkafka counts since its start are gauges, for it starts again with its producer.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::Value;

use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;

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

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name, in base units.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts or measures.
    pub unit: Unit,
    /// Its one label, or nothing.
    pub label: &'static str,
    /// One sentence for who reads it.
    pub help: &'static str,
}

macro_rules! table {
    ($($name:literal $kind:ident $unit:ident $label:literal $help:literal;)*) => {
        /// All metrics.
        pub const TABLE: &[Row] = &[$(Row {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            label: $label,
            help: $help,
        }),*];
    };
}

table! {
    "ringpost_build_info" Gauge Count "version" "Always 1; the label is the version";
    "ringpost_workers" Gauge Count "" "Worker threads, each with a ring of its own";
    "ringpost_connections_open" Gauge Count "" "SMTP connections that are open";
    "ringpost_connections_accepted_total" Counter Count "" "SMTP connections that were accepted";
    "ringpost_connections_refused_total" Counter Count "reason" "SMTP connections refused before the banner, by reason";
    "ringpost_sessions_total" Counter Count "end" "Sessions that ended, by how";
    "ringpost_commands_total" Counter Count "verb" "Commands received, by verb";
    "ringpost_replies_total" Counter Count "code" "Replies sent, by code";
    "ringpost_refusals_total" Counter Count "reason" "Refusals sent, by reason";
    "ringpost_tls_handshakes_total" Counter Count "version" "TLS handshakes that were completed, by version";
    "ringpost_tls_handshake_failures_total" Counter Count "reason" "TLS handshakes that failed, by reason";
    "ringpost_messages_total" Counter Count "outcome" "Messages by the reply to DATA or to the end of the data: 250, 4xx, 5xx";
    "ringpost_message_bytes_total" Counter Bytes "" "Octets of accepted messages, as received";
    "ringpost_message_size_bytes" Histogram Bytes "" "Size of an accepted message, as received";
    "ringpost_receive_to_reply_seconds" Histogram Seconds "" "From the last octet of the data to the 250";
    "ringpost_produce_to_report_seconds" Histogram Seconds "" "From handing a record to librdkafka to its delivery report";
    "ringpost_in_flight_messages" Gauge Count "" "Messages between the reply to DATA and the end of their delivery report";
    "ringpost_in_flight_bytes" Gauge Bytes "" "Octets that those messages are charged with in the in-flight budget";
    "ringpost_late_reports_total" Counter Count "" "Delivery reports that came after their session had stopped waiting";
    "ringpost_kafka_queued_messages" Gauge Count "" "Records in librdkafka's queues (msg_cnt)";
    "ringpost_kafka_queued_bytes" Gauge Bytes "" "Octets in librdkafka's queues (msg_size)";
    "ringpost_kafka_transmitted_requests" Gauge Count "" "Requests sent to brokers since the start (tx)";
    "ringpost_kafka_transmitted_messages" Gauge Count "" "Records sent to brokers since the start (txmsgs)";
    "ringpost_kafka_transmitted_bytes" Gauge Bytes "" "Octets of those records, framing included (txmsg_bytes)";
    "ringpost_kafka_broker_rtt_average_seconds" Gauge Seconds "" "Average round trip to the slowest broker in the last window of statistics";
    "ringpost_kafka_broker_rtt_p99_seconds" Gauge Seconds "" "99th percentile of the round trip to the slowest broker in the last window of statistics";
    "ringpost_reloads_total" Counter Count "result" "Reloads of recipients, access and log level on SIGHUP, by whether they were applied";
    "ringpost_log_lines_dropped_total" Counter Count "" "Log lines dropped because standard error was slow";
}

/// Upper bounds of the buckets of times: a reply within a millisecond to one after half a minute.
const SECONDS_BUCKETS: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Upper bounds of the buckets of sizes: powers of four from 1 KiB to 64 MiB.
const SIZE_BUCKETS: [f64; 9] = [
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

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client said QUIT.
    Quit,
    /// The client closed the connection.
    ClosedByClient,
    /// A deadline passed.
    TimedOut,
    /// Too many commands in error.
    TooManyErrors,
    /// A refusal ended it, such as a limit of the session.
    Refused,
    /// The TLS handshake failed.
    HandshakeFailed,
    /// ringpost was stopping.
    Shutdown,
    /// The connection broke.
    Error,
}

const ENDS: [(SessionEnd, &str); 8] = [
    (SessionEnd::Quit, "quit"),
    (SessionEnd::ClosedByClient, "closed_by_client"),
    (SessionEnd::TimedOut, "timed_out"),
    (SessionEnd::TooManyErrors, "too_many_errors"),
    (SessionEnd::Refused, "refused"),
    (SessionEnd::HandshakeFailed, "tls_handshake_failed"),
    (SessionEnd::Shutdown, "shutdown"),
    (SessionEnd::Error, "error"),
];

const TLS_VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Why a TLS handshake failed: a deadline, the client left, or what it sent is no TLS that is spoken here.
pub const TLS_FAILURES: [&str; 3] = ["timed_out", "closed", "protocol"];

const OUTCOMES: [&str; 3] = ["accepted", "tempfailed", "refused"];

/// The codes that have a series of their own; the others share `code="other"`.
const CODES: [u16; 21] = [
    214, 220, 221, 250, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504, 521, 550, 552, 553,
    554, 555,
];

struct Handles {
    workers: Gauge,
    open: Gauge,
    accepted: Counter,
    connections_refused: Vec<Counter>,
    sessions: Vec<Counter>,
    commands: Vec<Counter>,
    replies: Vec<Counter>,
    replies_other: Counter,
    refusals: Vec<Counter>,
    tls_handshakes: [(&'static str, Counter); 2],
    tls_handshake_failures: [(&'static str, Counter); 3],
    messages_accepted: Counter,
    messages_tempfailed: Counter,
    messages_refused: Counter,
    message_bytes: Counter,
    message_size: Histogram,
    in_flight_messages: Gauge,
    in_flight_bytes: Gauge,
    receive_to_reply: Histogram,
    produce_to_report: Histogram,
    late_reports: Counter,
    kafka: Vec<Gauge>,
    kafka_rtt_average: Gauge,
    kafka_rtt_p99: Gauge,
    reloads_applied: Counter,
    reloads_failed: Counter,
    log_lines_dropped: Counter,
}

/// Members of librdkafka's statistics that are shown as they are, and their metrics.
const KAFKA: [(&str, &str); 5] = [
    ("msg_cnt", "ringpost_kafka_queued_messages"),
    ("msg_size", "ringpost_kafka_queued_bytes"),
    ("tx", "ringpost_kafka_transmitted_requests"),
    ("txmsgs", "ringpost_kafka_transmitted_messages"),
    ("txmsg_bytes", "ringpost_kafka_transmitted_bytes"),
];

/// Counts; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Handles>);

impl Metrics {
    /// The handles, and what renders them for Prometheus. Servers in one process do not share them.
    ///
    /// # Panics
    /// Never: the buckets are constant.
    pub fn new() -> (Self, PrometheusHandle) {
        let times = Matcher::Suffix("_seconds".to_owned());
        let sizes = Matcher::Suffix("_size_bytes".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(times, &SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(sizes, &SIZE_BUCKETS))
            .expect("the buckets are not empty")
            .build_recorder();
        let handles = metrics::with_local_recorder(&recorder, register);
        (Self(Arc::new(handles)), recorder.handle())
    }

    /// So many workers run.
    pub fn workers(&self, count: usize) {
        self.0.workers.set(count as f64);
    }

    /// A connection was accepted.
    pub fn connection_accepted(&self) {
        self.0.accepted.increment(1);
        self.0.open.increment(1);
    }

    /// An accepted connection ended.
    pub fn connection_closed(&self, end: SessionEnd) {
        self.0.open.decrement(1);
        self.0.sessions[end as usize].increment(1);
    }

    /// A connection was refused before its banner.
    pub fn connection_refused(&self, refusal: Refusal) {
        self.0.connections_refused[refusal as usize].increment(1);
    }

    /// A command was received.
    pub fn command(&self, verb: Verb) {
        self.0.commands[verb as usize].increment(1);
    }

    /// A reply was sent.
    pub fn reply(&self, code: u16) {
        match CODES.iter().position(|&known| known == code) {
            Some(at) => self.0.replies[at].increment(1),
            None => self.0.replies_other.increment(1),
        }
    }

    /// It was a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.0.refusals[refusal as usize].increment(1);
    }

    /// A TLS handshake of this version was completed.
    pub fn tls_handshake(&self, version: &str) {
        increment(&self.0.tls_handshakes, version);
    }

    /// A TLS handshake failed for this reason of [`TLS_FAILURES`].
    pub fn tls_handshake_failed(&self, reason: &str) {
        increment(&self.0.tls_handshake_failures, reason);
    }

    /// A message of `octets`, as received, got its 250 so long after the last octet of its data.
    pub fn message_accepted(&self, octets: u64, receive_to_reply: Duration) {
        self.0.messages_accepted.increment(1);
        self.0.message_bytes.increment(octets);
        self.0.message_size.record(octets as f64);
        self.0.receive_to_reply.record(receive_to_reply);
    }

    /// A record's delivery report came so long after the record was handed to librdkafka, whatever it says.
    pub fn delivery_reported(&self, produce_to_report: Duration) {
        self.0.produce_to_report.record(produce_to_report);
    }

    /// A message got a 4xx.
    pub fn message_tempfailed(&self) {
        self.0.messages_tempfailed.increment(1);
    }

    /// A message got a 5xx.
    pub fn message_refused(&self) {
        self.0.messages_refused.increment(1);
    }

    /// The in-flight budget changed by so much; negative: was given back.
    pub fn in_flight(&self, messages: i64, octets: i64) {
        self.0.in_flight_messages.increment(messages as f64);
        self.0.in_flight_bytes.increment(octets as f64);
    }

    /// A report came after its session stopped waiting.
    pub fn late_report(&self) {
        self.0.late_reports.increment(1);
    }

    /// SIGHUP was answered by applying what is new, or by keeping what was.
    pub fn reloaded(&self, applied: bool) {
        let counters = &self.0;
        let counter = if applied {
            &counters.reloads_applied
        } else {
            &counters.reloads_failed
        };
        counter.increment(1);
    }

    /// So many log lines were dropped since the start.
    pub fn log_lines_dropped(&self, total: u64) {
        self.0.log_lines_dropped.absolute(total);
    }

    /// librdkafka's statistics (STATISTICS.md of librdkafka), as JSON. What is missing there keeps its value here.
    pub fn librdkafka_statistics(&self, json: &str) {
        let statistics = match serde_json::from_str::<Value>(json) {
            Ok(statistics) => statistics,
            Err(error) => return tracing::debug!(%error, "librdkafka's statistics are no JSON"),
        };
        for ((member, _), gauge) in KAFKA.iter().zip(&self.0.kafka) {
            if let Some(value) = statistics.get(member).and_then(Value::as_f64) {
                gauge.set(value);
            }
        }
        for (pointer, gauge) in [
            ("/rtt/avg", &self.0.kafka_rtt_average),
            ("/rtt/p99", &self.0.kafka_rtt_p99),
        ] {
            if let Some(microseconds) = slowest_broker(&statistics, pointer) {
                gauge.set(microseconds / 1e6);
            }
        }
    }
}

fn increment(counters: &[(&'static str, Counter)], label: &str) {
    let counter = counters.iter().find(|(known, _)| *known == label);
    debug_assert!(counter.is_some(), "{label} has a series");
    if let Some((_, counter)) = counter {
        counter.increment(1);
    }
}

/// The largest value of a member among the brokers; a label per broker would grow with the cluster.
fn slowest_broker(statistics: &Value, pointer: &str) -> Option<f64> {
    let brokers = statistics.get("brokers")?.as_object()?.values();
    brokers
        .filter_map(|broker| broker.pointer(pointer)?.as_f64())
        .reduce(f64::max)
}

fn describe() {
    for &Row {
        name,
        kind,
        unit,
        help,
        ..
    } in TABLE
    {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}

fn register() -> Handles {
    describe();
    gauge!("ringpost_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let [messages_accepted, messages_tempfailed, messages_refused] =
        OUTCOMES.map(|outcome| counter!("ringpost_messages_total", "outcome" => outcome));
    Handles {
        workers: gauge!("ringpost_workers"),
        open: gauge!("ringpost_connections_open"),
        accepted: counter!("ringpost_connections_accepted_total"),
        connections_refused: refusals("ringpost_connections_refused_total"),
        sessions: ENDS
            .iter()
            .map(|&(_, end)| counter!("ringpost_sessions_total", "end" => end))
            .collect(),
        commands: Verb::ALL
            .iter()
            .map(|verb| counter!("ringpost_commands_total", "verb" => verb.label()))
            .collect(),
        replies: CODES
            .iter()
            .map(|code| counter!("ringpost_replies_total", "code" => code.to_string()))
            .collect(),
        replies_other: counter!("ringpost_replies_total", "code" => "other"),
        refusals: refusals("ringpost_refusals_total"),
        tls_handshakes: TLS_VERSIONS.map(|version| {
            let name = "ringpost_tls_handshakes_total";
            (version, counter!(name, "version" => version))
        }),
        tls_handshake_failures: TLS_FAILURES.map(|reason| {
            let name = "ringpost_tls_handshake_failures_total";
            (reason, counter!(name, "reason" => reason))
        }),
        messages_accepted,
        messages_tempfailed,
        messages_refused,
        message_bytes: counter!("ringpost_message_bytes_total"),
        message_size: histogram!("ringpost_message_size_bytes"),
        in_flight_messages: gauge!("ringpost_in_flight_messages"),
        in_flight_bytes: gauge!("ringpost_in_flight_bytes"),
        receive_to_reply: histogram!("ringpost_receive_to_reply_seconds"),
        produce_to_report: histogram!("ringpost_produce_to_report_seconds"),
        late_reports: counter!("ringpost_late_reports_total"),
        kafka: KAFKA.iter().map(|&(_, name)| gauge!(name)).collect(),
        kafka_rtt_average: gauge!("ringpost_kafka_broker_rtt_average_seconds"),
        kafka_rtt_p99: gauge!("ringpost_kafka_broker_rtt_p99_seconds"),
        reloads_applied: counter!("ringpost_reloads_total", "result" => "applied"),
        reloads_failed: counter!("ringpost_reloads_total", "result" => "failed"),
        log_lines_dropped: counter!("ringpost_log_lines_dropped_total"),
    }
}

fn refusals(name: &'static str) -> Vec<Counter> {
    Refusal::ALL
        .iter()
        .map(|refusal| counter!(name, "reason" => refusal.row().label))
        .collect()
}

/// The table as the page docs/metrics.md.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made from the table in src/telemetry/metrics.rs. Change it there. -->\n\n\
         What `/metrics` of the admin listener shows, in the text format of Prometheus. Every series exists from the\n\
         start.\n\n| name | kind | unit | label | meaning |\n|---|---|---|---|---|\n",
    );
    for row in TABLE {
        let kind = format!("{:?}", row.kind).to_lowercase();
        let label = match row.label {
            "" => String::new(),
            label => format!("`{label}`"),
        };
        let (name, unit, help) = (row.name, row.unit.as_str(), row.help);
        page.push_str(&format!(
            "| `{name}` | {kind} | {unit} | {label} | {help} |\n"
        ));
    }
    page.push_str("\n## Values of the labels\n\n");
    let verbs = Verb::ALL.map(|verb| verb.label().to_owned());
    let codes = CODES.iter().map(u16::to_string);
    for (label, values) in [
        ("end", ENDS.map(|(_, end)| end.to_owned()).to_vec()),
        ("verb", verbs.to_vec()),
        ("code", codes.chain(["other".to_owned()]).collect()),
        ("outcome", OUTCOMES.map(str::to_owned).to_vec()),
        ("result", ["applied", "failed"].map(str::to_owned).to_vec()),
    ] {
        page.push_str(&format!("- `{label}`: {}\n", values.join(", ")));
    }
    page.push_str(
        "\n`reason`, with the reply that it stands for:\n\n| reason | reply |\n|---|---|\n",
    );
    for refusal in Refusal::ALL {
        let row = refusal.row();
        let reply = format!("{} {} {}", row.code, row.enhanced, row.text);
        page.push_str(&format!("| `{}` | {reply} |\n", row.label));
    }
    let buckets = |bounds: &[f64]| {
        bounds
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    page.push_str(&format!(
        "\n## Buckets\n\n- seconds: {}\n- bytes: {}\n",
        buckets(&SECONDS_BUCKETS),
        buckets(&SIZE_BUCKETS)
    ));
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The value of a series, and that there is exactly one of it.
    fn value(text: &str, series: &str) -> f64 {
        let mut found = text
            .lines()
            .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = found.next().unwrap_or_else(|| panic!("{series}\n{text}"));
        assert!(found.next().is_none(), "{series} stands twice");
        value.parse().unwrap()
    }

    fn row(name: &str) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.name == name)
    }

    #[test]
    fn what_is_rendered_is_what_the_table_says() {
        let (_metrics, handle) = Metrics::new();
        let text = handle.render();
        let expected: BTreeSet<String> = TABLE
            .iter()
            .map(|row| format!("{} {}", row.name, format!("{:?}", row.kind).to_lowercase()))
            .collect();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        assert_eq!(types.map(str::to_owned).collect::<BTreeSet<_>>(), expected);
        for row in TABLE {
            assert!(
                text.contains(&format!("# HELP {} {}\n", row.name, row.help)),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn series_have_the_label_of_the_table_and_no_other() {
        let (_metrics, handle) = Metrics::new();
        let text = handle.render();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| row(name.strip_suffix(suffix)?));
            let row = row(name).or(of_histogram).expect(line);
            let label = labels.split('=').next().unwrap();
            let expected = if name.ends_with("_bucket") {
                "le"
            } else {
                row.label
            };
            assert_eq!(label, expected, "{line}");
            assert_eq!(
                labels.matches('=').count(),
                usize::from(!label.is_empty()),
                "{line}"
            );
        }
    }

    #[test]
    fn names_agree_with_kinds_and_units() {
        for row in TABLE {
            let stem = row.name.strip_suffix("_total");
            assert_eq!(stem.is_some(), row.kind == Kind::Counter, "{}", row.name);
            let stem = stem.unwrap_or(row.name);
            assert_eq!(
                stem.ends_with("_seconds"),
                row.unit == Unit::Seconds,
                "{}",
                row.name
            );
            assert_eq!(
                stem.ends_with("_bytes"),
                row.unit == Unit::Bytes,
                "{}",
                row.name
            );
            assert!(row.name.starts_with("ringpost_") && !row.help.contains('|'));
        }
    }

    #[test]
    fn labels_select_the_series_of_their_value() {
        let (metrics, handle) = Metrics::new();
        for (at, (end, _)) in ENDS.iter().enumerate() {
            (0..=at).for_each(|_| metrics.connection_closed(*end));
        }
        for (at, verb) in Verb::ALL.iter().enumerate() {
            (0..=at).for_each(|_| metrics.command(*verb));
        }
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            (0..=at).for_each(|_| metrics.refused(*refusal));
            (0..2 * at).for_each(|_| metrics.connection_refused(*refusal));
        }
        for (at, code) in CODES.iter().chain(&[299]).enumerate() {
            (0..=at).for_each(|_| metrics.reply(*code));
        }
        metrics.reply(600);
        let text = handle.render();
        let count = |name: &str, label: &str, of: &str| {
            value(&text, &format!("ringpost_{name}_total{{{label}=\"{of}\"}}")) as usize
        };
        for (at, (_, label)) in ENDS.iter().enumerate() {
            assert_eq!(count("sessions", "end", label), at + 1);
        }
        for (at, verb) in Verb::ALL.iter().enumerate() {
            assert_eq!(count("commands", "verb", verb.label()), at + 1);
        }
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            let label = refusal.row().label;
            assert_eq!(count("refusals", "reason", label), at + 1);
            assert_eq!(count("connections_refused", "reason", label), 2 * at);
        }
        for (at, code) in CODES.iter().enumerate() {
            assert_eq!(count("replies", "code", &code.to_string()), at + 1);
        }
        assert_eq!(count("replies", "code", "other"), CODES.len() + 2);
    }

    #[test]
    fn every_code_of_a_refusal_has_a_series() {
        for refusal in Refusal::ALL {
            assert!(CODES.contains(&refusal.row().code), "{refusal:?}");
        }
    }

    #[test]
    fn messages_connections_and_the_budget() {
        let (metrics, handle) = Metrics::new();
        metrics.message_accepted(5000, Duration::from_millis(3));
        metrics.delivery_reported(Duration::from_micros(200));
        (0..2).for_each(|_| metrics.message_tempfailed());
        (0..3).for_each(|_| metrics.message_refused());
        metrics.in_flight(3, 900);
        metrics.in_flight(-1, -300);
        (0..4).for_each(|_| metrics.connection_accepted());
        metrics.connection_closed(SessionEnd::Quit);
        metrics.late_report();
        metrics.workers(2);
        metrics.log_lines_dropped(7);
        metrics.log_lines_dropped(9);
        metrics.reloaded(true);
        (0..2).for_each(|_| metrics.reloaded(false));
        let text = handle.render();
        let version = env!("CARGO_PKG_VERSION");
        for (series, expected) in [
            ("messages_total{outcome=\"accepted\"}", 1.0),
            ("messages_total{outcome=\"tempfailed\"}", 2.0),
            ("messages_total{outcome=\"refused\"}", 3.0),
            ("message_bytes_total", 5000.0),
            ("message_size_bytes_bucket{le=\"4096\"}", 0.0),
            ("message_size_bytes_bucket{le=\"16384\"}", 1.0),
            ("receive_to_reply_seconds_bucket{le=\"0.0025\"}", 0.0),
            ("receive_to_reply_seconds_bucket{le=\"0.005\"}", 1.0),
            ("produce_to_report_seconds_bucket{le=\"0.0001\"}", 0.0),
            ("produce_to_report_seconds_bucket{le=\"0.00025\"}", 1.0),
            ("in_flight_messages", 2.0),
            ("in_flight_bytes", 600.0),
            ("connections_accepted_total", 4.0),
            ("connections_open", 3.0),
            ("late_reports_total", 1.0),
            ("workers", 2.0),
            ("log_lines_dropped_total", 9.0),
            ("reloads_total{result=\"applied\"}", 1.0),
            ("reloads_total{result=\"failed\"}", 2.0),
            (&format!("build_info{{version=\"{version}\"}}"), 1.0),
        ] {
            assert_eq!(
                value(&text, &format!("ringpost_{series}")),
                expected,
                "{series}"
            );
        }
    }

    #[test]
    fn statistics_of_librdkafka_whole_in_parts_and_broken() {
        let (metrics, handle) = Metrics::new();
        metrics.librdkafka_statistics(
            r#"{"msg_cnt":3,"msg_size":4000,"tx":5,"txmsgs":7,"txmsg_bytes":9000,"brokers":{
                "a:9092/1":{"rtt":{"avg":1500,"p99":40000}},"b:9092/2":{"rtt":{"avg":2500,"p99":30000}},
                "GroupCoordinator":{}}}"#,
        );
        metrics.librdkafka_statistics(r#"{"msg_cnt":1,"msg_size":"many","brokers":{"c":7}}"#);
        metrics.librdkafka_statistics("{}");
        metrics.librdkafka_statistics("[3]");
        metrics.librdkafka_statistics("{\"msg_cnt\":99");
        let text = handle.render();
        for (series, expected) in [
            ("queued_messages", 1.0),
            ("queued_bytes", 4000.0),
            ("transmitted_requests", 5.0),
            ("transmitted_messages", 7.0),
            ("transmitted_bytes", 9000.0),
            ("broker_rtt_average_seconds", 0.0025),
            ("broker_rtt_p99_seconds", 0.04),
        ] {
            assert_eq!(
                value(&text, &format!("ringpost_kafka_{series}")),
                expected,
                "{series}"
            );
        }
    }

    #[test]
    fn servers_in_one_process_count_for_themselves() {
        let (one, of_one) = Metrics::new();
        let (_two, of_two) = Metrics::new();
        let clone = one.clone();
        std::thread::spawn(move || clone.late_report())
            .join()
            .unwrap();
        assert_eq!(value(&of_one.render(), "ringpost_late_reports_total"), 1.0);
        assert_eq!(value(&of_two.render(), "ringpost_late_reports_total"), 0.0);
    }

    #[test]
    fn the_page_in_docs_is_the_table() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        let page = std::fs::read_to_string(page).unwrap_or_default();
        assert_eq!(
            page,
            markdown(),
            "write what `markdown` returns to docs/metrics.md"
        );
    }
}
