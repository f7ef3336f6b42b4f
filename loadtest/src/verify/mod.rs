//! `--verify`: reads the topic back while the run goes on, and says what became of each message that got its 250.
//!
//! Reading starts where the partitions end when the run begins, without a consumer group. A message is found by the fields
//! that name it and checked byte by byte against them (see [`crate::content::identity`]); what else is in the topic is
//! foreign and only counted.
//!
//! A message is called lost only when its 250 was read, it did not come within `--verify-wait`, and every partition was
//! read to an end on which two looks agree: right after a failover an end may be early.
//!
//! A partition that brings nothing for a while though it has more gets another consumer: after a leader was killed, one was seen
//! that looked for it at the dead broker for a minute and more.
//!
//! # BUGS
//! - The time to readable is that of this reader: where it falls behind (both sides saturated), its lag is in it.
//! - Partitions that are added during the run are not read.

mod error;
mod ledger;
mod reader;
mod standstill;
mod topic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use crate::plan::Plan;
use crate::tally::Verdict;
pub(crate) use error::VerifyError;
use reader::Reader;
pub(crate) use reader::Sent;

/// The reader, in its own thread.
pub(crate) struct Verifier {
    sender: Sender<Sent>,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Reader>,
}

impl Verifier {
    /// Finds the ends of all partitions, and reads from there on.
    pub(crate) fn start(plan: &Plan) -> Result<Verifier, VerifyError> {
        let (sender, receiver) = channel();
        let ending = Arc::new(AtomicBool::new(false));
        let reader = Reader::new(plan, receiver, Arc::clone(&ending))?;
        let thread = thread::Builder::new()
            .name("verify".to_owned())
            .spawn(move || reader.run())
            .map_err(VerifyError::Spawn)?;
        Ok(Verifier {
            sender,
            ending,
            thread,
        })
    }

    /// For a sending thread.
    pub(crate) fn sender(&self) -> Sender<Sent> {
        self.sender.clone()
    }

    /// Waits for what is missing, at most as long as `--verify-wait`, and sums up.
    pub(crate) fn finish(self) -> Result<Verdict, VerifyError> {
        drop(self.sender);
        self.ending.store(true, Ordering::Relaxed);
        let reader = self.thread.join().map_err(|_| VerifyError::Panicked)?;
        Ok(reader.verdict())
    }
}
