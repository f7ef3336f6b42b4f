//! One comparison of a record's field.
//!
//! Owns: where in a record a field is, and what it means that it is not there. Must not know: how a condition is written.
//!
//! Invariant: a comparison with what a record does not have does not hold.

use jiff::Timestamp;
use ringpost_proto::mail::decode::Attributes;
use ringpost_proto::mail::header;
use ringpost_proto::smtp::access::Networks;

use super::value::{Operator, Who, Wild, is_of};
use crate::consume::received::Received;

/// See the module. Several values are alternatives.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// One of the recipients is one of these.
    Recipient(Vec<Who>),
    /// One of the recipients is at a domain of one of these patterns.
    Domain(Vec<String>),
    /// The sender is one of these.
    Sender(Vec<Who>),
    /// The client is in one of these networks.
    Client(Networks),
    /// The message has this many bytes, more or less.
    Size(Operator, u64),
    /// The mail came before or after this.
    Time(Operator, Timestamp),
    /// A header has one of these texts.
    Text {
        /// Its name.
        header: String,
        /// The texts.
        texts: Vec<Wild>,
    },
}

impl Condition {
    /// Whether it holds for a record, whose attributes these are.
    pub(super) fn holds(&self, received: &Received, attributes: &Attributes<'_>) -> bool {
        let recipients = || attributes.rcpt_to.iter().flatten();
        match self {
            Self::Recipient(whom) => {
                recipients().any(|recipient| whom.iter().any(|who| who.is(recipient)))
            }
            Self::Domain(patterns) => recipients()
                .any(|recipient| patterns.iter().any(|pattern| is_of(pattern, recipient))),
            Self::Sender(whom) => attributes
                .mail_from
                .is_some_and(|sender| whom.iter().any(|who| who.is(sender))),
            Self::Client(networks) => attributes
                .client
                .is_some_and(|client| networks.contains(client.ip())),
            Self::Size(operator, size) => attributes
                .size
                .is_some_and(|found| operator.holds(found, *size)),
            Self::Time(operator, time) => {
                time_of(received).is_some_and(|found| operator.holds(found, *time))
            }
            Self::Text { header, texts } => text_of(received, header)
                .is_some_and(|found| texts.iter().any(|text| text.fits(found))),
        }
    }
}

/// When the mail came: `ce_time`, or Kafka's time stamp where that cannot be read.
fn time_of(received: &Received) -> Option<Timestamp> {
    let stamp = || {
        received
            .timestamp
            .and_then(|at| Timestamp::from_millisecond(at).ok())
    };
    let told = text_of(received, header::TIME).and_then(|text| text.parse().ok());
    told.or_else(stamp)
}

/// The first header of this name, where it is text.
fn text_of<'r>(received: &'r Received, name: &str) -> Option<&'r str> {
    let mut headers = received.headers.iter();
    let (_, value) = headers.find(|(found, _)| found == name)?;
    std::str::from_utf8(value).ok()
}
