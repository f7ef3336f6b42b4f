//! The program: the command line to a command, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringpost::command::line::run()
}
