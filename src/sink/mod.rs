//! Where messages go, and what is known of those under way.
//!
//! `kafka` is the real one, on the producers of `lanes`, with the settings of `properties`, its batches closed early by
//! `closing`; `verdict` says what an error means for the sender; `discard` stands in for measuring; `embedded` starts the
//! in-process broker that `kafka` then talks to, over whose partitions `spread` spreads. `topic` is what is asked of a
//! cluster, at the start and all the time, `reach` why it does not answer, `finding` what is wrong; `watch` asks while mail
//! flows, and `storage` says when it is away and back. `ledger` is the only place that knows what is in flight.

mod closing;
pub mod discard;
pub mod embedded;
pub mod finding;
pub mod kafka;
mod lanes;
pub mod ledger;
mod librdkafka;
pub mod properties;
pub mod reach;
mod size;
pub mod spread;
mod statistics;
mod storage;
pub mod topic;
mod verdict;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mail::record::Record;
use crate::smtp::refusal::Refusal;

/// Names one record in flight: which worker's ledger holds it, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Index of the worker.
    pub worker: u32,
    /// Slot in its ledger.
    pub slot: u32,
    /// Turn of the slot, so that a stale ticket cannot name its successor.
    pub turn: u64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every in-sync replica has it.
    Stored,
    /// It is not known to be stored; the sender keeps the mail.
    Refused(Refusal),
}

/// A delivery report on its way to the worker that waits for it.
#[derive(Debug)]
pub struct Report {
    /// Which record.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
    /// The record's memory, given back.
    pub record: Box<Record>,
}

/// The immediate answer of a sink.
#[derive(Debug)]
pub enum Submission {
    /// A [`Report`] will follow, exactly one.
    Pending,
    /// Decided at once; no report follows, and the record's memory is given back.
    Done(Outcome, Box<Record>),
}

/// A place that takes records.
pub trait Sink: Send + Sync {
    /// Hands a record over. Never blocks.
    fn submit(&self, ticket: Ticket, record: Box<Record>) -> Submission;
}

/// The state behind the locks of sinks is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
