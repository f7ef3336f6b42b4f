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

use clap::Parser;

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
        _ => load(Options::parse()),
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
    let mut view = View::new(options.quiet, options.plain);
    if options.search.is_some() {
        return search::main(options, &mut view);
    }
    let plan = Arc::new(Plan::new(options)?);
    let outcome = engine::run(&plan, &mut view).map_err(Failure::Run)?;
    let report = Report::new(&plan, &outcome);
    write_out(&plan.options, &report)?;
    if let Some(error) = &report.start_error {
        return Err(Failure::Run(error.clone()));
    }
    if let Some(error) = &outcome.log_error {
        return Err(Failure::Run(error.clone()));
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

/// Writes a whole file.
pub fn write_file(option: &str, path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::Run(format!(
            "{option} {}: {error}; give a file that can be written",
            path.display()
        ))
    })
}
