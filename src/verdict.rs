//! How a question of `ringpost check` is answered: one line for each.
//!
//! Owns: the verdicts. Must not know: any question.

use std::fmt;

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Mail flows, but not as the operator may expect.
    Warning,
    /// Mail does not flow.
    Failed,
    /// The configuration does not raise the question, or it could not be asked.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        })
    }
}

/// A line: the verdict, the question's name, and the answer.
pub type Line = (Verdict, &'static str, String);
