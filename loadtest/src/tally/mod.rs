//! What is counted and measured, in memory that does not grow with the run.
//!
//! Each thread has a [`Tally`], merged at the end, and an [`Interval`] that the main thread takes away every second;
//! [`Live`] holds the few numbers that threads share while they run; [`Outcome`] is everything together, once the run is
//! over. Must not know sockets or how results are shown.

mod accepted_log;
mod counts;
mod fate;
mod greeting;
mod interval;
mod live;
mod misdeeds;
mod outcome;
mod phase;
mod series;
mod verdict;

pub(crate) use accepted_log::AcceptedLog;
pub(crate) use counts::Tally;
pub(crate) use greeting::Greeting;
pub(crate) use interval::Interval;
pub(crate) use live::Live;
pub(crate) use misdeeds::MisdeedOutcome;
pub(crate) use outcome::{GivenUp, Outcome, ServerUse};
pub(crate) use phase::{Phase, histogram_of_run, record};
pub(crate) use series::{Point, Series};
pub(crate) use verdict::Verdict;
