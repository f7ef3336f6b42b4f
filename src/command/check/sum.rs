//! What all answers come to: how many are bad, whether mail would be stored, the exit code.
//!
//! Owns: the sum. Must not know: any question, but which one certificates have.

use std::process::ExitCode;

use super::certificate::CERTIFICATE;
use super::question;
use crate::sink::Keeps;
use crate::verdict::Verdict;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Whether a warning is a failure.
    strict: bool,
    failures: usize,
    warnings: usize,
    /// Failures of certificates, with which mail in clear and from senders that do not verify still comes.
    of_certificates: usize,
    /// Failures of what the world sees: mail that comes is stored all the same.
    of_the_world: usize,
}

impl Sum {
    /// Of no answer yet.
    pub(super) fn new(strict: bool) -> Self {
        Self {
            strict,
            ..Self::default()
        }
    }

    /// Counts an answer; the verdict that it is printed with.
    pub(super) fn add(&mut self, verdict: Verdict, name: &str) -> Verdict {
        let failed = verdict == Verdict::Failed;
        self.failures += usize::from(failed);
        self.of_certificates += usize::from(failed && name == CERTIFICATE);
        self.of_the_world += usize::from(failed && question::is_of_a_domain(name));
        self.warnings += usize::from(verdict == Verdict::Warning);
        match verdict {
            Verdict::Warning if self.strict => Verdict::Failed,
            Verdict::Ok | Verdict::Warning | Verdict::Failed | Verdict::Skipped => verdict,
        }
    }

    /// How many there are, and whether mail would be stored.
    pub(super) fn text(&self, keeps: Keeps) -> String {
        let outcome = match keeps {
            _ if self.failures > self.of_certificates + self.of_the_world => {
                "mail would not be stored"
            }
            _ if self.of_the_world > 0 => "mail would not arrive, or not from every sender",
            _ if self.failures > 0 => "mail would not be stored, or not that of every sender",
            Keeps::Nothing => "mail would be taken and lost",
            Keeps::Memory => "mail would be stored, in memory only",
            Keeps::Replicas => "mail would be stored",
        };
        let strictly = match (self.strict, self.warnings) {
            (false, _) | (true, 0) => "",
            (true, 1) => ", a failure with --strict",
            (true, _) => ", failures with --strict",
        };
        let warnings = format!("{}{strictly}", counted(self.warnings, "warning"));
        match (self.failures, self.warnings) {
            (0, 0) => format!("no warning: {outcome}"),
            (0, _) => format!("{warnings}: {outcome}"),
            (_, 0) => format!("{}: {outcome}", counted(self.failures, "failure")),
            _ => format!(
                "{}, {warnings}: {outcome}",
                counted(self.failures, "failure")
            ),
        }
    }

    /// The worst of all answers.
    pub(super) fn verdict(&self) -> &'static str {
        match (self.is_bad(), self.warnings) {
            (true, _) => "failed",
            (false, 0) => "ok",
            (false, _) => "warning",
        }
    }

    /// 1 where mail would not be stored, or not from everybody, or where a warning is a failure.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.is_bad()))
    }

    fn is_bad(&self) -> bool {
        self.failures > 0 || self.strict && self.warnings > 0
    }
}

/// `1 warning`, `3 warnings`.
pub(super) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_says_how_many_are_bad_and_whether_mail_would_be_stored() {
        use Verdict::{Failed, Ok, Skipped, Warning};
        let text = |answers: &[(Verdict, &str)], keeps| {
            let mut sum = Sum::new(false);
            for &(verdict, name) in answers {
                assert_eq!(sum.add(verdict, name), verdict);
            }
            (sum.text(keeps), sum.failures)
        };
        let fine = [(Ok, "config"), (Skipped, "lists")];
        for (keeps, outcome) in [
            (Keeps::Replicas, "mail would be stored"),
            (Keeps::Memory, "mail would be stored, in memory only"),
            (Keeps::Nothing, "mail would be taken and lost"),
        ] {
            assert_eq!(text(&fine, keeps), (format!("no warning: {outcome}"), 0));
        }
        assert_eq!(
            text(&[(Warning, "domains"), (Failed, "topic")], Keeps::Replicas),
            (
                "1 failure, 1 warning: mail would not be stored".to_owned(),
                1
            )
        );
        assert_eq!(
            text(&[(Failed, CERTIFICATE), (Failed, "mx")], Keeps::Replicas),
            (
                "2 failures: mail would not arrive, or not from every sender".to_owned(),
                2
            )
        );
        let partly = "2 failures: mail would not be stored, or not that of every sender";
        assert_eq!(
            text(
                &[(Failed, CERTIFICATE), (Failed, CERTIFICATE)],
                Keeps::Replicas
            ),
            (partly.to_owned(), 2)
        );
    }

    #[test]
    fn strictly_a_warning_is_a_failure_and_mail_would_be_stored_all_the_same() {
        use Verdict::{Failed, Ok, Warning};
        for (answers, text, bad) in [
            (&[Ok][..], "no warning: mail would be stored", false),
            (
                &[Warning],
                "1 warning, a failure with --strict: mail would be stored",
                true,
            ),
            (
                &[Warning, Failed, Warning],
                "1 failure, 2 warnings, failures with --strict: mail would not be stored",
                true,
            ),
        ] {
            let mut sum = Sum::new(true);
            for &verdict in answers {
                let shown = sum.add(verdict, "topic");
                assert_eq!(shown == Ok, verdict == Ok);
                assert_ne!(shown, Warning);
            }
            assert_eq!(
                (sum.text(Keeps::Replicas).as_str(), sum.is_bad()),
                (text, bad)
            );
        }
    }
}
