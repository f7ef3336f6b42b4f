//! One run, and where its report goes; or a search, which is many.

use super::output::{must_be_writable, write_file};
use super::run::run;
use super::search;
use crate::failure::Failure;
use crate::options::Options;
use crate::report::{Report, csv, html, text};
use crate::signals;
use crate::view::View;

/// One run, or a search; whether it is as it should be.
pub(crate) fn main(options: Options) -> Result<bool, Failure> {
    signals::watch()?;
    must_be_writable("--json-file", options.json_file.as_deref())?;
    must_be_writable("--html", options.html.as_deref())?;
    must_be_writable("--csv", options.csv.as_deref())?;
    let mut view = View::new(options.quiet, options.plain);
    if options.search.is_some() {
        return search::main(options, &mut view);
    }
    let ran = run(options, &mut view)?;
    write_out(&ran.plan.options, &ran.report)?;
    match ran.start_error.or(ran.log_error) {
        Some(failure) => Err(failure),
        None => Ok(ran.report.passed),
    }
}

/// Writes the report in the forms that were asked for.
fn write_out(options: &Options, report: &Report) -> Result<(), Failure> {
    if options.json {
        println!("{}", report.to_json());
    } else if report.start_error.is_none() {
        print!("{}", text::text(report));
    }
    if let Some(path) = &options.json_file {
        write_file("--json-file", path, &(report.to_json() + "\n"))?;
    }
    if let Some(path) = &options.html {
        write_file("--html", path, &html::page(report))?;
    }
    if let Some(path) = &options.csv {
        write_file("--csv", path, &csv::csv(report))?;
    }
    Ok(())
}
