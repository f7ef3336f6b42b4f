//! How a sink is now, for an operator who looks at it: its brokers and its topics.
//!
//! Owns: what is said of each. Must not know: how it was found out, how it is shown.
//!
//! Invariants: it is what the sink has found out anyway, so that asking for it asks no broker; what is not known is `None`, or is not in
//! the list.

use std::time::Duration;

use jiff::Timestamp;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// Since when mail cannot be stored.
    pub away_since: Option<Timestamp>,
    /// The topics, in the order of the configuration.
    pub topics: Vec<TopicCondition>,
    /// The brokers, by their numbers.
    pub brokers: Vec<BrokerCondition>,
}

/// Of one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicCondition {
    /// Its name.
    pub name: String,
    /// Why mail for it, or some of it, is not stored: a sentence for an operator.
    pub trouble: Option<String>,
    /// What the cluster last said of its partitions.
    pub shape: Option<Shape>,
    /// Its `min.insync.replicas`.
    pub min_in_sync: Option<usize>,
}

/// What a cluster says of a topic's partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many there are,
    pub partitions: usize,
    /// and how many of them have no leader.
    pub leaderless: usize,
    /// The smallest number of replicas that one has,
    pub replicas: usize,
    /// and of replicas in sync.
    pub in_sync: usize,
}

/// Of one broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerCondition {
    /// Its host and port.
    pub address: String,
    /// Its number in the cluster; none for an address of `kafka.brokers` that has not answered.
    pub number: Option<i32>,
    /// The state of the connection, in librdkafka's words: `UP`, `DOWN`, `CONNECT`, `AUTH_HANDSHAKE` …
    pub state: String,
    /// How long it has been so.
    pub lasts: Option<Duration>,
    /// The average round trip in the last window of statistics.
    pub round_trip: Option<Duration>,
    /// Requests that wait for its answer.
    pub unanswered: u64,
}
