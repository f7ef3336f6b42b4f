//! Why messages and connections failed: what the server said, how often, and what to do about the common ones.
//!
//! Must not know how reasons are laid out on a page.

use serde::Serialize;

use super::hint::{Addresses, Reply, for_error};
use super::kind::{ErrorKind, Step};
use super::trouble::{Trouble, What};
use super::words::{harmless, one_line};
use crate::units::grouped;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReasonKind {
    /// A message was refused.
    Refused,
    /// A recipient of a message that went on without it.
    Recipient,
    /// A connection.
    Error,
}

/// One kind of trouble; its fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Reason {
    /// What failed.
    pub kind: ReasonKind,
    /// The kind of an error, as in `errors`.
    pub error: Option<ErrorKind>,
    /// What was being waited for.
    pub step: Step,
    /// The reply's code.
    pub code: Option<u16>,
    /// Its enhanced status code.
    pub enhanced: Option<String>,
    /// What it said.
    pub text: String,
    /// How often.
    pub count: u64,
    /// What to do.
    pub hint: Option<String>,
}

impl Reason {
    /// From what was counted.
    pub(crate) fn new(trouble: &Trouble, addresses: Addresses<'_>) -> Reason {
        let (enhanced, text) = match trouble.code {
            Some(_) => one_line(&trouble.words),
            None => (None, harmless(&trouble.words)),
        };
        let (kind, error) = match trouble.what {
            What::Refused => (ReasonKind::Refused, None),
            What::Recipient => (ReasonKind::Recipient, None),
            What::Error(kind) => (ReasonKind::Error, Some(kind)),
        };
        let hint = match (trouble.code, error) {
            (Some(code), _) => Reply {
                code,
                step: trouble.step,
                enhanced: enhanced.as_deref().unwrap_or(""),
                text: &text,
            }
            .hint(addresses),
            (None, Some(kind)) => for_error(kind, trouble.step, trouble.cause).map(str::to_owned),
            (None, None) => None,
        };
        Reason {
            kind,
            error,
            step: trouble.step,
            code: trouble.code,
            enhanced,
            text,
            count: trouble.count,
            hint,
        }
    }

    /// One line without the count: `550 5.7.1 after RCPT: Relaying denied`.
    pub(crate) fn line(&self) -> String {
        let code = self.code.map(|code| code.to_string());
        let name = match (self.error, self.code) {
            // The code says it.
            (Some(ErrorKind::Reply421), Some(_)) | (None, _) => None,
            (Some(error), Some(_)) => Some(format!("{}:", error.name())),
            (Some(error), None) => Some(error.name().to_owned()),
        };
        let parts = [name, code, self.enhanced.clone()];
        let mut line: Vec<String> = parts.into_iter().flatten().collect();
        let place = self.step.place();
        if !place.is_empty() {
            line.push(place.to_owned());
        }
        let line = line.join(" ");
        if self.text.is_empty() {
            line
        } else {
            format!("{line}: {}", self.text)
        }
    }

