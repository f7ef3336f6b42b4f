//! What `--verify` found: what became of the messages that got their 250.

use hdrhistogram::Histogram;

/// What became of the messages.
pub(crate) struct Verdict {
    /// Accepted messages whose records were not found: lost if the reading is complete.
    pub missing: u64,
    /// The Message-IDs of the first of those.
    pub lost_ids: Vec<String>,
    /// Records of this run.
    pub records: u64,
    /// Records of other origin.
    pub foreign: u64,
    /// Records beyond the first of a message, with the id of the first: a produce retry.
    pub duplicated_same_id: u64,
    /// Records beyond the first of a message, with another id.
    pub duplicated_other_id: u64,
    /// Records that are not as they were sent.
    pub altered: u64,
    /// Records with another envelope.
    pub envelope_differs: u64,
    /// Stored, though no 250 was read.
    pub stored_without_reply: u64,
    /// Whether every partition was read to its end.
    pub complete: bool,
    /// Errors of the Kafka client, the last of them.
    pub errors: u64,
    /// The text of the last one.
    pub last_error: Option<String>,
    /// Microseconds from reading the 250 to reading the record; 0 where the record came first.
    pub readable: Histogram<u64>,
}
