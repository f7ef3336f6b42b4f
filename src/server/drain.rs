//! The end of a server: no new connections, transactions end, records are confirmed.
//!
//! Owns: the order of the end, and its deadline. Must not know: who decides that the server ends.
//!
//! Invariant: the sink drains after the last worker, so that every record that was submitted is waited for, and the store of large
//! messages after it, so that what no record names is deleted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::addresses::Held;
use super::succession::{self, Ending};
use super::workers::{Error, Running};
use crate::net::shared::Shared;
use crate::net::worker::CutOff;
use crate::recipients::Following;

/// What has to be ended, in the end.
pub(super) struct Drain {
    /// The workers.
    pub workers: Running,
    /// What they share.
    pub shared: Arc<Shared>,
    /// What follows the topic of recipients, if there is one.
    pub following: Option<Following>,
    /// The sockets that they serve.
    pub held: Arc<Vec<Held>>,
    /// How long the end may take.
    pub timeout: Duration,
}

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How long it took.
    pub took: Duration,
    /// What did not end in time.
    pub cut_off: CutOff,
}

impl Drain {
    /// Waits until a worker ends without being stopped: why it did.
    pub(super) async fn one_lost(&mut self) -> Error {
        self.workers.one_lost().await
    }

    /// Ends everything. Blocks.
    ///
    /// # Errors
    /// If a worker failed.
    pub(super) fn run(self, ending: &Ending) -> Result<Drained, Error> {
        let began = Instant::now();
        let draining = self.shared.draining.swap(true, Ordering::Relaxed);
        assert!(!draining, "a server ends once");
        succession::close(&self.held, ending);
        let stopped = self.workers.stop();
        drop(self.following);
        self.shared
            .sink
            .drain(self.timeout.saturating_sub(began.elapsed()));
        if let Some(claims) = &self.shared.claims {
            claims
                .store
                .drain(self.timeout.saturating_sub(began.elapsed()));
        }
        Ok(Drained {
            took: began.elapsed(),
            cut_off: stopped?,
        })
    }
}
