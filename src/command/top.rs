//! `ringpost top`: the status page in a terminal, live, or once as text or JSON.
//!
//! | file | owns |
//! |---|---|
//! | `options` | the flags |
//! | `ask` | the question to an admin listener, and its answer |
//! | `sections` | a snapshot as lines, with what each part of them means |
//! | `screen` | these lines in a terminal, and its keys |
//!
//! Owns: which of the three it is, and the exit code. Must not know: how each is done.
//!
//! Invariants: nothing but the answer goes to standard output; a terminal is left as it was found, also at a signal. Exit code 0 where
//! somebody ended it or the one answer was printed, 1 where there was none, 143 after SIGTERM.

mod ask;
mod options;
mod screen;
mod sections;

use std::io::IsTerminal;
use std::process::ExitCode;

use super::output;
use crate::consume::stop::Stop;
use crate::failure::Failure;
use ask::Client;
pub use options::{Format, Options};

/// Shows it until it is ended, or once.
pub fn run(options: &Options) -> ExitCode {
    match shown(options) {
        Ok(code) => code,
        Err(failure) => output::fail(&failure),
    }
}

fn shown(options: &Options) -> Result<ExitCode, Failure> {
    let listener = options.listener(std::env::var("RINGPOST_ADMIN_LISTEN").ok());
    let client = Client::new(&listener)?;
    let in_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if options.once || options.format.is_some() || !in_terminal {
        return once(&client, options.format.unwrap_or(Format::Text));
    }
    let stop = Stop::on_signals()?;
    screen::show(&client, options.interval, &stop)?;
    let code = stop
        .asked()
        .map(|signal| ExitCode::from(signal.exit_code()));
    Ok(code.unwrap_or(ExitCode::SUCCESS))
}

/// Prints one answer.
fn once(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let answer = client.ask_once()?;
    let text = match format {
        Format::Json => answer.json.trim_end().to_owned(),
        Format::Text => sections::text(&answer.snapshot),
    };
    match output::print(&text) {
        // A reader that wants no more got what it wanted.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(ask::Failed::Output(error).into())
        }
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
