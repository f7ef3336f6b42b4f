//! What each command does at each stage of a session: `(stage, command) -> (state, effects)`.
//!
//! Owns: the order of commands (RFC 5321 4.1.4), the greeting, the envelope. Must not know: how replies are written, and where
//! a message ends (`content`).
//!
//! Invariants: a command has one answer; a stage that refuses a command is what it was before, but for a BDAT that is too
//! big, which ends its transaction.

use std::time::Instant;

use super::about::About;
use super::action::{Action, Admission};
use super::content;
use super::counts::Counts;
use super::effects::{Answer, Effects, answer, ask, refuse, say};
use super::intake::Intake;
use super::output::Output;
use crate::limits::ENVELOPE_OCTETS;
use crate::smtp::address::Mailbox;
use crate::smtp::command::Command;
use crate::smtp::directory::Directory;
use crate::smtp::parameter::{Body, Chunk, MailParameters};
use crate::smtp::policy::{Beside, Policy};
use crate::smtp::positive::Positive;
use crate::smtp::rate::Rate;
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Hello, Skipping, Stage, State, Times, Transaction};

/// What a step depends on beside stage and command.
pub(super) struct Context<'a> {
    pub(super) policy: &'a Policy,
    /// Whom a directory names now; none as long as there is none.
    pub(super) directory: Option<&'a Directory>,
    /// Messages that the client may begin; none without a limit.
    pub(super) rate: Option<&'a Rate>,
    /// Whether mail is taken.
    pub(super) intake: Intake,
    /// Whether the server stops soon.
    pub(super) winds_down: bool,
    pub(super) counts: &'a Counts,
    /// Whether the session is encrypted.
    pub(super) secure: bool,
    /// Whether it is asked for what refusals are about.
    pub(super) explains: bool,
    pub(super) now: Instant,
}

impl<'a> Context<'a> {
    /// Who is named beside the lists.
    fn beside(&self) -> Beside<'a> {
        match self.directory {
            _ if !self.policy.directory => Beside::Nobody,
            None => Beside::Unread,
            Some(directory) => Beside::Named(directory),
        }
    }
}

/// Obeys or refuses a command.
pub(super) fn step(
    stage: Stage,
    command: Command,
    context: &Context<'_>,
    memory: &mut Output,
) -> (State, Effects) {
    match command {
        Command::Helo(name) => hello(stage, name, false),
        Command::Ehlo(name) => hello(stage, name, true),
        Command::Mail(reverse_path, parameters) => {
            mail(stage, reverse_path, parameters, context, memory)
        }
        Command::Rcpt(forward_path) => rcpt(stage, forward_path, context),
        Command::Data => data(stage, context.now),
        Command::Bdat(chunk) => bdat(stage, chunk, context),
        Command::StartTls => start_tls(stage, context),
        Command::Rset => {
            let (stage, action) = reset(stage);
            let answer = Answer::Said(Positive::Reset);
            (State::Ready(stage), Effects { answer, action })
        }
        Command::Noop => say(stage, Positive::Noop),
        Command::Vrfy => say(stage, Positive::CannotVerify),
        Command::Help => say(stage, Positive::Help),
        Command::Quit => {
            let effects = Effects {
                answer: Answer::Said(Positive::Bye),
                action: Some(Action::Close),
            };
            (State::Closed, effects)
        }
    }
}

fn hello(stage: Stage, name: String, extended: bool) -> (State, Effects) {
    let (_, action) = reset(stage);
    let answer = if extended {
        Answer::Extensions
    } else {
        Answer::Hello
    };
    let name = name.into();
    let state = State::Ready(Stage::Greeted(Hello { name, extended }));
    (state, Effects { answer, action })
}

/// The stage without the transaction that is open, if there is one.
fn reset(stage: Stage) -> (Stage, Option<Action>) {
    match stage {
        Stage::Connected => (Stage::Connected, None),
        Stage::Greeted(hello) => (Stage::Greeted(hello), None),
        Stage::Addressed(transaction) => (Stage::Greeted(transaction.hello), None),
        Stage::BetweenChunks(incoming) => (
            Stage::Greeted(incoming.transaction.hello),
            Some(Action::Discard),
        ),
    }
}

fn start_tls(stage: Stage, context: &Context<'_>) -> (State, Effects) {
    if !context.policy.starttls {
        return refuse(stage, Refusal::NotImplemented);
    }
    if context.secure {
        return refuse(stage, Refusal::TlsOutOfOrder);
    }
    let hello = match stage {
        Stage::Connected => Hello::default(),
        Stage::Greeted(hello) => hello,
        Stage::Addressed(_) | Stage::BetweenChunks(_) => {
            return refuse(stage, Refusal::TlsOutOfOrder);
        }
    };
    let effects = Effects {
        answer: Answer::Said(Positive::ReadyForTls),
        action: Some(Action::StartTls),
    };
    (State::Securing(hello), effects)
}

fn mail(
    stage: Stage,
    reverse_path: Option<Mailbox>,
    parameters: MailParameters,
    context: &Context<'_>,
    memory: &mut Output,
) -> (State, Effects) {
    let hello = match stage {
        Stage::Greeted(hello) => hello,
        Stage::Connected => return refuse(stage, Refusal::NeedHello),
        Stage::Addressed(_) => return refuse(stage, Refusal::NestedMail),
        Stage::BetweenChunks(_) => return refuse(stage, Refusal::ChunksOpen),
    };
    if let Err(refusal) = may_begin(&parameters, context) {
        return refuse(Stage::Greeted(hello), refusal);
    }
    let mut transaction = memory.transaction();
    assert!(
        transaction.reverse_path.is_none(),
        "nothing is left of the transaction before"
    );
    *transaction = Transaction {
        hello,
        reverse_path,
        parameters,
        recipients: std::mem::take(&mut transaction.recipients),
        times: Times {
            mail: Some(context.now),
            ..Times::default()
        },
    };
    say(Stage::Addressed(transaction), Positive::SenderOk)
}

