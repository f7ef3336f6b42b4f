//! One SMTP session: the only place that moves between its states, and the only one that can say 250 after a message.
//!
//! | file | owns |
//! |---|---|
//! | this one | the session: its inputs, deadlines, the one promise |
//! | `step` | what each command does at each stage |
//! | `content` | the octets of a message, and its end |
//! | `effects` | what a step comes to: one answer, one action |
//! | `counts` | what is counted, and the limits that end a session |
//! | `action` | what the driver is asked for |
//! | `output` | what is said and what has happened |
//! | `about` | what a refusal was about, for a log |
//! | `intake` | whether mail is taken at all |
//!
//! Invariants: replies stand in the order of their commands; a message has one final reply; the 250 after a message is
//! written in [`Session::resolve`] alone, from `Committing` alone, for the outcome "stored" alone; a plain-text octet is
//! never taken for one that came encrypted.

mod about;
mod action;
mod content;
mod counts;
mod effects;
mod intake;
mod output;
mod step;

use std::sync::Arc;
use std::time::Instant;

use super::command::{self, Command, Verb, at_first_sight};
use super::directory::Directory;
use super::extension;
use super::line::{Line, Splitter};
use super::policy::Policy;
use super::positive::Positive;
use super::rate::Rate;
use super::refusal::Refusal;
use super::state::{Framing, Stage, State};
use crate::limits::{COMMAND_LINE_OCTETS, REPLY_BUFFER_OCTETS};
use crate::smtp::decimal::Decimal;
use counts::Counts;
use effects::{Answer, Effects};
use step::Context;

pub use about::{About, Refused, Shown};
pub use action::{Action, Admission, Commit, Expects, Progress};
pub use intake::Intake;
pub use output::{Event, Output};

/// A session. Its driver has the connection, the body and the time.
///
/// - **Inputs** say what has happened, and when: [`begin`](Session::begin), [`receive`](Session::receive),
///   [`receive_data`](Session::receive_data), [`admit`](Session::admit), [`resolve`](Session::resolve),
///   [`secured`](Session::secured), [`resume`](Session::resume), [`spoil`](Session::spoil), [`expire`](Session::expire),
///   [`drain`](Session::drain).
///   What they say goes to the [`Output`] that they are given.
/// - **Then** the driver takes [`poll_action`](Session::poll_action) until it is `None`, sends the replies, and asks for the
///   next [`deadline`](Session::deadline).
/// - **Questions**: [`expects`](Session::expects), [`data_limit`](Session::data_limit), [`is_idle`](Session::is_idle),
///   [`heard`](Session::heard), [`about`](Session::about).
/// - **Settings**: [`adopt`](Session::adopt), [`follow`](Session::follow), [`limit`](Session::limit), [`heed`](Session::heed),
///   [`explain_refusals`](Session::explain_refusals), [`wind_down`](Session::wind_down).
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    /// Whom a directory names, as the driver gave it last.
    directory: Option<Arc<Directory>>,
    state: State,
    splitter: Splitter,
    action: Option<Action>,
    /// When something last happened.
    heard: Instant,
    started: Instant,
    /// Whether it is encrypted.
    secure: bool,
    /// Whether it is asked for what refusals are about.
    explains: bool,
    /// Whether the lines that are no commands may be a password's.
    hides: bool,
    counts: Counts,
    /// Messages that the client may begin; none without a limit.
    rate: Option<Arc<Rate>>,
    /// Whether mail is taken, as far as the driver knows.
    intake: Intake,
    /// Whether the server stops, and leaves the client time for what it has begun.
    winds_down: bool,
}

impl Session {
    /// A session that has said nothing yet.
    pub fn new(policy: Arc<Policy>, now: Instant) -> Self {
        Self {
            policy,
            directory: None,
            state: State::Ready(Stage::Connected),
            splitter: Splitter::default(),
            action: None,
            heard: now,
            started: now,
            secure: false,
            explains: false,
            hides: false,
            counts: Counts::default(),
            rate: None,
            intake: Intake::default(),
            winds_down: false,
        }
    }

