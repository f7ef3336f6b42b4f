//! A receiver that speaks SMTP or LMTP: mails in, verdicts out.
//!
//! Owns: which connection a mail gets, and which mails no connection is asked for. Must not know: when a mail is tried again.
//!
//! Invariants: a connection carries one mail at a time; a mail that failed on a connection which had been idle, before the receiver
//! said anything of it, gets a new connection at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::connection::{Connection, Mail, Sent};
use super::content::{Needs, hops};
use super::settings::Settings;
use crate::forward::delivery::{Answer, Delivery, Verdict};
use crate::limits::FORWARD_HOPS_MOST;

/// See the module.
#[derive(Clone)]
pub struct Receiver {
    settings: Rc<Settings>,
    idle: Rc<RefCell<Idle>>,
}

/// Connections that have nothing to do.
#[derive(Default)]
struct Idle {
    /// The one that was used last is at the end, and is used first.
    connections: Vec<Connection>,
    /// Whether somebody closes what is idle for too long.
    is_swept: bool,
    /// Connections that were opened.
    opened: u64,
}

/// Everybody is refused by us, for this reason.
fn refused(delivery: &Delivery, text: String) -> Vec<Verdict> {
    delivery.all(&Verdict::Refused(Answer { code: None, text }))
}

impl Receiver {
    /// With these settings; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Rc::new(settings),
            idle: Rc::default(),
        }
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> u64 {
        self.idle.borrow().opened
    }

    /// Gives it a mail: one verdict for each recipient that is open.
    pub async fn deliver(&self, delivery: &Delivery) -> Vec<Verdict> {
        let message = &delivery.record.value;
        let relayed = hops(message);
        if relayed > FORWARD_HOPS_MOST {
            let text = format!("5.4.6 Routing loop: the mail has {relayed} Received fields");
            return refused(delivery, text);
        }
        let needs = Needs::of(&delivery.record);
        let mut verdicts = Vec::with_capacity(delivery.recipients.len());
        for recipients in delivery.recipients.chunks(self.settings.recipients) {
            let part = Part {
                sender: &delivery.sender,
                recipients,
                message,
                needs,
            };
            verdicts.extend(self.send(&part).await);
        }
        verdicts
    }

    async fn send(&self, part: &Part<'_>) -> Vec<Verdict> {
        loop {
            let kept = self.kept();
            let had_been_idle = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => match Connection::open(&self.settings).await {
                    Ok(connection) => {
                        self.idle.borrow_mut().opened += 1;
                        connection
                    }
                    Err(failed) => {
                        return part.all(&Verdict::Later {
                            answer: failed.0,
                            not_before: None,
                        });
                    }
                },
            };
            let (fitted, places, mut verdicts) = match part.fitted(&connection) {
                Ok(fitted) => fitted,
                Err(verdict) => {
                    self.keep(connection);
                    return part.all(&verdict);
                }
            };
            if fitted.recipients.is_empty() {
                self.keep(connection);
                return verdicts;
            }
            let mail = fitted.borrowed(part);
            let Sent {
                verdicts: sent,
                reusable,
                untouched,
            } = connection.send(&mail, &self.settings).await;
            if untouched && had_been_idle {
                continue;
            }
            if reusable {
                self.keep(connection);
            }
            for (place, verdict) in places.into_iter().zip(sent) {
                verdicts[place] = verdict;
            }
            return verdicts;
        }
    }

    /// A connection that is idle, if there is one that was used lately.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let connection = idle.connections.pop()?;
        // It was used last: the others are older still.
        if connection.used.elapsed() < self.settings.timeouts.idle {
            return Some(connection);
        }
        idle.connections.push(connection);
        None
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        idle.connections.push(connection);
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::task::spawn_local(self.clone().sweep());
        }
    }

    /// Closes connections that are idle for too long, until none is idle.
    async fn sweep(self) {
        loop {
            let patience = self.settings.timeouts.idle;
            let now = Instant::now();
            let old: Vec<Connection> = {
                let mut idle = self.idle.borrow_mut();
                let connections = &mut idle.connections;
                let is_old = |connection: &Connection| now - connection.used >= patience;
                let count = connections.iter().take_while(|one| is_old(one)).count();
                connections.drain(..count).collect()
            };
            for connection in old {
                connection.quit().await;
            }
            let oldest = {
                let mut idle = self.idle.borrow_mut();
                let oldest = idle.connections.first().map(|connection| connection.used);
                idle.is_swept = oldest.is_some();
                oldest
            };
            let Some(oldest) = oldest else { return };
            tokio::time::sleep_until((oldest + patience).into()).await;
        }
    }

    /// Says good-bye on every connection that has nothing to do.
    pub async fn close(&self) {
        let connections = std::mem::take(&mut self.idle.borrow_mut().connections);
        for connection in connections {
            connection.quit().await;
        }
    }
}

/// A mail with as many recipients as one transaction takes.
struct Part<'a> {
    sender: &'a str,
    recipients: &'a [String],
    message: &'a [u8],
    needs: Needs,
}

/// What of a part one server takes: the recipients, and whether they or the message need SMTPUTF8.
struct Fitted {
    recipients: Vec<String>,
    international: bool,
}

impl Fitted {
    fn borrowed<'a>(&'a self, part: &Part<'a>) -> Mail<'a> {
        Mail {
            sender: part.sender,
            recipients: &self.recipients,
            message: part.message,
            needs: part.needs,
            international: self.international,
        }
    }
}

const NO_SMTPUTF8: &str = "the receiver does not offer SMTPUTF8";

impl Part<'_> {
    fn all(&self, verdict: &Verdict) -> Vec<Verdict> {
        vec![verdict.clone(); self.recipients.len()]
    }

    /// What of it can go over this connection, the places of these recipients, and the verdicts of the others.
    ///
    /// # Errors
    /// The verdict of everybody, where nothing can.
    fn fitted(
        &self,
        connection: &Connection,
    ) -> Result<(Fitted, Vec<usize>, Vec<Verdict>), Verdict> {
        let offers = &connection.offers;
        let refused = |text: String| Verdict::Refused(Answer { code: None, text });
        if let Some(most) = offers.size_limit
            && self.message.len() as u64 > most
        {
            let size = self.message.len();
            return Err(refused(format!(
                "5.3.4 The message has {size} bytes, and the receiver takes {most}"
            )));
        }
        if self.needs.binary && !(offers.chunking && offers.binary) {
            return Err(refused(
                "5.6.3 The message is BINARYMIME, which the receiver does not offer".to_owned(),
            ));
        }
        let of_mail = self.needs.international || !self.sender.is_ascii();
        if of_mail && !offers.smtputf8 {
            return Err(refused(format!(
                "5.6.7 The sender or the header section needs SMTPUTF8: {NO_SMTPUTF8}"
            )));
        }
        let goes = |recipient: &String| offers.smtputf8 || recipient.is_ascii();
        let (mut recipients, mut places) = (Vec::new(), Vec::new());
        for (place, recipient) in self.recipients.iter().enumerate() {
            if goes(recipient) {
                recipients.push(recipient.clone());
                places.push(place);
            }
        }
        let international = of_mail || recipients.iter().any(|recipient| !recipient.is_ascii());
        let others = refused(format!("5.6.7 The address needs SMTPUTF8: {NO_SMTPUTF8}"));
        let fitted = Fitted {
            recipients,
            international,
        };
        Ok((fitted, places, self.all(&others)))
    }
}
