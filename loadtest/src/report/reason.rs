//! Why messages and connections failed: what the server said, how often, and what to do about the common ones.
//!
//! Owns the hints. Must not know how they are laid out. A hint names the option that helps; where the server decides, it says
//! that the server does.

use serde::Serialize;

use crate::fault::trouble::{Trouble, What};
use crate::fault::{Step, harmless, one_line};
use crate::options::Options;
use crate::units::grouped;

/// One kind of trouble; its fields are those of the JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// `refused`, `recipient` or `error`.
    pub kind: &'static str,
    /// The kind of an error, as in `errors`.
    pub error: Option<&'static str>,
    /// What was being waited for.
    pub step: &'static str,
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
    #[serde(skip)]
    place: &'static str,
}

impl Reason {
    /// From what was counted.
    pub fn new(trouble: &Trouble, options: &Options) -> Reason {
        let (enhanced, text) = match trouble.code {
            Some(_) => one_line(&trouble.words),
            None => (None, harmless(&trouble.words)),
        };
        let (kind, error) = match trouble.what {
            What::Refused => ("refused", None),
            What::Recipient => ("recipient", None),
            What::Error(kind) => ("error", Some(kind.name())),
        };
        let mut reason = Reason {
            kind,
            error,
            step: trouble.step.name(),
            code: trouble.code,
            enhanced,
            text,
            count: trouble.count,
            hint: None,
            place: trouble.step.place(),
        };
        reason.hint = reason.hint_for(trouble.step, options);
        reason
    }

    /// One line without the count: `550 5.7.1 after RCPT: Relaying denied`.
    pub fn line(&self) -> String {
        let code = self.code.map(|code| code.to_string());
        let name = match (self.error, self.code) {
            (Some(error), Some(code)) if error != code.to_string() => Some(format!("{error}:")),
            (Some(error), None) => Some(error.to_owned()),
            _ => None,
        };
        let parts = [name, code, self.enhanced.clone()];
        let mut line: Vec<String> = parts.into_iter().flatten().collect();
        if !self.place.is_empty() {
            line.push(self.place.to_owned());
        }
        let line = line.join(" ");
        if self.text.is_empty() {
            line
        } else {
            format!("{line}: {}", self.text)
        }
    }

    /// The line with how often in front.
    pub fn counted(&self) -> String {
        format!("{} x {}", grouped(self.count), self.line())
    }

    fn hint_for(&self, step: Step, options: &Options) -> Option<String> {
        let Some(code) = self.code else {
            return self.error_hint();
        };
        let enhanced = self.enhanced.as_deref().unwrap_or("");
        let text = self.text.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let hint = match (code, step) {
            (421, _) => hint_421(&says),
            (530, _) if says(&["tls", "encrypt"]) => {
                "the server wants encryption first: --tls starttls".to_owned()
            }
            (530 | 535 | 538, _) => {
                "the server wants a login, which this program has not: name a server, or a port, that takes mail from \
                 strangers"
                    .to_owned()
            }
            (454, Step::Starttls) => "the server's TLS does not work: see its log".to_owned(),
            (552 | 523, _) | (_, Step::Mail | Step::Message)
                if code == 552 || matches!(enhanced, "5.3.4" | "5.2.3") =>
            {
                "the messages are larger than the server takes, or its mailbox is full: smaller ones with --size, or \
                 raise the server's limit"
                    .to_owned()
            }
            (452 | 552, Step::Rcpt) if enhanced.ends_with(".5.3") => {
                "more recipients than the server takes in one message: fewer with --recipients".to_owned()
            }
            (452 | 451 | 431, _) => {
                "the server cannot take it for now: its log or its metrics say why".to_owned()
            }
            (450, Step::Rcpt) => {
                "the server asks to come back later, as greylisting does: let the test's address through there".to_owned()
            }
            (550..=559, Step::Rcpt) => hint_recipient(code, enhanced, &says, options),
            (550..=559, Step::Mail) => format!(
                "the server does not take mail from {}: name a sender it takes with --from",
                if options.from.is_empty() { "the null sender" } else { &options.from }
            ),
            (500..=504, Step::Ehlo) => "give a name that the server takes with --helo".to_owned(),
            (520..=559, Step::Banner) => {
                "the server refuses this client before it has said anything: let its address in there, or name another \
                 with --source"
                    .to_owned()
            }
            _ => return None,
        };
        Some(hint)
    }

    fn error_hint(&self) -> Option<String> {
        let hint = match (self.error?, self.step) {
            ("connect", _) if self.text == "connection refused" => "is the server running?",
            ("timeout", "banner") => {
                "a listener with TLS from the first octet needs --tls implicit"
            }
            ("unsupported", _) if self.text.ends_with("STARTTLS") => {
                "give the server a certificate, or leave --tls out"
            }
            ("io", _) if self.text.contains("too many open files") => "raise ulimit -n",
            ("connect", _) if self.text.contains("cannot assign requested address") => {
                "this address has no free ports: more addresses with --source, or more messages with --per-connection"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// 421 is said for many reasons; its text has the reason.
fn hint_421(says: &dyn Fn(&[&str]) -> bool) -> String {
    let hint = if says(&["error"]) {
        "the server ends a connection after so many refusals: see to those first"
    } else if says(&["shut", "stopping", "restart"]) {
        "the server is going down"
    } else if says(&["connections", "concurren"]) {
        "the server's limit of connections: fewer with --connections, several addresses with --source, or raise the limit"
    } else if says(&["mail for one connection", "messages"]) {
        "the server's limit of messages on a connection: fewer with --per-connection"
    } else if says(&["time", "slow", "idle"]) {
        "the server waits no longer: see its limits of time"
    } else {
        "the server ended the connection; its text says why"
    };
    hint.to_owned()
}

fn hint_recipient(
    code: u16,
    enhanced: &str,
    says: &dyn Fn(&[&str]) -> bool,
    options: &Options,
) -> String {
    let unknown = enhanced.starts_with("5.1.")
        || says(&[
            "unknown",
            "no such",
            "does not exist",
            "not found",
            "mailbox unavailable",
        ]);
    let relay = enhanced.starts_with("5.7.") || says(&["relay"]);
    if code == 552 {
        return "the recipient's mailbox is full: name another with --to".to_owned();
    }
    if unknown && !relay {
        return format!(
            "the server does not know {}: name a recipient it takes with --to",
            options.to
        );
    }
    let domain = options.to.rsplit_once('@').map_or("", |(_, domain)| domain);
    format!("the server takes no mail for {domain}: name a recipient it takes with --to")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::ErrorKind;
    use clap::Parser;

    fn reason(what: What, step: Step, code: Option<u16>, words: &str) -> Reason {
        let options = Options::parse_from(["x", "127.0.0.1:25", "--to", "a@load.example"]);
        let trouble = Trouble {
            what,
            step,
            code,
            words: words.as_bytes().to_vec(),
            count: 1234,
        };
        Reason::new(&trouble, &options)
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
