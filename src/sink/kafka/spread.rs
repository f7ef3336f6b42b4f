//! Over which partitions of the in-process broker records are spread: each goes where the least was written.
//!
//! Owns: what has been written to each partition. Must not know: records, what a broker does with them.
//!
//! That broker keeps a limited number of bytes of each partition and drops the oldest beyond them, so a partition that gets more than its
//! share loses mails while others have room. librdkafka stays with one partition for 10 ms, which at a few large mails is
//! all that the partition holds.
//!
//! Invariants: no thread waits for another; of two records that come at once to the same partition each is counted before
//! the other chooses.
//!
//! BUGS: a record that is not stored counts as well. One with a key goes where its key belongs, and is counted nowhere but in
//! the total.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// This many bytes go to one partition before the next is chosen: enough for small mails to share a batch, and little
/// beside what a partition holds.
const TURN_OCTETS: u64 = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Spread {
    written: Vec<AtomicU64>,
    total: AtomicU64,
    current: AtomicUsize,
}

impl Spread {
    /// Over this many partitions, all of them empty.
    ///
    /// # Panics
    /// If there is none.
    pub fn over(partitions: usize) -> Self {
        assert!(partitions > 0, "a topic has a partition");
        Self {
            written: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            total: AtomicU64::new(0),
            current: AtomicUsize::new(0),
        }
    }

    /// What has been written in all, in bytes.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a record whose key decides where it goes.
    pub fn count(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The partition of a record of this many bytes, which counts as written there.
    pub fn choose(&self, bytes: u64) -> usize {
        let before = self.total.fetch_add(bytes, Ordering::Relaxed);
        if before / TURN_OCTETS != (before + bytes) / TURN_OCTETS {
            let chosen = self.claim_the_emptiest(bytes);
            self.current.store(chosen, Ordering::Relaxed);
            return chosen;
        }
        let current = self.current.load(Ordering::Relaxed);
        self.written[current].fetch_add(bytes, Ordering::Relaxed);
        current
    }

    fn claim_the_emptiest(&self, bytes: u64) -> usize {
        loop {
            let loads = self.written.iter().map(|one| one.load(Ordering::Relaxed));
            let (index, least) = loads
                .enumerate()
                .min_by_key(|(_, written)| *written)
                .expect("there is a partition");
            let claimed = self.written[index].compare_exchange(
                least,
                least + bytes,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if claimed.is_ok() {
                return index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_records_go_to_every_partition_before_one_has_two() {
        let spread = Spread::over(8);
        for round in 1..=3 {
            let mut seen: Vec<usize> = (0..8).map(|_| spread.choose(2_000_000)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..8).collect::<Vec<_>>(), "round {round}");
        }
        assert_eq!(spread.total(), 48_000_000);
    }

    #[test]
    fn partitions_fill_evenly_whatever_the_sizes_and_from_several_threads() {
        let spread = Spread::over(4);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let spread = &spread;
                scope.spawn(move || {
                    for turn in 0..2_000_u64 {
                        spread.choose(1 + (turn * 7_919 + thread * 104_729) % 200_000);
                    }
                });
            }
        });
        let written: Vec<u64> = spread
            .written
            .iter()
            .map(|one| one.load(Ordering::Relaxed))
            .collect();
        assert_eq!(written.iter().sum::<u64>(), spread.total());
        let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
        // A turn more than the others, and what threads that had read `current` added to it.
        assert!(most - least <= 4 * (TURN_OCTETS + 200_000), "{written:?}");
    }
}
