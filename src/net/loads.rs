//! How many connections each worker has, and which of them a new one goes to.
//!
//! Owns: the counts, and the decision. Must not know: connections, sockets, and how one gets from worker to worker.
//!
//! The kernel chooses a worker by a hash of the addresses, which is chance: of 10 connections over 8 workers, one worker often has
//! 3 or 4 and two or three have none. A worker that has more than [`most`] hands what it accepts on to the one with the fewest.
//!
//! Invariants: a count is never lower than the connections that its worker serves and those on their way to it; it is raised
//! before a connection is sent, and a worker that has closed is sent none, so that none is lost when workers end.
//!
//! BUGS: the number of hand-overs is limited, and connections that come faster stay where the hash puts them. A connection counts as
//! one, however much it sends, and stays where it is once it is served.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::SHARE_TOLERANCE;

/// Set in the count of a worker that has closed.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// See the module.
#[derive(Debug)]
pub struct Loads(Box<[Load]>);

/// The count of one worker, apart from those of the others: it is mostly its worker that writes there.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Load(AtomicUsize);

/// Most connections of a worker that hands none on, of this many in all: its share, and a fraction of that.
pub fn most(connections: usize, workers: usize) -> usize {
    let share = connections.div_ceil(workers);
    share + share / SHARE_TOLERANCE
}

/// Whom worker `own` hands on a connection to that it has accepted and counted: the one with the fewest, if it has itself
/// more than [`most`].
pub fn receiver(workers: usize, own: usize, count: impl Fn(usize) -> usize) -> Option<usize> {
    let owned = count(own);
    let (mut sum, mut fewest, mut receiver) = (owned, owned, own);
    // Each begins with its neighbour: workers that look at the same time do not all find the same one.
    for step in 1..workers {
        let other = (own + step) % workers;
        let has = count(other);
        sum += has;
        if has < fewest {
            (fewest, receiver) = (has, other);
        }
    }
    if owned <= most(sum, workers) {
        return None;
    }
    assert!(
        fewest + 1 < owned,
        "a worker above its share is not the next to be above it"
    );
    Some(receiver)
}

impl Loads {
    /// Of this many workers, without a connection.
    pub fn new(workers: usize) -> Self {
        assert!(workers > 0, "somebody has to serve");
        Self((0..workers).map(|_| Load::default()).collect())
    }

    /// Connections that this worker serves, or that are on their way to it.
    pub fn of(&self, worker: usize) -> usize {
        self.0[worker].0.load(Ordering::Relaxed) & !CLOSED
    }

    /// The worker has accepted one.
    pub fn enter(&self, worker: usize) {
        let before = self.0[worker].0.fetch_add(1, Ordering::Relaxed);
        assert!(before < CLOSED, "a worker that has closed accepts none");
    }

    /// One that counted for the worker does so no longer.
    pub fn leave(&self, worker: usize) {
        let before = self.0[worker].0.fetch_sub(1, Ordering::Relaxed);
        assert!(before & !CLOSED > 0, "a connection that leaves has entered");
    }

    /// Whether the worker seems to have more than its share, where the server has this many, or a few more. The counts of
    /// the others, which they write to all the time, are not looked at.
    pub fn is_above_share(&self, worker: usize, connections: usize) -> bool {
        self.of(worker) > most(connections, self.0.len())
    }

    /// Whom worker `own` hands the connection on to that it has accepted and counted; the connection then counts there as
    /// well. `None`: it keeps it.
    pub fn elsewhere(&self, own: usize) -> Option<usize> {
        let receiver = receiver(self.0.len(), own, |worker| self.of(worker))?;
        self.raise(receiver).then_some(receiver)
    }

    /// Closes the count of a worker that has no connection; whether it has none.
    pub fn close(&self, worker: usize) -> bool {
        let count = &self.0[worker].0;
        let closed = count.compare_exchange(0, CLOSED, Ordering::Relaxed, Ordering::Relaxed);
        closed.is_ok()
    }

