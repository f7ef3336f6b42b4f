//! What each command does in each state.
//!
//! Owns: the order of commands (RFC 5321 4.1.4), the greeting, the envelope. Must not know: how a message's octets are told
//! apart; `content` does.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Instant;

use super::{Action, Event, Session};
use crate::limits::ENVELOPE_OCTETS;
use crate::smtp::address::Mailbox;
use crate::smtp::command::{self, Command, Verb};
use crate::smtp::extension::EXTENSIONS;
use crate::smtp::parameter::MailParameters;
use crate::smtp::policy::Policy;
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Hello, State, Transaction};

impl Session {
    pub(super) fn line(&mut self, line: &[u8], now: Instant) {
        let (verb, command) = command::parse(line);
        self.parsed(verb, command, now);
    }

    /// A line that ended with a bare LF.
    pub(super) fn bare_line(&mut self, line: &[u8], now: Instant) {
        let (verb, refusal) = command::parse_bare(line);
        self.parsed(verb, Err(refusal), now);
    }

    fn parsed(&mut self, verb: Verb, command: Result<Command, Refusal>, now: Instant) {
        self.output().events.push(Event::Command(verb));
        if self.is_idle() && now.duration_since(self.started) >= self.policy.session_timeout {
            return self.refuse(Refusal::SessionTooLong);
        }
        self.idle_commands += 1;
        if self.idle_commands as usize > self.policy.idle_commands {
            return self.refuse(Refusal::TooManyIdleCommands);
        }
        match command {
            Ok(command) => self.command(command, now),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Helo(name) => self.hello(name, false),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Mail(reverse_path, parameters) => self.mail(reverse_path, parameters, now),
            Command::Rcpt(forward_path) => self.rcpt(forward_path),
            Command::Data => self.data(),
            Command::Bdat(chunk) => self.bdat(chunk, now),
            Command::StartTls => self.start_tls(),
            Command::Rset => {
                self.reset();
                self.say_text(250, "2.0.0", "Ok");
            }
            Command::Noop => self.say_text(250, "2.0.0", "Ok"),
            Command::Vrfy => self.say_text(
                252,
                "2.5.0",
                "Cannot verify; send some mail, it will be tried",
            ),
            Command::Help => self.say_text(
                214,
                "2.0.0",
                "HELO EHLO MAIL RCPT DATA BDAT STARTTLS RSET NOOP VRFY HELP QUIT",
            ),
            Command::Quit => {
                self.say_text(221, "2.0.0", "Bye");
                self.close();
            }
        }
    }

    fn hello(&mut self, name: String, extended: bool) {
        self.reset();
        self.state = State::Greeted(Hello {
            name: name.into(),
            extended,
        });
        let policy = Arc::clone(&self.policy);
        if !extended {
            return self.say(250, "", &policy.hostname);
        }
        let offered =
            &EXTENSIONS[..EXTENSIONS.len() - usize::from(!policy.starttls || self.secure)];
        self.output().events.push(Event::Reply(250));
        self.output()
            .replies
            .first(250, format_args!("{}", policy.hostname));
        for (place, extension) in offered.iter().enumerate() {
            let value = Value {
                keyword: extension.keyword,
                policy: &policy,
            };
            let last = place + 1 == offered.len();
            self.output()
                .replies
                .further(250, last, format_args!("{}{value}", extension.keyword));
        }
    }

    fn start_tls(&mut self) {
        match &self.state {
            _ if !self.policy.starttls => self.refuse(Refusal::NotImplemented),
            State::Connected | State::Greeted(_) if !self.secure => {
                self.say_text(220, "2.0.0", "Ready to start TLS");
                let hello = match std::mem::replace(&mut self.state, State::Connected) {
                    State::Greeted(hello) => hello,
                    _ => Hello::default(),
                };
                self.state = State::Securing(hello);
                self.action = Some(Action::StartTls);
            }
            _ => self.refuse(Refusal::TlsOutOfOrder),
        }
    }

    fn mail(&mut self, reverse_path: Option<Mailbox>, parameters: MailParameters, now: Instant) {
        let hello = match &self.state {
            State::Greeted(hello) => hello.clone(),
            State::Addressed(_) => return self.refuse(Refusal::NestedMail),
            State::Connected => return self.refuse(Refusal::NeedHello),
            State::BetweenChunks(_) => return self.refuse(Refusal::ChunksOpen),
            State::Admitting(..)
            | State::Receiving { .. }
            | State::Skipping { .. }
            | State::Securing(_)
            | State::Committing(_)
            | State::Closed => unreachable!("commands are read in other states"),
        };
        if self.is_full() {
            return self.refuse(Refusal::SessionFull);
        }
        if parameters
            .size
            .is_some_and(|size| size > self.policy.message_size)
        {
            return self.refuse(Refusal::AnnouncedTooBig);
        }
        if self.rate.as_ref().is_some_and(|rate| !rate.take(now)) {
            return self.refuse(Refusal::MessageRate);
        }
        let mut transaction = self.output().spare.take().unwrap_or_default();
        *transaction = Transaction {
            hello,
            reverse_path,
            parameters,
            recipients: std::mem::take(&mut transaction.recipients),
        };
        self.state = State::Addressed(transaction);
        self.say_text(250, "2.1.0", "Ok");
    }

    /// Whether the session has brought as much as it may.
    fn is_full(&self) -> bool {
        let reached = |count: u64, limit: u64| limit > 0 && count >= limit;
        reached(self.messages, self.policy.session_messages)
            || reached(self.octets, self.policy.session_octets)
    }

    fn rcpt(&mut self, forward_path: Mailbox) {
        let transaction = match &mut self.state {
            State::Addressed(transaction) => transaction,
            State::BetweenChunks(_) => return self.refuse(Refusal::ChunksOpen),
            _ => return self.refuse(Refusal::NeedMail),
        };
        if forward_path.is_international() && !transaction.parameters.smtputf8 {
            return self.refuse(Refusal::AddressNeedsSmtpUtf8);
        }
        if let Err(refusal) = self.policy.taken.check(&forward_path) {
            return self.refuse(refusal);
        }
        // The brackets of the array are one more than the commas that `json_octets` counts.
        let taken = transaction.recipients.iter().chain([&forward_path]);
        let octets = taken.map(Mailbox::json_octets).sum::<usize>() + 1;
        if transaction.recipients.len() >= self.policy.recipients || octets > ENVELOPE_OCTETS {
            return self.refuse(Refusal::TooManyRecipients);
        }
        transaction.recipients.push(forward_path);
        self.idle_commands = 0;
        self.say_text(250, "2.1.5", "Ok");
    }

    /// Ends the transaction, if one is open.
    pub(super) fn reset(&mut self) {
        let hello = match &self.state {
            State::Addressed(transaction) => transaction.hello.clone(),
            State::BetweenChunks(incoming) => {
                self.action = Some(Action::Discard);
                incoming.transaction.hello.clone()
            }
            _ => return,
        };
        self.state = State::Greeted(hello);
    }
}

/// What stands behind a keyword in the reply to EHLO.
struct Value<'a> {
    keyword: &'static str,
    policy: &'a Policy,
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keyword {
            "SIZE" => write!(f, " {}", self.policy.message_size),
            "LIMITS" => {
                write!(f, " RCPTMAX={}", self.policy.recipients)?;
                match self.policy.session_messages {
                    0 => Ok(()),
                    messages => write!(f, " MAILMAX={messages}"),
                }
            }
            _ => Ok(()),
        }
    }
}
