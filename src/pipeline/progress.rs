//! How far each partition is: which of its records are settled, and up to where all of them are.
//!
//! Owns: the records that were read and are not settled, and the offset that may be committed. Must not know: Kafka's client,
//! what a record holds, when offsets are committed.
//!
//! Its methods by kind. Inputs: `read`, `settle`, `committed`, `forget`. Questions: `committable`, `reached`, `open`, `window`.
//!
//! Invariants: an offset is committable only if every record before it that was read is settled; what is committable of a
//! partition never goes back while the partition is held; a ticket of an assignment that is over changes nothing.

use std::collections::{BTreeMap, VecDeque};

/// One record that was read, until it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Which assignment of the partition it was read in.
    epoch: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: BTreeMap<i32, Partition>,
    /// Assignments so far.
    epochs: u64,
    open: usize,
}

#[derive(Debug)]
struct Partition {
    epoch: u64,
    /// The records from the first that is not settled, each with whether it is: in the order of their offsets. Offsets that
    /// no record has (compaction, markers of transactions) are not here.
    records: VecDeque<(i64, bool)>,
    /// The offset after the last record that was read.
    next: i64,
    /// What the group has; at first, where reading began.
    committed: i64,
}

impl Partition {
    /// The offset up to which every record that was read is settled.
    fn settled_up_to(&self) -> i64 {
        self.records.front().map_or(self.next, |&(first, _)| first)
    }

    fn open(&self) -> usize {
        self.records.iter().filter(|(_, settled)| !settled).count()
    }
}

impl Progress {
    /// A record was read. One at an offset that was passed before begins the partition again, as after its topic was made
    /// again: tickets from before count no more.
    pub fn read(&mut self, partition: i32, offset: i64) -> Ticket {
        if self
            .partitions
            .get(&partition)
            .is_some_and(|known| offset < known.next)
        {
            self.forget(partition);
        }
        let epochs = &mut self.epochs;
        let known = self.partitions.entry(partition).or_insert_with(|| {
            *epochs += 1;
            Partition {
                epoch: *epochs,
                records: VecDeque::new(),
                next: offset,
                committed: offset,
            }
        });
        known.records.push_back((offset, false));
        known.next = offset + 1;
        self.open += 1;
        Ticket {
            partition,
            offset,
            epoch: known.epoch,
        }
    }

    /// A record is settled. False for a ticket of an assignment that is over.
    ///
    /// # Panics
    /// When a ticket is settled twice.
    pub fn settle(&mut self, ticket: Ticket) -> bool {
        let Some(known) = self
            .partitions
            .get_mut(&ticket.partition)
            .filter(|known| known.epoch == ticket.epoch)
        else {
            return false;
        };
        let place = known
            .records
            .binary_search_by_key(&ticket.offset, |&(offset, _)| offset)
            .expect("a record is settled once");
        let was_settled = std::mem::replace(&mut known.records[place].1, true);
        assert!(!was_settled, "a record is settled once");
        while known.records.front().is_some_and(|&(_, settled)| settled) {
            known.records.pop_front();
        }
        self.open -= 1;
        true
    }

    /// The offsets that may be committed and are not, by partition.
    pub fn committable(&self) -> BTreeMap<i32, i64> {
        let partitions = self.partitions.iter();
        let ahead = partitions.filter_map(|(&partition, known)| {
            let next = known.settled_up_to();
            (known.committed != next).then_some((partition, next))
        });
        ahead.collect()
    }

    /// The group has these offsets.
    ///
    /// # Panics
    /// For an offset beyond what is settled.
    pub fn committed(&mut self, offsets: &BTreeMap<i32, i64>) {
        for (partition, &next) in offsets {
            if let Some(known) = self.partitions.get_mut(partition) {
                assert!(
                    next <= known.settled_up_to(),
                    "what is not settled is not committed"
                );
                known.committed = next;
            }
        }
    }

    /// The partition is another member's, or is begun again.
    pub fn forget(&mut self, partition: i32) {
        if let Some(gone) = self.partitions.remove(&partition) {
            self.open -= gone.open();
        }
    }

    /// The offset up to which every record that was read is settled.
    pub fn reached(&self, partition: i32) -> Option<i64> {
        let known = self.partitions.get(&partition)?;
        Some(known.settled_up_to())
    }

