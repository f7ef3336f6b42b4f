//! What the sink counts of itself, as gauges.
//!
//! Must not know: how often it comes, nor from where.
//!
//! Invariant: what is not known leaves its gauge as it was.
//!
//! BUGS: what is counted since the start is a gauge, for the sink may start to count again.

use super::table::Handles;
use crate::sink::Statistics;

/// Shows what is known.
pub(super) fn show(handles: &Handles, statistics: &Statistics) {
    for (gauge, count) in [
        (&handles.kafka_queued_messages, statistics.queued_messages),
        (&handles.kafka_queued_bytes, statistics.queued_bytes),
        (
            &handles.kafka_transmitted_requests,
            statistics.transmitted_requests,
        ),
        (
            &handles.kafka_transmitted_messages,
            statistics.transmitted_messages,
        ),
        (
            &handles.kafka_transmitted_bytes,
            statistics.transmitted_bytes,
        ),
    ] {
        if let Some(count) = count {
            gauge.set(count as f64);
        }
    }
    for (gauge, time) in [
        (&handles.kafka_broker_rtt_average, statistics.rtt_average),
        (&handles.kafka_broker_rtt_p99, statistics.rtt_p99),
    ] {
        if let Some(time) = time {
            gauge.set(time.as_secs_f64());
        }
    }
    for (gauge, so) in [
        (&handles.storage_away, statistics.away),
        (&handles.storage_fails_fast, statistics.fails_fast),
    ] {
        if let Some(so) = so {
            gauge.set(f64::from(u8::from(so)));
        }
    }
    if let Some(probes) = statistics.probes {
        handles.storage_probes.absolute(probes);
    }
    if let Some(topic) = statistics.topic {
        let place = topic.place.index();
        for (gauge, count) in [
            (&handles.topic_replicas, Some(topic.replicas)),
            (&handles.topic_in_sync, Some(topic.in_sync)),
            (&handles.topic_min_in_sync, topic.least),
        ] {
            if let Some(count) = count {
                gauge.of(place).set(count as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Metrics;
    use super::super::tests::value;
    use super::*;
    use crate::config::TopicPlace;
    use crate::sink::TopicSeen;

    #[test]
    fn what_is_known_is_shown_and_the_rest_stays() {
        let (metrics, handle) = Metrics::new(1);
        metrics.sink_statistics(&Statistics {
            queued_messages: Some(3),
            queued_bytes: Some(4000),
            transmitted_requests: Some(5),
            transmitted_messages: Some(7),
            transmitted_bytes: Some(9000),
            rtt_average: Some(Duration::from_micros(2500)),
            rtt_p99: Some(Duration::from_millis(40)),
            away: Some(true),
            fails_fast: Some(false),
            probes: Some(9),
            topic: Some(TopicSeen {
                place: TopicPlace::FIRST,
                replicas: 3,
                in_sync: 2,
                least: Some(1),
            }),
        });
        metrics.sink_statistics(&Statistics {
            queued_messages: Some(1),
            ..Statistics::default()
        });
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
        for (series, expected) in [
            ("topic_replicas{topic=\"mail\"}", 3.0),
            ("topic_in_sync_replicas{topic=\"mail\"}", 2.0),
            ("topic_min_insync_replicas{topic=\"mail\"}", 1.0),
            ("storage_away", 1.0),
            ("storage_fails_fast", 0.0),
            ("storage_probes_total", 9.0),
        ] {
            assert_eq!(
                value(&text, &format!("ringpost_{series}")),
                expected,
                "{series}"
            );
        }
    }
}
