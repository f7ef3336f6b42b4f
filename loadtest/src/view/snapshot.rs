//! A run so far: what is needed to show it.

use std::time::Duration;

use crate::fault::Reason;
use crate::plan::Plan;
use crate::tally::{Interval, Series};

/// A run so far.
pub(crate) struct Snapshot<'a> {
    /// The run.
    pub plan: &'a Plan,
    /// From the start.
    pub elapsed: Duration,
    /// All points so far, at least one.
    pub series: &'a Series,
    /// The sum of all points.
    pub total: &'a Interval,
    /// Whether too many errors ended the run.
    pub gave_up: bool,
    /// What is left at the end, soon after another.
    pub rest: bool,
}

impl Snapshot<'_> {
    /// What most failures said so far.
    pub(crate) fn trouble(&self) -> Option<Reason> {
        let kinds = self.total.troubles.kinds();
        let most = kinds.first()?;
        Some(Reason::new(most, self.plan.options.addresses()))
    }
}
