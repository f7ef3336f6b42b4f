//! A record from one topic to the other, with its verdicts.
//!
//! Owns: what is written, passed over and said. Must not know: offsets, how a verdict comes about.
//!
//! Invariants: a mail counts as settled once every in-sync replica has its record in the other topic. A mail is never left out; a
//! record that is no mail is.

use std::cell::Cell;
use std::sync::Arc;

use super::examine::{Body, Examiner, NoMail};
use crate::consume::line::{Say, counted};
use crate::consume::received::Received;
use crate::failure::{Blame, Blamed, Failure};
use crate::pipeline::step::{Settled, Step, Withdrawn};
use crate::pipeline::whole::{Objects, Whole};
use crate::pipeline::writer::{Outgoing, WriteError, Writer};
use crate::telemetry::metrics::authenticate::Counts;

/// The other topic does not take a record.
#[derive(Debug, thiserror::Error)]
#[error(
    "partition {partition}, offset {offset}: {source}. The record has {bytes} bytes with its verdicts; 64 KiB more than the topic \
     that is read takes are enough for every mail. No mail was lost: the next run begins with this one"
)]
pub struct TooLarge {
    /// Of the record that was read.
    partition: i32,
    /// Of the record that was read.
    offset: i64,
    /// Of the value and the headers that were to be written.
    bytes: usize,
    /// What the topic says.
    source: WriteError,
}

impl Blamed for TooLarge {
    fn blame(&self) -> Blame {
        self.source.blame()
    }
}

/// See the module.
pub struct Authenticate {
    examiner: Examiner,
    objects: Objects,
    writer: Writer,
    counts: Arc<Counts>,
    say: Say,
    passed_over: Cell<u64>,
    missing: Cell<u64>,
}

impl Authenticate {
    /// From these objects to this topic.
    pub fn new(
        examiner: Examiner,
        objects: Objects,
        writer: Writer,
        counts: Arc<Counts>,
        say: Say,
    ) -> Self {
        Self {
            examiner,
            objects,
            writer,
            counts,
            say,
            passed_over: Cell::new(0),
            missing: Cell::new(0),
        }
    }

    /// Records that were not written, as they are no mail.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.get()
    }

    /// Says what was counted beside mails.
    pub fn sum_up(&self) {
        let passed_over = self.passed_over.get();
        if passed_over > 0 {
            let records = counted(passed_over, "record");
            (self.say)(&format!(
                "{records} passed over that are no mail of ringpost's"
            ));
        }
        let missing = self.missing.get();
        if missing > 0 {
            let records = counted(missing, "mail");
            (self.say)(&format!(
                "{records} checked without the object that holds the message"
            ));
        }
    }

    fn pass_over(&self, record: &Received, why: NoMail) {
        self.counts.handles.no_mail.increment(1);
        if self.passed_over.replace(self.passed_over.get() + 1) == 0 {
            let why = match why {
                NoMail::Foreign => "its ce_type is not that of a mail which ringpost received",
                NoMail::NoEnvelope => "ce_smtpclient or ce_smtpfrom is missing or cannot be read",
            };
            let (partition, offset) = (record.partition, record.offset);
            (self.say)(&format!(
                "partition {partition}, offset {offset}: {why}; it is not written to the other topic, and others like it are not \
                 either"
            ));
        }
    }

    /// The record with its own value, and its whole message where that is an object.
    async fn complete(
        &self,
        record: Received,
        withdrawn: &Withdrawn,
    ) -> Result<Option<(Received, Option<Vec<u8>>, bool)>, Failure> {
        Ok(match self.objects.complete(record, withdrawn).await? {
            Whole::Withdrawn => None,
            Whole::Message(record, None) => Some((record, None, true)),
            Whole::Message(mut record, Some(value)) => {
                let object = std::mem::replace(&mut record.value, value);
                Some((record, Some(object), true))
            }
            Whole::Missing(record, why) => {
                if self.missing.replace(self.missing.get() + 1) == 0 {
                    let (partition, offset) = (record.partition, record.offset);
                    (self.say)(&format!(
                        "partition {partition}, offset {offset}: {why}; its signatures are not verified, nor are those of others \
                         whose message is not there"
                    ));
                }
                Some((record, None, false))
            }
        })
    }
}

impl Step for Authenticate {
    async fn settle(&self, record: Received, withdrawn: Withdrawn) -> Result<Settled, Failure> {
        let Some((record, object, is_whole)) = self.complete(record, &withdrawn).await? else {
            return Ok(Settled::Withdrawn);
        };
        let body = Body {
            bytes: object.as_deref().unwrap_or(&record.value),
            is_whole,
        };
        let Some(examined) = withdrawn.unless(self.examiner.examine(&record, body)).await else {
            return Ok(Settled::Withdrawn);
        };
        let output = match examined {
            Ok(output) => output,
            Err(why) => {
                self.pass_over(&record, why);
                return Ok(Settled::Done);
            }
        };
        let outgoing = Outgoing {
            key: record.key.clone(),
            timestamp: record.timestamp,
            headers: output.headers,
            value: output.value,
        };
        match self.writer.write(&outgoing, &withdrawn).await {
            Ok(Settled::Done) => {
                self.counts.handles.mails.increment(1);
                Ok(Settled::Done)
            }
            Ok(Settled::Withdrawn) => Ok(Settled::Withdrawn),
            Err(source @ WriteError::TooLarge { .. }) => {
                let headers = outgoing
                    .headers
                    .iter()
                    .map(|(name, value)| name.len() + value.len());
                Err(TooLarge {
                    partition: record.partition,
                    offset: record.offset,
                    bytes: outgoing.value.len() + headers.sum::<usize>(),
                    source,
                }
                .into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
