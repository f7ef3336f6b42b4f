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
        if let Some(hint) = self.hint_by_code().or_else(|| self.hint_by_words()) {
            return Some(hint.to_owned());
        }
        match (self.code, self.step) {
            _ if self.is_about_sender() => Some(hint_sender(addresses)),
            (500..=559, Step::Rcpt) => Some(self.hint_recipient(addresses)),
            (500..=559, Step::Mail) => Some(hint_sender(addresses)),
            (450, Step::Rcpt) => Some(
                "the server asks to come back later, as greylisting does: let the test's address through there".to_owned(),
            ),
            (500..=559, Step::Rset) => Some(
                "the server counts the RSET after each refusal, and ends the connection for them: see to those first".to_owned(),
            ),
            (500..=559, Step::Message) => Some(
                "the server refuses the content: other mail with --corpus or --body, or let the test's address past its filters"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether it is the sender that is refused: many servers say so only after RCPT.
    fn is_about_sender(&self) -> bool {
        matches!(self.step, Step::Mail | Step::Rcpt)
            && matches!(self.code, 450 | 451 | 500..=559)
            && (matches!(self.enhanced, "5.1.7" | "5.1.8" | "4.1.8")
                || self.says(&[
                    "sender address",
                    "sender domain",
                    "sender verify",
                    "sender rejected",
                ]))
    }

    /// The name in EHLO and the client's address, which many servers refuse only later.
    fn hint_by_words(&self) -> Option<&'static str> {
        if !matches!(self.code, 450 | 451 | 500..=559) {
            return None;
        }
        let about_name = self.step == Step::Ehlo
            || self.says(&["helo command", "helo name", "ehlo name", "helo/ehlo"]);
        let about_client = self.step == Step::Banner
            || self.says(&[
                "client host",
                "your host",
                "your ip",
                "blacklist",
                "blocklist",
                "blocked using",
                "spamhaus",
                "reverse dns",
            ]);
        if about_name {
            Some("give a name that the server takes with --helo")
        } else if about_client {
            Some(
                "the server refuses this client, whatever it sends: let its address in there, or name another with --source",
            )
        } else if self.says(&["spf", "dmarc", "dkim"]) {
            Some(
                "the sender's domain has a policy that this client does not meet: name a domain without one with --from",
            )
        } else {
            None
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
            (451, Step::Rcpt) if self.says(&["greylist", "graylist"]) => {
                "the server asks to come back later, as greylisting does: let the test's address through there"
            }
            (452 | 431, _) => "the server cannot take it for now: its log or its metrics say why",
            (451, _) if !self.is_about_sender() && self.hint_by_words().is_none() => {
                "the server cannot take it for now: its log or its metrics say why"
            }
            (500 | 502 | 504, Step::Data | Step::Message) => {
                "the server does not know this way to send: leave --transfer out"
            }
            (555, Step::Mail) | (501, Step::Mail) if self.says(&["parameter", "option"]) => {
                "the server does not take a parameter of MAIL: --body 7bit needs none"
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
        let relay = self.enhanced.starts_with("5.7.") || self.says(&["relay", "not local"]);
        let domain = to.rsplit_once('@').map_or("", |(_, domain)| domain);
        match (relay, unknown) {
            (true, _) => {
                format!(
                    "the server takes no mail for {domain}: name a recipient it takes with --to"
                )
            }
            (false, true) => {
                format!("the server does not know {to}: name a recipient it takes with --to")
            }
            // One of both.
            (false, false) => {
                format!(
                    "the server does not take mail for {to}: name a recipient it takes with --to"
                )
            }
        }
    }
}

fn hint_sender(addresses: Addresses<'_>) -> String {
    let from = match addresses.from {
        "" => "the null sender",
        from => from,
    };
    format!("the server does not take mail from {from}: name a sender it takes with --from")
}

/// What to do about an error that no reply says, if that is known.
pub(super) fn for_error(kind: ErrorKind, step: Step, cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Refused => return Some("nobody listens there: is the server running?"),
        Cause::NoRoute => {
            return Some("this machine has no way there: check the address and its network");
        }
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