    /// The connection is open, in clear, or `secure` where TLS is on already (RFC 8314 3.3): says the banner, or, where nothing
    /// may begin, 421 in its place, with which the session ends.
    pub fn begin(&mut self, secure: bool, now: Instant, output: &mut Output) {
        assert!(
            matches!(self.state, State::Ready(Stage::Connected)),
            "a session begins once"
        );
        self.secure = secure;
        self.started = now;
        self.heard = now;
        match self.intake {
            Intake::Open | Intake::NoMail => {
                output.say_with(Positive::Banner, &self.policy.hostname);
            }
            Intake::Closed => self.refuse(Refusal::StorageClosed, output),
        }
    }

    /// Takes command lines from the front of `input`; the octets consumed. Stops where something else is expected, an
    /// action is due, or enough replies wait to be sent.
    pub fn receive(&mut self, input: &[u8], now: Instant, output: &mut Output) -> usize {
        let mut consumed = 0;
        while self.expects() == Expects::Commands
            && self.action.is_none()
            && output.waiting() < REPLY_BUFFER_OCTETS
        {
            let rest = &input[consumed..];
            if is_client_hello(rest) && matches!(self.state, State::Ready(Stage::Connected)) {
                self.refuse(Refusal::NotSmtp, output);
                return input.len();
            }
            let line = self.splitter.next(rest);
            let (octets, ended) = self.take_line(line, rest, now, output);
            consumed += octets;
            if !ended {
                break;
            }
        }
        assert!(consumed <= input.len(), "no more is taken than has come");
        consumed
    }

    /// Takes data, decoded in place, or a part of a chunk; nothing where no data is expected.
    pub fn receive_data(
        &mut self,
        piece: &mut [u8],
        now: Instant,
        output: &mut Output,
    ) -> Progress {
        let progress = match &mut self.state {
            State::Receiving(receiving) => {
                let kept = receiving.spoilt.is_none();
                let progress = content::receive(receiving, piece, &self.policy);
                if kept && receiving.spoilt.is_some() {
                    self.action = Some(Action::Discard);
                }
                progress
            }
            State::Skipping(skipping) => content::drop_piece(skipping, piece),
            State::Ready(_)
            | State::Securing(_)
            | State::Admitting
            | State::Committing
            | State::Closed => return Progress::default(),
        };
        assert!(
            progress.kept <= progress.consumed && progress.consumed <= piece.len(),
            "no more is kept than has come"
        );
        self.heard = now;
        if progress.ended {
            self.end_of_data(now, output);
        }
        progress
    }

    /// The driver found room for the body, or refuses the message.
    pub fn admit(
        &mut self,
        admission: Admission,
        room: Result<(), Refusal>,
        now: Instant,
        output: &mut Output,
    ) {
        assert!(
            matches!(self.state, State::Admitting),
            "an admission answers the session that asked for it"
        );
        let Admission { transaction, chunk } = admission;
        match (room, chunk) {
            (Ok(()), None) => {
                output.say(Positive::StartData);
                let incoming = content::begin(transaction, &self.policy, now);
                self.enter(content::begin_lines(incoming), now);
            }
            (Ok(()), Some(chunk)) => {
                let incoming = content::begin(transaction, &self.policy, now);
                let (state, effects) = content::begin_chunk(incoming, chunk, self.explains);
                self.enter(state, now);
                self.perform(effects, output);
            }
            (Err(refusal), chunk) => {
                let about = self.explains.then(|| About::transaction(&transaction));
                let stage = Stage::Greeted(transaction.hello);
                let state = step::skip(stage, chunk, &self.context(now));
                self.enter(state, now);
                self.refuse_message(refusal, about, output);
            }
        }
    }

    /// The outcome of a commit: `Ok` with the queue id once every in-sync replica has the record.
    pub fn resolve(
        &mut self,
        commit: Commit,
        outcome: Result<&str, Refusal>,
        now: Instant,
        output: &mut Output,
    ) {
        assert!(
            matches!(self.state, State::Committing),
            "an outcome answers the session that committed"
        );
        assert!(self.action.is_none(), "a commit is answered first");
        let mut transaction = commit.transaction;
        let hello = std::mem::take(&mut transaction.hello);
        output.keep(transaction);
        self.enter(State::Ready(Stage::Greeted(hello)), now);
        match outcome {
            Ok(id) => {
                self.counts.said(Positive::Stored);
                output.say_with(Positive::Stored, id);
            }
            // The driver has the outcome, and with it what the message was.
            Err(refusal) => self.refuse_message(refusal, None, output),
        }
    }

