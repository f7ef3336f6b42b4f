//! One SMTP session: the only place that moves between its states, and the only one that can say 250 after a message.
//!
//! Input methods: [`Session::receive`], [`Session::receive_data`], [`Session::admit`], [`Session::resolve`],
//! [`Session::secured`], [`Session::expire`], [`Session::drain`]. After each of them the driver takes
//! [`Session::poll_action`] until it is `None`, sends the replies, and asks [`Session::deadline`].
//!
//! | file | owns |
//! |---|---|
//! | this one | the types of the interface, input and output, deadlines, replies |
//! | `session/command` | what each command does in each state |
//! | `session/content` | the message: data, chunks, its end, its outcome |
//! | `session/about` | what a refusal was about, for a log |
//!
//! Invariants: replies stand in the order of their commands; a message has one final reply; the 250 behind a message is
//! written in [`Session::resolve`] alone, from `Committing` alone, for the outcome "stored" alone; a plain-text octet is
//! never taken for one that came encrypted.

mod about;
mod command;
mod content;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use super::command::{Verb, at_first_sight};
use super::line::{Line, Splitter};
use super::policy::Policy;
use super::rate::Rate;
use super::refusal::Refusal;
use super::reply::Replies;
use super::state::{Framing, State, Transaction};
use crate::limits::{COMMAND_LINE_OCTETS, REPLY_BUFFER_OCTETS, SPARE_RECIPIENTS};

pub use about::{About, Refused};

/// What the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Find room for a body of about this size, then call [`Session::admit`].
    Admit {
        /// SIZE= of MAIL, or the size of the first chunk if that is larger.
        announced: Option<u64>,
    },
    /// The message is complete: hand it over, then call [`Session::resolve`].
    Commit {
        /// Octets of the message.
        size: u64,
        /// Whether it came by DATA and holds a bare CR or a bare LF, which the policy accepts.
        bare_newlines: bool,
    },
    /// Nothing more of the body is needed; free it.
    Discard,
    /// Write what waits, drop what was read and not yet consumed, shake hands, then call [`Session::secured`].
    StartTls,
    /// Write what waits, then close.
    Close,
}

/// What happened, for those who count. The core itself counts nothing.
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

/// Which input the session takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// Command lines.
    Commands,
    /// The data of a message, or a chunk of one.
    Data,
    /// [`Session::admit`], [`Session::resolve`] or [`Session::secured`]; nothing is read meanwhile.
    Driver,
    /// Nothing any more.
    Nothing,
}

/// What a piece of data came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Octets at the front of the piece that belong to the message.
    pub kept: usize,
    /// Octets of the piece that were data; what follows are commands.
    pub consumed: usize,
    /// Octets to take back from the end of the body.
    pub retracted: usize,
    /// Whether the data, or the chunk, ended.
    pub ended: bool,
}

/// What a session has to say: memory that it needs only while it has.
#[derive(Debug, Default)]
pub struct Output {
    replies: Replies,
    events: Vec<Event>,
    /// What the refusals among the events were about, where that is asked for.
    refused: Vec<Refused>,
    /// An empty transaction, for its memory.
    spare: Option<Box<Transaction>>,
}

impl Output {
    /// Octets of memory that it holds.
    pub fn octets(&self) -> usize {
        self.replies.capacity()
            + self.events.capacity() * size_of::<Event>()
            + self.refused.capacity() * size_of::<Refused>()
    }

    /// Keeps the memory of a transaction that is over, unless it had many recipients.
    fn keep(&mut self, mut transaction: Box<Transaction>) {
        if transaction.recipients.capacity() <= SPARE_RECIPIENTS {
            transaction.reverse_path = None;
            transaction.recipients.clear();
            self.spare = Some(transaction);
        }
    }
}

/// A session. See the module.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    state: State,
    splitter: Splitter,
    /// What was said and has happened; none while nothing waits there, once the driver has taken it.
    output: Option<Box<Output>>,
    action: Option<Action>,
    deadline: Instant,
    started: Instant,
    /// Whether it is encrypted.
    secure: bool,
    /// Whether somebody asks what refusals were about.
    explains: bool,
    /// Whether the lines that are no commands may be a password's.
    hides: bool,
    /// The latest refusals, to which the line that they answer is to be added.
    unexplained: u8,
    /// Commands in error since the last message that was stored.
    errors: u32,
    /// Recipients that were not taken, since then.
    unknown_recipients: u32,
    /// Commands since one brought a message forward.
    idle_commands: u32,
    messages: u64,
    octets: u64,
    /// Messages that the client may begin; none without a limit.
    rate: Option<Arc<Rate>>,
}

