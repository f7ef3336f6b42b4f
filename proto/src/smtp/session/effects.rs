//! What a step comes to beside the state after it: the one answer of a command or of a message, and what is asked of the
//! driver.

use super::about::About;
use super::action::Action;
use crate::smtp::positive::Positive;
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Stage, State};

/// See the module.
#[derive(Debug)]
pub(super) struct Effects {
    pub(super) answer: Answer,
    pub(super) action: Option<Action>,
}

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// A positive reply without a value.
    Said(Positive),
    /// The answer to HELO: this server's name.
    Hello,
    /// The answer to EHLO: this server's name and what it offers.
    Extensions,
    /// A chunk has arrived; the size of the message so far.
    ChunkTaken(u64),
    /// The command is refused.
    Refused(Refusal),
    /// The message is refused; what it was about, if that is asked for.
    MessageRefused(Refusal, Option<Box<About>>),
    /// The reply follows what the driver does.
    Later,
}

/// The stage stays, or becomes this one, and this is said.
pub(super) fn say(stage: Stage, positive: Positive) -> (State, Effects) {
    answer(State::Ready(stage), Answer::Said(positive))
}

/// The stage stays, and the command is refused.
pub(super) fn refuse(stage: Stage, refusal: Refusal) -> (State, Effects) {
    answer(State::Ready(stage), Answer::Refused(refusal))
}

/// This state and this answer; the driver has nothing to do.
pub(super) fn answer(state: State, answer: Answer) -> (State, Effects) {
    let action = None;
    (state, Effects { answer, action })
}

/// This state, once the driver has done this; the reply comes then.
pub(super) fn ask(state: State, action: Action) -> (State, Effects) {
    assert!(
        matches!(state, State::Admitting | State::Committing),
        "what is asked for is waited for"
    );
    let effects = Effects {
        answer: Answer::Later,
        action: Some(action),
    };
    (state, effects)
}
