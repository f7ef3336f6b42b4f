//! One SMTP session: the only place that moves between its states, and the only one that can say 250 after a message.
//!
//! Input methods: [`Session::receive`], [`Session::receive_data`], [`Session::admit`], [`Session::resolve`],
//! [`Session::expire`], [`Session::drain`]. After each of them the driver takes [`Session::poll_action`] until it is
//! `None`, sends the replies, and asks [`Session::deadline`].
//!
//! Invariants: replies stand in the order of their commands; a message has one final reply; the 250 behind a message is
//! written in [`Session::resolve`] alone, from `Committing` alone, for the outcome "stored" alone.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use super::address::Mailbox;
use super::command::{self, Command, Verb};
use super::data::Decoder;
use super::line::{Line, Splitter};
use super::parameter::MailParameters;
use super::policy::Policy;
use super::rate::Rate;
use super::refusal::Refusal;
use super::reply::Replies;
use super::state::{Hello, State, Transaction};
use crate::limits::{ENVELOPE_OCTETS, REPLY_BUFFER_OCTETS};

/// What the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Find room for a body of about this size, then call [`Session::admit`].
    Admit {
        /// SIZE= of MAIL.
        announced: Option<u64>,
    },
    /// The message is complete: hand it over, then call [`Session::resolve`].
    Commit {
        /// Octets of the message.
        size: u64,
    },
    /// Nothing more of the body is needed; free it.
    Discard,
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
}

/// Which input the session takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// Command lines.
    Commands,
    /// The data of a message.
    Data,
    /// [`Session::admit`] or [`Session::resolve`]; nothing is read meanwhile.
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
    /// Whether the data ended.
    pub ended: bool,
}

/// A session. See the module.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    state: State,
    splitter: Splitter,
    replies: Replies,
    action: Option<Action>,
    events: Vec<Event>,
    errors: usize,
    deadline: Instant,
    /// When the commands came that are being taken.
    now: Instant,
    /// Messages that the client may begin; none without a limit.
    rate: Option<Arc<Rate>>,
}

impl Session {
    /// Starts with the banner.
    pub fn new(policy: Arc<Policy>, now: Instant) -> Self {
        let deadline = now + policy.command_timeout;
        let mut session = Self {
            policy,
            state: State::Connected,
            splitter: Splitter::default(),
            replies: Replies::default(),
            action: None,
            events: Vec::new(),
            errors: 0,
            deadline,
            now,
            rate: None,
        };
        let banner = format!("{} ESMTP ringpost", session.policy.hostname);
        session.say(220, "", banner);
        session
    }