impl Session {
    /// Starts with the banner, in clear.
    pub fn new(policy: Arc<Policy>, now: Instant) -> Self {
        let deadline = now + policy.command_timeout;
        let mut session = Self {
            policy,
            state: State::Connected,
            splitter: Splitter::default(),
            output: None,
            action: None,
            deadline,
            started: now,
            secure: false,
            explains: false,
            hides: false,
            unexplained: 0,
            errors: 0,
            unknown_recipients: 0,
            idle_commands: 0,
            messages: 0,
            octets: 0,
            rate: None,
        };
        let policy = Arc::clone(&session.policy);
        session.say(220, "", format_args!("{} ESMTP ringpost", policy.hostname));
        session
    }

    /// TLS is on before the banner (RFC 8314 3.3): begins with it now.
    pub fn begin_secure(&mut self, policy: Arc<Policy>, now: Instant) {
        let (rate, explains) = (self.rate.take(), self.explains);
        *self = Self::new(policy, now);
        (self.secure, self.rate, self.explains) = (true, rate, explains);
    }

    /// Which input comes next.
    pub fn expects(&self) -> Expects {
        match self.state {
            State::Connected
            | State::Greeted(_)
            | State::Addressed(_)
            | State::BetweenChunks(_) => Expects::Commands,
            State::Receiving { .. } | State::Skipping { .. } => Expects::Data,
            State::Admitting(..) | State::Committing(_) | State::Securing(_) => Expects::Driver,
            State::Closed => Expects::Nothing,
        }
    }

