//! One message over an open connection: what is sent with it, and what its replies mean for what comes next.
//!
//! Invariants: a number is sent at most once as data. A message of which no data was sent stays with its task and goes out
//! on the next connection; one whose data was begun and that got no reply counts as unanswered and is not repeated, because
//! the server may have it.

use std::rc::Rc;
use std::time::Instant;

use super::context::Context;
use super::dispatch::Work;
use crate::client::{Answer, CLOSING, Connection, Delivered, Unsent, missing};
use crate::content::{OwnPart, Template};
use crate::fault::{ErrorKind, Fault};
use crate::options::shape::Transfer;
use crate::plan::Profile;

const QUIT: &[u8] = b"QUIT\r\n";
/// The QUIT went out with the message.
const QUIT_SENT: After = After::Quit {
    held: None,
    sent: true,
};

/// What to do after a message. `held` is a message that was taken and is still to be sent.
pub(super) enum After {
    /// The next message, on this connection, if there is one already; the time when its envelope was sent, if it was.
    Next(Option<(Work, Option<Instant>)>),
    /// The end of the connection; the QUIT may have been sent with the message.
    Quit {
        /// A message that is still to be sent.
        held: Option<Work>,
        /// Whether the QUIT was sent.
        sent: bool,
    },
    /// The connection is of no more use.
    Failed {
        /// A message that is still to be sent.
        held: Option<Work>,
        /// What went wrong.
        fault: Fault,
    },
}

/// One message on its way.
pub(super) struct Message<'a> {
    /// What the thread's tasks share.
    pub context: &'a Rc<Context>,
    /// The sender's own part of a message.
    pub part: &'a mut OwnPart,
    /// The connection that it goes over.
    pub connection: &'a mut Connection,
    /// The shape of the connection and of its messages.
    pub profile: &'a Profile,
    /// Whether commands go out in groups.
    pub pipelining: bool,
    /// Whether another message may follow on this connection.
    pub stay: bool,
    /// Whether the message was accepted.
    pub accepted: bool,
}

