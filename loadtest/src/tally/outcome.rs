//! What came of a run: everything that was counted and measured, once it is over.
//!
//! Must not know how it came about or how it is shown.

use std::time::Duration;

use jiff::Timestamp;

use super::accepted_log::LogError;
use super::counts::Tally;
use super::greeting::Greeting;
use super::series::Series;
use super::verdict::Verdict;
use crate::failure::Failure;
use crate::fault::{Fault, Troubles};
use crate::measure::scrape::{Change, MetricsError};
use crate::measure::usage::Usage;
use crate::net::choice::Io;
use crate::signals;

/// What came of a run.
pub(crate) struct Outcome {
    /// All threads' counts.
    pub tally: Tally,
    /// When it began.
    pub began: Timestamp,
    /// From the start to the last message's result or error, or the end of `--duration`; of a run that ended early, to its end.
    pub elapsed: Duration,
    /// What this side's sockets went through; nothing if it did not begin.
    pub io: Option<Io>,
    /// What the server said to the first connection; nothing without one.
    pub greeting: Option<Greeting>,
    /// This process's CPU time for the run.
    pub own_cpu: Duration,
    /// The time in which it was used: to the end of all threads.
    pub own_cpu_over: Duration,
    /// The CPU time of each sending thread, as a share of the time.
    pub threads_busy: Vec<f64>,
    /// The share of the time in which this machine's CPUs were busy.
    pub machine_busy: Option<f64>,
    /// The server's use of the machine, with `--pid`; `None` when it was not there at the start.
    pub server: Option<ServerUse>,
    /// How its metrics changed, with `--metrics`; or why they could not be read.
    pub metrics: Option<Result<Vec<Change>, MetricsError>>,
    /// What the topic holds, with `--verify`.
    pub verify: Option<Verdict>,
    /// The run over time.
    pub series: Series,
    /// What the refusals and errors said.
    pub troubles: Troubles,
    /// The shapes that were given up.
    pub given_up: Vec<GivenUp>,
    /// Why the run did not begin.
    pub start_error: Option<Failure>,
    /// The run ended early because of `--max-errors`.
    pub gave_up: bool,
    /// The run ended early because of a signal.
    pub stopped: bool,
    /// The first error of writing the log.
    pub log_error: Option<LogError>,
}

impl Outcome {
    /// Of a run that did not begin.
    pub(crate) fn not_begun(why: Failure) -> Outcome {
        Outcome {
            tally: Tally::new(),
            began: Timestamp::now(),
            elapsed: Duration::ZERO,
            io: None,
            greeting: None,
            own_cpu: Duration::ZERO,
            own_cpu_over: Duration::ZERO,
            threads_busy: Vec::new(),
            machine_busy: None,
            server: None,
            metrics: None,
            verify: None,
            series: Series::default(),
            troubles: Troubles::default(),
            given_up: Vec::new(),
            start_error: Some(why),
            gave_up: false,
            stopped: signals::stopped(),
            log_error: None,
        }
    }
}

/// The server's use of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerUse {
    /// Before anything was opened.
    pub before: Usage,
    /// At the start of the run, after the opening of idle sessions.
    pub start: Usage,
    /// The last that was seen.
    pub end: Usage,
    /// CPU time from start to end. A server that was restarted within the run counts with both processes if `--pid`
    /// names an ancestor of both.
    pub cpu: Duration,
}

/// A shape that never worked.
#[derive(Debug)]
pub(crate) struct GivenUp {
    /// Its place in the plan.
    pub shape: usize,
    /// How often it failed.
    pub failures: u64,
    /// What the last counted failure said.
    pub fault: Fault,
}