    /// Records that are not settled, of all partitions.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Records of this partition from the first that is not settled: what is repeated at most after a kill.
    pub fn window(&self, partition: i32) -> usize {
        self.partitions
            .get(&partition)
            .map_or(0, |known| known.records.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from a seed, so that a failure can be replayed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    #[test]
    fn only_what_is_settled_from_the_front_is_committable() {
        let mut progress = Progress::default();
        let tickets: Vec<Ticket> = [5, 6, 9, 10].map(|at| progress.read(0, at)).to_vec();
        assert!(progress.committable().is_empty());
        assert!(progress.settle(tickets[2]));
        assert!(progress.settle(tickets[1]));
        assert!(progress.committable().is_empty());
        assert_eq!((progress.open(), progress.window(0)), (2, 4));
        assert!(progress.settle(tickets[0]));
        // 7 and 8 are no records; 10 is not settled.
        assert_eq!(progress.committable(), BTreeMap::from([(0, 10)]));
        progress.committed(&BTreeMap::from([(0, 10)]));
        assert!(progress.committable().is_empty());
        assert!(progress.settle(tickets[3]));
        assert_eq!(progress.committable(), BTreeMap::from([(0, 11)]));
        assert_eq!((progress.open(), progress.window(0)), (0, 0));
    }

    #[test]
    fn a_ticket_of_an_assignment_that_is_over_changes_nothing() {
        let mut progress = Progress::default();
        let before = progress.read(3, 7);
        progress.forget(3);
        assert!(!progress.settle(before));
        let again = progress.read(3, 7);
        assert!(!progress.settle(before));
        assert_eq!(progress.open(), 1);
        // The topic was made again: it begins at a lower offset.
        let lower = progress.read(3, 2);
        assert!(!progress.settle(again));
        assert!(progress.settle(lower));
        assert_eq!(progress.committable(), BTreeMap::from([(3, 3)]));
    }

    #[test]
    #[should_panic(expected = "settled once")]
    fn a_record_is_settled_once() {
        let mut progress = Progress::default();
        let (first, second) = (progress.read(0, 0), progress.read(0, 1));
        progress.settle(second);
        progress.settle(second);
        progress.settle(first);
    }

    /// A log of a few partitions with gaps, its group, and one member that reads, settles in any order, commits, loses partitions
    /// and is killed.
    struct World {
        random: Random,
        log: Vec<Vec<i64>>,
        group: Vec<i64>,
        /// How often each record was settled, by its place in the log.
        settled: Vec<Vec<u32>>,
        progress: Progress,
        /// The place of the record to read next.
        next: Vec<usize>,
        open: Vec<(Ticket, usize)>,
        stale: Vec<Ticket>,
    }

    impl World {
        fn new(seed: u64) -> Self {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let partitions = 1 + random.below(3) as usize;
            let log: Vec<Vec<i64>> = (0..partitions)
                .map(|_| {
                    let mut offset = 0;
                    (0..random.below(40))
                        .map(|_| {
                            offset += 1 + random.below(8) as i64 / 6;
                            offset
                        })
                        .collect()
                })
                .collect();
            Self {
                settled: log.iter().map(|records| vec![0; records.len()]).collect(),
                group: vec![0; partitions],
                next: vec![0; partitions],
                progress: Progress::default(),
                open: Vec::new(),
                stale: Vec::new(),
                random,
                log,
            }
        }

        fn place(&self, partition: usize, offset: i64) -> usize {
            self.log[partition].partition_point(|&at| at < offset)
        }

        fn read(&mut self) {
            let partition = self.random.below(self.log.len() as u64) as usize;
            let place = self.next[partition];
            if let Some(&offset) = self.log[partition].get(place) {
                let ticket = self.progress.read(partition as i32, offset);
                self.open.push((ticket, place));
                self.next[partition] += 1;
            }
        }

        fn settle(&mut self) {
            if self.open.is_empty() {
                return;
            }
            let at = self.random.below(self.open.len() as u64) as usize;
            let (ticket, place) = self.open.swap_remove(at);
            assert!(self.progress.settle(ticket));
            self.settled[ticket.partition as usize][place] += 1;
        }

        fn commit(&mut self) {
            let offsets = self.progress.committable();
            for (&partition, &next) in &offsets {
                let partition = partition as usize;
                assert!(next >= self.group[partition], "the group never goes back");
                let before = self.place(partition, next);
                let all = self.settled[partition][..before]
                    .iter()
                    .all(|&times| times > 0);
                assert!(all, "every record before a committed offset is settled");
                self.group[partition] = next;
            }
            self.progress.committed(&offsets);
            assert!(self.progress.committable().is_empty());
        }

        /// The partition goes and comes back, with or without the last commit.
        fn lose(&mut self, partition: usize, kept: bool) {
            if kept {
                self.commit();
            }
            let of_it = |(ticket, _): &(Ticket, usize)| ticket.partition as usize == partition;
            let gone = self
                .open
                .iter()
                .filter(|one| of_it(one))
                .map(|(ticket, _)| *ticket);
            self.stale.extend(gone);
            self.open.retain(|one| !of_it(one));
            self.progress.forget(partition as i32);
            self.next[partition] = self.place(partition, self.group[partition]);
        }

        fn step(&mut self) {
            match self.random.below(100) {
                0..45 => self.read(),
                45..85 => self.settle(),
                85..95 => self.commit(),
                95..98 => {
                    let partition = self.random.below(self.log.len() as u64) as usize;
                    self.lose(partition, true);
                }
                98 => (0..self.log.len()).for_each(|partition| self.lose(partition, false)),
                _ => {
                    if let Some(ticket) = self.stale.pop() {
                        assert!(!self.progress.settle(ticket), "it is not this assignment's");
                    }
                }
            }
            assert_eq!(self.progress.open(), self.open.len());
        }
    }

    #[test]
    fn whatever_the_order_nothing_is_lost_and_nothing_committed_too_early() {
        for seed in 1..2_000 {
            let mut world = World::new(seed);
            for _ in 0..600 {
                world.step();
            }
            // Then everything ends well.
            while world
                .next
                .iter()
                .zip(&world.log)
                .any(|(&next, log)| next < log.len())
            {
                world.read();
            }
            while !world.open.is_empty() {
                world.settle();
            }
            world.commit();
            for (partition, records) in world.log.iter().enumerate() {
                assert!(
                    world.settled[partition].iter().all(|&times| times > 0),
                    "seed {seed}"
                );
                let end = records.last().map_or(0, |last| last + 1);
                assert_eq!(world.group[partition], end, "seed {seed}");
            }
        }
    }
}
