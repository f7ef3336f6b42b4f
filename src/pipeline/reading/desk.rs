//! What the thread that reads has, whichever reader it has: what is under way, and how far everything is.
//!
//! Owns: handing over, taking back. Must not know: Kafka's client, when something is read.
//!
//! Invariants: what is handed over counts as held until it comes back; only what is settled moves the progress.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::mpsc::UnboundedSender;

use super::bounds;
use crate::consume::line::counted;
use crate::consume::received::Received;
use crate::failure::Failure;
use crate::pipeline::held::{Answer, Handed, Held, Order, Tag};
use crate::pipeline::job::Job;
use crate::pipeline::progress::Progress;
use crate::pipeline::watch::Watch;

/// Between two looks at whether to stop.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// See the module.
pub(in crate::pipeline) struct Desk<'a> {
    pub job: &'a Job,
    pub orders: UnboundedSender<Order>,
    pub answers: Receiver<Answer>,
    pub watch: &'a Watch,
    pub progress: Progress,
    pub held: Held,
    /// Why a step failed.
    pub failed: Option<Failure>,
}

impl Desk<'_> {
    /// Whether to stop.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.job.plan.stop.asked().is_some()
    }

    /// Reading ends. Says so where a signal asked for it.
    pub(super) fn stopping(&self) {
        let is_news = self.watch.stopping();
        let Some(signal) = self.job.plan.stop.asked() else {
            return;
        };
        if is_news {
            let under_way = counted(self.held.records(None) as u64, "mail");
            let grace = self.job.bounds.grace;
            tracing::info!("stopping, {signal}: {under_way} under way, with {grace:?} to end");
        }
    }

    /// Gives a record to the tasks.
    pub(super) fn hand_over(&mut self, record: Received) {
        let ticket = self.progress.read(record.partition, record.offset);
        if !self.job.filter.holds(&record) {
            self.watch.passed_over();
            let settled = self.progress.settle(ticket);
            assert!(settled, "it was read this moment");
            return;
        }
        let bytes = bounds::bytes_of(&record);
        let tag = Tag { ticket, bytes };
        self.held.add(tag);
        let handed = Box::new(Handed { tag, record });
        // The tasks are there as long as this thread is.
        let _ = self.orders.send(Order::Settle(handed));
        self.watch.held(self.held.records(None), self.held.bytes());
    }

    /// A record that is no mail was read.
    pub(super) fn pass_over(&mut self, partition: i32, offset: i64) {
        let ticket = self.progress.read(partition, offset);
        let settled = self.progress.settle(ticket);
        assert!(settled, "it was read this moment");
        self.watch.passed_over();
    }

    /// Takes what came back.
    pub(super) fn take_answers(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.take(answer);
        }
    }

    /// The same, after a wait for the first of it.
    pub(super) fn wait_for_answers(&mut self, wait: Duration) {
        match self.answers.recv_timeout(wait) {
            Ok(answer) => self.take(answer),
            Err(RecvTimeoutError::Timeout) => return,
            // The tasks are gone, which a panic alone does.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
        }
        self.take_answers();
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Back { tag, settled } => {
                self.held.take(tag);
                if settled {
                    // One of an assignment that is over is done all the same, and is done again.
                    self.progress.settle(tag.ticket);
                }
                self.watch.held(self.held.records(None), self.held.bytes());
            }
            Answer::Failed(failure) => {
                self.failed.get_or_insert(failure);
            }
        }
    }

    /// Takes back what is under way of these partitions, or of all; what is finished within the grace counts.
    pub(super) fn withdraw(&mut self, of: Option<&[i32]>, grace: Duration) {
        self.take_answers();
        if self.held.records(of) == 0 {
            return;
        }
        let order = Order::Withdraw(of.map(<[i32]>::to_vec), grace);
        if self.orders.send(order).is_err() {
            // The tasks are gone with everything that they held, which a panic alone does.
            return;
        }
        while self.held.records(of) > 0 && !self.orders.is_closed() {
            self.wait_for_answers(LOOK);
        }
    }
}
