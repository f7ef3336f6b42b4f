//! What a pipeline is to do, apart from its step.
//!
//! Owns: what is read, and the bounds of what is held meanwhile. Must not know: flags.

use std::time::Duration;

use super::lanes::Order;
use crate::consume::filter::Filter;
use crate::consume::plan::Plan;

/// How often librdkafka says how far the ends of partitions are.
const STATISTICS: &str = "statistics.interval.ms";
const STATISTICS_MS: &str = "5000";

/// What is read, in which order, and until when.
pub struct Job {
    /// From where, and as which group.
    pub plan: Plan,
    /// Which records are for the step; the others are settled as they are read.
    pub filter: Filter,
    /// What is kept in sequence.
    pub order: Order,
    /// End once every record is settled and no more come.
    pub until_end: bool,
    /// The bounds.
    pub bounds: Bounds,
}

impl Job {
    /// The same, with librdkafka's word about the ends of partitions and its connections: without it a pipeline would not see that
    /// it falls behind, or that no broker is there.
    pub(super) fn with_statistics(mut self) -> Self {
        let properties = &mut self.plan.properties;
        if properties.get(STATISTICS).is_none() {
            let statistics = (STATISTICS.to_owned(), STATISTICS_MS.to_owned());
            properties.0.push(statistics);
        }
        self
    }
}

/// What is held at most, and for how long.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Records that were read and are not settled. Beyond that no more are read.
    pub records: usize,
    /// Bytes of their messages. One more record may be read as long as these are not reached.
    pub bytes: u64,
    /// Records of one partition from the first that is not settled: what is repeated at most after a kill. Beyond that no
    /// more of the partition are read.
    pub window: usize,
    /// How often offsets are committed.
    pub commit_every: Duration,
    /// How long a step may finish what is under way once its record is withdrawn.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            records: 1_000,
            bytes: 256 * 1024 * 1024,
            window: 10_000,
            commit_every: Duration::from_secs(1),
            grace: Duration::from_secs(10),
        }
    }
}
