//! What was accepted and what was read back, message by message. Sans I/O.
//!
//! Invariant: a message that was accepted and not read is in `pending`, and only there. Memory: two bits a message, and the
//! messages that are known to one side only.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// Ids of records that are remembered, to tell a repeat of a produce retry from a second record.
const REMEMBERED: usize = 1 << 16;

/// Grows by the largest number.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Sets a bit; whether it was set before.
    fn set(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let before = self.0[word] & bit != 0;
        self.0[word] |= bit;
        before
    }
}

/// What is known of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read<'a> {
    /// The message's number.
    pub number: u64,
    /// The record's id, if it has one.
    pub id: &'a [u8],
    /// Whether the message is as it was sent.
    pub intact: bool,
    /// Whether the envelope is; true where the record names none.
    pub envelope: bool,
}

/// Both sides.
#[derive(Default)]
pub(super) struct Ledger {
    seen: Bits,
    accepted: Bits,
    /// Accepted and not read yet.
    pending: HashMap<u64, Instant>,
    /// Read, and not known to be accepted.
    early: HashMap<u64, Instant>,
    recent: Vec<(u64, u64)>,
    /// Records of this run.
    pub records: u64,
    /// Records beyond the first of a message, with the id of the first: a produce retry.
    pub duplicated_same_id: u64,
    /// Records beyond the first of a message, with another id.
    pub duplicated_other_id: u64,
    /// Records that are not as they were sent.
    pub altered: u64,
    /// Records with another envelope.
    pub envelope_differs: u64,
}

impl Ledger {
    /// A message got its 250. If its record was read already, returns how long it took to be readable: no time.
    pub(super) fn accepted(&mut self, number: u64, at: Instant) -> Option<Duration> {
        assert!(!self.accepted.set(number), "a message is accepted once");
        if self.early.remove(&number).is_some() {
            return Some(Duration::ZERO);
        }
        self.pending.insert(number, at);
        None
    }

    /// A record was read. Returns how long after its 250, if that is known.
    pub(super) fn read(&mut self, read: Read<'_>, at: Instant) -> Option<Duration> {
        self.records += 1;
        self.altered += u64::from(!read.intact);
        self.envelope_differs += u64::from(!read.envelope);
        let mut hasher = DefaultHasher::new();
        read.id.hash(&mut hasher);
        let id = hasher.finish();
        if self.recent.is_empty() {
            self.recent.resize(REMEMBERED, (0, 0));
        }
        let place = &mut self.recent[read.number as usize % REMEMBERED];
        if self.seen.set(read.number) {
            if *place == (read.number, id) && !read.id.is_empty() {
                self.duplicated_same_id += 1;
            } else {
                self.duplicated_other_id += 1;
            }
            return None;
        }
        *place = (read.number, id);
        match self.pending.remove(&read.number) {
            Some(accepted) => Some(at.saturating_duration_since(accepted)),
            None => {
                self.early.insert(read.number, at);
                None
            }
        }
    }

    /// Accepted messages that were not read.
    pub(super) fn missing(&self) -> u64 {
        self.pending.len() as u64
    }

    /// The first numbers of those.
    pub(super) fn first_missing(&self, most: usize) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.pending.keys().copied().collect();
        numbers.sort_unstable();
        numbers.truncate(most);
        numbers
    }

    /// Messages that were read and whose 250 was never read: the server may keep those.
    pub(super) fn stored_without_reply(&self) -> u64 {
        self.early.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: u64, id: &[u8]) -> Read<'_> {
        Read {
            number,
            id,
            intact: true,
            envelope: true,
        }
    }

    #[test]
    fn accepted_and_not_read_is_missing() {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        for number in 1..=100 {
            assert_eq!(ledger.accepted(number, now), None);
        }
        let later = now + Duration::from_millis(5);
        for number in (1..=100).filter(|number| number % 10 != 0) {
            assert_eq!(
                ledger.read(read(number, b"id"), later),
                Some(Duration::from_millis(5))
            );
        }
        assert_eq!(ledger.missing(), 10);
        assert_eq!(ledger.first_missing(3), [10, 20, 30]);
    }

    #[test]
    fn a_record_may_come_before_its_reply() {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        assert_eq!(ledger.read(read(7, b"a"), now), None);
        assert_eq!(ledger.stored_without_reply(), 1);
        assert_eq!(ledger.accepted(7, now), Some(Duration::ZERO));
        assert_eq!((ledger.missing(), ledger.stored_without_reply()), (0, 0));
    }

    #[test]
    fn duplicates_are_told_apart_by_their_ids() {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        for id in [&b"a"[..], b"a", b"b", b""] {
            ledger.read(read(7, id), now);
        }
        assert_eq!(
            (
                ledger.records,
                ledger.duplicated_same_id,
                ledger.duplicated_other_id
            ),
            (4, 1, 2)
        );
        ledger.read(
            Read {
                intact: false,
                envelope: false,
                ..read(8, b"c")
            },
            now,
        );
        assert_eq!((ledger.altered, ledger.envelope_differs), (1, 1));
    }
}
