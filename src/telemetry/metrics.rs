//! Metrics: what can be counted, as the fields of one value.
//!
//! | file | owns |
//! |---|---|
//! | `rows` | what a row of a table makes: name, unit, help, handle |
//! | `table` | the rows of `serve` |
//! | `pipeline` | the rows of every command that works through a topic |
//! | `forward` | the rows of `forward` |
//! | `authenticate` | the rows of `authenticate` |
//! | `label` | labels and their values |
//! | `handle` | the kinds of handles that a row may have |
//! | `histogram` | the one with buckets |
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
pub mod pipeline;
mod rows;
mod statistics;
pub mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::config::Topics;
use crate::sink::Statistics;
pub use handle::{Kind, Scope};
pub use histogram::{SECONDS_BUCKETS, SIZE_BUCKETS};
pub use label::{
    AttemptEnd, Code, Io, MessageOutcome, RecipientEnd, ReloadResult, ResultWord, SessionEnd,
    TlsFailure, TlsVersion,
};
pub use rows::{Book, Row, Table};
pub use table::{Handles, Sums};
use tally::Tallies;
pub use tally::Tally;

/// The rows of all tables.
pub const TABLES: &[&[Row]] = &[
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
        let sum = self.metrics.0.tallies.sum();
        self.metrics.show(&sum);
        let mut text = self.handle.render();
        Handles::write(&sum, &mut text);
        text
    }
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
        }));
        let scrape = Scrape {
            metrics: metrics.clone(),
            handle: recorder.handle(),
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
    }

    /// An accepted connection ended.
    pub fn connection_closed(&self, end: SessionEnd) {
        self.connections_open.decrement(1);
        self.sessions.increment(end);
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