/// Whether the client may begin one more message.
fn may_begin(parameters: &MailParameters, context: &Context<'_>) -> Result<(), Refusal> {
    if context.winds_down && context.counts.has_messages() {
        return Err(Refusal::ShuttingDown);
    }
    if context.counts.is_full(context.policy) {
        return Err(Refusal::SessionFull);
    }
    match context.intake {
        Intake::Open => {}
        Intake::NoMail | Intake::Closed => return Err(Refusal::StorageAway),
    }
    if parameters.size > Some(context.policy.message_size) {
        return Err(Refusal::AnnouncedTooBig);
    }
    if context.rate.is_some_and(|rate| !rate.take(context.now)) {
        return Err(Refusal::MessageRate);
    }
    Ok(())
}

fn rcpt(stage: Stage, forward_path: Mailbox, context: &Context<'_>) -> (State, Effects) {
    let mut transaction = match stage {
        Stage::Addressed(transaction) => transaction,
        Stage::Connected | Stage::Greeted(_) => return refuse(stage, Refusal::NeedMail),
        Stage::BetweenChunks(_) => return refuse(stage, Refusal::ChunksOpen),
    };
    if let Err(refusal) = may_receive(&transaction, &forward_path, context) {
        return refuse(Stage::Addressed(transaction), refusal);
    }
    transaction.recipients.push(forward_path);
    assert!(
        transaction.recipients.len() <= context.policy.recipients,
        "no more than EHLO offers"
    );
    say(Stage::Addressed(transaction), Positive::RecipientOk)
}

/// Whether the transaction takes one more recipient, and mail for it.
fn may_receive(
    transaction: &Transaction,
    forward_path: &Mailbox,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let policy = context.policy;
    if forward_path.is_international() && !transaction.parameters.smtputf8 {
        return Err(Refusal::AddressNeedsSmtpUtf8);
    }
    policy.taken.check(forward_path, context.beside())?;
    // The brackets of the array are one more than the commas that `json_octets` counts.
    let recipients = transaction.recipients.iter().chain([forward_path]);
    let octets = recipients.map(Mailbox::json_octets).sum::<usize>() + 1;
    if transaction.recipients.len() >= policy.recipients || octets > ENVELOPE_OCTETS {
        return Err(Refusal::TooManyRecipients);
    }
    Ok(())
}

fn data(stage: Stage, now: Instant) -> (State, Effects) {
    let transaction = match stage {
        Stage::Addressed(transaction) => transaction,
        Stage::Connected | Stage::Greeted(_) => return refuse(stage, Refusal::NeedMail),
        Stage::BetweenChunks(_) => return refuse(stage, Refusal::ChunksOpen),
    };
    let refusal = if transaction.recipients.is_empty() {
        Refusal::NeedRecipient
    } else if transaction.parameters.body == Some(Body::BinaryMime) {
        Refusal::BinaryNeedsChunks
    } else {
        return ask_for_room(transaction, None, now);
    };
    refuse(Stage::Addressed(transaction), refusal)
}

fn ask_for_room(
    mut transaction: Box<Transaction>,
    chunk: Option<Chunk>,
    now: Instant,
) -> (State, Effects) {
    assert!(
        !transaction.recipients.is_empty(),
        "a message that nobody receives"
    );
    transaction.times.asked = Some(now);
    let admission = Admission { transaction, chunk };
    ask(State::Admitting, Action::Admit(admission))
}

fn bdat(stage: Stage, chunk: Chunk, context: &Context<'_>) -> (State, Effects) {
    let most = context.policy.message_size;
    match stage {
        Stage::Connected | Stage::Greeted(_) => {
            refuse_chunk(stage, Refusal::NeedMail, chunk, context)
        }
        Stage::Addressed(transaction) if transaction.recipients.is_empty() => {
            let stage = Stage::Addressed(transaction);
            refuse_chunk(stage, Refusal::NeedRecipient, chunk, context)
        }
        Stage::Addressed(transaction) if chunk.left <= most => {
            ask_for_room(transaction, Some(chunk), context.now)
        }
        Stage::BetweenChunks(incoming) if chunk.left <= most - incoming.size => {
            content::begin_chunk(incoming, chunk, context.explains)
        }
        Stage::Addressed(_) | Stage::BetweenChunks(_) => refuse_too_big(stage, chunk, context),
    }
}

/// Refuses a BDAT at once; its octets are dropped as they come.
fn refuse_chunk(
    stage: Stage,
    refusal: Refusal,
    chunk: Chunk,
    context: &Context<'_>,
) -> (State, Effects) {
    let state = skip(stage, Some(chunk), context);
    answer(state, Answer::Refused(refusal))
}

/// A chunk that makes the message too big ends its transaction.
fn refuse_too_big(stage: Stage, chunk: Chunk, context: &Context<'_>) -> (State, Effects) {
    let about = context.explains.then(|| Box::new(About::of_stage(&stage)));
    let (stage, action) = reset(stage);
    let answer = Answer::MessageRefused(Refusal::TooBig, about);
    (
        skip(stage, Some(chunk), context),
        Effects { answer, action },
    )
}

/// This stage, after the octets of a chunk that was refused, if there are any.
pub(super) fn skip(stage: Stage, chunk: Option<Chunk>, context: &Context<'_>) -> State {
    let left = chunk.map_or(0, |chunk| chunk.left);
    if left == 0 {
        return State::Ready(stage);
    }
    State::Skipping(Skipping {
        left,
        until: context.now + context.policy.message_timeout,
        then: Box::new(stage),
    })
}
