//! The one table of metrics, and the handles that are counted through.
//!
//! Owns: names, units, labels and help of every metric. Handles are made once, so that counting is one atomic addition.
//!
//! Invariant: every handle's name stands in [`TABLE`], which a test checks against what is rendered.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

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

/// A row of the table: name, kind, labels, help.
pub type Row = (&'static str, Kind, &'static str, &'static str);

/// All metrics.
pub const TABLE: &[Row] = &[
    (
        "ringpost_build_info",
        Kind::Gauge,
        "version",
        "Always 1; the label is the version",
    ),
    (
        "ringpost_connections_open",
        Kind::Gauge,
        "",
        "SMTP connections that are open",
    ),
    (
        "ringpost_connections_accepted_total",
        Kind::Counter,
        "",
        "SMTP connections that were accepted",
    ),
    (
        "ringpost_connections_refused_total",
        Kind::Counter,
        "reason",
        "SMTP connections refused before the banner",
    ),
    (
        "ringpost_sessions_total",
        Kind::Counter,
        "end",
        "Sessions that ended, by how",
    ),
    (
        "ringpost_commands_total",
        Kind::Counter,
        "verb",
        "Commands received",
    ),
    (
        "ringpost_replies_total",
        Kind::Counter,
        "code",
        "Replies sent, by code",
    ),
    (
        "ringpost_refusals_total",
        Kind::Counter,
        "reason",
        "Refusals sent, by reason",
    ),
    (
        "ringpost_messages_total",
        Kind::Counter,
        "outcome",
        "Messages: accepted (250), tempfailed (4xx), refused (5xx)",
    ),
    (
        "ringpost_message_bytes_total",
        Kind::Counter,
        "",
        "Octets of accepted messages, as received",
    ),
    (
        "ringpost_in_flight_messages",
        Kind::Gauge,
        "",
        "Messages between DATA and the end of their delivery report",
    ),
    (
        "ringpost_in_flight_bytes",
        Kind::Gauge,
        "",
        "Octets that the buffers of those messages hold",
    ),
    (
        "ringpost_receive_to_reply_seconds",
        Kind::Histogram,
        "",
        "From the last octet of the data to the reply",
    ),
    (
        "ringpost_late_reports_total",
        Kind::Counter,
        "",
        "Delivery reports that came after their session stopped waiting",
    ),
    (
        "ringpost_kafka_queued_messages",
        Kind::Gauge,
        "",
        "Records in librdkafka's queues (msg_cnt)",
    ),
    (
        "ringpost_kafka_queued_bytes",
        Kind::Gauge,
        "",
        "Octets in librdkafka's queues (msg_size)",
    ),
    (
        "ringpost_kafka_transmitted_messages",
        Kind::Gauge,
        "",
        "Records sent to brokers since the start (txmsgs)",
    ),
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
    /// ringpost was stopping.
    Shutdown,
    /// The connection broke.
    Error,
}

const ENDS: [(SessionEnd, &str); 6] = [
    (SessionEnd::Quit, "quit"),
    (SessionEnd::ClosedByClient, "closed_by_client"),
    (SessionEnd::TimedOut, "timed_out"),
    (SessionEnd::TooManyErrors, "too_many_errors"),
    (SessionEnd::Shutdown, "shutdown"),
    (SessionEnd::Error, "error"),
];

const CODES: [u16; 20] = [
    214, 220, 221, 250, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504, 550, 552, 553, 554,
    555,
];

struct Handles {
    open: Gauge,
    accepted: Counter,
    connections_refused: Vec<Counter>,
    sessions: Vec<Counter>,
    commands: Vec<Counter>,
    replies: Vec<Counter>,
    refusals: Vec<Counter>,
    messages_accepted: Counter,
    messages_tempfailed: Counter,
    messages_refused: Counter,
    message_bytes: Counter,
    in_flight_messages: Gauge,
    in_flight_bytes: Gauge,
    receive_to_reply: Histogram,
    late_reports: Counter,
    kafka_messages: Gauge,
    kafka_bytes: Gauge,
    kafka_transmitted: Gauge,
}

/// Counts; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Handles>);

impl Metrics {
    /// The handles, and what renders them for Prometheus. Servers in one process do not share them.
    ///
    /// # Panics
    /// Never: the buckets are constant.
    pub fn new() -> (Self, PrometheusHandle) {
        let seconds = [
            0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            5.0, 30.0,
        ];
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
            .expect("the buckets are not empty")
            .build_recorder();
        let handles = metrics::with_local_recorder(&recorder, register);
        (Self(Arc::new(handles)), recorder.handle())
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
        if let Some(at) = CODES.iter().position(|&known| known == code) {
            self.0.replies[at].increment(1);
        }
    }

    /// It was a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.0.refusals[refusal as usize].increment(1);
    }

    /// A message of `octets` got its 250.
    pub fn message_accepted(&self, octets: u64, receive_to_reply: Duration) {
        self.0.messages_accepted.increment(1);
        self.0.message_bytes.increment(octets);
        self.0.receive_to_reply.record(receive_to_reply);
    }

    /// A message got a 4xx.
    pub fn message_tempfailed(&self) {
        self.0.messages_tempfailed.increment(1);
    }

    /// A message got a 5xx.
    pub fn message_refused(&self) {
        self.0.messages_refused.increment(1);
    }

    /// The in-flight budget changed.
    pub fn in_flight(&self, messages: i64, octets: i64) {
        self.0.in_flight_messages.increment(messages as f64);
        self.0.in_flight_bytes.increment(octets as f64);
    }

    /// A report came after its session stopped waiting.
    pub fn late_report(&self) {
        self.0.late_reports.increment(1);
    }

    /// librdkafka's statistics (STATISTICS.md of librdkafka), as JSON.
    pub fn librdkafka_statistics(&self, json: &str) {
        let Ok(statistics) = serde_json::from_str::<serde_json::Value>(json) else {
            return;
        };
        for (name, gauge) in [
            ("msg_cnt", &self.0.kafka_messages),
            ("msg_size", &self.0.kafka_bytes),
            ("txmsgs", &self.0.kafka_transmitted),
        ] {
            if let Some(value) = statistics.get(name).and_then(serde_json::Value::as_f64) {
                gauge.set(value);
            }
        }
    }
}

