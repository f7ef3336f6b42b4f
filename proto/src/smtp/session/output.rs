//! What a session says and what has happened in it, in memory that its driver lends for as long as something waits there.
//!
//! Owns: the order of replies and events. Must not know: which reply is due.

use std::fmt::Display;

use super::about::{About, Refused};
use crate::limits::SPARE_RECIPIENTS;
use crate::smtp::command::Verb;
use crate::smtp::positive::Positive;
use crate::smtp::refusal::Refusal;
use crate::smtp::reply::Replies;
use crate::smtp::state::Transaction;

/// What happened, for drivers that count. The core itself keeps no metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A command was read.
    Command(Verb),
    /// A reply was written.
    Reply(u16),
    /// It was this refusal.
    Refused(Refusal),
    /// It was the final reply to a message.
    MessageRefused(Refusal),
}

/// What a session has said and what happened. The driver owns it: it sends the replies, takes the events, and may then lend
/// the same memory to another session.
#[derive(Debug, Default)]
pub struct Output {
    replies: Replies,
    events: Vec<Event>,
    /// What the refusals among the events were about, where that is asked for.
    refused: Vec<Refused>,
    /// A transaction that is over, for its memory.
    spare: Option<Box<Transaction>>,
}

impl Output {
    /// Replies that wait.
    pub fn replies(&mut self) -> &mut Replies {
        &mut self.replies
    }

    /// Bytes of the replies that wait.
    pub fn waiting(&self) -> usize {
        self.replies.len()
    }

    /// Whether there are events.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Events since the last call.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.events.drain(..)
    }

    /// Refusals since the last call, in their order. One that answers a commit is not among them: the driver that committed
    /// knows it.
    pub fn refused(&mut self) -> impl Iterator<Item = Refused> {
        self.refused.drain(..)
    }

    /// Whether there are any.
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether nothing waits in it, so that it may be lent to another session.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.events.is_empty() && self.refused.is_empty()
    }

    /// Bytes of memory that it holds.
    pub fn octets(&self) -> usize {
        self.replies.capacity()
            + self.events.capacity() * size_of::<Event>()
            + self.refused.capacity() * size_of::<Refused>()
    }

    pub(super) fn command(&mut self, verb: Verb) {
        self.events.push(Event::Command(verb));
    }

    /// A reply without a value.
    pub(super) fn say(&mut self, positive: Positive) {
        let row = positive.row();
        assert!(row.after.is_empty(), "{positive:?} has a value");
        self.events.push(Event::Reply(row.code));
        self.replies.whole(row.line);
    }

    /// A reply with its value.
    pub(super) fn say_with(&mut self, positive: Positive, value: &str) {
        let row = positive.row();
        self.events.push(Event::Reply(row.code));
        let text = [row.text, value, row.after];
        self.replies.line(row.code, row.enhanced, &text);
    }

    /// A reply of several lines, which have no enhanced codes (RFC 2034 3: the answer to EHLO).
    pub(super) fn say_lines<T: Display>(
        &mut self,
        first: impl Display,
        further: impl Iterator<Item = T>,
    ) {
        let code = Positive::Hello.row().code;
        self.events.push(Event::Reply(code));
        let mut further = further.peekable();
        let last = further.peek().is_none();
        self.replies.further(code, last, format_args!("{first}"));
        while let Some(line) = further.next() {
            let last = further.peek().is_none();
            self.replies.further(code, last, format_args!("{line}"));
        }
    }

    /// The final reply to a message is this refusal.
    pub(super) fn message_refused(&mut self, refusal: Refusal) {
        self.events.push(Event::MessageRefused(refusal));
    }

    /// A refusal, and what it is about if that is asked for.
    pub(super) fn refuse(&mut self, refusal: Refusal, about: Option<About>) {
        if let Some(about) = about {
            self.refused.push(Refused { refusal, about });
        }
        self.events.push(Event::Reply(refusal.row().code));
        self.events.push(Event::Refused(refusal));
        self.replies.refuse(refusal);
    }

    /// How many refusals are explained so far.
    pub(super) fn explained(&self) -> usize {
        self.refused.len()
    }

    /// Adds the command line to the refusals that it got: those after the first `before`.
    #[cold]
    pub(super) fn explain(&mut self, before: usize, line: &[u8], hides: bool) {
        for refused in &mut self.refused[before..] {
            refused.about.line(line, hides);
        }
    }

    /// An empty transaction; its memory is that of one that is over, if there is any.
    pub(super) fn transaction(&mut self) -> Box<Transaction> {
        let transaction = self.spare.take().unwrap_or_default();
        assert!(
            transaction.recipients.is_empty(),
            "a new transaction has no recipient"
        );
        transaction
    }

    /// Keeps the memory of a transaction that is over, unless it had many recipients.
    pub(super) fn keep(&mut self, mut transaction: Box<Transaction>) {
        if transaction.recipients.capacity() <= SPARE_RECIPIENTS {
            transaction.reverse_path = None;
            transaction.recipients.clear();
            self.spare = Some(transaction);
        }
    }
}
