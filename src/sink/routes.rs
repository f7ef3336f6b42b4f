//! The way of reports to the workers that wait for them: a channel for each worker, and one wake-up for each batch.
//!
//! Owns: the channels. Must not know: where reports come from, what waits for one.
//!
//! Invariant: a report goes to the worker that its ticket names.
//!
//! BUGS: a worker that takes no reports holds up the thread that delivers them once its channel is full.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;

use super::report::Report;
use crate::limits::REPORT_BATCHES;

/// Batches of reports, for one worker.
pub type Reports = Receiver<Vec<Report>>;

/// See the module.
#[derive(Clone)]
pub(super) struct Routes(Vec<Route>);

#[derive(Clone)]
struct Route {
    sender: Sender<Vec<Report>>,
    waker: Arc<Notify>,
}

impl Routes {
    /// To the workers of these wakers, and where each worker takes its reports.
    pub(super) fn new(wakers: Vec<Arc<Notify>>) -> (Self, Vec<Reports>) {
        let (routes, receivers) = wakers
            .into_iter()
            .map(|waker| {
                let (sender, receiver) = bounded(REPORT_BATCHES);
                (Route { sender, waker }, receiver)
            })
            .unzip();
        (Self(routes), receivers)
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.0.len()
    }

    /// Sends each worker its share of the reports, and wakes it once. Waits while a worker's channel is full.
    ///
    /// # Panics
    /// If a ticket names no worker, which only a bug of ours can cause.
    pub(super) fn deliver(&self, reports: &mut Vec<Report>) {
        if reports.is_empty() {
            return;
        }
        let mut batches: Vec<Vec<Report>> = self.0.iter().map(|_| Vec::new()).collect();
        for report in reports.drain(..) {
            batches[report.ticket.worker as usize].push(report);
        }
        for (route, batch) in self.0.iter().zip(batches) {
            // An error means that the worker is gone, and with it every session that waits for these.
            if !batch.is_empty() && route.sender.send(batch).is_ok() {
                route.waker.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicPlace;
    use crate::sink::report::{Outcome, Ticket};

    fn report(worker: u32, slot: u32) -> Report {
        Report {
            topic: TopicPlace::FIRST,
            ticket: Ticket {
                worker,
                slot,
                turn: 1,
            },
            outcome: Outcome::Stored,
            record: Box::default(),
        }
    }

    #[tokio::test]
    async fn each_worker_gets_its_share_in_one_batch_and_is_woken_for_it() {
        let wakers: Vec<Arc<Notify>> = (0..3).map(|_| Arc::default()).collect();
        let (routes, receivers) = Routes::new(wakers.clone());
        let mut reports = vec![report(0, 1), report(2, 2), report(0, 3)];
        routes.deliver(&mut reports);
        assert!(reports.is_empty(), "its memory is used again");
        let slots = |worker: usize| -> Vec<Vec<u32>> {
            let batches = receivers[worker].try_iter();
            let slots = |batch: Vec<Report>| batch.iter().map(|one| one.ticket.slot).collect();
            batches.map(slots).collect()
        };
        assert_eq!((slots(0), slots(2)), (vec![vec![1, 3]], vec![vec![2]]));
        assert!(slots(1).is_empty());
        for worker in [0, 2] {
            wakers[worker].notified().await;
        }
    }

    #[test]
    fn a_worker_that_is_gone_holds_nobody_up() {
        let (routes, receivers) = Routes::new((0..2).map(|_| Arc::default()).collect());
        drop(receivers);
        for _ in 0..=REPORT_BATCHES {
            routes.deliver(&mut vec![report(0, 1), report(1, 1)]);
        }
    }
}
