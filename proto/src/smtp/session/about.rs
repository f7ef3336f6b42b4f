//! What a refusal was about, for whoever writes it down: taken when the refusal is said, since the commands that follow in the
//! same packet change the state before anybody can look.
//!
//! Owns: what of a session and of a command line may be told. Must not know: logs, and how often something is told.
//!
//! Invariants: nothing here is made unless [`Session::explain_refusals`] asked for it, and nothing for what is accepted; a
//! command that may hold a password is told by its verb alone.

use std::sync::Arc;

use super::Session;
use crate::limits::{COMMAND_TOLD_OCTETS, GARBAGE_TOLD_OCTETS, RECIPIENTS_TOLD};
use crate::smtp::address::Mailbox;
use crate::smtp::command::{self, Command, Verb};
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Incoming, State, Transaction};

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
    /// The command line that was refused, cut; none where none was, or where it is not to be told.
    pub command: Option<String>,
}

impl About {
    /// What a session in this state is about.
    pub(super) fn of(state: &State) -> Self {
        match state {
            State::Greeted(hello) | State::Securing(hello) => Self {
                helo: Some(Arc::clone(&hello.name)),
                ..Self::default()
            },
            State::Addressed(transaction)
            | State::Admitting(transaction, _)
            | State::Committing(transaction) => Self::transaction(transaction),
            State::Receiving { incoming, .. } | State::BetweenChunks(incoming) => {
                Self::incoming(incoming)
            }
            State::Skipping { then, .. } => Self::of(then),
            State::Connected | State::Closed => Self::default(),
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
    fn line(&mut self, line: &[u8], hides: bool) {
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
            _ if verb == Verb::Rcpt => {
                self.recipients.clear();
                self.count = 0;
            }
            _ => {}
        }
    }
}

impl Session {
    /// Whether [`Session::refused`] is asked for: without this nothing is kept for it.
    pub fn explain_refusals(&mut self, explains: bool) {
        self.explains = explains;
    }

    /// Refusals since the last call, in their order. One that answers a commit is not among them: whoever committed knows it.
    pub fn refused(&mut self) -> impl Iterator<Item = Refused> {
        let refused = self.output.as_mut().map(|output| output.refused.drain(..));
        refused.into_iter().flatten()
    }

    /// Whether there are any.
    pub fn has_refused(&self) -> bool {
        let output = self.output.as_ref();
        output.is_some_and(|output| !output.refused.is_empty())
    }

    /// What it is about now.
    pub fn about(&self) -> About {
        About::of(&self.state)
    }

    /// What it is about now, if somebody asks for it.
    pub(super) fn about_now(&self) -> Option<About> {
        self.explains.then(|| self.about())
    }

    /// Keeps what a refusal was about.
    pub(super) fn keep_refused(&mut self, refusal: Refusal, about: About) {
        let refused = Refused { refusal, about };
        self.output().refused.push(refused);
        self.unexplained = self.unexplained.saturating_add(1);
    }

    /// Adds the line to the refusals that it got, if it got any: its own, and the one that ended the session for it.
    #[inline]
    pub(super) fn explain(&mut self, line: &[u8]) {
        if self.unexplained > 0 {
            self.explain_line(line);
        }
    }

    #[cold]
    fn explain_line(&mut self, line: &[u8]) {
        let (hides, count) = (self.hides, usize::from(self.unexplained));
        if let Some(output) = &mut self.output {
            for refused in output.refused.iter_mut().rev().take(count) {
                refused.about.line(line, hides);
            }
        }
        self.hides |= command::parse(line).0 == Verb::NotOffered;
    }
}

/// The text of a path.
fn path(path: Option<&Mailbox>) -> String {
    path.map_or("", Mailbox::as_str).to_owned()
}

/// As much of a line as is told. AUTH is followed by a password, in its line or in lines that are no commands; a client that
/// goes on although its DATA was refused sends its mail as such lines.
fn told(verb: Verb, line: &[u8], hides: bool) -> Option<String> {
    let most = match verb {
        Verb::NotOffered => memchr::memchr(b' ', line).unwrap_or(line.len()),
        Verb::Unknown if hides => return None,
        Verb::Unknown => GARBAGE_TOLD_OCTETS,
        _ => COMMAND_TOLD_OCTETS,
    };
    let cut = &line[..line.len().min(most)];
    Some(String::from_utf8_lossy(cut).into_owned())
}
