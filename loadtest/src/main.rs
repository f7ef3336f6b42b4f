//! `ringpost-loadtest`: a load tester for any SMTP server.
//!
//! It sends messages at a constant rate with intended start times (open loop, no coordinated omission) or as fast as the
//! server answers (closed loop), checks every reply, can read back what the server put into Kafka, and reports rates,
//! percentiles of each phase and the CPU time of both sides.
//!
//! | file | subject |
//! |---|---|
//! | [`options`], [`shape`], [`units`] | the command line, and how values are written |
//! | [`plan`] | what comes of it: checked, resolved, ready |
//! | [`content`] | the messages: generated or from files, their sizes, the fields that name them, their wire form |
//! | [`schedule`], [`dispatch`], [`timer`] | when messages are meant to start, and who takes the next one |
//! | [`client`], [`reply`], [`deadline`] | one SMTP connection: the dialogue, the replies' bytes, time limits |
//! | [`first`] | the first connection: whether the server can be talked to at all |
//! | [`idle`] | sessions that are opened first and stay silent |
//! | [`session`] | a task that sends one message after the other, connection after connection |
//! | [`misbehave`] | clients that misbehave |
//! | [`engine`] | threads, and the main thread that looks on |
//! | [`fault`], [`trouble`], [`fate`] | what went wrong, what the server said to it, and which shapes never work |
//! | [`tally`], [`series`], [`usage`], [`scrape`] | what is counted and measured, in fixed memory |
//! | [`verify`] | reads the topic back |
//! | [`report`], [`assertion`], [`view`], [`axis`] | the result; bounds on it; what is shown meanwhile; marks of axes |
//! | [`search`], [`compare`] | many runs: the highest rate, two servers in turn |
//! | [`sink`] | a server that takes everything |
//!
//! Exit status: 0 when the run is as it should be, 1 when it is not or failed, 2 for wrong usage.

mod accepted_log;
mod assertion;
mod axis;
mod client;
mod compare;
mod content;
mod deadline;
mod dispatch;
mod engine;
mod fate;
mod fault;
mod first;
mod idle;
mod misbehave;
mod options;
mod plan;
mod reply;
mod report;
mod schedule;
mod scrape;
mod search;
mod series;
mod session;
mod shape;
mod signals;
mod sink;
mod tally;
mod timer;
mod trouble;
mod units;
mod usage;
mod verify;
mod view;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use engine::Outcome;
use options::Options;
use plan::Plan;
use report::Report;
use view::View;

/// The run failed, or is not as it should be.
const EXIT_FAILED: u8 = 1;
/// The command line asks for what cannot be done.
const EXIT_USAGE: u8 = 2;

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be done.
    Usage(String),
    /// Something did not work.
    Run(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let result = match words.get(1).map(String::as_str) {
        Some("sink") => sink::main(&words[1..]),
        Some("compare") => compare::main(&words[1..]),
        _ => load(Options::of_words(&words)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(Failure::Usage(message)) => {
            eprintln!("ringpost-loadtest: {message}");
            ExitCode::from(EXIT_USAGE)
        }
        Err(Failure::Run(message)) => {
            eprintln!("ringpost-loadtest: {message}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// One run, or a search; whether it is as it should be.
fn load(options: Options) -> Result<bool, Failure> {
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

/// Finds before the run what would lose its result. A file that is there keeps what it has until then.
pub fn must_be_writable(option: &str, path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let is_new = !path.exists();
    let mut options = std::fs::OpenOptions::new();
    options
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| {
            let path = path.display();
            Failure::Usage(format!(
                "{option} {path}: {error}; give a file that can be written"
            ))
        })?;
    if is_new {
        // An error would only leave an empty file.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
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

/// Writes a whole file.
pub fn write_file(option: &str, path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::Run(format!(
            "{option} {}: {error}; give a file that can be written",
            path.display()
        ))
    })
}