    /// The line, after how often it was said.
    pub(crate) fn counted(&self) -> String {
        format!("{} x {}", grouped(self.count), self.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Cause;

    fn reason(what: What, step: Step, code: Option<u16>, words: &str) -> Reason {
        let addresses = Addresses {
            from: "b@load.example",
            to: "a@load.example",
        };
        let trouble = Trouble {
            what,
            step,
            cause: Cause::Unnamed,
            code,
            words: words.as_bytes().to_vec(),
            count: 1234,
        };
        Reason::new(&trouble, addresses)
    }

    #[test]
    fn a_refusal_shows_its_codes_its_words_and_what_to_do() {
        let reason = reason(
            What::Refused,
            Step::Rcpt,
            Some(550),
            "5.7.1 Relaying\x1b[31m denied",
        );
        assert_eq!(
            reason.counted(),
            "1,234 x 550 5.7.1 after RCPT: Relaying?[31m denied"
        );
        assert_eq!(
            reason.hint.as_deref(),
            Some("the server takes no mail for load.example: name a recipient it takes with --to")
        );
    }

    #[test]
    fn common_refusals_have_a_hint() {
        for (step, code, words, part) in [
            (
                Step::Rcpt,
                550,
                "5.1.1 No such user",
                "does not know a@load.example",
            ),
            (
                Step::Rcpt,
                554,
                "Relay access denied",
                "takes no mail for load.example",
            ),
            (Step::Rcpt, 550, "", "--to"),
            (
                Step::Rcpt,
                550,
                "Invalid recipient: <a@load.example>",
                "does not take mail for a@load.example",
            ),
            (
                Step::Rcpt,
                501,
                "5.1.3 Bad recipient address syntax",
                "--to",
            ),
            (
                Step::Rcpt,
                504,
                "5.5.2 <x>: Helo command rejected: need fully-qualified hostname",
                "--helo",
            ),
            (Step::Ehlo, 550, "You are not me", "--helo"),
            (
                Step::Rcpt,
                554,
                "5.7.1 <b@load.example>: Sender address rejected: Access denied",
                "from b@load.example",
            ),
            (
                Step::Rcpt,
                450,
                "4.1.8 <b@load.example>: Sender address rejected: Domain not found",
                "--from",
            ),
            (
                Step::Rcpt,
                554,
                "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
                "--source",
            ),
            (Step::Rcpt, 450, "4.2.0 Greylisted", "come back later"),
            (
                Step::Rcpt,
                451,
                "4.7.1 Greylisted, try again later",
                "come back later",
            ),
            (
                Step::Message,
                550,
                "5.7.26 DMARC policy of the sender",
                "--from",
            ),
            (
                Step::Rset,
                554,
                "Too many nonmail commands",
                "see to those first",
            ),
            (Step::Message, 554, "5.7.1 Spam", "--corpus"),
            (
                Step::Message,
                502,
                "5.5.1 Command not implemented",
                "--transfer",
            ),
            (
                Step::Mail,
                555,
                "5.5.4 Unsupported option: BODY=8BITMIME",
                "--body",
            ),
            (Step::Rcpt, 553, "sorry", "--to"),
            (Step::Rcpt, 452, "4.5.3 Too many recipients", "--recipients"),
            (Step::Mail, 552, "5.3.4 too big", "--size"),
            (Step::Message, 552, "too big", "--size"),
            (
                Step::Mail,
                530,
                "5.7.0 Must issue a STARTTLS command first",
                "--tls starttls",
            ),
            (Step::Mail, 530, "5.7.0 Authentication required", "login"),
            (Step::Mail, 550, "5.1.8 Bad sender", "--from"),
            (Step::Banner, 554, "5.7.1 No", "--source"),
            (
                Step::Rcpt,
                421,
                "4.7.0 Too many errors",
                "see to those first",
            ),
            (
                Step::Banner,
                421,
                "4.3.2 Too many connections from you",
                "--connections",
            ),
            (Step::Message, 421, "4.3.0 Shutting down", "going down"),
            (Step::Message, 451, "4.3.0 Kafka is away", "for now"),
        ] {
            let hint = reason(What::Refused, step, Some(code), words).hint;
            assert!(
                hint.as_deref().is_some_and(|hint| hint.contains(part)),
                "{code} {words}: {hint:?}"
            );
        }
    }

    #[test]
    fn an_error_is_called_by_what_was_said() {
        let said =
            |kind, step, code, words: &str| reason(What::Error(kind), step, code, words).line();
        assert_eq!(
            said(
                ErrorKind::Reply421,
                Step::Rcpt,
                Some(421),
                "4.7.0 Too many errors"
            ),
            "421 4.7.0 after RCPT: Too many errors"
        );
        assert_eq!(
            said(ErrorKind::Greeting, Step::Banner, Some(554), "no"),
            "greeting: 554 instead of the banner: no"
        );
        assert_eq!(
            said(
                ErrorKind::Closed,
                Step::Message,
                None,
                "the server reset the connection"
            ),
            "closed after the message: the server reset the connection"
        );
    }
}
