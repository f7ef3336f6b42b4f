//! What is done with each record.
//!
//! Owns: the seam between the pipeline and what forwards, authenticates or the like. Must not know: offsets, partitions, when
//! something is committed.
//!
//! Invariant: a step that says [`Settled::Done`] has done all that the record is for; the offset after it may be committed.

use std::future::Future;

use tokio::sync::watch;

use crate::consume::received::Received;
use crate::failure::Failure;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The record is done with.
    Done,
    /// It was withdrawn before: the next owner of its partition, or the next run, begins it again.
    Withdrawn,
}

/// See the module.
pub trait Step: 'static {
    /// Does everything for one record, and tries again what fails for a while. Called once for each, for many at a time.
    ///
    /// Once the record is [`Withdrawn`], a step ends as soon as it can: it begins nothing more, and finishes what would be
    /// done twice otherwise. After a grace the future is dropped, and the record counts as not settled.
    ///
    /// # Errors
    /// What ends the program. The record is not settled.
    fn settle(
        &self,
        record: Received,
        withdrawn: Withdrawn,
    ) -> impl Future<Output = Result<Settled, Failure>>;
}

/// Says that a record is taken back: the program stops, or the group gave its partition away.
#[derive(Debug, Clone)]
pub struct Withdrawn(watch::Receiver<bool>);

impl Withdrawn {
    /// One for records that share it, and what withdraws them.
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it is.
    pub fn is_said(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn said(&self) {
        let mut receiver = self.0.clone();
        // Whoever could say it is gone only with everything else.
        if receiver.wait_for(|said| *said).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What comes of a wait; none if the record is withdrawn before, or was already. The wait is dropped then.
    pub async fn unless<F: Future>(&self, wait: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.said() => None,
            output = wait => Some(output),
        }
    }
}
