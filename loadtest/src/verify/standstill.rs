//! Which partitions have brought nothing for so long that somebody should look.

use std::time::{Duration, Instant};

/// How long a partition may bring nothing. A broker that is gone is given up and a new leader found in less.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time comes in as an argument.
#[derive(Debug)]
pub(super) struct Standstill {
    /// When each partition brought a record, or was looked at.
    since: Vec<Instant>,
}

impl Standstill {
    /// Of that many partitions, from now on.
    pub(super) fn new(partitions: usize, now: Instant) -> Self {
        Standstill {
            since: vec![now; partitions],
        }
    }

    /// A record came from this partition.
    pub(super) fn moved(&mut self, partition: usize, now: Instant) {
        self.since[partition] = now;
    }

    /// Those that stand still; each is named once, and then has as long again.
    pub(super) fn over(&mut self, now: Instant) -> Vec<usize> {
        let over = |since: &Instant| now.duration_since(*since) >= PATIENCE;
        let partitions = self.since.iter_mut().enumerate();
        let still = partitions.filter(|(_, since)| over(since));
        still
            .map(|(partition, since)| {
                *since = now;
                partition
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_time() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut standstill = Standstill::new(2, start);
        assert!(standstill.over(after(9)).is_empty());
        standstill.moved(1, after(9));
        assert_eq!(standstill.over(after(10)), [0]);
        assert!(standstill.over(after(18)).is_empty(), "it was named");
        assert_eq!(standstill.over(after(20)), [0, 1]);
    }
}
