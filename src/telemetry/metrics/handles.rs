//! The handles that are counted through: made once, so that counting is an atomic operation without a look-up.
//!
//! Owns: which handle is which row of the table. Must not know: what is counted when.
//!
//! Invariant: every row has its handles and no other series is there, which a test of the parent checks; every series
//! exists from the start, so that a rate is known from the first event on.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::statistics;
use super::table::{CODES, ENDS, Kind, OUTCOMES, Row, TABLE, TLS_FAILURES, TLS_VERSIONS};
use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;

/// See the module.
pub(super) struct Handles {
    pub(super) workers: Gauge,
    pub(super) open: Gauge,
    pub(super) accepted: Counter,
    pub(super) connections_refused: Vec<Counter>,
    pub(super) sessions: Vec<Counter>,
    pub(super) commands: Vec<Counter>,
    pub(super) replies: Vec<Counter>,
    pub(super) replies_other: Counter,
    pub(super) refusals: Vec<Counter>,
    pub(super) tls_handshakes: [(&'static str, Counter); 2],
    pub(super) tls_handshake_failures: [(&'static str, Counter); 3],
    pub(super) messages_accepted: Counter,
    pub(super) messages_tempfailed: Counter,
    pub(super) messages_refused: Counter,
    pub(super) message_bytes: Counter,
    pub(super) message_size: Histogram,
    pub(super) in_flight_messages: Gauge,
    pub(super) in_flight_bytes: Gauge,
    pub(super) receive_to_reply: Histogram,
    pub(super) produce_to_report: Histogram,
    pub(super) late_reports: Counter,
    pub(super) sink: statistics::Gauges,
    pub(super) reloads_applied: Counter,
    pub(super) reloads_failed: Counter,
    pub(super) log_lines_dropped: Counter,
}

/// Makes every handle, in the recorder of this thread.
pub(super) fn register() -> Handles {
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
        sink: statistics::register(),
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
