//! What a misdeed needs, and what a reply says of it.

use bytes::Bytes;

use crate::client::CLOSING;
use crate::options::misbehaviour::Misbehaviour;
use crate::tally::MisdeedOutcome;

/// What a misdeed needs besides a connection.
pub(crate) struct Props<'a> {
    /// How drips go.
    pub settings: &'a Misbehaviour,
    /// MAIL, RCPT, DATA.
    pub commands: &'a [Bytes],
    /// The whole message with its end, as DATA carries it.
    pub wire: Vec<u8>,
    /// The message's number.
    pub number: u64,
}

/// What a final reply says.
pub(super) fn outcome_of(code: u16) -> MisdeedOutcome {
    match code {
        CLOSING => MisdeedOutcome::Closing,
        200..300 => MisdeedOutcome::Accepted,
        400..500 => MisdeedOutcome::RefusedForNow,
        500..600 => MisdeedOutcome::Refused,
        _ => MisdeedOutcome::NotAReply,
    }
}
