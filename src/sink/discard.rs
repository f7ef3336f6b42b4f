//! The sink that keeps nothing: for measuring the SMTP side alone.
//!
//! Owns nothing. Must not know: Kafka.
//!
//! BUGS: mail is lost, on purpose; it says so when it starts.

use std::sync::Arc;
use std::time::Duration;

use super::report::{Outcome, Submission, Ticket};
use super::seam::{Configured, Description, Keeps, Setup, Sink, Started, Unready};
use crate::config::{TopicPlace, Topics};
use crate::failure::Failure;
use crate::mail::record::Record;
use crate::verdict::{Line, Verdict};

/// What `ringpost check` says of it.
const WARNING: &str =
    "kafka.brokers = \"discard\": every message gets its 250 and is LOST; for measuring only";

/// `kafka.brokers = "discard"`.
pub(super) struct Discard {
    /// The topics that are named all the same.
    pub topics: Topics,
    /// The largest message in bytes.
    pub message_size: u64,
}

impl Configured for Discard {
    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    fn check(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    fn examine(&self, _waiting: &dyn Fn(&str)) -> Vec<Line> {
        let skipped = |name| (Verdict::Skipped, name, "nothing is stored".to_owned());
        vec![
            (Verdict::Warning, "brokers", WARNING.to_owned()),
            skipped("topic"),
        ]
    }

    fn start(&self, setup: Setup) -> Result<Started, Failure> {
        tracing::warn!(
            "kafka.brokers is \"discard\": every message gets its 250 and is LOST; for measuring only"
        );
        let description = Description {
            address: "discard".to_owned(),
            topics: self.topics.clone(),
            message_size: self.message_size,
            keeps: Keeps::Nothing,
        };
        Ok(Started {
            sink: Arc::new(DiscardSink { description }),
            reports: setup
                .wakers
                .iter()
                .map(|_| crossbeam_channel::never())
                .collect(),
        })
    }
}

/// Says "stored" and gives the record's memory back.
struct DiscardSink {
    description: Description,
}

impl Sink for DiscardSink {
    fn submit(&self, _topic: TopicPlace, _ticket: Ticket, record: Box<Record>) -> Submission {
        Submission::Done(Outcome::Stored, record)
    }

    fn ready(&self) -> Result<(), Unready> {
        Ok(())
    }

    fn drain(&self, _within: Duration) {}

    fn describe(&self) -> Description {
        self.description.clone()
    }
}
