//! The message of a transaction: DATA and BDAT, its octets, its end, its outcome.
//!
//! Owns: the only 250 that promises anything ([`Session::resolve`]), and the size of a message. Must not know: where the
//! octets are kept; the driver does.
//!
//! Invariant: after a BDAT exactly as many octets as it names are taken as its chunk, whether it is refused or not
//! (RFC 3030 2); after one that names no number that can be counted, nothing more is read. So a chunk is never taken for
//! commands.

use std::fmt::Display;
use std::time::Instant;

use super::{About, Action, Event, Progress, Session};
use crate::smtp::data::Decoder;
use crate::smtp::parameter::Body;
use crate::smtp::policy::BareNewlinePolicy;
use crate::smtp::refusal::Refusal;
use crate::smtp::state::{Chunk, Framing, Incoming, State, Transaction};

impl Session {
    pub(super) fn data(&mut self) {
        let refusal = match &self.state {
            State::Addressed(transaction) if transaction.recipients.is_empty() => {
                Refusal::NeedRecipient
            }
            State::Addressed(transaction)
                if transaction.parameters.body == Some(Body::BinaryMime) =>
            {
                Refusal::BinaryNeedsChunks
            }
            State::Addressed(_) => return self.ask_for_room(None),
            State::BetweenChunks(_) => Refusal::ChunksOpen,
            _ => Refusal::NeedMail,
        };
        self.refuse(refusal);
    }

    pub(super) fn bdat(&mut self, chunk: Chunk, now: Instant) {
        let refusal = match &self.state {
            State::Addressed(transaction) if transaction.recipients.is_empty() => {
                Refusal::NeedRecipient
            }
            State::Addressed(_) if chunk.left <= self.policy.message_size => {
                return self.ask_for_room(Some(chunk));
            }
            State::BetweenChunks(incoming)
                if chunk.left <= self.policy.message_size - incoming.size =>
            {
                return self.next_chunk(chunk, now);
            }
            State::Addressed(_) | State::BetweenChunks(_) => Refusal::TooBig,
            _ => Refusal::NeedMail,
        };
        self.refuse_chunk(refusal, chunk, now);
    }

    /// Refuses a BDAT at once and drops its octets as they come. One that is too big ends its transaction.
    fn refuse_chunk(&mut self, refusal: Refusal, chunk: Chunk, now: Instant) {
        let about = self.about_now();
        if refusal == Refusal::TooBig {
            self.reset();
            self.output().events.push(Event::MessageRefused(refusal));
        }
        self.refuse_about(refusal, about);
        self.skip(chunk.left, now);
    }

    fn skip(&mut self, left: u64, now: Instant) {
        if left == 0 || matches!(self.state, State::Closed) {
            return;
        }
        let until = now + self.policy.message_timeout;
        self.state = State::Skipping {
            left,
            until,
            then: Box::new(std::mem::replace(&mut self.state, State::Closed)),
        };
        self.deadline = until.min(now + self.policy.data_timeout);
    }

    fn ask_for_room(&mut self, chunk: Option<Chunk>) {
        let State::Addressed(transaction) = std::mem::replace(&mut self.state, State::Closed)
        else {
            unreachable!("a message begins in Addressed")
        };
        let first = chunk.map(|chunk| chunk.left);
        self.action = Some(Action::Admit {
            announced: transaction.parameters.size.max(first),
        });
        self.state = State::Admitting(transaction, chunk);
    }

    /// The driver found room for the body, or refuses it.
    ///
    /// # Panics
    /// If no admission was asked for.
    pub fn admit(&mut self, room: Result<(), Refusal>, now: Instant) {
        let State::Admitting(transaction, chunk) =
            std::mem::replace(&mut self.state, State::Closed)
        else {
            panic!("admission outside of Admitting")
        };
        match (room, chunk) {
            (Ok(()), None) => {
                self.say_text(354, "", "Start mail input; end with <CRLF>.<CRLF>");
                let framing = Framing::Lines(Decoder::default());
                let incoming = self.incoming(transaction, now);
                self.take_content(incoming, framing, now);
            }
            (Ok(()), Some(chunk)) => {
                self.state = State::BetweenChunks(self.incoming(transaction, now));
                self.next_chunk(chunk, now);
            }
            (Err(refusal), chunk) => {
                let about = self.explains.then(|| About::transaction(&transaction));
                self.state = State::Greeted(transaction.hello);
                self.renew(now);
                self.refuse_message(refusal, about);
                self.skip(chunk.map_or(0, |chunk| chunk.left), now);
            }
        }
    }

    fn incoming(&self, transaction: Box<Transaction>, now: Instant) -> Incoming {
        Incoming {
            transaction,
            size: 0,
            until: now + self.policy.message_timeout,
        }
    }

    fn take_content(&mut self, incoming: Incoming, framing: Framing, now: Instant) {
        self.deadline = incoming.until.min(now + self.policy.data_timeout);
        self.state = State::Receiving {
            incoming,
            framing,
            spoilt: None,
        };
    }

    fn next_chunk(&mut self, chunk: Chunk, now: Instant) {
        let State::BetweenChunks(incoming) = std::mem::replace(&mut self.state, State::Closed)
        else {
            unreachable!("a chunk follows in BetweenChunks")
        };
        self.take_content(incoming, Framing::Chunk(chunk), now);
        if chunk.left == 0 {
            self.end_of_content(now);
        }
    }

