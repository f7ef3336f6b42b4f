//! Which record may begin, where some have to wait for those before them.
//!
//! Owns: the order of records that share a lane. Must not know: what becomes of a record, or how long that takes.
//!
//! Invariants: of one lane one record is under way at a time, in the order in which they came; what is in no lane never waits.

use std::collections::{BTreeMap, VecDeque};

use crate::consume::received::Received;

/// Which records are kept in sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// None.
    #[default]
    None,
    /// Those of one partition with the same key; records without a key are in no order.
    Key,
    /// Those of one partition.
    Partition,
}

/// What records have in common that are kept in sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    partition: i32,
    key: Option<Vec<u8>>,
}

impl Order {
    /// The lane of a record; none for one that waits for nobody.
    pub fn lane(self, record: &Received) -> Option<Lane> {
        let partition = record.partition;
        match self {
            Self::None => None,
            Self::Key => record.key.as_ref().map(|key| Lane {
                partition,
                key: Some(key.clone()),
            }),
            Self::Partition => Some(Lane {
                partition,
                key: None,
            }),
        }
    }
}

/// The lanes that are in use, and what waits in them.
#[derive(Debug)]
pub struct Lanes<T>(BTreeMap<Lane, VecDeque<T>>);

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Lanes<T> {
    /// Takes a record of this lane; gives it back if it may begin.
    pub fn arrive(&mut self, lane: &Lane, record: T) -> Option<T> {
        if let Some(waiting) = self.0.get_mut(lane) {
            waiting.push_back(record);
            return None;
        }
        self.0.insert(lane.clone(), VecDeque::new());
        Some(record)
    }

    /// The record of this lane that was under way is done: the one that begins now.
    ///
    /// # Panics
    /// When none of it was under way.
    pub fn done(&mut self, lane: &Lane) -> Option<T> {
        let waiting = self.0.get_mut(lane).expect("a lane in use");
        let next = waiting.pop_front();
        if next.is_none() {
            self.0.remove(lane);
        }
        next
    }

    /// Drops what waits and is not to be kept; what is under way stays.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for waiting in self.0.values_mut() {
            waiting.retain(&mut keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, key: Option<&str>) -> Received {
        Received {
            partition,
            key: key.map(|key| key.as_bytes().to_vec()),
            ..Received::default()
        }
    }

    #[test]
    fn what_shares_a_lane() {
        let lane = |order: Order, partition, key| order.lane(&record(partition, key));
        assert_eq!(lane(Order::None, 0, Some("a")), None);
        assert_eq!(lane(Order::Key, 0, None), None);
        assert_eq!(
            lane(Order::Key, 0, Some("a")),
            lane(Order::Key, 0, Some("a"))
        );
        assert_ne!(
            lane(Order::Key, 0, Some("a")),
            lane(Order::Key, 0, Some("b"))
        );
        assert_ne!(
            lane(Order::Key, 0, Some("a")),
            lane(Order::Key, 1, Some("a"))
        );
        assert_eq!(
            lane(Order::Partition, 0, None),
            lane(Order::Partition, 0, Some("a"))
        );
    }

    #[test]
    fn one_of_a_lane_is_under_way() {
        let lane = |partition| Order::Partition.lane(&record(partition, None)).unwrap();
        let (first, second) = (lane(0), lane(1));
        let mut lanes = Lanes::default();
        assert_eq!(lanes.arrive(&first, 'a'), Some('a'));
        assert_eq!(lanes.arrive(&first, 'b'), None);
        assert_eq!(lanes.arrive(&first, 'c'), None);
        assert_eq!(lanes.arrive(&first, 'd'), None);
        assert_eq!(lanes.arrive(&second, 'x'), Some('x'));
        assert_eq!(lanes.done(&first), Some('b'));
        lanes.retain(|&waiting| waiting != 'c');
        assert_eq!(lanes.done(&first), Some('d'));
        assert_eq!(lanes.done(&first), None);
        assert_eq!(lanes.arrive(&first, 'e'), Some('e'));
        assert_eq!(lanes.done(&second), None);
    }
}
