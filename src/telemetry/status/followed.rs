//! Which metrics are followed over time, for each command.
//!
//! Owns: the rows. Must not know: who counts, how a rate is computed.
//!
//! Invariant: each row names a metric that a table of `telemetry::metrics` has; a test holds it.

/// What is followed for a command.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// Counters that are shown as rates.
    pub flows: &'static [Row],
    /// Counters with a label `reason`, of which each value is a row that is shown once it has happened.
    pub reasons: &'static [Reasons],
    /// Histograms of times.
    pub times: &'static [Row],
    /// What there is now.
    pub levels: &'static [Row],
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name in the JSON.
    pub name: &'static str,
    /// For people.
    pub text: &'static str,
    /// What is counted or measured.
    pub unit: Unit,
    /// The metric: the sum over its series,
    pub metric: &'static str,
    /// or the series with this label.
    pub label: Option<(&'static str, &'static str)>,
}

/// Refusals of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Reasons {
    /// When they are given.
    pub stage: &'static str,
    /// The metric.
    pub metric: &'static str,
}

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of something.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// Its name in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

const fn row(name: &'static str, text: &'static str, unit: Unit, metric: &'static str) -> Row {
    Row {
        name,
        text,
        unit,
        metric,
        label: None,
    }
}

impl Row {
    const fn only(mut self, label: &'static str, value: &'static str) -> Self {
        self.label = Some((label, value));
        self
    }
}

/// Of `ringpost serve`.
pub const SERVE: Followed = Followed {
    flows: &[
        row(
            "connections",
            "Connections accepted",
            Unit::Count,
            "ringpost_connections_accepted_total",
        ),
        row(
            "stored",
            "Messages stored (250)",
            Unit::Count,
            "ringpost_messages_total",
        )
        .only("outcome", "accepted"),
        row(
            "stored_bytes",
            "Bytes of those messages",
            Unit::Bytes,
            "ringpost_message_bytes_total",
        ),
        row(
            "tempfailed",
            "Messages put off (4xx)",
            Unit::Count,
            "ringpost_messages_total",
        )
        .only("outcome", "tempfailed"),
        row(
            "refused",
            "Messages refused (5xx)",
            Unit::Count,
            "ringpost_messages_total",
        )
        .only("outcome", "refused"),
        row(
            "tls_handshakes",
            "TLS handshakes",
            Unit::Count,
            "ringpost_tls_handshakes_total",
        ),
        row(
            "tls_failures",
            "TLS handshakes that failed",
            Unit::Count,
            "ringpost_tls_handshake_failures_total",
        ),
        row(
            "log_lines_dropped",
            "Log lines dropped",
            Unit::Count,
            "ringpost_log_lines_dropped_total",
        ),
    ],
    reasons: &[
        Reasons {
            stage: "before the banner",
            metric: "ringpost_connections_refused_total",
        },
        Reasons {
            stage: "in the session",
            metric: "ringpost_refusals_total",
        },
    ],
    times: &[
        row(
            "ack",
            "Kafka's acks: from handing a record over to its report",
            Unit::Seconds,
            "ringpost_produce_to_report_seconds",
        ),
        row(
            "reply",
            "Replies: from a message's last byte to its 250",
            Unit::Seconds,
            "ringpost_receive_to_reply_seconds",
        ),
    ],
    levels: &[
        row(
            "in_flight_messages",
            "Messages in flight",
            Unit::Count,
            "ringpost_in_flight_messages",
        ),
        row(
            "kafka_queued_messages",
            "Records in librdkafka's queues",
            Unit::Count,
            "ringpost_kafka_queued_messages",
        ),
        row(
            "object_uploads",
            "Uploads to the object store under way",
            Unit::Count,
            "ringpost_object_uploads",
        ),
        MEMORY,
    ],
};

