//! When an attempt may begin: within the concurrency, the rate, and only if the receiver is worth trying.
//!
//! Owns: the wait for all three, and what is learned from how an attempt ended. Must not know: mails, protocols.
//!
//! Invariants: no more attempts than the concurrency are under way; the gate is asked last, so nothing that it forbids begins.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::counts::Counts;
use super::delivery::Verdict;
use super::gate::{Gate, Pass};
use crate::pipeline::backoff::random;
use crate::pipeline::rate::Rate;

/// See the module.
pub(super) struct Turns {
    permits: Semaphore,
    rate: Option<RefCell<Rate>>,
    gate: RefCell<Gate>,
    /// The gate has changed.
    changed: Notify,
    counts: Arc<Counts>,
    /// The receiver's name, for texts.
    receiver: String,
}

/// An attempt that may begin. The turn is over when it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    is_probe: bool,
    is_reported: bool,
    _permit: SemaphorePermit<'a>,
}

impl Turns {
    pub(super) fn new(
        concurrency: usize,
        rate: Option<f64>,
        counts: Arc<Counts>,
        receiver: String,
    ) -> Self {
        Self {
            permits: Semaphore::new(concurrency),
            rate: rate.map(|rate| RefCell::new(Rate::new(rate))),
            gate: RefCell::default(),
            changed: Notify::new(),
            counts,
            receiver,
        }
    }

    /// Waits for a turn.
    pub(super) async fn next(&self) -> Turn<'_> {
        let permit = self.permits.acquire().await;
        let permit = permit.expect("the semaphore is never closed");
        if let Some(rate) = &self.rate {
            let turn = rate.borrow_mut().turn(Instant::now());
            tokio::time::sleep_until(turn.into()).await;
        }
        loop {
            let pass = self.gate.borrow_mut().ask(Instant::now());
            let is_probe = match pass {
                Pass::Go => false,
                Pass::Probe => true,
                Pass::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until.into()) => {}
                        () = self.changed.notified() => {}
                    }
                    continue;
                }
                Pass::WaitForProbe => {
                    self.changed.notified().await;
                    continue;
                }
            };
            self.counts.begun();
            return Turn {
                turns: self,
                is_probe,
                is_reported: false,
                _permit: permit,
            };
        }
    }

    fn report(&self, verdicts: &[Verdict], was_probe: bool) {
        let mut gate = self.gate.borrow_mut();
        match heard(verdicts) {
            Heard::Answer => {
                if gate.answered() {
                    tracing::info!(receiver = self.receiver, "the receiver answers again");
                    self.counts.away(None);
                    self.changed.notify_waiters();
                }
            }
            Heard::Silence(why) => {
                if gate.unanswered(was_probe, why, Instant::now(), random()) {
                    tracing::warn!(
                        receiver = self.receiver,
                        error = why,
                        "the receiver cannot be reached; one attempt at a time finds out when it is back"
                    );
                }
                let trouble = gate.trouble();
                let trouble = trouble
                    .map(|why| format!("the receiver {} cannot be reached: {why}", self.receiver));
                if trouble.is_some() {
                    self.counts.away(trouble);
                }
                self.changed.notify_waiters();
            }
            Heard::Nothing => {
                if was_probe {
                    gate.given_up(Instant::now());
                    self.changed.notify_waiters();
                }
            }
        }
    }
}

/// What an attempt says of the receiver.
enum Heard<'a> {
    /// It is there.
    Answer,
    /// It is not, for this reason.
    Silence(&'a str),
    /// It was not asked.
    Nothing,
}

fn heard(verdicts: &[Verdict]) -> Heard<'_> {
    let mut heard = Heard::Nothing;
    for verdict in verdicts {
        match verdict {
            Verdict::Accepted => return Heard::Answer,
            Verdict::Later { answer, .. } | Verdict::Refused(answer) if answer.code.is_some() => {
                return Heard::Answer;
            }
            Verdict::Later { answer, .. } => heard = Heard::Silence(&answer.text),
            Verdict::Refused(_) => {}
        }
    }
    heard
}

impl Turn<'_> {
    /// How the attempt ended.
    pub(super) fn ended(mut self, verdicts: &[Verdict]) {
        self.is_reported = true;
        self.turns.report(verdicts, self.is_probe);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.counts.over();
        if self.is_probe && !self.is_reported {
            self.turns.gate.borrow_mut().given_up(Instant::now());
            self.turns.changed.notify_waiters();
        }
    }
}
