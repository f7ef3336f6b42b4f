//! Metrics: what can be counted, as methods of one value.
//!
//! Owns: which events move which handles. The names are `table`'s, the handles themselves `handles`', the sink's own
//! counts `statistics`'; what comes with every message each worker counts for itself, in its
//! `tally`. Must not know: who counts, nor how the text reaches Prometheus.
//!
//! Invariant: counting is an operation on a handle or a count that is there from the start.
//!
//! BUGS: the histograms are shared by all workers.

mod handles;
mod statistics;
pub mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::sink::Statistics;
use crate::smtp::refusal::Refusal;
use handles::{Handles, register};
pub use table::{Kind, Row, SessionEnd, TABLE, TLS_FAILURES};
use table::{SECONDS_BUCKETS, SIZE_BUCKETS};
use tally::Counts;
pub use tally::Tally;

/// Counts; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    handles: Handles,
    /// The counts of the workers that run.
    tallies: Mutex<Vec<Arc<Counts>>>,
    /// Those of workers that are gone.
    retired: Counts,
}

impl Inner {
    fn lock_tallies(&self) -> MutexGuard<'_, Vec<Arc<Counts>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renders what was counted, for Prometheus.
#[derive(Clone)]
pub struct Scrape {
    metrics: Metrics,
    handle: PrometheusHandle,
}

impl Scrape {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.metrics.0.gather();
        self.handle.render()
    }

    /// Folds the observations of the histograms, which else wait for a scrape and take memory.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Metrics {
    /// The handles, and what renders them for Prometheus. Servers in one process do not share them.
    ///
    /// # Panics
    /// Never: the buckets are constant.
    pub fn new() -> (Self, Scrape) {
        let times = Matcher::Suffix("_seconds".to_owned());
        let sizes = Matcher::Suffix("_size_bytes".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(times, &SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(sizes, &SIZE_BUCKETS))
            .expect("the buckets are not empty")
            .build_recorder();
        let handles = metrics::with_local_recorder(&recorder, register);
        let metrics = Self(Arc::new(Inner {
            handles,
            tallies: Mutex::default(),
            retired: Counts::default(),
        }));
        let scrape = Scrape {
            metrics: metrics.clone(),
            handle: recorder.handle(),
        };
        (metrics, scrape)
    }

    /// Counts for one worker what comes with every message.
    pub fn tally(&self) -> Tally {
        Tally::new(self)
    }

    /// So many workers run.
    pub fn workers(&self, count: usize) {
        self.0.handles.workers.set(count as f64);
    }

    /// A connection was accepted.
    pub fn connection_accepted(&self) {
        self.0.handles.accepted.increment(1);
        self.0.handles.open.increment(1);
    }

    /// An accepted connection ended.
    pub fn connection_closed(&self, end: SessionEnd) {
        self.0.handles.open.decrement(1);
        self.0.handles.sessions[end as usize].increment(1);
    }

    /// A connection was refused before its banner.
    pub fn connection_refused(&self, refusal: Refusal) {
        self.0.handles.connections_refused[refusal as usize].increment(1);
    }

    /// It was a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.0.handles.refusals[refusal as usize].increment(1);
    }

    /// A TLS handshake of this version was completed.
    pub fn tls_handshake(&self, version: &str) {
        increment(&self.0.handles.tls_handshakes, version);
    }

    /// A TLS handshake failed for this reason of [`TLS_FAILURES`].
    pub fn tls_handshake_failed(&self, reason: &str) {
        increment(&self.0.handles.tls_handshake_failures, reason);
    }

    /// A record's delivery report came so long after the record was handed to librdkafka, whatever it says.
    pub fn delivery_reported(&self, produce_to_report: Duration) {
        self.0.handles.produce_to_report.record(produce_to_report);
    }

    /// A message got a 4xx.
    pub fn message_tempfailed(&self) {
        self.0.handles.messages_tempfailed.increment(1);
    }

    /// A message got a 5xx.
    pub fn message_refused(&self) {
        self.0.handles.messages_refused.increment(1);
    }

    /// A report came after its session stopped waiting.
    pub fn late_report(&self) {
        self.0.handles.late_reports.increment(1);
    }

    /// SIGHUP was answered by applying what is new, or by keeping what was.
    pub fn reloaded(&self, applied: bool) {
        let counters = &self.0.handles;
        let counter = if applied {
            &counters.reloads_applied
        } else {
            &counters.reloads_failed
        };
        counter.increment(1);
    }

    /// So many log lines were dropped since the start.
    pub fn log_lines_dropped(&self, total: u64) {
        self.0.handles.log_lines_dropped.absolute(total);
    }

    /// What the sink counts of itself. What it does not know keeps its value here.
    pub fn sink_statistics(&self, statistics: &Statistics) {
        self.0.handles.sink.set(statistics);
    }
}

fn increment(counters: &[(&'static str, Counter)], label: &str) {
    let counter = counters.iter().find(|(known, _)| *known == label);
    debug_assert!(counter.is_some(), "{label} has a series");
    if let Some((_, counter)) = counter {
        counter.increment(1);
    }
}