    /// Which input comes next.
    pub fn expects(&self) -> Expects {
        match self.state {
            State::Connected | State::Greeted(_) | State::Addressed(_) => Expects::Commands,
            State::Receiving { .. } => Expects::Data,
            State::Admitting(_) | State::Committing(_) => Expects::Driver,
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
        &mut self.replies
    }

    /// Events since the last call.
    pub fn events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// The transaction while it is being admitted or received.
    pub fn transaction(&self) -> Option<&Transaction> {
        match &self.state {
            State::Admitting(transaction) | State::Receiving { transaction, .. } => {
                Some(transaction)
            }
            State::Connected
            | State::Greeted(_)
            | State::Addressed(_)
            | State::Committing(_)
            | State::Closed => None,
        }
    }

    /// Takes command lines from the front of `input`; the octets consumed. Stops where something else is expected, an
    /// action is due, or enough replies wait to be sent.
    pub fn receive(&mut self, input: &[u8], now: Instant) -> usize {
        let mut consumed = 0;
        self.now = now;
        while self.expects() == Expects::Commands
            && self.action.is_none()
            && self.replies.len() < REPLY_BUFFER_OCTETS
        {
            let rest = &input[consumed..];
            match self.splitter.next(rest) {
                Line::Partial => break,
                Line::Whole {
                    length,
                    consumed: octets,
                } => {
                    consumed += octets;
                    self.deadline = now + self.policy.command_timeout;
                    self.line(&rest[..length]);
                }
                Line::Overlong {
                    consumed: octets,
                    ended,
                } => {
                    consumed += octets;
                    if !ended {
                        break;
                    }
                    self.events.push(Event::Command(Verb::Unknown));
                    self.refuse(Refusal::LineTooLong);
                }
            }
        }
        consumed
    }

    /// Takes data, decoded in place.
    ///
    /// # Panics
    /// If no data is expected.
    pub fn receive_data(&mut self, piece: &mut [u8], now: Instant) -> Progress {
        let State::Receiving {
            decoder,
            size,
            spoilt,
            ..
        } = &mut self.state
        else {
            panic!("data outside of Receiving")
        };
        let decoded = decoder.decode(piece);
        *size = *size + decoded.kept as u64 - decoded.retracted as u64;
        let mut progress = Progress {
            kept: decoded.kept,
            consumed: decoded.consumed,
            retracted: decoded.retracted,
            ended: decoded.ended,
        };
        // The CR of the final CRLF may still be counted, so one octet over the limit is not yet over it.
        if spoilt.is_none() && *size > self.policy.message_size + u64::from(!decoded.ended) {
            *spoilt = Some(Refusal::TooBig);
            self.action = Some(Action::Discard);
        }
        if spoilt.is_some() {
            (progress.kept, progress.retracted) = (0, 0);
        }
        self.deadline = now + self.policy.data_timeout;
        if decoded.ended {
            self.end_of_data(now);
        }
        progress
    }

    /// The driver found room for the body, or refuses it.
    ///
    /// # Panics
    /// If no admission was asked for.
    pub fn admit(&mut self, room: Result<(), Refusal>, now: Instant) {
        let State::Admitting(transaction) = std::mem::replace(&mut self.state, State::Closed)
        else {
            panic!("admission outside of Admitting")
        };
        match room {
            Ok(()) => {
                self.deadline = now + self.policy.data_timeout;
                self.say(354, "", "Start mail input; end with <CRLF>.<CRLF>");
                self.state = State::Receiving {
                    transaction,
                    decoder: Decoder::default(),
                    size: 0,
                    spoilt: None,
                };
            }
            Err(refusal) => {
                self.deadline = now + self.policy.command_timeout;
                self.state = State::Greeted(transaction.hello);
                self.refuse(refusal);
            }
        }
    }

    /// The driver has no room for the rest of the body: the data is read to its end and refused then.
    pub fn spoil(&mut self, refusal: Refusal) {
        if let State::Receiving { spoilt, .. } = &mut self.state
            && spoilt.is_none()
        {
            *spoilt = Some(refusal);
            self.action = Some(Action::Discard);
        }
    }

    /// The outcome of a commit: `Ok` with the queue id once every in-sync replica has the record.
    ///
    /// # Panics
    /// If no commit was asked for.
    pub fn resolve(&mut self, outcome: Result<impl Display, Refusal>, now: Instant) {
        let State::Committing(hello) = std::mem::replace(&mut self.state, State::Closed) else {
            panic!("an outcome outside of Committing")
        };
        self.state = State::Greeted(hello);
        self.deadline = now + self.policy.command_timeout;
        match outcome {
            Ok(id) => self.say(250, "2.0.0", id),
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// The deadline has passed.
    pub fn expire(&mut self, now: Instant) {
        match self.state {
            State::Committing(_) => self.resolve(Err::<&str, _>(Refusal::KafkaTimedOut), now),
            State::Admitting(_) => self.admit(Err(Refusal::NoRoom), now),
            State::Connected
            | State::Greeted(_)
            | State::Addressed(_)
            | State::Receiving { .. } => {
                self.refuse(Refusal::TimedOut);
            }
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

    fn line(&mut self, line: &[u8]) {
        let (verb, command) = command::parse(line);
        self.events.push(Event::Command(verb));
        match command {
            Ok(command) => self.command(command),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Helo(name) => self.hello(name, false),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Mail(reverse_path, parameters) => self.mail(reverse_path, parameters),
            Command::Rcpt(forward_path) => self.rcpt(forward_path),
            Command::Data => self.data(),
            Command::Rset => {
                self.reset();
                self.say(250, "2.0.0", "Ok");
            }
            Command::Noop => self.say(250, "2.0.0", "Ok"),
            Command::Vrfy => self.say(
                252,
                "2.5.0",
                "Cannot verify; send some mail, it will be tried",
            ),
            Command::Help => self.say(
                214,
                "2.0.0",
                "HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT",
            ),
            Command::Quit => {
                self.say(221, "2.0.0", "Bye");
                self.close();
            }
        }
    }

    fn hello(&mut self, name: String, extended: bool) {
        self.state = State::Greeted(Hello {
            name: name.into(),
            extended,
        });
        if !extended {
            let hostname = self.policy.hostname.clone();
            return self.say(250, "", hostname);
        }
        let policy = Arc::clone(&self.policy);
        self.events.push(Event::Reply(250));
        self.replies.lines(
            250,
            &[
                format_args!("{}", policy.hostname),
                format_args!("PIPELINING"),
                format_args!("SIZE {}", policy.message_size),
                format_args!("8BITMIME"),
                format_args!("SMTPUTF8"),
                format_args!("ENHANCEDSTATUSCODES"),
            ],
        );
    }

    fn mail(&mut self, reverse_path: Option<Mailbox>, parameters: MailParameters) {
        let hello = match &self.state {
            State::Greeted(hello) => hello.clone(),
            State::Addressed(_) => return self.refuse(Refusal::NestedMail),
            State::Connected => return self.refuse(Refusal::NeedHello),
            State::Admitting(_)
            | State::Receiving { .. }
            | State::Committing(_)
            | State::Closed => unreachable!(),
        };
        if parameters
            .size
            .is_some_and(|size| size > self.policy.message_size)
        {
            return self.refuse(Refusal::AnnouncedTooBig);
        }
        if self.rate.as_ref().is_some_and(|rate| !rate.take(self.now)) {
            return self.refuse(Refusal::MessageRate);
        }
        self.state = State::Addressed(Transaction {
            hello,
            reverse_path,
            parameters,
            recipients: Vec::new(),
        });
        self.say(250, "2.1.0", "Ok");
    }

    fn rcpt(&mut self, forward_path: Mailbox) {
        let State::Addressed(transaction) = &mut self.state else {
            return self.refuse(Refusal::NeedMail);
        };
        if forward_path.is_international() && !transaction.parameters.smtputf8 {
            return self.refuse(Refusal::AddressNeedsSmtpUtf8);
        }
        if let Err(refusal) = self.policy.taken.check(&forward_path) {
            return self.refuse(refusal);
        }
        let octets: usize = transaction
            .recipients
            .iter()
            .map(|mailbox| mailbox.as_str().len() + 16)
            .sum();
        if transaction.recipients.len() >= self.policy.recipients || octets > ENVELOPE_OCTETS {
            return self.refuse(Refusal::TooManyRecipients);
        }
        transaction.recipients.push(forward_path);
        self.say(250, "2.1.5", "Ok");
    }

    fn data(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Addressed(transaction) if !transaction.recipients.is_empty() => {
                self.action = Some(Action::Admit {
                    announced: transaction.parameters.size,
                });
                self.state = State::Admitting(transaction);
            }
            other @ State::Addressed(_) => {
                self.state = other;
                self.refuse(Refusal::NeedRecipient);
            }
            other @ (State::Connected | State::Greeted(_)) => {
                self.state = other;
                self.refuse(Refusal::NeedMail);
            }
            State::Admitting(_)
            | State::Receiving { .. }
            | State::Committing(_)
            | State::Closed => unreachable!(),
        }
    }

    fn reset(&mut self) {
        if let State::Addressed(transaction) = &self.state {
            self.state = State::Greeted(transaction.hello.clone());
        }
    }

    fn end_of_data(&mut self, now: Instant) {
        let State::Receiving {
            transaction,
            size,
            spoilt,
            ..
        } = std::mem::replace(&mut self.state, State::Closed)
        else {
            unreachable!("the data ends in Receiving")
        };
        match spoilt {
            Some(refusal) => {
                self.state = State::Greeted(transaction.hello);
                self.deadline = now + self.policy.command_timeout;
                self.action = Some(Action::Discard);
                self.refuse(refusal);
            }
            None => {
                self.deadline = now + self.policy.commit_timeout;
                self.state = State::Committing(transaction.hello);
                self.action = Some(Action::Commit { size });
            }
        }
    }

    fn say(&mut self, code: u16, enhanced: &str, text: impl Display) {
        self.events.push(Event::Reply(code));
        self.replies.line(code, enhanced, format_args!("{text}"));
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.events.push(Event::Reply(refusal.row().code));
        self.events.push(Event::Refused(refusal));
        self.replies.refuse(refusal);
        if refusal.closes() {
            return self.close();
        }
        if refusal.is_error() {
            self.errors += 1;
            if self.errors >= self.policy.errors {
                self.refuse(Refusal::TooManyErrors);
            }
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.action = Some(Action::Close);
    }
}
