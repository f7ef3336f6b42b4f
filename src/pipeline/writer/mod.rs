//! Records written to another topic: dead letters, and what a command makes of mails.
//!
//! Owns: when a record counts as written, and which failures pass. Must not know: what a record holds, when one is written.
//!
//! Invariants: a record counts as written once every in-sync replica has it; what passes is tried again until it works or the
//! caller gives up; no value of a property gets into a text; a topic is never created.
//!
//! BUGS: a writer that gives up while its record is under way may have written it.

mod client;
mod error;
mod place;

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use tokio::sync::oneshot;

use super::backoff::{Backoff, random};
use super::step::{Settled, Withdrawn};
use crate::consume::line::Say;
use crate::consume::stop::Stop;
use client::Client;
pub use error::WriteError;
pub use place::{Outgoing, Place};

/// Pauses before a record that was not written is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Pause while librdkafka's queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// See the module.
pub struct Writer {
    client: Client,
    place: Place,
    say: Say,
}

impl Writer {
    /// Finds the topic.
    ///
    /// # Errors
    /// Where it is not there, or the brokers do not answer, or `stop` is asked.
    pub fn open(place: Place, wait: Duration, stop: &Stop, say: Say) -> Result<Self, WriteError> {
        let client = Client::new(&place)?;
        client.find(&place, wait, stop)?;
        client.poll_by_itself()?;
        Ok(Self { client, place, say })
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.place.topic
    }

    /// Writes a record, and tries again for as long as that can help.
    ///
    /// # Errors
    /// What does not pass.
    pub async fn write(
        &self,
        record: &Outgoing,
        withdrawn: &Withdrawn,
    ) -> Result<Settled, WriteError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said = false;
        loop {
            let pause = match self.try_once(record).await {
                Ok(()) => return Ok(Settled::Done),
                Err(Code::QueueFull) => FULL_PAUSE,
                Err(code) if error::passes(code) => {
                    if !std::mem::replace(&mut said, true) {
                        let why = self.client.reason(code);
                        let topic = &self.place.topic;
                        (self.say)(&format!(
                            "a record was not written to topic {topic:?}: {why}; it is tried again"
                        ));
                    }
                    backoff.pause(random())
                }
                Err(code) => return Err(WriteError::of(&self.place, code)),
            };
            let waited = withdrawn.unless(tokio::time::sleep(pause)).await;
            if waited.is_none() {
                return Ok(Settled::Withdrawn);
            }
        }
    }

    async fn try_once(&self, record: &Outgoing) -> Result<(), Code> {
        let (report, reported) = oneshot::channel();
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut sent: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&self.place.topic, Box::new(report))
                .payload(&record.value[..])
                .headers(headers);
        if let Some(key) = &record.key {
            sent = sent.key(key);
        }
        if let Some(timestamp) = record.timestamp {
            sent = sent.timestamp(timestamp);
        }
        self.client.send(sent)?;
        // The client reports on every record before it is gone.
        reported.await.unwrap_or(Err(Code::Fail))
    }
}