    /// Whether it waits for a command outside of a transaction.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Connected | State::Greeted(_))
    }

    /// When [`Session::expire`] is due.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The next action.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// Replies that wait.
    pub fn replies(&mut self) -> &mut Replies {
        &mut self.output().replies
    }

    /// Octets of the replies that wait.
    pub fn octets_waiting(&self) -> usize {
        self.output
            .as_ref()
            .map_or(0, |output| output.replies.len())
    }

    /// Events since the last call.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        let events = self.output.as_mut().map(|output| output.events.drain(..));
        events.into_iter().flatten()
    }

    /// Memory for what will be said, if the session has none. A driver of many sessions lends it to those that have something
    /// to say; who does not need not.
    pub fn lend(&mut self, output: impl FnOnce() -> Box<Output>) {
        self.output.get_or_insert_with(output);
    }

    /// Gives that memory back where nothing waits in it.
    pub fn give_back(&mut self) -> Option<Box<Output>> {
        self.output.take_if(|output| {
            output.replies.is_empty() && output.events.is_empty() && output.refused.is_empty()
        })
    }

    fn output(&mut self) -> &mut Output {
        self.output.get_or_insert_default()
    }

    /// The transaction while its message is being admitted, received or committed.
    pub fn transaction(&self) -> Option<&Transaction> {
        match &self.state {
            State::Admitting(transaction, _) | State::Committing(transaction) => Some(transaction),
            State::Receiving { incoming, .. } | State::BetweenChunks(incoming) => {
                Some(&incoming.transaction)
            }
            State::Connected
            | State::Greeted(_)
            | State::Securing(_)
            | State::Addressed(_)
            | State::Skipping { .. }
            | State::Closed => None,
        }
    }

    /// While data is expected: the most octets that a read may take, so that none behind a chunk is read with it.
    pub fn data_limit(&self) -> usize {
        let left = match &self.state {
            State::Receiving {
                framing: Framing::Chunk(chunk),
                ..
            } => chunk.left,
            State::Skipping { left, .. } => *left,
            _ => return usize::MAX,
        };
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Takes command lines from the front of `input`; the octets consumed. Stops where something else is expected, an
    /// action is due, or enough replies wait to be sent.
    pub fn receive(&mut self, input: &[u8], now: Instant) -> usize {
        let mut consumed = 0;
        while self.expects() == Expects::Commands
            && self.action.is_none()
            && self.octets_waiting() < REPLY_BUFFER_OCTETS
        {
            let rest = &input[consumed..];
            if is_client_hello(rest) && matches!(self.state, State::Connected) {
                self.refuse(Refusal::NotSmtp);
                return input.len();
            }
            match self.splitter.next(rest) {
                Line::Partial => break,
                Line::Whole {
                    length,
                    consumed: octets,
                } => {
                    consumed += octets;
                    self.renew(now);
                    self.unexplained = 0;
                    self.line(&rest[..length], now);
                    self.explain(&rest[..length]);
                }
                Line::Bare {
                    length,
                    consumed: octets,
                } => {
                    consumed += octets;
                    self.renew(now);
                    self.unexplained = 0;
                    self.bare_line(&rest[..length], now);
                    self.explain(&rest[..length]);
                }
                Line::Overlong {
                    consumed: octets,
                    begins,
                    ended,
                } => {
                    consumed += octets;
                    // Always looks at as many octets, so that the answer does not depend on how they were cut.
                    let front = &rest[..COMMAND_LINE_OCTETS.min(rest.len())];
                    if begins && let Some(refusal) = at_first_sight(front) {
                        self.output().events.push(Event::Command(Verb::Unknown));
                        self.unexplained = 0;
                        self.refuse(refusal);
                        self.explain(&rest[..octets]);
                        break;
                    }
                    if !ended {
                        break;
                    }
                    self.output().events.push(Event::Command(Verb::Unknown));
                    self.refuse(Refusal::LineTooLong);
                }
            }
        }
        consumed
    }

    /// The handshake that [`Action::StartTls`] asked for is done: all that was said in clear is forgotten (RFC 3207 4.2).
    ///
    /// # Panics
    /// If no handshake was asked for.
    pub fn secured(&mut self, now: Instant) {
        assert!(
            matches!(self.state, State::Securing(_)),
            "a handshake outside of Securing"
        );
        self.secure = true;
        self.state = State::Connected;
        self.splitter = Splitter::default();
        self.renew(now);
    }

    /// The deadline has passed.
    pub fn expire(&mut self, now: Instant) {
        match self.state {
            State::Committing(_) => self.resolve(Err::<&str, _>(Refusal::StorageTimedOut), now),
            State::Admitting(..) => self.admit(Err(Refusal::NoRoom), now),
            State::Connected
            | State::Greeted(_)
            | State::Addressed(_)
            | State::BetweenChunks(_)
            | State::Skipping { .. }
            | State::Receiving { .. } => self.refuse(Refusal::TimedOut),
            // No reply could be read: neither side knows yet whether the next octets are encrypted.
            State::Securing(_) => self.close(),
            State::Closed => {}
        }
    }

    /// The policy that holds now. It is taken up between transactions, so that each has one; who drives the session offers it
    /// again.
    pub fn adopt(&mut self, policy: &Arc<Policy>) {
        if self.is_idle() && !Arc::ptr_eq(&self.policy, policy) {
            self.policy = Arc::clone(policy);
        }
    }

    /// How many messages the client may begin, on all of its connections together.
    pub fn limit(&mut self, rate: Option<Arc<Rate>>) {
        self.rate = rate;
    }

    /// The server is stopping: a session without a transaction ends now, another one at the end of its transaction.
    pub fn drain(&mut self) {
        if self.is_idle() {
            self.refuse(Refusal::ShuttingDown);
        }
    }

    fn renew(&mut self, now: Instant) {
        self.deadline = now + self.policy.command_timeout;
        if let State::BetweenChunks(incoming) = &self.state {
            self.deadline = self.deadline.min(incoming.until);
        }
    }

    fn say(&mut self, code: u16, enhanced: &str, text: impl Display) {
        self.output().events.push(Event::Reply(code));
        self.output()
            .replies
            .line(code, enhanced, format_args!("{text}"));
    }

    fn say_text(&mut self, code: u16, enhanced: &str, text: &str) {
        self.output().events.push(Event::Reply(code));
        self.output().replies.text(code, enhanced, text);
    }

    fn refuse(&mut self, refusal: Refusal) {
        let about = self.about_now();
        self.refuse_about(refusal, about);
    }

    /// Refuses something that the state tells nothing of any more; `about` is what it was about, if that is asked for.
    fn refuse_about(&mut self, refusal: Refusal, about: Option<About>) {
        if let Some(about) = about {
            self.keep_refused(refusal, about);
        }
        self.output().events.push(Event::Reply(refusal.row().code));
        self.output().events.push(Event::Refused(refusal));
        self.output().replies.refuse(refusal);
        if refusal.closes() {
            return self.close();
        }
        if refusal.is_recipient() {
            self.unknown_recipients += 1;
            if self.unknown_recipients as usize >= self.policy.unknown_recipients {
                self.refuse(Refusal::TooManyUnknownRecipients);
            }
        } else if refusal.is_error() {
            self.errors += 1;
            if self.errors as usize >= self.policy.errors {
                self.refuse(Refusal::TooManyErrors);
            }
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.action = Some(Action::Close);
    }
}

/// The first octets of a TLS handshake record (RFC 8446 5.1): what a client sends that takes this for an implicit TLS port.
fn is_client_hello(input: &[u8]) -> bool {
    matches!(input, [0x16, 0x03, ..])
}
