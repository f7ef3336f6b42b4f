//! A mail that is refused for good, where nobody said what to do with it.
//!
//! Owns: the texts. Must not know: exit codes.

use super::delivery::Answer;
use crate::consume::received::Received;
use crate::failure::{Blame, Blamed};

/// Why forwarding ends.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The receiver does not take a recipient.
    #[error(
        "mail {id} (partition {partition}, offset {offset}): {receiver} refuses {recipient}: {answer}. Nothing from here on is \
         committed; name a topic for such mails with --dead-letter, or have the receiver take it, and start again"
    )]
    Recipient {
        /// The mail's id.
        id: String,
        /// Where its record is.
        partition: i32,
        /// Where its record is.
        offset: i64,
        /// Who refuses.
        receiver: String,
        /// Whom.
        recipient: String,
        /// Why.
        answer: String,
    },
    /// The record is no mail that could be forwarded.
    #[error(
        "partition {partition}, offset {offset}: {why}. Nothing from here on is committed; name a topic for such records with \
         --dead-letter, and start again"
    )]
    NoMail {
        /// Where the record is.
        partition: i32,
        /// Where the record is.
        offset: i64,
        /// Why.
        why: String,
    },
}

impl Blamed for Refusal {
    fn blame(&self) -> Blame {
        // What was set up works; a mail of many does not get through.
        Blame::Cluster
    }
}

impl Refusal {
    /// Of a recipient.
    pub(super) fn of(record: &Received, receiver: &str, recipient: &str, answer: &Answer) -> Self {
        let answer = match answer.code {
            Some(code) => format!("{code} {}", answer.text),
            None => answer.text.clone(),
        };
        Self::Recipient {
            id: record.attributes().id.unwrap_or("without an id").to_owned(),
            partition: record.partition,
            offset: record.offset,
            receiver: receiver.to_owned(),
            recipient: recipient.to_owned(),
            answer,
        }
    }

    /// Of a record.
    pub(super) fn no_mail(record: &Received, why: String) -> Self {
        Self::NoMail {
            partition: record.partition,
            offset: record.offset,
            why,
        }
    }
}