    /// Counts one for another worker; not where that has closed.
    fn raise(&self, worker: usize) -> bool {
        let open = |count: usize| (count < CLOSED).then_some(count + 1);
        let count = &self.0[worker].0;
        let raised = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, open);
        raised.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(counts: &[usize], own: usize) -> Option<usize> {
        receiver(counts.len(), own, |worker| counts[worker])
    }

    #[test]
    fn who_has_more_than_its_share_gives_to_who_has_the_fewest() {
        assert_eq!(chosen(&[7], 0), None, "there is nobody else");
        assert_eq!(chosen(&[1, 0, 0], 0), None);
        assert_eq!(chosen(&[2, 0, 0], 0), Some(1));
        assert_eq!(
            chosen(&[0, 0, 2], 2),
            Some(0),
            "the neighbour of the last is the first"
        );
        assert_eq!(chosen(&[1, 3, 0, 2], 1), Some(2));
        assert_eq!(
            chosen(&[1, 3, 0, 2], 3),
            None,
            "that is its share, rounded up"
        );
        // Shares of 125: 15 more are kept.
        assert_eq!(chosen(&[140, 110], 0), None);
        assert_eq!(chosen(&[141, 109], 0), Some(1));
    }

    /// All divisions of up to 12 connections among four workers: to hand on always helps, and nobody is above its share who
    /// would keep one.
    #[test]
    fn a_connection_that_is_handed_on_makes_the_counts_more_even() {
        for code in 0..13_usize.pow(4) {
            let counts = [0, 1, 2, 3].map(|place| code / 13_usize.pow(place) % 13);
            let sum: usize = counts.iter().sum();
            for own in 0..4 {
                match chosen(&counts, own) {
                    Some(other) => assert!(counts[other] + 1 < counts[own], "{counts:?} {own}"),
                    None => assert!(counts[own] <= most(sum, 4), "{counts:?} {own}"),
                }
            }
        }
    }

    /// Whatever order they come in, and wherever the kernel puts them.
    #[test]
    fn no_worker_ends_up_above_what_it_may_have() {
        for (connections, workers) in [(10, 8), (100, 8), (1_000, 8), (50, 2), (7, 1)] {
            let loads = Loads::new(workers);
            for number in 0..connections {
                // The worst that a hash can do: all to two workers.
                let own = number % 2 % workers;
                loads.enter(own);
                if loads.is_above_share(own, number + 1) && loads.elsewhere(own).is_some() {
                    loads.leave(own);
                }
            }
            let counts: Vec<usize> = (0..workers).map(|worker| loads.of(worker)).collect();
            assert_eq!(counts.iter().sum::<usize>(), connections);
            let bound = most(connections, workers);
            assert!(counts.iter().all(|&count| count <= bound), "{counts:?}");
        }
    }

    #[test]
    fn a_worker_closes_when_nothing_is_on_its_way_and_then_nothing_comes() {
        let loads = Loads::new(2);
        loads.enter(0);
        loads.enter(0);
        assert_eq!(loads.elsewhere(0), Some(1));
        assert!(!loads.close(1), "one is on its way");
        loads.leave(1);
        assert!(loads.close(1));
        assert_eq!(loads.elsewhere(0), None, "nobody is there");
        assert_eq!((loads.of(0), loads.of(1)), (2, 0));
    }

    #[test]
    fn none_is_sent_to_a_worker_that_closes_at_the_same_time() {
        for _ in 0..200 {
            let (loads, sent) = (Loads::new(2), AtomicUsize::new(0));
            (0..4).for_each(|_| loads.enter(0));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let taken = loads.elsewhere(0).is_some();
                        sent.fetch_add(usize::from(taken), Ordering::Relaxed);
                    }
                });
                scope.spawn(|| {
                    let closed = loads.close(1);
                    assert_eq!(closed, loads.0[1].0.load(Ordering::Relaxed) >= CLOSED);
                });
            });
            assert_eq!(loads.of(1), sent.load(Ordering::Relaxed));
        }
    }
}
