//! What to do about the common refusals and errors.
//!
//! A hint names the option that helps; where the server decides, it says that the server does. The code, the enhanced code
//! and the step of a reply lead to its hint. Its words are looked at only where servers give one code for many reasons, and
//! nothing but the hint follows from them.

use super::kind::{Cause, ErrorKind, Extension, Step};

/// The addresses of a run's messages, as the operator gave them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses<'a> {
    /// The sender; empty for the null sender.
    pub from: &'a str,
    /// The first recipient.
    pub to: &'a str,
}

/// A reply that said no.
pub(super) struct Reply<'a> {
    pub(super) code: u16,
    pub(super) step: Step,
    /// The enhanced status code, or nothing.
    pub(super) enhanced: &'a str,
    pub(super) text: &'a str,
}

impl Reply<'_> {
    /// Whether the text has any of these words.
    fn says(&self, words: &[&str]) -> bool {
        let text = self.text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// Whether the message is too large, or the mailbox full: the servers' codes for both overlap.
    fn is_about_size(&self) -> bool {
        let may_be =
            matches!(self.code, 552 | 523) || matches!(self.step, Step::Mail | Step::Message);
        may_be && (self.code == 552 || matches!(self.enhanced, "5.3.4" | "5.2.3"))
    }

    /// What to do about it, if that is known.
    pub(super) fn hint(&self, addresses: Addresses<'_>) -> Option<String> {
        if let Some(hint) = self.hint_by_code() {
            return Some(hint.to_owned());
        }
        match (self.code, self.step) {
            (550..=559, Step::Rcpt) => Some(self.hint_recipient(addresses)),
            (550..=559, Step::Mail) => {
                let from = match addresses.from {
                    "" => "the null sender",
                    from => from,
                };
                Some(format!(
                    "the server does not take mail from {from}: name a sender it takes with --from"
                ))
            }
            (500..=504, Step::Ehlo) => Some("give a name that the server takes with --helo".to_owned()),
            (520..=559, Step::Banner) => Some(
                "the server refuses this client before it has said anything: let its address in there, or name another \
                 with --source"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn hint_by_code(&self) -> Option<&'static str> {
        Some(match (self.code, self.step) {
            (421, _) => self.hint_421(),
            (530, _) if self.says(&["tls", "encrypt"]) => {
                "the server wants encryption first: --tls starttls"
            }
            (530 | 535 | 538, _) => {
                "the server wants a login, which this program does not have: name a server, or a port, that takes mail from \
                 strangers"
            }
            (454, Step::Starttls) => "the server's TLS does not work: see its log",
            _ if self.is_about_size() => {
                "the messages are larger than the server takes, or its mailbox is full: smaller ones with --size, or \
                 raise the server's limit"
            }
            (452 | 552, Step::Rcpt) if self.enhanced.ends_with(".5.3") => {
                "more recipients than the server takes in one message: fewer with --recipients"
            }
            (452 | 451 | 431, _) => {
                "the server cannot take it for now: its log or its metrics say why"
            }
            (450, Step::Rcpt) => {
                "the server asks to come back later, as greylisting does: let the test's address through there"
            }
            _ => return None,
        })
    }

    /// Servers send 421 for many reasons; its text has the reason.
    fn hint_421(&self) -> &'static str {
        if self.says(&["error"]) {
            "the server ends a connection after so many refusals: see to those first"
        } else if self.says(&["shut", "stopping", "restart"]) {
            "the server is going down"
        } else if self.says(&["connections", "concurren"]) {
            "the server's limit of connections: fewer with --connections, several addresses with --source, or raise the limit"
        } else if self.says(&["mail for one connection", "messages"]) {
            "the server's limit of messages on a connection: fewer with --per-connection"
        } else if self.says(&["time", "slow", "idle"]) {
            "the server waits no longer: see its limits of time"
        } else {
            "the server ended the connection; its text says why"
        }
    }

    fn hint_recipient(&self, addresses: Addresses<'_>) -> String {
        let to = addresses.to;
        let unknown = self.enhanced.starts_with("5.1.")
            || self.says(&[
                "unknown",
                "no such",
                "does not exist",
                "not found",
                "mailbox unavailable",
            ]);
        let relay = self.enhanced.starts_with("5.7.") || self.says(&["relay"]);
        if unknown && !relay {
            return format!("the server does not know {to}: name a recipient it takes with --to");
        }
        let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
        format!("the server takes no mail for {domain}: name a recipient it takes with --to")
    }
}

/// What to do about an error that no reply says, if that is known.
pub(super) fn for_error(kind: ErrorKind, step: Step, cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Refused => return Some("is the server running?"),
        Cause::Missing(Extension::Starttls) => {
            return Some("give the server a certificate, or leave --tls out");
        }
        Cause::NoFiles => return Some("raise ulimit -n"),
        Cause::NoPort => {
            return Some(
                "this address has no free ports: more addresses with --source, or more messages with --per-connection",
            );
        }
        Cause::Missing(_) | Cause::Unnamed => {}
    }
    (kind == ErrorKind::Timeout && step == Step::Banner)
        .then_some("a listener with TLS from the first byte needs --tls implicit")
}
