//! One account of several producers: each emits statistics for itself, and who listens is to see their sum.
//!
//! Owns: the last statistics of each lane. Must not know: what is done with them.
//!
//! Invariants: errors and log lines pass as they come. Statistics pass in the form that librdkafka documents: totals are
//! sums over the lanes, everything else is the first lane's, and a broker's entry of another lane has the lane's number
//! behind its name.
//!
//! BUGS: a sum is of figures that are up to one interval apart.

use std::sync::{Arc, Mutex};

use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;

use super::librdkafka::Events;
use super::lock;

/// Totals that are added up (STATISTICS.md of librdkafka, "Top-level").
const TOTALS: [&str; 10] = [
    "replyq",
    "msg_cnt",
    "msg_size",
    "tx",
    "tx_bytes",
    "rx",
    "rx_bytes",
    "txmsgs",
    "txmsg_bytes",
    "metadata_cache_cnt",
];

/// Where the lanes' events come together.
pub(super) struct Joined {
    events: Box<dyn Events>,
    last: Mutex<Vec<Value>>,
}

/// The events of one lane.
pub(super) struct OfLane {
    joined: Arc<Joined>,
    lane: usize,
}

impl Joined {
    pub(super) fn new(events: Box<dyn Events>) -> Self {
        Self {
            events,
            last: Mutex::default(),
        }
    }

    pub(super) fn lane(joined: &Arc<Self>, lane: usize) -> OfLane {
        OfLane {
            joined: Arc::clone(joined),
            lane,
        }
    }

    fn take(&self, lane: usize, json: &str) -> String {
        let statistics = serde_json::from_str(json).unwrap_or(Value::Null);
        let mut last = lock(&self.last);
        if last.len() <= lane {
            last.resize(lane + 1, Value::Null);
        }
        last[lane] = statistics;
        sum(&last).to_string()
    }
}

impl Events for OfLane {
    fn error(&self, code: RDKafkaErrorCode, text: &str) {
        self.joined.events.error(code, text);
    }

    fn log(&self, level: i32, facility: &str, text: &str) {
        self.joined.events.log(level, facility, text);
    }

    fn undelivered(&self, code: RDKafkaErrorCode, text: Option<&str>) {
        self.joined.events.undelivered(code, text);
    }

    fn stats(&self, json: &str) {
        let sum = self.joined.take(self.lane, json);
        self.joined.events.stats(&sum);
    }
}

/// The statistics of all lanes as of one; an empty object before the first lane's.
fn sum(lanes: &[Value]) -> Value {
    let mut sum = match lanes.first() {
        Some(first @ Value::Object(_)) => first.clone(),
        _ => Value::Object(serde_json::Map::new()),
    };
    for (lane, statistics) in lanes.iter().enumerate().skip(1) {
        for member in TOTALS {
            if let Some(more) = statistics[member].as_i64() {
                sum[member] = (sum[member].as_i64().unwrap_or(0) + more).into();
            }
        }
        for (name, broker) in statistics["brokers"].as_object().into_iter().flatten() {
            sum["brokers"][format!("{name} lane {lane}")] = broker.clone();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Kept(Arc<Mutex<Vec<Value>>>);

    impl Events for Kept {
        fn stats(&self, json: &str) {
            lock(&self.0).push(serde_json::from_str(json).unwrap());
        }
    }

    #[test]
    fn totals_are_summed_and_a_lane_counts_once() {
        let kept = Arc::new(Mutex::default());
        let joined = Arc::new(Joined::new(Box::new(Kept(Arc::clone(&kept)))));
        let (usual, large) = (Joined::lane(&joined, 0), Joined::lane(&joined, 1));
        large.stats(r#"{"msg_cnt":2,"txmsgs":1,"brokers":{"a":{"rtt":{"avg":9}}}}"#);
        usual.stats(r#"{"msg_cnt":10,"txmsgs":100,"age":7,"brokers":{"a":{"rtt":{"avg":3}}}}"#);
        large.stats(r#"{"msg_cnt":1,"txmsgs":4,"age":8,"brokers":{"a":{"rtt":{"avg":5}}}}"#);
        usual.stats("no JSON");
        let brokers = |usual: i32, large: i32| json!({"a": {"rtt": {"avg": usual}}, "a lane 1": {"rtt": {"avg": large}}});
        assert_eq!(
            *lock(&kept),
            [
                json!({"msg_cnt": 2, "txmsgs": 1, "brokers": {"a lane 1": {"rtt": {"avg": 9}}}}),
                json!({"msg_cnt": 12, "txmsgs": 101, "age": 7, "brokers": brokers(3, 9)}),
                json!({"msg_cnt": 11, "txmsgs": 104, "age": 7, "brokers": brokers(3, 5)}),
                json!({"msg_cnt": 1, "txmsgs": 4, "brokers": {"a lane 1": {"rtt": {"avg": 5}}}}),
            ]
        );
    }
}