fn register() -> Handles {
    for &(name, kind, _, help) in TABLE {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
            Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
    gauge!("ringpost_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let refusals = |name: &'static str| -> Vec<Counter> {
        Refusal::ALL
            .iter()
            .map(|refusal| counter!(name, "reason" => refusal.row().label))
            .collect()
    };
    let messages =
        |outcome: &'static str| counter!("ringpost_messages_total", "outcome" => outcome);
    Handles {
        open: gauge!("ringpost_connections_open"),
        accepted: counter!("ringpost_connections_accepted_total"),
        connections_refused: refusals("ringpost_connections_refused_total"),
        sessions: ENDS
            .iter()
            .map(|&(_, end)| counter!("ringpost_sessions_total", "end" => end))
            .collect(),
        commands: Verb::ALL
            .iter()
            .map(|v| counter!("ringpost_commands_total", "verb" => v.label()))
            .collect(),
        replies: CODES
            .iter()
            .map(|code| counter!("ringpost_replies_total", "code" => code.to_string()))
            .collect(),
        refusals: refusals("ringpost_refusals_total"),
        messages_accepted: messages("accepted"),
        messages_tempfailed: messages("tempfailed"),
        messages_refused: messages("refused"),
        message_bytes: counter!("ringpost_message_bytes_total"),
        in_flight_messages: gauge!("ringpost_in_flight_messages"),
        in_flight_bytes: gauge!("ringpost_in_flight_bytes"),
        receive_to_reply: histogram!("ringpost_receive_to_reply_seconds"),
        late_reports: counter!("ringpost_late_reports_total"),
        kafka_messages: gauge!("ringpost_kafka_queued_messages"),
        kafka_bytes: gauge!("ringpost_kafka_queued_bytes"),
        kafka_transmitted: gauge!("ringpost_kafka_transmitted_messages"),
    }
}

/// The table as the page docs/metrics.md.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` shows. A test holds this page to the program's own table.\n\n",
    );
    page.push_str("| name | kind | label | meaning |\n|---|---|---|---|\n");
    for (name, kind, label, help) in TABLE {
        let kind = format!("{kind:?}").to_lowercase();
        page.push_str(&format!("| `{name}` | {kind} | {label} | {help} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_what_the_table_says() {
        let (metrics, handle) = Metrics::new();
        metrics.message_accepted(10, Duration::from_millis(3));
        metrics.librdkafka_statistics(r#"{"msg_cnt":3,"txmsgs":7}"#);
        let text = handle.render();
        for (name, ..) in TABLE {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}\n{text}");
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(TABLE.iter().any(|row| row.0 == name), "{name}");
        }
        assert!(text.contains("ringpost_messages_total{outcome=\"accepted\"} 1"));
        assert!(text.contains("ringpost_receive_to_reply_seconds_bucket{le=\"0.005\"} 1"));
    }

    #[test]
    fn indices_agree_with_the_tables() {
        for (at, (end, _)) in ENDS.iter().enumerate() {
            assert_eq!(*end as usize, at);
        }
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, at);
        }
        for (at, verb) in Verb::ALL.iter().enumerate() {
            assert_eq!(*verb as usize, at);
        }
    }
}
