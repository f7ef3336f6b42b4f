//! What others see of a pipeline: its metrics, and why it does not work.
//!
//! Owns: what is counted of reading and committing and measured of the process, and the reason for `/readyz`. Must not know: pages, steps.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::kafka::lock::lock;
use crate::telemetry::metrics::process::Process;
use crate::telemetry::metrics::{Book, pipeline::Handles};

/// See the module.
#[derive(Default)]
pub struct Watch {
    book: Book<Handles>,
    process: Process,
    away: Mutex<Option<String>>,
    stopping: AtomicBool,
    found: Notify,
    settled: AtomicU64,
    passed_over: AtomicU64,
}

impl Watch {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.render() + &self.book.render()
    }

    /// Why no record is read or none can be committed, as a sentence for an operator.
    pub fn trouble(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        lock(&self.away).clone()
    }

    /// Waits until the topic was found; for one that waits.
    pub async fn found(&self) {
        self.found.notified().await;
    }

    /// Records that a step has settled.
    pub fn records_settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Records that were settled without the step.
    pub fn records_passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// The topic was found.
    pub(super) fn topic_found(&self) {
        self.found.notify_one();
    }

    /// The pipeline stops; whether this is news.
    pub(super) fn stopping(&self) -> bool {
        !self.stopping.swap(true, Ordering::Relaxed)
    }

    /// Brokers do not answer, or they do again.
    pub(super) fn away(&self, why: Option<String>) {
        let flag = if why.is_some() { 1.0 } else { 0.0 };
        self.book.handles.away.set(flag);
        *lock(&self.away) = why;
    }

    /// So much is held now.
    pub(super) fn held(&self, records: usize, bytes: u64) {
        self.book.handles.records_held.set(records as f64);
        self.book.handles.held_bytes.set(bytes as f64);
    }

    /// One more is settled.
    pub(super) fn settled(&self) {
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.book.handles.records_settled.increment(1);
    }

    /// One more was settled at once.
    pub(super) fn passed_over(&self) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
        self.book.handles.records_passed_over.increment(1);
    }

    /// This many partitions are ours.
    pub(super) fn partitions(&self, count: usize) {
        self.book.handles.partitions.set(count as f64);
    }

    /// This many partitions wait for a record that is not settled.
    pub(super) fn windows_full(&self, count: usize) {
        self.book.handles.windows_full.set(count as f64);
    }

    /// So far are the ends of partitions from what may be committed of them.
    pub(super) fn lag(&self, offsets: i64) {
        self.book.handles.lag.set(offsets as f64);
    }
}
