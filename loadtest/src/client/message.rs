//! One message over an open connection: the envelope, the data, the replies.
//!
//! Must not know what is counted. Every function leaves the dialogue where the next transaction can begin, or says what is
//! still to do.

use std::time::Instant;

use bytes::Bytes;

use super::connection::Connection;
use super::envelope::{Answer, EnvelopeAnswers};
use crate::content::{Envelope, OwnPart, Segment, Template};
use crate::fault::{Fault, Step};

/// The final reply of a message.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// Its code.
    pub code: u16,
    /// When the write that holds the message's last byte was submitted.
    pub last_byte: Instant,
    /// When the reply was read.
    pub answered: Instant,
}

impl Connection {
    /// Sends an envelope in one write, without reading replies.
    pub(crate) async fn send_envelope(&mut self, envelope: &Envelope) {
        self.exchange(envelope.group.clone()).await;
    }

    /// Reads the replies of an envelope that was sent in one write.
    pub(crate) async fn envelope_replies(
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
    pub(crate) async fn envelope_step_by_step(
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
    pub(crate) async fn deliver(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        tail: &[u8],
    ) -> Result<Delivered, Fault> {
        self.await_step(Step::Message);
        let own = std::mem::take(&mut part.bytes);
        let mut last_byte = Instant::now();
        if template.rest().is_empty() {
            part.bytes = self.exchange(own).await;
        } else {
            part.bytes = self.send(own).await;
            last_byte = self.send_rest(template.rest(), tail).await;
        }
        let code = self.read_reply().await?;
        Ok(Delivered {
            code,
            last_byte,
            answered: Instant::now(),
        })
    }

    /// Sends segments, `tail` together with the last; returns the time just before that one.
    pub(super) async fn send_rest(&mut self, segments: &[Segment], tail: &[u8]) -> Instant {
        let (last, before) = segments.split_last().expect("a message with segments");
        for segment in before {
            self.send(segment.bytes.clone()).await;
        }
        let last_byte = Instant::now();
        if tail.is_empty() {
            self.exchange(last.bytes.clone()).await;
        } else {
            self.exchange([&last.bytes[..], tail].concat()).await;
        }
        last_byte
    }

    /// Ends the data of a transaction without recipients.
    pub(crate) async fn deliver_nothing(&mut self) -> Result<u16, Fault> {
        self.await_step(Step::Message);
        self.command(Bytes::from_static(b".\r\n")).await
    }
}
