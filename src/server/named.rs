//! Whom the topic of recipients names, as a server follows it.
//!
//! Owns: what the thread that follows it is given. Must not know: how it is read.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::config::Config;
use crate::failure::Failure;
use crate::net::shared::Shared;
use crate::recipients::{self, Following, Place, Published};
use crate::sink::Description;

/// See the module. Both are there, or neither.
pub(super) struct Named {
    /// Where it is said whom the topic names.
    pub(super) published: Option<Arc<Published>>,
    /// The thread.
    pub(super) following: Option<Following>,
}

impl Named {
    /// Begins to read the topic, if the configuration names one.
    ///
    /// # Errors
    /// What keeps it from being begun. A cluster that is away does not.
    pub(super) fn start(
        config: &Config,
        sink: &Description,
        published: Arc<Published>,
        shared: &Arc<Shared>,
    ) -> Result<Self, Failure> {
        let Some(place) = Place::of(config, &sink.address) else {
            return Ok(Self {
                published: None,
                following: None,
            });
        };
        let rules = Arc::clone(shared);
        let following = recipients::start(recipients::Setup {
            place,
            published: Arc::clone(&published),
            takes: Box::new(move |pattern| rules.rules.load().policy.taken.takes_some_of(pattern)),
            metrics: shared.metrics.clone(),
            // A number that senders do not know.
            seed: RandomState::new().hash_one(0),
        })?;
        Ok(Self {
            published: Some(published),
            following: Some(following),
        })
    }
}
