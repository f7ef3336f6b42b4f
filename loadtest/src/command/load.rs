//! One run: the plan, the engine, the report, and where the report goes.

use super::output::{must_be_writable, write_file};
use super::run::run;
use super::search;
use crate::failure::Failure;
use crate::options::Options;
use crate::report::{self, Report};
use crate::signals;
use crate::view::View;

/// One run, or a search; whether it is as it should be.
pub fn main(options: Options) -> Result<bool, Failure> {
    signals::watch().map_err(Failure::Run)?;
    must_be_writable("--json-file", options.json_file.as_deref())?;
    must_be_writable("--html", options.html.as_deref())?;
    let mut view = View::new(options.quiet, options.plain);
    if options.search.is_some() {
        return search::main(options, &mut view);
    }
    let (plan, report, log_error) = run(options, &mut view)?;
    write_out(&plan.options, &report)?;
    if let Some(error) = &report.start_error {
        return Err(Failure::Run(error.clone()));
    }
    if let Some(error) = log_error {
        return Err(Failure::Run(error));
    }
    Ok(report.passed)
}

/// Writes the report in the forms that were asked for.
fn write_out(options: &Options, report: &Report) -> Result<(), Failure> {
    if options.json {
        println!("{}", report.to_json());
    } else if report.start_error.is_none() {
        print!("{}", report::text::text(report));
    }
    if let Some(path) = &options.json_file {
        write_file("--json-file", path, &(report.to_json() + "\n"))?;
    }
    if let Some(path) = &options.html {
        write_file("--html", path, &report::html::page(report))?;
    }
    Ok(())
}