    /// Takes data, decoded in place, or a part of a chunk.
    ///
    /// # Panics
    /// If no data is expected.
    pub fn receive_data(&mut self, piece: &mut [u8], now: Instant) -> Progress {
        match &mut self.state {
            State::Receiving {
                framing: Framing::Lines(_),
                ..
            } => self.receive_lines(piece, now),
            State::Receiving { .. } | State::Skipping { .. } => self.receive_chunk(piece, now),
            _ => panic!("data outside of Receiving"),
        }
    }

    fn receive_lines(&mut self, piece: &mut [u8], now: Instant) -> Progress {
        let State::Receiving {
            incoming,
            framing: Framing::Lines(decoder),
            spoilt,
        } = &mut self.state
        else {
            unreachable!("the caller looked")
        };
        let decoded = decoder.decode(piece);
        incoming.size = incoming.size + decoded.kept as u64 - decoded.retracted as u64;
        let mut progress = Progress {
            kept: decoded.kept,
            consumed: decoded.consumed,
            retracted: decoded.retracted,
            ended: decoded.ended,
        };
        // The CR of the final CRLF may still be counted, so one octet over the limit is not yet over it.
        let most = self.policy.message_size + u64::from(!decoded.ended);
        // The size decides over bare newlines, so that the reply does not depend on which was seen first.
        if incoming.size > most && matches!(spoilt, None | Some(Refusal::BareNewlineInData)) {
            *spoilt = Some(Refusal::TooBig);
            self.action = Some(Action::Discard);
        } else if spoilt.is_none()
            && decoder.bare_newlines()
            && self.policy.bare_newlines == BareNewlinePolicy::Reject
        {
            *spoilt = Some(Refusal::BareNewlineInData);
            self.action = Some(Action::Discard);
        }
        if spoilt.is_some() {
            (progress.kept, progress.retracted) = (0, 0);
        }
        self.deadline = incoming.until.min(now + self.policy.data_timeout);
        if decoded.ended {
            self.end_of_content(now);
        }
        progress
    }

    /// The fastest path: the size is known, so nothing is looked at.
    fn receive_chunk(&mut self, piece: &mut [u8], now: Instant) -> Progress {
        let (left, until, keeps) = match &mut self.state {
            State::Receiving {
                incoming,
                framing: Framing::Chunk(chunk),
                spoilt,
            } => {
                let taken = chunk.left.min(piece.len() as u64);
                incoming.size += taken;
                (&mut chunk.left, incoming.until, spoilt.is_none())
            }
            State::Skipping { left, until, .. } => (left, *until, false),
            _ => unreachable!("the caller looked"),
        };
        let consumed = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
        *left -= consumed as u64;
        let ended = *left == 0;
        self.deadline = until.min(now + self.policy.data_timeout);
        if ended {
            self.end_of_content(now);
        }
        Progress {
            kept: if keeps { consumed } else { 0 },
            consumed,
            retracted: 0,
            ended,
        }
    }

    /// The driver has no room for the rest of the body: it is read to its end and refused then.
    pub fn spoil(&mut self, refusal: Refusal) {
        if let State::Receiving { spoilt, .. } = &mut self.state
            && spoilt.is_none()
        {
            *spoilt = Some(refusal);
            self.action = Some(Action::Discard);
        }
    }

    /// The data, a chunk, or the octets of a refused one have ended.
    fn end_of_content(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Skipping { then, .. } => {
                self.state = *then;
                self.renew(now);
            }
            State::Receiving {
                incoming,
                spoilt: Some(refusal),
                ..
            } => {
                let about = self.explains.then(|| About::incoming(&incoming));
                self.state = State::Greeted(incoming.transaction.hello);
                self.renew(now);
                self.action = Some(Action::Discard);
                self.refuse_message(refusal, about);
            }
            State::Receiving {
                incoming,
                framing: Framing::Chunk(Chunk { last: false, .. }),
                spoilt: None,
            } => {
                self.idle_commands = 0;
                let size = incoming.size;
                self.state = State::BetweenChunks(incoming);
                self.renew(now);
                self.say(250, "2.0.0", format_args!("{size} octets so far"));
            }
            State::Receiving {
                incoming,
                framing,
                spoilt: None,
            } => {
                self.deadline = now + self.policy.commit_timeout;
                self.messages += 1;
                self.octets += incoming.size;
                self.action = Some(Action::Commit {
                    size: incoming.size,
                    bare_newlines: matches!(framing, Framing::Lines(decoder) if decoder.bare_newlines()),
                });
                self.state = State::Committing(incoming.transaction);
            }
            _ => unreachable!("content ends where it is received"),
        }
    }

    /// The outcome of a commit: `Ok` with the queue id once every in-sync replica has the record.
    ///
    /// # Panics
    /// If no commit was asked for.
    pub fn resolve(&mut self, outcome: Result<impl Display, Refusal>, now: Instant) {
        let State::Committing(mut transaction) = std::mem::replace(&mut self.state, State::Closed)
        else {
            panic!("an outcome outside of Committing")
        };
        self.state = State::Greeted(std::mem::take(&mut transaction.hello));
        self.output().keep(transaction);
        self.renew(now);
        match outcome {
            Ok(id) => {
                self.idle_commands = 0;
                (self.errors, self.unknown_recipients) = (0, 0);
                self.say(250, "2.0.0", id);
            }
            // The driver has the outcome, and with it what the message was.
            Err(refusal) => self.refuse_message(refusal, None),
        }
    }

    fn refuse_message(&mut self, refusal: Refusal, about: Option<About>) {
        self.output().events.push(Event::MessageRefused(refusal));
        self.refuse_about(refusal, about);
    }
}
