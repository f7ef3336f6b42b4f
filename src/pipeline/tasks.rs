//! The tasks that settle records: one for each record that is under way.
//!
//! Owns: which record begins when, what becomes of a task, and what a withdrawal does to it. Must not know: Kafka's client,
//! what a step does.
//!
//! Invariants: each record that came is answered once; of a lane one record is under way at a time; a withdrawn record is
//! answered when its grace is over at the latest.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::held::{Answer, Handed, Order, Tag};
use super::lanes::{self, Lane, Lanes};
use super::step::{Settled, Step, Withdrawn};
use super::watch::Watch;
use crate::failure::Failure;

/// A record that is under way.
struct Running {
    tag: Tag,
    lane: Option<Lane>,
    withdrawn: Withdrawn,
    abort: tokio::task::AbortHandle,
}

/// See the module.
pub(super) struct Tasks<'a, S> {
    step: Rc<S>,
    order: lanes::Order,
    answers: Sender<Answer>,
    watch: &'a Watch,
    lanes: Lanes<Box<Handed>>,
    set: JoinSet<Result<Settled, Failure>>,
    running: HashMap<Id, Running>,
    /// What withdraws the records of a partition, as long as it is held.
    withdrawals: BTreeMap<i32, (watch::Sender<bool>, Withdrawn)>,
    /// When the grace of a withdrawal is over.
    deadline: Option<Instant>,
}

impl<'a, S: Step> Tasks<'a, S> {
    pub(super) fn new(
        step: Rc<S>,
        order: lanes::Order,
        answers: Sender<Answer>,
        watch: &'a Watch,
    ) -> Self {
        Self {
            step,
            order,
            answers,
            watch,
            lanes: Lanes::default(),
            set: JoinSet::new(),
            running: HashMap::new(),
            withdrawals: BTreeMap::new(),
            deadline: None,
        }
    }

    /// Follows orders until there are no more: the thread that reads has ended.
    pub(super) async fn run(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let grace_is_over = async {
                match self.deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Settle(handed)) => self.arrive(handed),
                    Some(Order::Withdraw(of, grace)) => self.withdraw(of.as_deref(), grace),
                    None => break,
                },
                Some(ended) = self.set.join_next_with_id() => self.ended(ended),
                () = grace_is_over => self.abort(),
            }
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    fn arrive(&mut self, handed: Box<Handed>) {
        let lane = self.order.lane(&handed.record);
        let begins = match &lane {
            Some(lane) => self.lanes.arrive(lane, handed),
            None => Some(handed),
        };
        if let Some(handed) = begins {
            self.begin(lane, *handed);
        }
    }

    fn begin(&mut self, lane: Option<Lane>, handed: Handed) {
        let Handed { tag, record } = handed;
        let entry = self.withdrawals.entry(tag.ticket.partition);
        let (_, withdrawn) = entry.or_insert_with(Withdrawn::new);
        let withdrawn = withdrawn.clone();
        let (step, said) = (Rc::clone(&self.step), withdrawn.clone());
        let abort = self
            .set
            .spawn_local(async move { step.settle(record, said).await });
        let running = Running {
            tag,
            lane,
            withdrawn,
            abort,
        };
        let before = self.running.insert(running.abort.id(), running);
        assert!(before.is_none(), "a task has its own id");
    }

    fn ended(&mut self, ended: Result<(Id, Result<Settled, Failure>), JoinError>) {
        let (id, settled) = match ended {
            Ok((id, Ok(settled))) => (id, settled == Settled::Done),
            Ok((id, Err(failure))) => {
                self.answer(Answer::Failed(failure));
                (id, false)
            }
            Err(error) if error.is_cancelled() => (error.id(), false),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let running = self.running.remove(&id).expect("a task that was begun");
        if settled {
            self.watch.settled();
        }
        self.answer(Answer::Back {
            tag: running.tag,
            settled,
        });
        if self.running.is_empty() {
            self.deadline = None;
        }
        if let Some(lane) = running.lane
            && let Some(next) = self.lanes.done(&lane)
        {
            self.begin(Some(lane), *next);
        }
    }

    fn answer(&self, answer: Answer) {
        // The thread that reads waits for every answer before it ends.
        let _ = self.answers.send(answer);
    }

    fn withdraw(&mut self, of: Option<&[i32]>, grace: Duration) {
        let is_meant = |partition: i32| of.is_none_or(|of| of.contains(&partition));
        let answers = &self.answers;
        self.lanes.retain(|handed| {
            let meant = is_meant(handed.tag.ticket.partition);
            if meant {
                let _ = answers.send(Answer::Back {
                    tag: handed.tag,
                    settled: false,
                });
            }
            !meant
        });
        self.withdrawals.retain(|&partition, (sender, _)| {
            let meant = is_meant(partition);
            if meant {
                sender.send_replace(true);
            }
            !meant
        });
        // One withdrawal is over before the next begins.
        self.deadline = Some(Instant::now() + grace);
    }

    /// The grace is over: what is withdrawn is dropped where it is.
    fn abort(&mut self) {
        self.deadline = None;
        for running in self.running.values() {
            if running.withdrawn.is_said() {
                running.abort.abort();
            }
        }
    }
}