    /// The handshake that [`Action::StartTls`] asked for is done: all that was said in clear is forgotten (RFC 3207 4.2).
    pub fn secured(&mut self, now: Instant) {
        assert!(
            matches!(self.state, State::Securing(_)) && !self.secure,
            "a handshake answers the session that asked for it"
        );
        self.secure = true;
        self.splitter = Splitter::default();
        self.enter(State::Ready(Stage::Connected), now);
    }

    /// The driver has no room for the rest of the body: it is read to its end and refused then.
    pub fn spoil(&mut self, refusal: Refusal) {
        match &mut self.state {
            State::Receiving(receiving) => {
                if receiving.spoilt.is_none() {
                    receiving.spoilt = Some(refusal);
                    self.action = Some(Action::Discard);
                }
            }
            State::Ready(_)
            | State::Securing(_)
            | State::Admitting
            | State::Skipping(_)
            | State::Committing
            | State::Closed => {}
        }
    }

    /// The deadline has passed. A driver that owes an answer gives it instead: [`Refusal::NoRoom`], or that the outcome did
    /// not come in time.
    pub fn expire(&mut self, output: &mut Output) {
        match &self.state {
            State::Ready(_) | State::Receiving(_) | State::Skipping(_) => {
                self.refuse(Refusal::TimedOut, output);
            }
            // No reply could be read: neither side knows yet whether the next octets are encrypted.
            State::Securing(_) => self.close(),
            State::Admitting | State::Committing | State::Closed => {}
        }
    }

    /// The server stops soon: a client that has brought no message may still bring one, another one gets 421 at its next MAIL.
    pub fn wind_down(&mut self) {
        self.winds_down = true;
    }

    /// The server is stopping: a session without a transaction ends now, another one at the end of its transaction.
    pub fn drain(&mut self, output: &mut Output) {
        if self.is_idle() {
            self.refuse(Refusal::ShuttingDown, output);
        }
    }

