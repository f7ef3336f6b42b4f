//! librdkafka's statistics (STATISTICS.md of librdkafka), read once, and those of several producers as one.
//!
//! Owns: which members of the JSON text are read, how lanes are added up, and which brokers were given records of the first lane. Must
//! not know: what is done with them.
//!
//! Invariants: errors and log lines pass as they come. Totals are sums over the lanes; a round trip is the longest of any
//! broker in any lane. A member that is missing, or is not a number, says nothing.
//!
//! BUGS: a sum is of figures that are up to one interval apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;
use serde::Deserialize;
use serde_json::Value;

use super::librdkafka::Events;
use crate::config::TopicPlace;
use crate::kafka::lock::lock;
use crate::sink::condition::BrokerCondition;
use crate::sink::statistics::Statistics;

/// The most lanes that a sink has.
pub(super) const MOST_LANES: usize = 2;

/// Takes the sum over the lanes.
pub(super) type Observe = Box<dyn Fn(&Statistics) + Send + Sync>;

/// Where the lanes' events come together.
pub(super) struct Joined {
    events: Box<dyn Events>,
    observe: Observe,
    /// The last of each lane.
    last: Mutex<[Statistics; MOST_LANES]>,
    /// Of the first lane.
    held: Mutex<Held>,
    /// As the first lane sees them.
    brokers: Mutex<Vec<BrokerCondition>>,
}

/// What each broker had been given at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    at: Instant,
    /// By the brokers' numbers.
    to: BTreeMap<i32, Work>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    /// Whether records were on their way to it, or had no answer yet.
    unanswered: bool,
    /// Requests with records that it was sent, since the start.
    requests: u64,
}

/// The last two of these.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    before: Option<Given>,
    last: Option<Given>,
}

impl Held {
    fn take(&mut self, given: Given) {
        self.before = self.last.replace(given);
    }

    /// The brokers that were given records, if none was stored since then: they have not answered, or they have refused. None: that is
    /// not known.
    pub(super) fn by(&self, since: Instant) -> Option<BTreeSet<i32>> {
        let last = self.last.as_ref().filter(|last| last.at >= since)?;
        let before = self.before.as_ref().filter(|before| before.at >= since);
        let asked_again = |broker: &i32, work: &Work| {
            let known = before.and_then(|before| before.to.get(broker));
            known.is_some_and(|known| work.requests > known.requests)
        };
        let given = last
            .to
            .iter()
            .filter(|(broker, work)| work.unanswered || asked_again(broker, work));
        Some(given.map(|(broker, _)| *broker).collect())
    }
}

/// The events of one lane.
pub(super) struct OfLane {
    joined: Arc<Joined>,
    lane: usize,
}

impl Joined {
    pub(super) fn new(events: Box<dyn Events>, observe: Observe) -> Self {
        Self {
            events,
            observe,
            last: Mutex::default(),
            held: Mutex::default(),
            brokers: Mutex::default(),
        }
    }

    /// Which brokers were given small records.
    pub(super) fn held(&self) -> Held {
        lock(&self.held).clone()
    }

    /// How the brokers are, by their numbers.
    pub(super) fn brokers(&self) -> Vec<BrokerCondition> {
        lock(&self.brokers).clone()
    }

    pub(super) fn lane(joined: &Arc<Self>, lane: usize) -> OfLane {
        OfLane {
            joined: Arc::clone(joined),
            lane,
        }
    }

    fn take(&self, lane: usize, text: &Text) -> Statistics {
        assert!(lane < MOST_LANES, "lanes are few");
        let statistics = text.totals();
        if lane == 0 {
            let (at, to) = (Instant::now(), text.given());
            lock(&self.held).take(Given { at, to });
            *lock(&self.brokers) = text.conditions();
        }
        let mut last = lock(&self.last);
        last[lane] = statistics;
        last.iter().copied().fold(Statistics::default(), sum)
    }
}

impl Events for OfLane {
    fn error(&self, code: RDKafkaErrorCode, text: &str) {
        self.joined.events.error(code, text);
    }

    fn token(&self, why: Option<&str>) {
        self.joined.events.token(why);
    }

    fn log(&self, level: i32, facility: &str, text: &str) {
        self.joined.events.log(level, facility, text);
    }

    fn undelivered(&self, topic: TopicPlace, code: RDKafkaErrorCode, text: Option<&str>) {
        self.joined.events.undelivered(topic, code, text);
    }

    fn stats(&self, json: &str) {
        if let Some(text) = Text::read(json) {
            let sum = self.joined.take(self.lane, &text);
            (self.joined.observe)(&sum);
        }
    }
}

/// What is of use in a text of librdkafka's. Its partitions, most of it, are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    msg_cnt: Value,
    msg_size: Value,
    tx: Value,
    txmsgs: Value,
    txmsg_bytes: Value,
    brokers: Value,
}

