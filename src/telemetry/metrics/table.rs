//! The one table of metrics: names, units, labels and help, and the values that labels and buckets have.
//!
//! Must not know: who counts, nor through which handle.
//!
//! Invariant: a label has the values that stand here, or those of a table of the protocol (verbs, refusals), and no others.
//! A metric is added by adding its row here and its handle in `handles`.

use metrics::Unit;

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

/// How each end is named.
pub const ENDS: [(SessionEnd, &str); 8] = [
    (SessionEnd::Quit, "quit"),
    (SessionEnd::ClosedByClient, "closed_by_client"),
    (SessionEnd::TimedOut, "timed_out"),
    (SessionEnd::TooManyErrors, "too_many_errors"),
    (SessionEnd::Refused, "refused"),
    (SessionEnd::HandshakeFailed, "tls_handshake_failed"),
    (SessionEnd::Shutdown, "shutdown"),
    (SessionEnd::Error, "error"),
];

impl SessionEnd {
    /// Value of the metric label `end`.
    pub fn label(self) -> &'static str {
        let row = ENDS.iter().find(|(end, _)| *end == self);
        row.map_or("error", |(_, label)| label)
    }
}

/// The versions that are spoken.
pub(super) const TLS_VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Why a TLS handshake failed: a deadline, the client left, or what it sent is no TLS that is spoken here.
pub const TLS_FAILURES: [&str; 3] = ["timed_out", "closed", "protocol"];

/// What becomes of a message.
pub const OUTCOMES: [&str; 3] = ["accepted", "tempfailed", "refused"];

/// The codes that have a series of their own; the others share `code="other"`.
pub const CODES: [u16; 21] = [
    214, 220, 221, 250, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504, 521, 550, 552, 553,
    554, 555,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::refusal::Refusal;

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
    fn every_code_of_a_refusal_has_a_series() {
        for refusal in Refusal::ALL {
            assert!(CODES.contains(&refusal.row().code), "{refusal:?}");
        }
    }
}