    /// The client has taken the replies that it was waited for: what comes next has its time from now on.
    pub fn resume(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The next action.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// Whether there is one.
    pub fn has_action(&self) -> bool {
        self.action.is_some()
    }

    /// When something last happened, by what its driver said.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// When [`Session::expire`] is due.
    pub fn deadline(&self) -> Instant {
        let (policy, heard) = (&self.policy, self.heard);
        match &self.state {
            State::Ready(Stage::BetweenChunks(incoming)) => {
                incoming.until.min(heard + policy.command_timeout)
            }
            State::Receiving(receiving) => {
                receiving.incoming.until.min(heard + policy.data_timeout)
            }
            State::Skipping(skipping) => skipping.until.min(heard + policy.data_timeout),
            State::Committing => heard + policy.commit_timeout,
            // A driver that shakes hands, looks for room or closes has its own times.
            State::Ready(Stage::Connected | Stage::Greeted(_) | Stage::Addressed(_))
            | State::Securing(_)
            | State::Admitting
            | State::Closed => heard + policy.command_timeout,
        }
    }

    /// Which input comes next.
    pub fn expects(&self) -> Expects {
        match &self.state {
            State::Ready(_) => Expects::Commands,
            State::Receiving(_) | State::Skipping(_) => Expects::Data,
            State::Admitting | State::Committing | State::Securing(_) => Expects::Driver,
            State::Closed => Expects::Nothing,
        }
    }

    /// While data is expected: the most octets that a read may take, so that none after a chunk is read with it.
    pub fn data_limit(&self) -> usize {
        let left = match &self.state {
            State::Receiving(receiving) => match &receiving.framing {
                Framing::Chunk(chunk) => chunk.left,
                Framing::Lines(_) => u64::MAX,
            },
            State::Skipping(skipping) => skipping.left,
            State::Ready(_)
            | State::Securing(_)
            | State::Admitting
            | State::Committing
            | State::Closed => u64::MAX,
        };
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Whether it waits for a command outside of a transaction.
    pub fn is_idle(&self) -> bool {
        self.state.is_idle()
    }

    /// What it is about now. While the driver has the transaction, the driver knows.
    pub fn about(&self) -> About {
        About::of(&self.state)
    }

    /// The policy that holds now. It is taken up between transactions, so that each has one; the driver offers it again and
    /// again.
    pub fn adopt(&mut self, policy: &Arc<Policy>) {
        if self.is_idle() && !Arc::ptr_eq(&self.policy, policy) {
            self.policy = Arc::clone(policy);
        }
    }

    /// The directory as it is now. Unlike the policy it holds at once, also inside a transaction: the next RCPT is answered by
    /// it, and recipients that were accepted stay so. The driver offers it before each piece of input.
    pub fn follow(&mut self, directory: Option<&Arc<Directory>>) {
        let same = match (&self.directory, directory) {
            (Some(ours), Some(newer)) => Arc::ptr_eq(ours, newer),
            (ours, newer) => ours.is_none() && newer.is_none(),
        };
        if !same {
            self.directory = directory.cloned();
        }
    }

    /// How many messages the client may begin, on all of its connections together.
    pub fn limit(&mut self, rate: Option<Arc<Rate>>) {
        self.rate = rate;
    }

    /// Whether mail is taken now. It holds for what begins from here on: a transaction that is open goes on to its end. A driver
    /// says it before [`Session::begin`] and whenever it gives commands, as with [`Session::adopt`].
    pub fn heed(&mut self, intake: Intake) {
        self.intake = intake;
    }

    /// Whether [`Output::refused`] is asked for: without this nothing is kept for it.
    pub fn explain_refusals(&mut self, explains: bool) {
        self.explains = explains;
    }

    /// Takes a line that was found; its octets, and whether its end was among them.
    fn take_line(
        &mut self,
        line: Line,
        rest: &[u8],
        now: Instant,
        output: &mut Output,
    ) -> (usize, bool) {
        match line {
            Line::Partial => (0, false),
            Line::Whole { length, consumed } => {
                let line = &rest[..length];
                let (verb, command) = command::parse(line);
                self.take_command(verb, command, line, now, output);
                (consumed, true)
            }
            Line::Bare { length, consumed } => {
                let line = &rest[..length];
                let (verb, refusal) = command::parse_bare(line);
                self.take_command(verb, Err(refusal), line, now, output);
                (consumed, true)
            }
            Line::Overlong {
                consumed,
                begins,
                ended,
            } => {
                // Always looks at as many octets, so that the answer does not depend on how they were cut.
                let front = &rest[..COMMAND_LINE_OCTETS.min(rest.len())];
                if begins && let Some(refusal) = at_first_sight(front) {
                    let before = output.explained();
                    output.command(Verb::Unknown);
                    self.refuse(refusal, output);
                    self.explain(before, &rest[..consumed], output);
                } else if ended {
                    output.command(Verb::Unknown);
                    self.refuse(Refusal::LineTooLong, output);
                }
                (consumed, ended)
            }
        }
    }

    /// Takes a command that a line held, or the refusal of that line.
    fn take_command(
        &mut self,
        verb: Verb,
        command: Result<Command, Refusal>,
        line: &[u8],
        now: Instant,
        output: &mut Output,
    ) {
        let before = output.explained();
        output.command(verb);
        self.heard = now;
        match self.may_command(now).and(command) {
            Ok(command) => self.obey(command, now, output),
            Err(refusal) => self.refuse(refusal, output),
        }
        self.explain(before, line, output);
    }

    /// Whether the session may go on.
    fn may_command(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.is_idle() && now >= self.started + self.policy.session_timeout {
            return Err(Refusal::SessionTooLong);
        }
        self.counts.command(&self.policy)
    }

    fn obey(&mut self, command: Command, now: Instant, output: &mut Output) {
        match std::mem::take(&mut self.state) {
            State::Ready(stage) => {
                let (state, effects) = step::step(stage, command, &self.context(now), output);
                self.enter(state, now);
                self.perform(effects, output);
            }
            state @ (State::Securing(_)
            | State::Admitting
            | State::Receiving(_)
            | State::Skipping(_)
            | State::Committing
            | State::Closed) => self.state = state,
        }
    }

    fn end_of_data(&mut self, now: Instant, output: &mut Output) {
        match std::mem::take(&mut self.state) {
            State::Receiving(receiving) => {
                let (state, effects) = content::end(receiving, self.explains);
                self.enter(state, now);
                self.perform(effects, output);
            }
            State::Skipping(skipping) => self.enter(State::Ready(*skipping.then), now),
            state @ (State::Ready(_)
            | State::Securing(_)
            | State::Admitting
            | State::Committing
            | State::Closed) => self.state = state,
        }
    }

    fn context(&self, now: Instant) -> Context<'_> {
        Context {
            policy: &self.policy,
            directory: self.directory.as_deref(),
            rate: self.rate.as_deref(),
            intake: self.intake,
            winds_down: self.winds_down,
            counts: &self.counts,
            secure: self.secure,
            explains: self.explains,
            now,
        }
    }

    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.heard = now;
    }