impl Text {
    fn read(json: &str) -> Option<Self> {
        let read = serde_json::from_str(json);
        read.inspect_err(|error| tracing::debug!(%error, "librdkafka's statistics cannot be read"))
            .ok()
    }

    fn totals(&self) -> Statistics {
        Statistics {
            queued_messages: self.msg_cnt.as_u64(),
            queued_bytes: self.msg_size.as_u64(),
            transmitted_requests: self.tx.as_u64(),
            transmitted_messages: self.txmsgs.as_u64(),
            transmitted_bytes: self.txmsg_bytes.as_u64(),
            rtt_average: self.slowest_broker("/rtt/avg"),
            rtt_p99: self.slowest_broker("/rtt/p99"),
            ..Statistics::default()
        }
    }

    fn brokers(&self) -> impl Iterator<Item = &Value> {
        self.brokers
            .as_object()
            .into_iter()
            .flat_map(|all| all.values())
    }

    /// The largest value of a member among the brokers, in microseconds there; a label for each would grow with the cluster.
    fn slowest_broker(&self, pointer: &str) -> Option<Duration> {
        let times = self
            .brokers()
            .filter_map(|broker| broker.pointer(pointer)?.as_u64());
        times.max().map(Duration::from_micros)
    }

    /// How each broker is: those that the cluster has named, or the addresses that were configured while it has named none.
    fn conditions(&self) -> Vec<BrokerCondition> {
        let mut all: Vec<BrokerCondition> = self.brokers().filter_map(condition).collect();
        if all.iter().any(|broker| broker.number.is_some()) {
            all.retain(|broker| broker.number.is_some());
        }
        all.sort_by(|one, other| (one.number, &one.address).cmp(&(other.number, &other.address)));
        all
    }

    /// What each broker was given.
    fn given(&self) -> BTreeMap<i32, Work> {
        let work = |broker: &Value| {
            let number = i32::try_from(broker.get("nodeid")?.as_i64()?).ok()?;
            let count =
                |pointer: &str| broker.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
            let work = Work {
                unanswered: count("/outbuf_msg_cnt") + count("/waitresp_msg_cnt") > 0,
                requests: count("/req/Produce"),
            };
            Some((number, work))
        };
        self.brokers().filter_map(work).collect()
    }
}

/// How a broker is; none for what librdkafka keeps beside the brokers, such as its group coordinator.
fn condition(broker: &Value) -> Option<BrokerCondition> {
    let is_of = |source: &str| broker.get("source").and_then(Value::as_str) == Some(source);
    if is_of("logical") || is_of("internal") {
        return None;
    }
    let text = |name: &str| broker.get(name).and_then(Value::as_str);
    let number = |pointer: &str| broker.pointer(pointer).and_then(Value::as_u64);
    // The name has the number of the broker, or a word, after a slash.
    let name = text("name")?;
    let address = name.rsplit_once('/').map_or(name, |(address, _)| address);
    let id = broker.get("nodeid").and_then(Value::as_i64);
    Some(BrokerCondition {
        // librdkafka writes the protocol in front where it is not the plain one.
        address: address
            .rsplit_once("://")
            .map_or(address, |(_, address)| address)
            .to_owned(),
        number: id
            .and_then(|id| i32::try_from(id).ok())
            .filter(|id| *id >= 0),
        state: text("state")?.to_owned(),
        lasts: number("/stateage").map(Duration::from_micros),
        round_trip: number("/rtt/avg")
            .filter(|time| *time > 0)
            .map(Duration::from_micros),
        unanswered: number("/outbuf_cnt").unwrap_or(0) + number("/waitresp_cnt").unwrap_or(0),
    })
}

