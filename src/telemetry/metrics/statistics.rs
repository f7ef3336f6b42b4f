//! What of librdkafka's statistics (STATISTICS.md of librdkafka) becomes a metric.
//!
//! Must not know: how often they come.
//!
//! Invariant: what is missing in them, or is no number, leaves its gauge as it was.
//!
//! BUGS: what librdkafka counts since its start are gauges, for it starts again with its producer.

use metrics::{Gauge, gauge};
use serde_json::Value;

/// Members of librdkafka's statistics that are shown as they are, and their metrics.
const KAFKA: [(&str, &str); 5] = [
    ("msg_cnt", "ringpost_kafka_queued_messages"),
    ("msg_size", "ringpost_kafka_queued_bytes"),
    ("tx", "ringpost_kafka_transmitted_requests"),
    ("txmsgs", "ringpost_kafka_transmitted_messages"),
    ("txmsg_bytes", "ringpost_kafka_transmitted_bytes"),
];

/// Their handles.
pub(super) struct Gauges {
    /// Those of `KAFKA`, in its order.
    as_they_are: Vec<Gauge>,
    rtt_average: Gauge,
    rtt_p99: Gauge,
}

/// Makes the handles, in the recorder of this thread.
pub(super) fn register() -> Gauges {
    Gauges {
        as_they_are: KAFKA.iter().map(|&(_, name)| gauge!(name)).collect(),
        rtt_average: gauge!("ringpost_kafka_broker_rtt_average_seconds"),
        rtt_p99: gauge!("ringpost_kafka_broker_rtt_p99_seconds"),
    }
}

impl Gauges {
    /// Shows what the text says.
    pub(super) fn set(&self, json: &str) {
        let statistics = match serde_json::from_str::<Value>(json) {
            Ok(statistics) => statistics,
            Err(error) => return tracing::debug!(%error, "librdkafka's statistics are no JSON"),
        };
        for ((member, _), gauge) in KAFKA.iter().zip(&self.as_they_are) {
            if let Some(value) = statistics.get(member).and_then(Value::as_f64) {
                gauge.set(value);
            }
        }
        for (pointer, gauge) in [("/rtt/avg", &self.rtt_average), ("/rtt/p99", &self.rtt_p99)] {
            if let Some(microseconds) = slowest_broker(&statistics, pointer) {
                gauge.set(microseconds / 1e6);
            }
        }
    }
}

/// The largest value of a member among the brokers; a label per broker would grow with the cluster.
fn slowest_broker(statistics: &Value, pointer: &str) -> Option<f64> {
    let brokers = statistics.get("brokers")?.as_object()?.values();
    brokers
        .filter_map(|broker| broker.pointer(pointer)?.as_f64())
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::value;

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
}
