//! One message in chunks (RFC 3030) over an open connection.
//!
//! Must not know what is counted. Every function leaves the dialogue where the next transaction can begin, or says what is
//! still to do.

use std::time::Instant;

use ringpost_proto::client::reply::CLOSING;

use super::connection::Connection;
use super::envelope::Answer;
use super::message::Delivered;
use crate::content::{OwnPart, Template};
use crate::fault::{Fault, Step};

/// A message that was sent in chunks and got its final reply.
#[derive(Debug)]
pub(crate) struct Chunked {
    /// The reply.
    pub delivered: Delivered,
    /// Recipients that are not part of the transaction.
    pub recipients_refused: u64,
    /// When the envelope was answered.
    pub envelope_answered: Instant,
}

/// Why a message that was sent in chunks got no final reply.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The envelope was refused with this code; the server is to forget it.
    Refused(u16),
    /// The connection is of no more use, and nothing of the message was sent.
    NotBegun(Fault),
    /// The connection is of no more use, and the server may have the message.
    Unanswered(Fault),
}

impl Connection {
    /// Sends a message in chunks, all of it and its envelope at once, and reads all replies.
    pub(crate) async fn chunks_at_once(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        tail: &[u8],
    ) -> Result<Chunked, Unsent> {
        let last_byte = self.send_all_chunks(template, part, tail).await;
        let answer = self
            .envelope_replies(&template.envelope, false)
            .await
            .map_err(Unsent::Unanswered)?;
        let envelope_answered = Instant::now();
        if answer == Answer::Refused(CLOSING) {
            return Err(Unsent::Refused(CLOSING));
        }
        let code = self
            .chunk_replies(template.replies())
            .await
            .map_err(Unsent::Unanswered)?;
        match answer {
            Answer::Go { recipients_refused } => Ok(Chunked {
                delivered: Delivered {
                    code,
                    last_byte,
                    answered: Instant::now(),
                },
                recipients_refused,
                envelope_answered,
            }),
            Answer::Void(code) | Answer::Refused(code) => Err(Unsent::Refused(code)),
        }
    }

    /// The envelope, all chunks and the tail; returns the time just before the write with the last byte of the message.
    async fn send_all_chunks(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        tail: &[u8],
    ) -> Instant {
        let group = &template.envelope.group;
        let own = std::mem::take(&mut part.bytes);
        if template.rest().is_empty() {
            let last_byte = Instant::now();
            self.exchange([&group[..], &own].concat()).await;
            part.bytes = own;
            return last_byte;
        }
        self.send(group.clone()).await;
        part.bytes = self.send(own).await;
        self.send_rest(template.rest(), tail).await
    }

    /// Sends a message in chunks, its envelope command by command, each after the reply to what came before it.
    pub(crate) async fn chunks_step_by_step(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
    ) -> Result<Chunked, Unsent> {
        let answer = self
            .envelope_step_by_step(&template.envelope, false)
            .await
            .map_err(Unsent::NotBegun)?;
        let recipients_refused = match answer {
            Answer::Go { recipients_refused } => recipients_refused,
            Answer::Void(code) | Answer::Refused(code) => return Err(Unsent::Refused(code)),
        };
        let envelope_answered = Instant::now();
        let delivered = self
            .chunk_by_chunk(template, part)
            .await
            .map_err(Unsent::Unanswered)?;
        Ok(Chunked {
            delivered,
            recipients_refused,
            envelope_answered,
        })
    }

    /// The last of some replies, or the first that is not positive.
    async fn chunk_replies(&mut self, count: usize) -> Result<u16, Fault> {
        self.await_step(Step::Message);
        let mut result = None;
        for left in (0..count).rev() {
            let code = self.read_reply().await?;
            if code == CLOSING {
                return Ok(code);
            }
            if result.is_none() && (left == 0 || !(200..300).contains(&code)) {
                result = Some(code);
            }
        }
        Ok(result.expect("a message has a reply"))
    }

    /// Sends a message in chunks, each after the reply to the one before; the envelope was taken. A negative reply ends it.
    async fn chunk_by_chunk(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
    ) -> Result<Delivered, Fault> {
        self.await_step(Step::Message);
        let own = std::mem::take(&mut part.bytes);
        let mut last_byte = Instant::now();
        part.bytes = if template.own_ends_chunk() {
            self.exchange(own).await
        } else {
            self.send(own).await
        };
        let mut code = if template.own_ends_chunk() {
            self.read_reply().await?
        } else {
            250
        };
        for segment in template.rest() {
            if !(200..300).contains(&code) {
                break;
            }
            last_byte = Instant::now();
            if segment.ends_chunk {
                self.exchange(segment.bytes.clone()).await;
                code = self.read_reply().await?;
            } else {
                self.send(segment.bytes.clone()).await;
            }
        }
        Ok(Delivered {
            code,
            last_byte,
            answered: Instant::now(),
        })
    }
}
