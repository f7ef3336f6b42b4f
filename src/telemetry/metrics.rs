//! Metrics: what can be counted, as the fields of one value.
//!
//! | file | owns |
//! |---|---|
//! | `rows` | what a row of a table makes: name, unit, help, handle |
//! | `process` | the rows of every command |
//! | `table` | the rows of `serve` |
//! | `pipeline` | the rows of every command that works through a topic |
//! | `forward` | the rows of `forward` |
//! | `authenticate` | the rows of `authenticate` |
//! | `label` | labels and their values |
//! | `handle` | the kinds of handles that a row may have |
//! | `histogram` | the one with buckets |
//! | `per_topic` | those with a series for each topic |
//! | `read` | those that are read when they are scraped, and those with a series for each file |
//! | `tally` | what comes with every message, which each worker counts for itself |
//! | `statistics` | what the sink counts of itself |
//!
//! Owns: the recorder, and the events that move two metrics at once. Must not know: what counts, nor how the text reaches
//! Prometheus.
//!
//! Invariant: counting is an operation on a handle or a number that is there from the start.

pub mod authenticate;
pub mod forward;
mod handle;
mod histogram;
mod label;
mod per_topic;
pub mod pipeline;
pub mod process;
mod read;
mod rows;
mod statistics;
pub mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::config::Topics;
use crate::sink::Statistics;
pub use handle::{Kind, Scope};
pub use histogram::{SECONDS_BUCKETS, SIZE_BUCKETS};
pub use label::{
    AcceptError, AttemptEnd, Code, Io, MessageOutcome, RecipientEnd, ReloadResult, ResultWord,
    SessionEnd, TicketRefused, TlsFailure, TlsFiles, TlsVersion,
};
use process::Process;
pub use rows::{Book, Row, Table};
pub use table::{Handles, Sums};
use tally::Tallies;
pub use tally::Tally;

/// The rows of all tables.
pub const TABLES: &[&[Row]] = &[
    process::TABLE,
    table::TABLE,
    pipeline::TABLE,
    forward::TABLE,
    authenticate::TABLE,
];

/// Counts; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    handles: Handles,
    tallies: Arc<Tallies>,
    /// Connections that were accepted: a recorder's counter cannot be read.
    connections: AtomicU64,
}

/// Renders what was counted, for Prometheus.
#[derive(Clone)]
pub struct Scrape {
    metrics: Metrics,
    handle: PrometheusHandle,
    process: Arc<Process>,
}

impl Scrape {
    /// The metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let sum = self.metrics.0.tallies.sum();
        self.metrics.show(&sum);
        let mut text = self.process.render();
        text.push_str(&self.handle.render());
        self.metrics.write(&sum, &mut text);
        text
    }
}

/// What a server has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Connections that were accepted.
    pub connections: u64,
    /// Messages that got 250.
    pub messages_accepted: u64,
    /// Messages that got 4xx or 5xx.
    pub messages_refused: u64,
}

impl Metrics {
    /// The handles of a server with this many workers and one topic, `mail`. See [`Self::of`].
    pub fn new(workers: usize) -> (Self, Scrape) {
        let topics = Topics::one("mail");
        Self::of(&Scope { workers, topics })
    }

    /// The handles of this server, and what renders them for Prometheus. Servers in one process do not share them.
    pub fn of(scope: &Scope) -> (Self, Scrape) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handles = metrics::with_local_recorder(&recorder, || Handles::register(scope));
        let metrics = Self(Arc::new(Inner {
            handles,
            tallies: Arc::default(),
            connections: AtomicU64::new(0),
        }));
        let scrape = Scrape {
            metrics: metrics.clone(),
            handle: recorder.handle(),
            process: Arc::default(),
        };
        (metrics, scrape)
    }

    /// Counts for one worker what comes with every message.
    pub fn tally(&self) -> Tally {
        Tally::new(Arc::clone(&self.0.tallies))
    }

    /// A connection was accepted.
    pub fn connection_accepted(&self) {
        self.connections_accepted.increment(1);
        self.connections_open.increment(1);
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// What all workers have done so far.
    pub fn done(&self) -> Done {
        let sum = self.0.tallies.sum();
        let messages = |outcome| sum.messages.of(outcome);
        Done {
            connections: self.0.connections.load(Ordering::Relaxed),
            messages_accepted: messages(MessageOutcome::Accepted),
            messages_refused: messages(MessageOutcome::Refused)
                + messages(MessageOutcome::Tempfailed),
        }
    }

    /// An accepted connection ended.
    pub fn connection_closed(&self, end: SessionEnd) {
        self.connections_open.decrement(1);
        self.sessions.increment(end);
    }

    /// The configuration that was read now is in force, from the start or by a reload.
    pub fn configuration_in_force(&self) {
        let now = Timestamp::now().as_millisecond() as f64 / 1e3;
        self.reload_success_time.set(now);
        self.reload_successful.set(1.0);
    }

    /// A reload failed: what was in force stays.
    pub fn reload_failed(&self) {
        self.reloads.increment(ReloadResult::Failed);
        self.reload_successful.set(0.0);
    }

    /// What the sink counts of itself. What it does not know keeps its value here.
    pub fn sink_statistics(&self, statistics: &Statistics) {
        statistics::show(self, statistics);
    }
}

impl Deref for Metrics {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0.handles
    }
}
