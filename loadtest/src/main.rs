//! `ringpost-loadtest`: a load tester for any SMTP server.
//!
//! It keeps a number of SMTP connections busy in a closed loop (a connection sends its next message as soon as the
//! last one was answered), checks every reply, and reports rates, percentiles and the CPU time of both sides.
//!
//! | file | subject |
//! |---|---|
//! | [`options`] | the command line: every option, its range, what an operator gets wrong |
//! | [`message`] | the message: exact size, transparency, the parts that connections share |
//! | [`reply`] | the bytes of a server's replies, cut anywhere, become codes and texts |
//! | [`client`] | one SMTP connection: greeting, envelope, message, end |
//! | [`deadline`] | time limits that never abandon a read that the kernel holds |
//! | [`engine`] | threads and connections, who sends which message, when to stop |
//! | [`tally`] | what is counted and measured, in fixed memory |
//! | [`accepted_log`] | the file of the accepted messages |
//! | [`usage`] | CPU time and memory, of this process and of the server's |
//! | [`report`] | the result, as text and as JSON |
//!
//! Exit status: 0 when every message was accepted, 1 when some were not or the run failed, 2 for wrong usage.
//!
//! # BUGS
//! - Closed loop only: a server that slows down is offered less load, so the percentiles of a saturated server
//!   understate what independent senders would see (coordinated omission).
//! - No TLS, no authentication, no BDAT, no SMTPUTF8.
//! - A signal ends it without a report.

mod accepted_log;
mod client;
mod deadline;
mod engine;
mod message;
mod options;
mod reply;
mod report;
mod tally;
mod usage;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use options::{Options, Plan};

/// The run failed, or not every message was accepted.
const EXIT_NOT_ALL: u8 = 1;
/// The command line asks for what cannot be done.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let json = options.json;
    let plan = match Plan::new(options) {
        Ok(plan) => Arc::new(plan),
        Err(message) => {
            eprintln!("ringpost-loadtest: {message}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let outcome = match engine::run(&plan) {
        Ok(outcome) => outcome,
        Err(message) => {
            eprintln!("ringpost-loadtest: {message}");
            return ExitCode::from(EXIT_NOT_ALL);
        }
    };
    let report = report::Report::new(&plan, &outcome);
    if json {
        println!("{}", report.to_json());
    } else {
        print!("{}", report.to_text());
    }
    if let Some(error) = &outcome.log_error {
        eprintln!("ringpost-loadtest: {error}");
        return ExitCode::from(EXIT_NOT_ALL);
    }
    if report.all_accepted() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NOT_ALL)
    }
}