/// Of `ringpost forward`.
pub const FORWARD: Followed = Followed {
    flows: &[
        row(
            "mails",
            "Mails done with",
            Unit::Count,
            "ringpost_forward_mails_total",
        ),
        row(
            "recipients_accepted",
            "Recipients accepted",
            Unit::Count,
            "ringpost_forward_recipients_total",
        )
        .only("verdict", "accepted"),
        row(
            "recipients_refused",
            "Recipients refused",
            Unit::Count,
            "ringpost_forward_recipients_total",
        )
        .only("verdict", "refused"),
        row(
            "attempts",
            "Attempts",
            Unit::Count,
            "ringpost_forward_attempts_total",
        ),
        row(
            "attempts_later",
            "Attempts put off by the receiver",
            Unit::Count,
            "ringpost_forward_attempts_total",
        )
        .only("answer", "later"),
        row(
            "attempts_unanswered",
            "Attempts without an answer",
            Unit::Count,
            "ringpost_forward_attempts_total",
        )
        .only("answer", "none"),
        row(
            "connections",
            "Connections to the receiver",
            Unit::Count,
            "ringpost_forward_connections_total",
        ),
        row(
            "dead_letters",
            "Dead letters written",
            Unit::Count,
            "ringpost_forward_dead_letters_total",
        ),
        PASSED_OVER,
    ],
    reasons: &[],
    times: &[
        row(
            "attempt",
            "An attempt, from begin to end",
            Unit::Seconds,
            "ringpost_forward_attempt_seconds",
        ),
        row(
            "settle",
            "A mail, from its reading to its end",
            Unit::Seconds,
            "ringpost_forward_settle_seconds",
        ),
    ],
    levels: &[
        LAG,
        PARTITIONS,
        PARTITIONS_WAITING,
        row(
            "attempts_running",
            "Attempts under way",
            Unit::Count,
            "ringpost_forward_attempts_running",
        ),
        row(
            "retries_waiting",
            "Mails that wait to be tried again",
            Unit::Count,
            "ringpost_forward_retries_waiting",
        ),
        MEMORY,
    ],
};

/// Of `ringpost authenticate`.
pub const AUTHENTICATE: Followed = Followed {
    flows: &[
        row(
            "mails",
            "Mails checked and written",
            Unit::Count,
            "ringpost_authenticate_mails_total",
        ),
        row(
            "forged_fields",
            "Forged verdicts renamed",
            Unit::Count,
            "ringpost_authenticate_forged_fields_total",
        ),
        row(
            "dmarc_failed",
            "Mails that fail DMARC",
            Unit::Count,
            "ringpost_authenticate_dmarc_total",
        )
        .only("word", "fail"),
        row(
            "dns_queries",
            "Questions to the resolver",
            Unit::Count,
            "ringpost_authenticate_dns_queries_total",
        ),
        row(
            "dns_cached",
            "Questions answered from memory",
            Unit::Count,
            "ringpost_authenticate_dns_cached_total",
        ),
        row(
            "dns_failures",
            "Questions without an answer",
            Unit::Count,
            "ringpost_authenticate_dns_failures_total",
        ),
        PASSED_OVER,
    ],
    reasons: &[],
    times: &[],
    levels: &[LAG, PARTITIONS, PARTITIONS_WAITING, MEMORY],
};

const MEMORY: Row = row(
    "memory",
    "Memory in use",
    Unit::Bytes,
    "process_resident_memory_bytes",
);
const PASSED_OVER: Row = row(
    "passed_over",
    "Records passed over",
    Unit::Count,
    "ringpost_pipeline_records_passed_over_total",
);
const LAG: Row = row(
    "lag",
    "Records behind the end of the topic",
    Unit::Count,
    "ringpost_pipeline_lag_records",
);
const PARTITIONS: Row = row(
    "partitions",
    "Partitions of this member",
    Unit::Count,
    "ringpost_pipeline_partitions",
);
const PARTITIONS_WAITING: Row = row(
    "partitions_waiting",
    "Partitions that wait for an unsettled record",
    Unit::Count,
    "ringpost_pipeline_partitions_waiting",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Topics;
    use crate::telemetry::metrics::{Kind, Scope, TABLES};

    /// The kind, the label and its values of a metric.
    fn metric(name: &str) -> (Kind, &'static str, Vec<String>) {
        let mut rows = TABLES.iter().copied().flatten();
        let row = rows.find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no table has {name}"));
        let scope = Scope {
            workers: 1,
            topics: Topics::one("mail"),
        };
        (row.kind, row.label, (row.values)(&scope))
    }

    #[test]
    fn each_row_names_a_metric_of_its_kind_and_names_are_used_once() {
        for followed in [SERVE, FORWARD, AUTHENTICATE] {
            let kinds = [
                (followed.flows, Kind::Counter),
                (followed.times, Kind::Histogram),
                (followed.levels, Kind::Gauge),
            ];
            for (rows, kind) in kinds {
                let mut names = Vec::new();
                for row in rows {
                    let (is, label, values) = metric(row.metric);
                    assert_eq!(is, kind, "{}", row.metric);
                    if let Some((name, value)) = row.label {
                        assert_eq!(name, label, "{}", row.metric);
                        assert!(values.iter().any(|known| known == value), "{value}");
                    }
                    assert!(!names.contains(&row.name), "{} is there twice", row.name);
                    names.push(row.name);
                }
            }
            for reasons in followed.reasons {
                assert_eq!(metric(reasons.metric).1, "reason");
            }
        }
    }
}
