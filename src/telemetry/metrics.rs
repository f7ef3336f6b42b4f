//! Metrics: what can be counted, as methods of one value.
//!
//! Owns: which events move which handles. The names are `table`'s, the handles themselves `handles`', librdkafka's
//! statistics `statistics`', docs/metrics.md is `page`'s. Must not know: who counts, nor how the text reaches Prometheus.
//!
//! Invariant: counting is an atomic operation on a handle that is there from the start.
//!
//! BUGS: the counters are shared by all workers; a counter of its own per worker would save them the cache line.

mod handles;
mod page;
mod statistics;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;
use handles::{Handles, register};
pub use page::markdown;
use table::{CODES, SECONDS_BUCKETS, SIZE_BUCKETS};
pub use table::{Kind, Row, SessionEnd, TABLE, TLS_FAILURES};

/// Counts; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Handles>);

impl Metrics {
    /// The handles, and what renders them for Prometheus. Servers in one process do not share them.
    ///
    /// # Panics
    /// Never: the buckets are constant.
    pub fn new() -> (Self, PrometheusHandle) {
        let times = Matcher::Suffix("_seconds".to_owned());
        let sizes = Matcher::Suffix("_size_bytes".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(times, &SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(sizes, &SIZE_BUCKETS))
            .expect("the buckets are not empty")
            .build_recorder();
        let handles = metrics::with_local_recorder(&recorder, register);
        (Self(Arc::new(handles)), recorder.handle())
    }

    /// So many workers run.
    pub fn workers(&self, count: usize) {
        self.0.workers.set(count as f64);
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
        match CODES.iter().position(|&known| known == code) {
            Some(at) => self.0.replies[at].increment(1),
            None => self.0.replies_other.increment(1),
        }
    }

    /// It was a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.0.refusals[refusal as usize].increment(1);
    }

    /// A TLS handshake of this version was completed.
    pub fn tls_handshake(&self, version: &str) {
        increment(&self.0.tls_handshakes, version);
    }

    /// A TLS handshake failed for this reason of [`TLS_FAILURES`].
    pub fn tls_handshake_failed(&self, reason: &str) {
        increment(&self.0.tls_handshake_failures, reason);
    }

    /// A message of `octets`, as received, got its 250 so long after the last octet of its data.
    pub fn message_accepted(&self, octets: u64, receive_to_reply: Duration) {
        self.0.messages_accepted.increment(1);
        self.0.message_bytes.increment(octets);
        self.0.message_size.record(octets as f64);
        self.0.receive_to_reply.record(receive_to_reply);
    }

    /// A record's delivery report came so long after the record was handed to librdkafka, whatever it says.
    pub fn delivery_reported(&self, produce_to_report: Duration) {
        self.0.produce_to_report.record(produce_to_report);
    }

    /// A message got a 4xx.
    pub fn message_tempfailed(&self) {
        self.0.messages_tempfailed.increment(1);
    }

    /// A message got a 5xx.
    pub fn message_refused(&self) {
        self.0.messages_refused.increment(1);
    }

    /// The in-flight budget changed by so much; negative: was given back.
    pub fn in_flight(&self, messages: i64, octets: i64) {
        self.0.in_flight_messages.increment(messages as f64);
        self.0.in_flight_bytes.increment(octets as f64);
    }

    /// A report came after its session stopped waiting.
    pub fn late_report(&self) {
        self.0.late_reports.increment(1);
    }

    /// SIGHUP was answered by applying what is new, or by keeping what was.
    pub fn reloaded(&self, applied: bool) {
        let counters = &self.0;
        let counter = if applied {
            &counters.reloads_applied
        } else {
            &counters.reloads_failed
        };
        counter.increment(1);
    }

    /// So many log lines were dropped since the start.
    pub fn log_lines_dropped(&self, total: u64) {
        self.0.log_lines_dropped.absolute(total);
    }

    /// librdkafka's statistics (STATISTICS.md of librdkafka), as JSON. What is missing there keeps its value here.
    pub fn librdkafka_statistics(&self, json: &str) {
        self.0.kafka.set(json);
    }
}

fn increment(counters: &[(&'static str, Counter)], label: &str) {
    let counter = counters.iter().find(|(known, _)| *known == label);
    debug_assert!(counter.is_some(), "{label} has a series");
    if let Some((_, counter)) = counter {
        counter.increment(1);
    }
}
