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

// This documentation is for those who read the code; to other crates, little of it is visible.
#![allow(rustdoc::private_intra_doc_links)]
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

use clap::CommandFactory;

use options::Options;

/// The run is not as it should be.
const EXIT_FAILED: u8 = 1;

/// The whole command line, a run and the other commands: what help, manual pages and completions are made from.
pub fn command() -> clap::Command {
    Options::command()
        .subcommand(sink::command())
        .subcommand(command::compare::command())
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
}

/// Does what the process's arguments ask for; returns its exit status.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches();
    let words = parsed.unwrap_or_else(|error| options::with_suggestion(error).exit());
    let result = match words.subcommand() {
        Some((sink::NAME, words)) => sink::main(words),
        Some((command::compare::NAME, words)) => command::compare::main(words),
        Some(_) | None => command::load::main(Options::of_matches(&words)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_all_commands_and_is_consistent() {
        let mut command = command();
        command.build();
        command.clone().debug_assert();
        let names: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(names, ["sink", "compare"]);
        for words in [
            &["x"][..],
            &["x", "127.0.0.1:25", "sink"],
            &["x", "sink", "127.0.0.1:25"],
        ] {
            assert!(
                command.clone().try_get_matches_from(words).is_err(),
                "{words:?}"
            );
        }
    }
}
