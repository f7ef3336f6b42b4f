//! `ringpost-loadtest`: a load tester for any SMTP server.
//!
//! It sends messages at a constant rate with intended start times (open loop, no coordinated omission) or as fast as the
//! server answers (closed loop), checks every reply, can read back what the server put into Kafka, and reports rates,
//! percentiles of each phase and the CPU time of both sides.
//!
//! # The way of a run
//!
//! ```text
//! options ─→ plan ─→ engine ─→ client ─→ tally ─→ report
//!              ↑        │                 ↑
//!           content   verify ─────────────┘
//! ```
//!
//! [`options`] parses the command line. [`plan`] checks it against itself and against the machine, and builds the messages
//! ([`content`]). [`engine`] starts a thread for each share of the connections; each connection is a task that opens one
//! [`client`] after the other. What happens is counted in [`tally`], and [`report`] says what the counts mean.
//!
//! | folder | owns |
//! |---|---|
//! | [`sink`] | a server that accepts everything, to find the load tester's own ceiling |
//! | [`command`] | what the program is asked to do: a run, a search, a comparison; the files of the result |
//! | [`report`] | the result: data, text, JSON and HTML; who was the limit; whether the run passed |
//! | [`engine`] | threads and tasks: who sends which message when, over which connection, and what is counted for it |
//! | [`view`] | what is shown while a run goes on |
//! | [`verify`] | reads the topic back |
//! | [`client`] | one SMTP connection: the dialogue, the bytes of replies, time limits |
//! | [`plan`] | a run that can be started: resolved, checked, ready; when each message is meant to start |
//! | [`content`] | the messages: generated or from files, their sizes, the fields that name them, their wire form |
//! | [`options`] | the command line |
//! | [`tally`] | what is counted, in memory that does not grow with the run |
//! | [`measure`] | CPU time and memory of processes, and the server's metrics |
//! | [`fault`] | what went wrong: kinds, the server's words, how often each was said |
//! | [`net`] | what sockets go through: io_uring, or epoll where it is not allowed |
//! | [`units`], [`signals`], [`failure`] | how values are written; SIGINT and SIGTERM; why there is no result |
//!
//! From the bottom up: [`failure`], [`net`], [`signals`], [`units`], [`fault`], [`measure`], [`tally`], [`options`], [`content`],
//! [`plan`], [`client`], [`verify`], [`view`], [`engine`], [`report`], [`command`], [`sink`]. A file imports folders that come
//! before its own, or files of its own folder, and no files import each other in a circle.
//!
//! Exit status: 0 when the run is as it should be, 1 when it is not or failed, 2 for wrong usage.

// `pub` says that other crates see it. Not for the tests, which include files of each other.
#![warn(unreachable_pub)]

mod client;
mod command;
mod content;
mod engine;
mod failure;
mod fault;
mod measure;
mod net;
mod options;
mod plan;
mod report;
mod signals;
mod sink;
mod tally;
mod units;
mod verify;
mod view;

use std::process::ExitCode;

use options::Options;

/// The run is not as it should be.
const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let result = match words.get(1).map(String::as_str) {
        Some("sink") => sink::main(&words[1..]),
        Some("compare") => command::compare::main(&words[1..]),
        _ => command::load::main(Options::of_words(&words)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(failure) => {
            eprintln!("ringpost-loadtest: {failure}");
            ExitCode::from(failure.blame().exit_code())
        }
    }
}
