//! What a refusal was about, for a log: taken when the refusal is said, since the commands that follow in the
//! same packet change the state before anybody can look.
//!
//! Owns: what of a session and of a command line may be shown. Must not know: logs, and how often something is shown.
//!
//! Invariants: nothing here is made unless [`super::Session::explain_refusals`] asked for it, and nothing for what is accepted; a
//! command that may hold a password is shown by its verb alone.

use std::sync::Arc;

use crate::limits::{COMMAND_TOLD_OCTETS, GARBAGE_TOLD_OCTETS, RECIPIENTS_TOLD};
use crate::smtp::address::Mailbox;
use crate::smtp::command::{self, Command, Verb};
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Incoming, Skipping, Stage, State, Transaction};

/// A refusal and what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Who and what.
    pub about: About,
}

/// Where a session stood: whose mail, how much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The name of HELO or EHLO; none before it.
    pub helo: Option<Arc<str>>,
    /// The reverse-path, empty for the null one; none without MAIL.
    pub reverse_path: Option<String>,
    /// The recipient that was refused, or the first [`RECIPIENTS_TOLD`] of the message.
    pub recipients: Vec<String>,
    /// How many recipients the message has, or 1 where one was refused.
    pub count: usize,
    /// Octets of the message so far; none before its data.
    pub size: Option<u64>,
    /// The command line that was refused, cut; none where none was, or where it may not be shown.
    pub command: Option<String>,
}

impl About {
    /// What a session in this state is about. While its driver has the transaction, the driver knows.
    pub(super) fn of(state: &State) -> Self {
        match state {
            State::Ready(stage) => Self::of_stage(stage),
            State::Securing(hello) => Self::hello(&hello.name),
            State::Receiving(receiving) => Self::incoming(&receiving.incoming),
            State::Skipping(Skipping { then, .. }) => Self::of_stage(then),
            State::Admitting | State::Committing | State::Closed => Self::default(),
        }
    }

    /// The same between two commands.
    pub(super) fn of_stage(stage: &Stage) -> Self {
        match stage {
            Stage::Connected => Self::default(),
            Stage::Greeted(hello) => Self::hello(&hello.name),
            Stage::Addressed(transaction) => Self::transaction(transaction),
            Stage::BetweenChunks(incoming) => Self::incoming(incoming),
        }
    }

    fn hello(name: &Arc<str>) -> Self {
        Self {
            helo: Some(Arc::clone(name)),
            ..Self::default()
        }
    }

    /// The same of a transaction that has no data yet.
    pub(super) fn transaction(transaction: &Transaction) -> Self {
        let told = transaction.recipients.iter().take(RECIPIENTS_TOLD);
        Self {
            helo: Some(Arc::clone(&transaction.hello.name)),
            reverse_path: Some(path(transaction.reverse_path.as_ref())),
            recipients: told.map(|mailbox| mailbox.as_str().to_owned()).collect(),
            count: transaction.recipients.len(),
            ..Self::default()
        }
    }

    /// The same of a message of which a part has arrived.
    pub(super) fn incoming(incoming: &Incoming) -> Self {
        Self {
            size: Some(incoming.size),
            ..Self::transaction(&incoming.transaction)
        }
    }

    /// Adds what the refused line says by itself.
    pub(super) fn line(&mut self, line: &[u8], hides: bool) {
        let (verb, command) = command::parse(line);
        self.command = told(verb, line, hides);
        match command {
            Ok(Command::Mail(reverse_path, _)) if self.reverse_path.is_none() => {
                self.reverse_path = Some(path(reverse_path.as_ref()));
            }
            Ok(Command::Rcpt(forward_path)) => {
                self.recipients = vec![forward_path.as_str().to_owned()];
                self.count = 1;
            }
            // The recipient is in the line that does not parse; the others are not meant.
            Err(_) if verb == Verb::Rcpt => {
                self.recipients.clear();
                self.count = 0;
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// The text of a path.
fn path(path: Option<&Mailbox>) -> String {
    path.map_or("", Mailbox::as_str).to_owned()
}

/// Shows the command lines of a client to a log, one after the other, by the rule that holds for refused ones.
#[derive(Debug, Default)]
pub struct Shown {
    /// Whether the lines that are no commands may be a password's.
    hides: bool,
}

impl Shown {
    /// As much of the next line, without its end, as may be shown; none where it may hold a password, or is empty.
    pub fn line(&mut self, line: &[u8]) -> Option<String> {
        let verb = command::parse(line).0;
        let shown = told(verb, line, self.hides);
        self.hides |= verb == Verb::NotOffered;
        shown
    }
}

/// As much of a line as may be shown. AUTH is followed by a password, in its line or in lines that are no commands; a client that
/// goes on although its DATA was refused sends its mail as such lines.
fn told(verb: Verb, line: &[u8], hides: bool) -> Option<String> {
    let most = match verb {
        Verb::NotOffered => memchr::memchr2(b' ', b'\t', line).unwrap_or(line.len()),
        Verb::Unknown if hides => return None,
        Verb::Unknown => GARBAGE_TOLD_OCTETS,
        _ => COMMAND_TOLD_OCTETS,
    };
    let cut = &line[..line.len().min(most)];
    (!cut.is_empty()).then(|| String::from_utf8_lossy(cut).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown_and_neither_is_a_mail() {
        let mut shown = Shown::default();
        let mut line = |line: &str| shown.line(line.as_bytes());
        assert_eq!(line("EHLO a.example").as_deref(), Some("EHLO a.example"));
        let mail = "x".repeat(1000);
        assert_eq!(line(&mail).map(|shown| shown.len()), Some(64));
        assert_eq!(line(""), None);
        for auth in ["AUTH PLAIN c2VjcmV0", "auth\tPLAIN\tc2VjcmV0", "AUTH LOGIN"] {
            assert_eq!(line(auth).unwrap().to_uppercase(), "AUTH");
        }
        assert_eq!(line("c2VjcmV0"), None, "an answer to AUTH");
        assert_eq!(line("QUIT").as_deref(), Some("QUIT"));
    }
}
