//! The whole message of a record whose value is its header section alone, for steps.
//!
//! Owns: that an object is read on a thread that may block, and tried again while its store is away. Must not know: how an
//! object is read, what a step does with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::backoff::{Backoff, random};
use super::step::Withdrawn;
use crate::config;
use crate::consume::line::Say;
use crate::consume::received::Received;
use crate::failure::Failure;
use crate::kafka::lock::lock;
use crate::objects::fetch::{Fetch, FetchError, Unreadable};

/// Pauses before an object is asked for again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Completes records.
pub struct Objects {
    fetch: Arc<Mutex<Fetch>>,
    say: Say,
}

/// What became of a record.
#[derive(Debug)]
pub enum Whole {
    /// Its value is the whole message now. What its value was comes with it, where that was something else.
    Message(Received, Option<Vec<u8>>),
    /// Its object cannot be read, and never will be.
    Missing(Received, Unreadable),
    /// The record was withdrawn before.
    Withdrawn,
}

impl Objects {
    /// Objects are read from where this says, or, where it names no store, from where their records say.
    ///
    /// # Errors
    /// There is no runtime for it.
    pub fn new(objects: &config::Objects, say: Say) -> Result<Self, FetchError> {
        let fetch = Arc::new(Mutex::new(Fetch::new(objects)?));
        Ok(Self { fetch, say })
    }

    /// Puts the whole message into the record; waits as long as its store is away.
    ///
    /// # Errors
    /// The store cannot be opened as it is configured.
    pub async fn complete(
        &self,
        mut record: Received,
        withdrawn: &Withdrawn,
    ) -> Result<Whole, Failure> {
        let attributes = record.attributes();
        let Some(dataref) = attributes.dataref.map(str::to_owned) else {
            return Ok(Whole::Message(record, None));
        };
        let (sha256, size) = (attributes.sha256.map(str::to_owned), attributes.size);
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let (fetch, dataref, sha256) =
                (Arc::clone(&self.fetch), dataref.clone(), sha256.clone());
            let read = move || lock(&fetch).fetch(&dataref, sha256.as_deref(), size);
            let fetched = match tokio::task::spawn_blocking(read).await {
                Ok(fetched) => fetched,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            match fetched {
                Ok(message) => {
                    let before = record.complete(message);
                    return Ok(Whole::Message(record, Some(before)));
                }
                Err(FetchError::Unreadable(why)) => return Ok(Whole::Missing(record, why)),
                Err(error @ FetchError::Store(_)) => {
                    (self.say)(&format!(
                        "partition {}, offset {}: {error}; it is tried again",
                        record.partition, record.offset
                    ));
                }
                Err(error @ (FetchError::Open(_) | FetchError::Runtime(_))) => {
                    return Err(error.into());
                }
            }
            let pause = tokio::time::sleep(backoff.pause(random()));
            if withdrawn.unless(pause).await.is_none() {
                return Ok(Whole::Withdrawn);
            }
        }
    }
}
