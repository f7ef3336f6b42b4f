//! The message of a transaction: its octets by DATA and BDAT, and its end.
//!
//! Owns: which octets are kept, and the size of a message. Must not know: where the octets are kept; the driver does.
//!
//! Invariant: after a BDAT exactly as many octets as it names are taken as its chunk, whether it is refused or not
//! (RFC 3030 2). So a chunk is never taken for commands.

use std::time::Instant;

use super::about::About;
use super::action::{Action, Commit, Progress};
use super::effects::{Answer, Effects, answer, ask};
use crate::smtp::data::Decoder;
use crate::smtp::parameter::Chunk;
use crate::smtp::policy::{BareNewlinePolicy, Policy};
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Framing, Incoming, Receiving, Skipping, Stage, State, Transaction};

/// A message of which nothing has arrived.
pub(super) fn begin(mut transaction: Box<Transaction>, policy: &Policy, now: Instant) -> Incoming {
    transaction.times.data = Some(now);
    Incoming {
        transaction,
        size: 0,
        until: now + policy.message_timeout,
    }
}

/// DATA: the message comes in lines.
pub(super) fn begin_lines(incoming: Incoming) -> State {
    assert_eq!(incoming.size, 0, "nothing comes before the data");
    State::Receiving(Receiving {
        incoming,
        framing: Framing::Lines(Decoder::default()),
        spoilt: None,
    })
}

/// BDAT: a chunk of the message comes, if it has any octets.
pub(super) fn begin_chunk(incoming: Incoming, chunk: Chunk, explains: bool) -> (State, Effects) {
    let receiving = Receiving {
        incoming,
        framing: Framing::Chunk(chunk),
        spoilt: None,
    };
    if chunk.left == 0 {
        return end(receiving, explains);
    }
    answer(State::Receiving(receiving), Answer::Later)
}

/// Takes a piece of data, decoded in place, or of a chunk.
pub(super) fn receive(receiving: &mut Receiving, piece: &mut [u8], policy: &Policy) -> Progress {
    let Receiving {
        incoming,
        framing,
        spoilt,
    } = receiving;
    match framing {
        Framing::Lines(decoder) => receive_lines(incoming, decoder, spoilt, piece, policy),
        // The fastest path: the size is known, so nothing is looked at.
        Framing::Chunk(chunk) => {
            let (consumed, ended) = take(&mut chunk.left, piece);
            incoming.size += consumed as u64;
            assert!(
                incoming.size <= policy.message_size,
                "a chunk that is too big is refused"
            );
            Progress {
                kept: if spoilt.is_none() { consumed } else { 0 },
                consumed,
                retracted: 0,
                ended,
            }
        }
    }
}

fn receive_lines(
    incoming: &mut Incoming,
    decoder: &mut Decoder,
    spoilt: &mut Option<Refusal>,
    piece: &mut [u8],
    policy: &Policy,
) -> Progress {
    let decoded = decoder.decode(piece);
    incoming.size = incoming.size + decoded.kept as u64 - decoded.retracted as u64;
    // The CR of the final CRLF may still be counted, so one octet over the limit is not yet over it.
    let most = policy.message_size + u64::from(!decoded.ended);
    let is_refused = decoder.bare_newlines() && policy.bare_newlines == BareNewlinePolicy::Reject;
    // The size decides over bare newlines, so that the reply does not depend on which was seen first.
    if incoming.size > most && matches!(spoilt, None | Some(Refusal::BareNewlineInData)) {
        *spoilt = Some(Refusal::TooBig);
    } else if is_refused {
        spoilt.get_or_insert(Refusal::BareNewlineInData);
    }
    let keeps = spoilt.is_none();
    Progress {
        kept: if keeps { decoded.kept } else { 0 },
        consumed: decoded.consumed,
        retracted: if keeps { decoded.retracted } else { 0 },
        ended: decoded.ended,
    }
}

/// Drops a piece of a chunk that was refused.
pub(super) fn drop_piece(skipping: &mut Skipping, piece: &[u8]) -> Progress {
    assert!(skipping.left > 0, "what has been skipped is left at once");
    let (consumed, ended) = take(&mut skipping.left, piece);
    Progress {
        kept: 0,
        consumed,
        retracted: 0,
        ended,
    }
}

/// How much of a piece belongs to what is left of a chunk, and whether that ends it.
fn take(left: &mut u64, piece: &[u8]) -> (usize, bool) {
    let consumed = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
    *left -= consumed as u64;
    (consumed, *left == 0)
}

/// The data or the chunk has ended.
pub(super) fn end(receiving: Receiving, explains: bool) -> (State, Effects) {
    let Receiving {
        incoming,
        framing,
        spoilt,
    } = receiving;
    if let Some(refusal) = spoilt {
        let about = explains.then(|| Box::new(About::incoming(&incoming)));
        let state = State::Ready(Stage::Greeted(incoming.transaction.hello));
        let effects = Effects {
            answer: Answer::MessageRefused(refusal, about),
            action: Some(Action::Discard),
        };
        return (state, effects);
    }
    match framing {
        Framing::Chunk(Chunk { left, last }) => {
            assert_eq!(left, 0, "a chunk ends with its last octet");
            if last {
                return commit(incoming, false);
            }
            let size = incoming.size;
            let state = State::Ready(Stage::BetweenChunks(incoming));
            answer(state, Answer::ChunkTaken(size))
        }
        Framing::Lines(decoder) => commit(incoming, decoder.bare_newlines()),
    }
}

fn commit(incoming: Incoming, bare_newlines: bool) -> (State, Effects) {
    assert!(
        !incoming.transaction.recipients.is_empty(),
        "a message that nobody receives"
    );
    let commit = Commit {
        transaction: incoming.transaction,
        size: incoming.size,
        bare_newlines,
    };
    ask(State::Committing, Action::Commit(commit))
}
