//! What a session counts, and the limits that end it.
//!
//! Owns: the arithmetic of the limits. Must not know: states and commands.
//!
//! Invariant: a message that is stored takes the errors of its session back, and nothing else does.

use crate::smtp::policy::Policy;
use crate::smtp::positive::Positive;
use crate::smtp::refusal::Refusal;

/// The counts of one session.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Commands in error since the last message that was stored.
    errors: u32,
    /// Recipients that were not taken, since then.
    unknown_recipients: u32,
    /// Commands since one brought a message forward.
    idle_commands: u32,
    messages: u32,
    octets: u64,
}

impl Counts {
    /// A command came.
    ///
    /// # Errors
    /// If it is one too many of those that bring no message forward.
    pub(super) fn command(&mut self, policy: &Policy) -> Result<(), Refusal> {
        self.idle_commands = self.idle_commands.saturating_add(1);
        if self.idle_commands as usize > policy.idle_commands {
            return Err(Refusal::TooManyIdleCommands);
        }
        Ok(())
    }

    /// A positive reply was said.
    pub(super) fn said(&mut self, positive: Positive) {
        match positive {
            Positive::RecipientOk | Positive::ChunkTaken => self.idle_commands = 0,
            Positive::Stored => {
                assert!(
                    self.messages > 0,
                    "a message is stored after it is complete"
                );
                (self.idle_commands, self.errors, self.unknown_recipients) = (0, 0, 0);
            }
            Positive::Banner
            | Positive::Hello
            | Positive::ReadyForTls
            | Positive::SenderOk
            | Positive::StartData
            | Positive::Reset
            | Positive::Noop
            | Positive::CannotVerify
            | Positive::Help
            | Positive::Bye => {}
        }
    }

    /// A refusal was said: the one that ends the session for it, where there were too many.
    pub(super) fn refused(&mut self, refusal: Refusal, policy: &Policy) -> Option<Refusal> {
        let (count, most, then) = if refusal.is_recipient() {
            let most = policy.unknown_recipients;
            (
                &mut self.unknown_recipients,
                most,
                Refusal::TooManyUnknownRecipients,
            )
        } else if refusal.is_error() {
            (&mut self.errors, policy.errors, Refusal::TooManyErrors)
        } else {
            return None;
        };
        *count = count.saturating_add(1);
        (*count as usize >= most).then_some(then)
    }

    /// A message of this size is complete.
    pub(super) fn completed(&mut self, size: u64) {
        self.messages = self.messages.saturating_add(1);
        self.octets = self.octets.saturating_add(size);
    }

    /// Whether the client has brought a message, stored or not.
    pub(super) fn has_messages(&self) -> bool {
        self.messages > 0
    }

    /// Whether the session has brought as much as it may.
    pub(super) fn is_full(&self, policy: &Policy) -> bool {
        let reached = |count: u64, limit: u64| limit > 0 && count >= limit;
        reached(u64::from(self.messages), policy.session_messages)
            || reached(self.octets, policy.session_octets)
    }
}
