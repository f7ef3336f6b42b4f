//! What a sink and its callers say to each other: a record's ticket, the answer to it, and the report that follows.
//!
//! Owns: these values. Must not know: what takes records, what waits for them.

use crate::config::TopicPlace;
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
    /// It is stored, as safely as the sink stores anything: every in-sync replica has it.
    Stored,
    /// It is not known to be stored; the sender keeps the mail. A sink says one of `Refusal::Storage…`.
    Refused(Refusal),
}

/// A delivery report on its way to the worker that waits for it.
#[derive(Debug)]
pub struct Report {
    /// The topic of the record.
    pub topic: TopicPlace,
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