impl Message<'_> {
    /// Sends a message, of which the envelope may have been sent already.
    pub(super) async fn send(&mut self, (work, envelope_sent): (Work, Option<Instant>)) -> After {
        let profile = self.profile;
        let template = profile.content.template(work.number);
        if let Some(extension) = missing(&self.connection.offers(), template.needs) {
            let fault = self.connection.unsupported(extension);
            return self.failed(Some(work), fault);
        }
        if profile.transfer == Transfer::Bdat {
            return self.send_chunks(template, work).await;
        }
        let begun = envelope_sent.unwrap_or_else(Instant::now);
        match self.envelope(template, envelope_sent.is_some()).await {
            Err(fault) => self.failed(Some(work), fault),
            Ok(Answer::Go { recipients_refused }) => {
                let time = begun.elapsed();
                self.context
                    .count_envelope(self.connection, recipients_refused, time);
                self.data(template, work).await
            }
            Ok(Answer::Void(code)) => {
                self.count_refused(code);
                match self.connection.deliver_nothing().await {
                    Ok(CLOSING) => self.failed(None, self.closing()),
                    Ok(_) => self.proceed(),
                    Err(fault) => self.failed(None, fault),
                }
            }
            Ok(Answer::Refused(code)) => self.refused(code).await,
        }
    }

    async fn envelope(&mut self, template: &Template, is_sent: bool) -> Result<Answer, Fault> {
        let (connection, envelope) = (&mut *self.connection, &template.envelope);
        if !self.pipelining {
            return connection.envelope_step_by_step(envelope, true).await;
        }
        if !is_sent {
            connection.send_envelope(envelope).await;
        }
        connection.envelope_replies(envelope, true).await
    }

    /// The message itself, with what follows it.
    async fn data(&mut self, template: &Template, work: Work) -> After {
        // Taken ahead only where the next envelope goes out with this message, and only what is due.
        let ahead = if self.pipelining && self.stay {
            self.take_ahead(work.number)
        } else {
            None
        };
        let context = self.context;
        let nothing_left =
            self.ends_here() || !(context.plan.is_open_loop() || context.is_crowded());
        let quits = self.pipelining && ahead.is_none() && nothing_left;
        let tail: &[u8] = match &ahead {
            Some(next) => &self.profile.content.template(next.number).envelope.group,
            None if quits => QUIT,
            None => b"",
        };
        template.load(self.part, work.number, tail);
        match self.connection.deliver(template, self.part, tail).await {
            Ok(delivered) => {
                self.count_delivered(template, work, &delivered);
                self.after_data(&delivered, ahead, quits)
            }
            Err(fault) => {
                self.context.count_unanswered(work);
                self.failed(ahead, fault)
            }
        }
    }

    /// What follows a final reply; `ahead` is a message whose envelope went out with the one that was answered.
    fn after_data(&self, delivered: &Delivered, ahead: Option<Work>, quits: bool) -> After {
        assert!(!(quits && ahead.is_some()), "after QUIT nothing is sent");
        let sent = delivered.last_byte;
        match (delivered.code, ahead) {
            (CLOSING, ahead) => self.failed(ahead, self.closing()),
            (code @ 300..400, ahead) => {
                let fault = self.connection.reply_fault(ErrorKind::Protocol, code);
                self.failed(ahead, fault)
            }
            // In the closed loop a message begins when its envelope goes out.
            (_, Some(next)) if !self.context.plan.is_open_loop() => {
                let next = Work {
                    intended: sent,
                    ..next
                };
                After::Next(Some((next, Some(sent))))
            }
            (_, Some(next)) => After::Next(Some((next, Some(sent)))),
            (_, None) if quits => QUIT_SENT,
            (_, None) => self.proceed(),
        }
    }

    /// A message in chunks.
    async fn send_chunks(&mut self, template: &Template, work: Work) -> After {
        let begun = Instant::now();
        let quits = self.pipelining && self.ends_here();
        let tail: &[u8] = if quits { QUIT } else { b"" };
        template.load(self.part, work.number, tail);
        let (connection, part) = (&mut *self.connection, &mut *self.part);
        let result = if self.pipelining {
            connection.chunks_at_once(template, part, tail).await
        } else {
            connection.chunks_step_by_step(template, part).await
        };
        match result {
            Ok(chunked) => {
                let time = chunked.envelope_answered - begun;
                self.context
                    .count_envelope(self.connection, chunked.recipients_refused, time);
                self.count_delivered(template, work, &chunked.delivered);
                self.after_chunks(chunked.delivered.code, quits).await
            }
            Err(Unsent::Refused(code)) if quits && code != CLOSING => {
                self.count_refused(code);
                QUIT_SENT
            }
            Err(Unsent::Refused(code)) => self.refused(code).await,
            Err(Unsent::NotBegun(fault)) => self.failed(Some(work), fault),
            Err(Unsent::Unanswered(fault)) => {
                self.context.count_unanswered(work);
                self.failed(None, fault)
            }
        }
    }

    async fn after_chunks(&mut self, code: u16, quits: bool) -> After {
        match code {
            CLOSING => self.failed(None, self.closing()),
            _ if quits => QUIT_SENT,
            200..300 => self.proceed(),
            // What the server makes of a transaction whose chunk it refused is not defined (RFC 3030 section 2).
            _ => self.after_reset().await,
        }
    }

    /// The envelope was refused.
    async fn refused(&mut self, code: u16) -> After {
        self.count_refused(code);
        if code == CLOSING {
            return self.failed(None, self.closing());
        }
        self.after_reset().await
    }

    async fn after_reset(&mut self) -> After {
        match self.connection.reset().await {
            Ok(()) => self.proceed(),
            Err(fault) => self.failed(None, fault),
        }
    }

    fn failed(&self, held: Option<Work>, fault: Fault) -> After {
        After::Failed { held, fault }
    }

    /// The server said 421, and ends the connection.
    fn closing(&self) -> Fault {
        self.connection.refusal(ErrorKind::Reply421, CLOSING)
    }

    /// After a message whose reply was awaited with nothing sent after it.
    fn proceed(&self) -> After {
        if self.stay {
            After::Next(None)
        } else {
            After::Quit {
                held: None,
                sent: false,
            }
        }
    }

    /// The next message of this connection, if one is due.
    fn take_ahead(&self, last: u64) -> Option<Work> {
        let context = self.context;
        if context.plan.paces_connections() {
            return context.follower(last);
        }
        context.take()
    }

    /// Whether it is known that no message follows on this connection.
    fn ends_here(&self) -> bool {
        let context = self.context;
        !self.stay || context.dispatcher.is_over()
    }

    fn count_refused(&self, code: u16) {
        self.context
            .count_refused(self.connection, self.profile, code);
    }

    fn count_delivered(&mut self, template: &Template, work: Work, delivered: &Delivered) {
        let (context, connection) = (self.context, &*self.connection);
        context.count_delivered(connection, self.profile, template, work, delivered);
        if (200..300).contains(&delivered.code) {
            self.accepted = true;
            context.tell_accepted(connection, template, self.part, work, delivered.answered);
        }
    }
}
