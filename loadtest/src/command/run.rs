//! One run from its options to its report: plan, engine, report. Must not know what becomes of the report.

use std::sync::Arc;

use crate::engine::{self, Outcome};
use crate::failure::Failure;
use crate::options::Options;
use crate::plan::Plan;
use crate::report::Report;
use crate::view::View;

/// One run, with a report also where it could not begin, unless the command line is wrong; the last is an error of the log.
pub fn run(
    options: Options,
    view: &mut View,
) -> Result<(Arc<Plan>, Report, Option<String>), Failure> {
    let plan = match Plan::new(options.clone()) {
        Err(Failure::Run(why)) => {
            let plan = Arc::new(Plan::unresolved(options)?);
            let mut report = Report::new(&plan, &Outcome::not_begun(why));
            report.target = plan.options.target.clone();
            return Ok((plan, report, None));
        }
        other => Arc::new(other?),
    };
    let outcome = engine::run(&plan, view).unwrap_or_else(Outcome::not_begun);
    let report = Report::new(&plan, &outcome);
    Ok((plan, report, outcome.log_error))
}
