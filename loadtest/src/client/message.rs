//! One message over an open connection: the envelope, the data or the chunks, the replies.
//!
//! Must not know what is counted. Every function leaves the dialogue where the next transaction can begin, or says what is
//! still to do.

use std::time::Instant;

use bytes::Bytes;

use super::envelope::{Answer, EnvelopeAnswers};
use super::{CLOSING, Connection};
use crate::content::template::{Envelope, OwnPart, Segment, Template};
use crate::fault::{Fault, Step};

/// The final reply of a message.
#[derive(Debug)]
pub struct Delivered {
    /// Its code.
    pub code: u16,
    /// When the write that holds the message's last octet was submitted.
    pub last_octet: Instant,
    /// When the reply was read.
    pub answered: Instant,
}

/// Why a message that was sent in chunks got no final reply.
#[derive(Debug)]
pub enum Unsent {
    /// The envelope was refused with this code; the server is to forget it.
    Refused(u16),
    /// The connection is of no more use; whether octets of the message were sent.
    Failed(Fault, bool),
}

impl Connection {
    /// Sends an envelope in one write, without reading replies.
    pub async fn send_envelope(&mut self, envelope: &Envelope) {
        self.exchange(envelope.group.clone()).await;
    }

    /// Reads the replies of an envelope that was sent in one write.
    pub async fn envelope_replies(
        &mut self,
        envelope: &Envelope,
        with_data: bool,
    ) -> Result<Answer, Fault> {
        let mut answers = EnvelopeAnswers::new(envelope.recipients, with_data);
        self.begin_transaction();
        loop {
            self.await_step(answers.step());
            let code = self.read_reply().await?;
            if let Some(answer) = self.taken(&mut answers, code)? {
                return Ok(answer);
            }
        }
    }

    /// Sends an envelope command by command, each after the reply to the one before.
    pub async fn envelope_step_by_step(
        &mut self,
        envelope: &Envelope,
        with_data: bool,
    ) -> Result<Answer, Fault> {
        let mut answers = EnvelopeAnswers::new(envelope.recipients, with_data);
        self.begin_transaction();
        for command in &envelope.commands {
            if let Some(code) = answers.refusal_before_data() {
                return Ok(Answer::Refused(code));
            }
            self.await_step(answers.step());
            let code = self.command(command.clone()).await?;
            if let Some(answer) = self.taken(&mut answers, code)? {
                return Ok(answer);
            }
        }
        unreachable!("the reply to the last command is always an answer")
    }

    /// The answer so far; a reply that does not fit its command is a fault, with its text.
    fn taken(&self, answers: &mut EnvelopeAnswers, code: u16) -> Result<Option<Answer>, Fault> {
        answers
            .take(code)
            .map_err(|kind| self.reply_fault(kind, code))
    }

    /// Sends a message that was loaded into `part`, with its end and `tail`, and reads its final reply; the text is in
    /// [`Connection::reply_text`].
    pub async fn deliver(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        tail: &[u8],
    ) -> Result<Delivered, Fault> {
        self.await_step(Step::Message);
        let own = std::mem::take(&mut part.bytes);
        let mut last_octet = Instant::now();
        if template.rest().is_empty() {
            part.bytes = self.exchange(own).await;
        } else {
            part.bytes = self.send(own).await;
            last_octet = self.send_rest(template.rest(), tail).await;
        }
        let code = self.read_reply().await?;
        Ok(Delivered {
            code,
            last_octet,
            answered: Instant::now(),
        })
    }

    /// Sends segments, `tail` together with the last; gives the time just before that one.
    async fn send_rest(&mut self, segments: &[Segment], tail: &[u8]) -> Instant {
        let (last, before) = segments.split_last().expect("a message with segments");
        for segment in before {
            self.send(segment.bytes.clone()).await;
        }
        let last_octet = Instant::now();
        if tail.is_empty() {
            self.exchange(last.bytes.clone()).await;
        } else {
            self.exchange([&last.bytes[..], tail].concat()).await;
        }
        last_octet
    }

    /// Ends the data of a transaction without recipients.
    pub async fn deliver_nothing(&mut self) -> Result<u16, Fault> {
        self.await_step(Step::Message);
        self.command(Bytes::from_static(b".\r\n")).await
    }

    /// Sends a message in chunks, all of it and its envelope at once, and reads all replies. Gives how many recipients
    /// were refused, too, and when the envelope was answered.
    pub async fn chunks_at_once(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        tail: &[u8],
    ) -> Result<(Delivered, u64, Instant), Unsent> {
        let failed = |fault| Unsent::Failed(fault, true);
        let envelope = &template.envelope;
        let mut last_octet = Instant::now();
        let own = std::mem::take(&mut part.bytes);
        if template.rest().is_empty() {
            let group = [&envelope.group[..], &own].concat();
            self.exchange(group).await;
            part.bytes = own;
        } else {
            self.send(envelope.group.clone()).await;
            part.bytes = self.send(own).await;
            last_octet = self.send_rest(template.rest(), tail).await;
        }
        let answer = self
            .envelope_replies(envelope, false)
            .await
            .map_err(failed)?;
        let answered_envelope = Instant::now();
        if answer == Answer::Refused(CLOSING) {
            return Err(Unsent::Refused(CLOSING));
        }
        let code = self
            .chunk_replies(template.replies())
            .await
            .map_err(failed)?;
        match answer {
            Answer::Go { recipients_refused } => {
                let delivered = Delivered {
                    code,
                    last_octet,
                    answered: Instant::now(),
                };
                Ok((delivered, recipients_refused, answered_envelope))
            }
            Answer::Void(code) | Answer::Refused(code) => Err(Unsent::Refused(code)),
        }
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
    pub async fn chunks_step_by_step(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
    ) -> Result<Delivered, Fault> {
        self.await_step(Step::Message);
        let own = std::mem::take(&mut part.bytes);
        let mut last_octet = Instant::now();
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
            last_octet = Instant::now();
            if segment.ends_chunk {
                self.exchange(segment.bytes.clone()).await;
                code = self.read_reply().await?;
            } else {
                self.send(segment.bytes.clone()).await;
            }
        }
        Ok(Delivered {
            code,
            last_octet,
            answered: Instant::now(),
        })
    }
}
