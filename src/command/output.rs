//! Lines for people, on standard output and standard error, where both may be closed or full.
//!
//! Owns: how a line is written and what its loss means. Must not know: what a line says.
//!
//! Invariant: no write panics. `println!` and `eprintln!` do where the reader has gone (`ringpost check | head -1`) and
//! where a disk is full, so the commands use neither.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::consume::line::escaped;
use crate::failure::{Blame, Blamed, Failure};

/// Writes a line to standard error, on which no terminal acts: it may quote what somebody wrote into a file. A line that cannot be written is lost: there is no other place to report that.
pub(super) fn complain(line: &str) {
    complain_text(&format!("{}\n", escaped(line)));
}

/// The same for a text with its own ends of lines. One write, so that lines of the log do not come between.
pub(super) fn complain_text(text: &str) {
    if cfg!(test) {
        // The harness catches what this writes, and nothing else.
        return eprint!("{text}");
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Says why the program ends, and with which exit code.
pub(super) fn fail(failure: &Failure) -> ExitCode {
    for line in failure.to_string().lines() {
        complain(&format!("ringpost: {line}"));
    }
    ExitCode::from(failure.exit_code())
}

/// Writes a line to standard output at once.
///
/// # Errors
/// What the kernel says.
pub(super) fn print(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    output.flush()
}

/// Writes a text to standard output, and says with which exit code the program ends. A reader that has seen enough is no failure.
pub(super) fn print_or_fail(text: &str) -> ExitCode {
    let mut printed = Printed::default();
    printed.line(text);
    match printed.loss() {
        None => ExitCode::SUCCESS,
        Some(error) => fail(&Lost(error).into()),
    }
}

/// Standard output did not take a text.
#[derive(Debug, thiserror::Error)]
#[error("standard output: {0}")]
struct Lost(#[source] io::Error);

impl Blamed for Lost {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Lines of standard output up to the first that could not be written.
#[derive(Debug, Default)]
pub(super) struct Printed {
    failure: Option<io::Error>,
}

impl Printed {
    /// Writes a line, unless one before it could not be written.
    pub(super) fn line(&mut self, line: &str) {
        self.keep(|| print(line));
    }

    fn keep(&mut self, write: impl FnOnce() -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write().err();
        }
    }

    /// Why lines are missing, unless their reader has closed the pipe.
    pub(super) fn loss(self) -> Option<io::Error> {
        self.failure
            .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_wants_no_more_is_no_loss_and_a_full_disk_is() {
        for (kind, is_loss) in [
            (io::ErrorKind::BrokenPipe, false),
            (io::ErrorKind::StorageFull, true),
        ] {
            let mut printed = Printed::default();
            printed.keep(|| Ok(()));
            printed.keep(|| Err(kind.into()));
            printed.keep(|| panic!("nothing is written after a failure"));
            assert_eq!(
                printed.loss().map(|error| error.kind()),
                is_loss.then_some(kind)
            );
        }
        assert!(Printed::default().loss().is_none());
    }
}
