//! How answers are written: a line each for people, or one JSON document for programs.
//!
//! Owns: the two forms, and the exit code that answers come to. Must not know: any question.
//!
//! Invariants: a line begins with its verdict; a document is whole, with its verdict, also where the configuration is wrong; both
//! say the same.

use std::io;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::question;
use super::sum::Sum;
use crate::command::output::{self, Printed};
use crate::failure::{Blame, Blamed, Failure};
use crate::sink::Keeps;
use crate::verdict::{Line, Verdict};

/// How answers are written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for each answer
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub verdict: Verdict,
    /// The name of its question.
    pub name: &'static str,
    pub text: String,
    /// What helps in this case; where it is none, the text says it.
    pub fix: Option<String>,
}

impl From<Line> for Answer {
    fn from((verdict, name, text): Line) -> Self {
        Self {
            verdict,
            name,
            text,
            fix: None,
        }
    }
}

/// Standard output did not take everything.
#[derive(Debug, thiserror::Error)]
#[error("check: standard output: {0}")]
pub(super) struct Lost(#[source] pub io::Error);

impl Blamed for Lost {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// See the module.
pub(super) struct Report {
    format: Format,
    strict: bool,
    printed: Printed,
    sum: Sum,
    questions: Vec<Entry>,
}

/// An answer in a document.
#[derive(Debug, Serialize)]
struct Entry {
    id: String,
    verdict: String,
    text: String,
    fix: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    version: &'static str,
    verdict: &'static str,
    summary: &'a str,
    strict: bool,
    questions: &'a [Entry],
}

impl Report {
    /// One without answers.
    pub(super) fn new(format: Format, strict: bool) -> Self {
        Self {
            format,
            strict,
            printed: Printed::default(),
            sum: Sum::new(strict),
            questions: Vec::new(),
        }
    }

    /// Takes an answer; for people, it is written at once.
    pub(super) fn add(&mut self, answer: impl Into<Answer>) {
        let mut answer = answer.into();
        answer.verdict = self.sum.add(answer.verdict, answer.name);
        // Every name has its question, in either form.
        let question = question::of(answer.name);
        match self.format {
            Format::Text => self.printed.line(&line(&answer)),
            Format::Json => self.questions.push(Entry {
                id: question.id(),
                verdict: answer.verdict.to_string(),
                fix: match answer.verdict {
                    Verdict::Ok | Verdict::Skipped => None,
                    Verdict::Warning | Verdict::Failed => {
                        Some(answer.fix.unwrap_or_else(|| question.fix.to_owned()))
                    }
                },
                text: answer.text,
            }),
        }
    }

    /// Says that the configuration cannot be used; the caller writes the failure to standard error.
    pub(super) fn refuse(mut self, failure: Failure) -> Failure {
        if self.format == Format::Text {
            return failure;
        }
        for line in failure.to_string().lines() {
            self.add((Verdict::Failed, "config", line.to_owned()));
        }
        let count = self.questions.len();
        let plural = if count == 1 { "" } else { "s" };
        self.document(&format!("{count} mistake{plural}: ringpost does not start"));
        failure
    }

    /// Writes what all answers come to, on standard error too; the exit code.
    ///
    /// # Errors
    /// Standard output did not take everything.
    pub(super) fn end(mut self, keeps: Keeps) -> Result<ExitCode, Failure> {
        let (summary, code) = (self.sum.text(keeps), self.sum.exit_code());
        self.document(&summary);
        self.close()?;
        output::complain(&format!("ringpost check: {summary}"));
        Ok(code)
    }

    /// Ends a report that is about no more than its answers; the exit code.
    ///
    /// # Errors
    /// Standard output did not take everything.
    pub(super) fn end_of_answers(mut self, summary: &str) -> Result<ExitCode, Failure> {
        let code = self.sum.exit_code();
        self.document(summary);
        self.close()?;
        Ok(code)
    }

    fn document(&mut self, summary: &str) {
        if self.format == Format::Text {
            return;
        }
        let document = Document {
            version: env!("CARGO_PKG_VERSION"),
            verdict: self.sum.verdict(),
            summary,
            strict: self.strict,
            questions: &self.questions,
        };
        let text = serde_json::to_string_pretty(&document).expect("texts are JSON");
        text.lines().for_each(|line| self.printed.line(line));
    }

    fn close(self) -> Result<(), Lost> {
        self.printed.loss().map_or(Ok(()), |error| Err(Lost(error)))
    }
}

fn line(answer: &Answer) -> String {
    let Answer {
        verdict,
        name,
        text,
        fix,
    } = answer;
    let fix = fix.as_ref().map_or(String::new(), |fix| format!("; {fix}"));
    format!("{verdict:<8} {name:<12} {text}{fix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_verdict_and_ends_with_the_fix() {
        let mut answer = Answer::from((Verdict::Warning, "mx", "is missing".to_owned()));
        assert_eq!(line(&answer), "warning  mx           is missing");
        answer.fix = Some("publish it".to_owned());
        assert_eq!(
            line(&answer),
            "warning  mx           is missing; publish it"
        );
    }

    #[test]
    fn a_document_has_the_fix_of_its_question_where_the_answer_has_none() {
        let mut report = Report::new(Format::Json, true);
        report.add((Verdict::Ok, "open files", "fine".to_owned()));
        report.add((Verdict::Warning, "domains", "all".to_owned()));
        let fixes: Vec<_> = report.questions.iter().map(|one| &one.fix).collect();
        assert_eq!(fixes[0], &None);
        assert!(fixes[1].as_ref().unwrap().contains("recipients.domains"));
        assert_eq!(report.questions[0].id, "open_files");
        // As in the text form with --strict.
        assert_eq!(report.questions[1].verdict, "failed");
        assert_eq!(report.sum.verdict(), "failed");
    }
}