    /// Gives the one answer of a step, and hands its action to the driver.
    fn perform(&mut self, effects: Effects, output: &mut Output) {
        let Effects { answer, action } = effects;
        if let Some(Action::Commit(commit)) = &action {
            self.counts.completed(commit.size);
        }
        if action.is_some() {
            self.action = action;
        }
        match answer {
            Answer::Said(positive) => {
                self.counts.said(positive);
                output.say(positive);
            }
            Answer::Hello => output.say_with(Positive::Hello, &self.policy.hostname),
            Answer::Extensions => {
                let offered = extension::offered(&self.policy, self.secure);
                output.say_lines(&self.policy.hostname, offered);
            }
            Answer::ChunkTaken(size) => {
                self.counts.said(Positive::ChunkTaken);
                output.say_with(Positive::ChunkTaken, Decimal::new(size).as_str());
            }
            Answer::Refused(refusal) => self.refuse(refusal, output),
            Answer::MessageRefused(refusal, about) => {
                self.refuse_message(refusal, about.map(|about| *about), output);
            }
            Answer::Later => {}
        }
    }

    fn refuse(&mut self, refusal: Refusal, output: &mut Output) {
        let about = self.explains.then(|| self.about());
        self.refuse_about(refusal, about, output);
    }

    /// The final reply to a message; `about` is what it was about, if that is asked for, since the state tells nothing of it
    /// any more.
    fn refuse_message(&mut self, refusal: Refusal, about: Option<About>, output: &mut Output) {
        output.message_refused(refusal);
        self.refuse_about(refusal, about, output);
    }

    fn refuse_about(&mut self, refusal: Refusal, about: Option<About>, output: &mut Output) {
        output.refuse(refusal, about);
        if refusal.closes() {
            self.close();
        } else if let Some(last) = self.counts.refused(refusal, &self.policy) {
            assert!(last.closes(), "too many of anything end the session");
            self.refuse(last, output);
        }
    }

    /// Adds the line to the refusals that it got, if it got any: its own, and the one that ended the session for it.
    fn explain(&mut self, before: usize, line: &[u8], output: &mut Output) {
        if output.explained() > before {
            output.explain(before, line, self.hides);
            self.hides |= command::parse(line).0 == Verb::NotOffered;
        }
    }

    fn close(&mut self) {
        // The transaction is the driver's to give back.
        assert!(
            !matches!(self.state, State::Admitting | State::Committing),
            "a session that owes an answer does not end"
        );
        self.state = State::Closed;
        self.action = Some(Action::Close);
    }
}

/// The first octets of a TLS handshake record (RFC 8446 5.1): what a client sends that takes this for an implicit TLS port.
fn is_client_hello(input: &[u8]) -> bool {
    matches!(input, [0x16, 0x03, ..])
}
