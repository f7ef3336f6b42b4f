//! The sink that keeps nothing: for measuring the SMTP side alone.
//!
//! Owns nothing. Must not know: Kafka.
//!
//! BUGS: mail is lost, on purpose. Whoever starts it has to say so.

use super::{Outcome, Sink, Submission, Ticket};
use crate::mail::record::Record;

/// Says "stored" and drops the record.
#[derive(Debug, Default)]
pub struct DiscardSink;

impl Sink for DiscardSink {
    fn submit(&self, _ticket: Ticket, record: Box<Record>) -> Submission {
        Submission::Done(Outcome::Stored, record)
    }
}