fn sum(one: Statistics, other: Statistics) -> Statistics {
    let total = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).reduce(u64::saturating_add);
    Statistics {
        queued_messages: total(one.queued_messages, other.queued_messages),
        queued_bytes: total(one.queued_bytes, other.queued_bytes),
        transmitted_requests: total(one.transmitted_requests, other.transmitted_requests),
        transmitted_messages: total(one.transmitted_messages, other.transmitted_messages),
        transmitted_bytes: total(one.transmitted_bytes, other.transmitted_bytes),
        rtt_average: one.rtt_average.max(other.rtt_average),
        rtt_p99: one.rtt_p99.max(other.rtt_p99),
        ..Statistics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::librdkafka::Traced;
    use super::*;

    #[test]
    fn a_text_is_read_whole_in_parts_and_broken() {
        let read = |json: &str| Text::read(json).map(|text| text.totals());
        let whole = read(
            r#"{"msg_cnt":3,"msg_size":4000,"tx":5,"txmsgs":7,"txmsg_bytes":9000,"brokers":{
                "a:9092/1":{"rtt":{"avg":1500,"p99":40000}},"b:9092/2":{"rtt":{"avg":2500,"p99":30000}},
                "GroupCoordinator":{}}}"#,
        );
        assert_eq!(
            whole,
            Some(Statistics {
                queued_messages: Some(3),
                queued_bytes: Some(4000),
                transmitted_requests: Some(5),
                transmitted_messages: Some(7),
                transmitted_bytes: Some(9000),
                rtt_average: Some(Duration::from_micros(2500)),
                rtt_p99: Some(Duration::from_micros(40_000)),
                ..Statistics::default()
            })
        );
        let parts = read(r#"{"msg_cnt":1,"msg_size":"many","brokers":{"c":7}}"#);
        let one = Statistics {
            queued_messages: Some(1),
            ..Statistics::default()
        };
        assert_eq!(parts, Some(one));
        assert_eq!(read("{}"), Some(Statistics::default()));
        for nothing in ["3", "{\"msg_cnt\":99", "no JSON"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn brokers_that_have_not_answered_or_are_asked_again_are_known_by_their_number() {
        let text = |unanswered: u64, requests: u64| {
            let text = format!(
                r#"{{"brokers":{{"a:1/1":{{"nodeid":1,"outbuf_msg_cnt":0,"waitresp_msg_cnt":{unanswered},"req":{{"Produce":7}}}},
                    "b:1/2":{{"nodeid":2,"outbuf_msg_cnt":{unanswered},"waitresp_msg_cnt":0}},"d":7,
                    "c:1/3":{{"nodeid":3,"waitresp_msg_cnt":0,"req":{{"Produce":{requests}}}}}}}}}"#
            );
            Text::read(&text).unwrap().given()
        };
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut held = Held::default();
        assert_eq!(held.by(at(0)), None);
        let mut take = |second, to| {
            let at = at(second);
            held.take(Given { at, to });
            (held.by(start), held.by(at))
        };
        let (none, both) = (Some(BTreeSet::new()), Some([1, 2].into()));
        assert_eq!(take(1, text(1, 4)), (both.clone(), both));
        assert_eq!(take(2, text(0, 4)), (none.clone(), none.clone()));
        assert_eq!(take(3, text(0, 5)), (Some([3].into()), none));
        assert_eq!(held.by(at(4)), None, "it is older");
    }

    #[test]
    fn brokers_are_those_that_the_cluster_names_or_those_of_the_configuration() {
        let conditions = |json: &str| Text::read(json).unwrap().conditions();
        let away = conditions(
            r#"{"brokers":{"a:9092/bootstrap":{"name":"a:9092/bootstrap","nodeid":-1,"source":"configured","state":"DOWN",
                "stateage":3000000},"GroupCoordinator":{"name":"GroupCoordinator","nodeid":-1,"source":"logical",
                "state":"INIT"}}}"#,
        );
        let expected = BrokerCondition {
            address: "a:9092".to_owned(),
            state: "DOWN".to_owned(),
            lasts: Some(Duration::from_secs(3)),
            ..BrokerCondition::default()
        };
        assert_eq!(away, [expected]);
        let known = conditions(
            r#"{"brokers":{"ssl://b:9093/2":{"name":"ssl://b:9093/2","nodeid":2,"source":"learned","state":"UP","stateage":5,
                "rtt":{"avg":1500},"outbuf_cnt":1,"waitresp_cnt":2},"a:9092/bootstrap":{"name":"a:9092/bootstrap","nodeid":-1,
                "source":"configured","state":"UP"},"c":{"nodeid":3},"d":7}}"#,
        );
        let expected = BrokerCondition {
            address: "b:9093".to_owned(),
            number: Some(2),
            state: "UP".to_owned(),
            lasts: Some(Duration::from_micros(5)),
            round_trip: Some(Duration::from_micros(1500)),
            unanswered: 3,
        };
        assert_eq!(known, [expected]);
    }

    #[test]
    fn totals_are_summed_and_a_lane_counts_once() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let observe = Box::new({
            let kept = Arc::clone(&kept);
            move |statistics: &Statistics| lock(&kept).push(*statistics)
        });
        let joined = Arc::new(Joined::new(Box::new(Traced), observe));
        let (usual, large) = (Joined::lane(&joined, 0), Joined::lane(&joined, 1));
        large.stats(r#"{"msg_cnt":2,"txmsgs":1,"brokers":{"a":{"rtt":{"avg":9}}}}"#);
        usual.stats(r#"{"msg_cnt":10,"txmsgs":100,"brokers":{"a":{"rtt":{"avg":3}}}}"#);
        large.stats(r#"{"msg_cnt":1,"txmsgs":4,"brokers":{"a":{"rtt":{"avg":2}}}}"#);
        usual.stats("no JSON");
        let seen: Vec<_> = lock(&kept)
            .iter()
            .map(|one| {
                let rtt = one.rtt_average.map(|time| time.as_micros());
                (one.queued_messages, one.transmitted_messages, rtt)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Some(2), Some(1), Some(9)),
                (Some(12), Some(101), Some(9)),
                (Some(11), Some(104), Some(3)),
            ]
        );
    }
}
