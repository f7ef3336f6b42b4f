//! Where mail goes: one of the kinds of receivers.
//!
//! Owns: which kinds there are. Must not know: flags, when a mail is tried again.

use super::delivery::{Delivery, Verdict};
use super::http::webhook::Webhook;
use super::smtp::receiver::Receiver;

/// See the module.
pub enum Destination {
    /// One that speaks SMTP or LMTP.
    Mail(Receiver),
    /// An application that speaks HTTP.
    Web(Box<Webhook>),
}

impl Destination {
    /// Gives it a mail: one verdict for each recipient that is open.
    pub async fn deliver(&self, delivery: &Delivery) -> Vec<Verdict> {
        let verdicts = match self {
            Self::Mail(receiver) => receiver.deliver(delivery).await,
            Self::Web(webhook) => webhook.deliver(delivery).await,
        };
        let open = delivery.recipients.len();
        assert_eq!(verdicts.len(), open, "one verdict for each recipient");
        verdicts
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> u64 {
        match self {
            Self::Mail(receiver) => receiver.opened(),
            Self::Web(webhook) => webhook.opened(),
        }
    }

    /// Takes leave of the receiver.
    pub async fn close(&self) {
        match self {
            Self::Mail(receiver) => receiver.close().await,
            Self::Web(_) => {}
        }
    }
}
