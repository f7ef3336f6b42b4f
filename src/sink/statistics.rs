//! What a sink counts of itself, for the metrics.
//!
//! Owns: the figures. Must not know: what counts them, how they are shown.
//!
//! Invariant: what is not known is `None`, and says nothing.

use std::time::Duration;

use crate::config::TopicPlace;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records that wait or are under way.
    pub queued_messages: Option<u64>,
    /// Their bytes.
    pub queued_bytes: Option<u64>,
    /// Requests that were sent since the start.
    pub transmitted_requests: Option<u64>,
    /// Records that were sent since the start.
    pub transmitted_messages: Option<u64>,
    /// Their bytes.
    pub transmitted_bytes: Option<u64>,
    /// The average round trip to the slowest broker.
    pub rtt_average: Option<Duration>,
    /// The 99th percentile of the round trip to the slowest broker.
    pub rtt_p99: Option<Duration>,
    /// Whether no mail can be stored.
    pub away: Option<bool>,
    /// Whether senders are refused before their mail.
    pub fails_fast: Option<bool>,
    /// Questions that were asked to find out, since the start.
    pub probes: Option<u64>,
    /// What was seen of one topic.
    pub topic: Option<TopicSeen>,
}

/// How many replicas a topic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSeen {
    /// Which topic.
    pub place: TopicPlace,
    /// The fewest replicas that a partition has.
    pub replicas: usize,
    /// The fewest of them that are in sync.
    pub in_sync: usize,
    /// How many have to be in sync so that it takes records (min.insync.replicas), where that is known.
    pub least: Option<usize>,
}
