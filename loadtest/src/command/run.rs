//! One run from its options to its report: plan, engine, report. Must not know what becomes of the report.

use std::sync::Arc;

use crate::engine;
use crate::failure::{Blame, Failure};
use crate::options::Options;
use crate::plan::Plan;
use crate::report::Report;
use crate::tally::Outcome;
use crate::view::View;

/// What came of a run.
pub(super) struct Ran {
    /// What was asked for.
    pub plan: Arc<Plan>,
    /// The report, also of a run that could not begin.
    pub report: Report,
    /// Why the run did not begin.
    pub start_error: Option<Failure>,
    /// Why the log is not complete.
    pub log_error: Option<Failure>,
}

/// One run, with a report also where it could not begin, unless the command line is wrong.
pub(super) fn run(options: Options, view: &mut View) -> Result<Ran, Failure> {
    let plan = match Plan::new(options.clone()) {
        Ok(plan) => Arc::new(plan),
        Err(failure) if failure.blame() == Blame::Operator => return Err(failure),
        Err(failure) => {
            let plan = Arc::new(Plan::unresolved(options)?);
            let mut ran = report(plan, Outcome::not_begun(failure));
            ran.report.target = ran.plan.options.target.clone();
            return Ok(ran);
        }
    };
    let outcome = engine::run(&plan, view).unwrap_or_else(Outcome::not_begun);
    Ok(report(plan, outcome))
}

/// One run of a plan.
pub(super) fn run_plan(plan: Arc<Plan>, view: &mut View) -> Result<Ran, Failure> {
    let outcome = engine::run(&plan, view)?;
    Ok(report(plan, outcome))
}

fn report(plan: Arc<Plan>, outcome: Outcome) -> Ran {
    Ran {
        report: Report::new(&plan, &outcome),
        plan,
        start_error: outcome.start_error,
        log_error: outcome.log_error.map(Failure::from),
    }
}
