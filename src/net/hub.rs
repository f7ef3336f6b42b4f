//! What the connections of one worker share. Nothing here is shared between workers but what [`Shared`] holds.

use std::cell::{Cell, Ref, RefCell};
use std::future::Future;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use slab::Slab;
use tokio::sync::Notify;

use super::admission::Admission;
use super::budget::Budget;
use super::buffers::Buffers;
use super::clock::Clock;
use super::rules::{Published, Rules, View};
use super::transport::Transport;
use crate::config::RecordKey;
use crate::limits::{
    BUFFERS_KEPT_OCTETS, COMMAND_BUFFER_OCTETS, OUTPUT_KEPT_OCTETS, OUTPUTS_KEPT, RECORDS_KEPT,
};
use crate::mail::date::Dates;
use crate::mail::id::Generator;
use crate::mail::record::Record;
use crate::sink::ledger::{Ledger, Waiter};
use crate::sink::{Outcome, Report, Sink, Ticket};
use crate::smtp::policy::Policy;
use crate::smtp::session::Output;
use crate::telemetry::message_log::{Gathered, Line, MessageLog, RefusedLine};
use crate::telemetry::metrics::{Metrics, Tally};

/// What all workers share: read only, or atomic.
pub struct Shared {
    /// What of the policy no reload changes: names, limits and times. Sessions take theirs from the rules.
    pub policy: Arc<Policy>,
    /// What a reload exchanges.
    pub rules: Published<Rules>,
    /// Where messages go.
    pub sink: Arc<dyn Sink>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether a Received field is put in front.
    pub trace: bool,
    /// What a record's key is made of.
    pub key: RecordKey,
    /// Where the log line of each message goes; none without such lines.
    pub message_log: Option<MessageLog>,
    /// Most open connections.
    pub connections_most: usize,
    /// What a TLS handshake is made with; none: TLS is not offered.
    pub tls: Option<Arc<rustls::server::ServerConfig>>,
    /// How long a client waits for its greeting.
    pub greeting_delay: std::time::Duration,
    /// Longest time of a TLS handshake.
    pub handshake_timeout: std::time::Duration,
    /// Who is connected, and how many may be.
    pub admission: Admission,
    /// Set once, when the server stops.
    pub draining: AtomicBool,
}

/// A connection as its worker sees it.
pub struct Slot {
    deadline: Cell<Instant>,
    expired: Cell<bool>,
    /// Whether a direction of its transport was shut down.
    shut: Cell<bool>,
    waker: Cell<Option<Waker>>,
    outcome: Cell<Option<(Ticket, Outcome)>>,
    /// Whether it waits for a command outside of a transaction.
    pub idle: Cell<bool>,
}

impl Slot {
    fn new(now: Instant) -> Self {
        Self {
            deadline: Cell::new(now),
            expired: Cell::new(false),
            shut: Cell::new(false),
            waker: Cell::new(None),
            outcome: Cell::new(None),
            idle: Cell::new(false),
        }
    }

    /// Ends what it waits for, now.
    pub fn interrupt(&self) {
        self.expired.set(true);
        self.wake();
    }

    /// Lets it look again.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Arms the deadline for what comes next.
    pub fn arm(&self, deadline: Instant) {
        self.deadline.set(deadline);
        self.expired.set(false);
    }

    /// Whether the deadline passed, or it was interrupted.
    pub fn expired(&self) -> bool {
        self.expired.get()
    }

    /// Whether a direction of its transport was shut down for that: it will not be open again, whatever still arrived.
    pub fn has_shut(&self) -> bool {
        self.shut.get()
    }

    fn remember(&self, waker: &Waker) {
        let kept = self.waker.take().filter(|old| old.will_wake(waker));
        self.waker.set(kept.or_else(|| Some(waker.clone())));
    }

    /// Waits for an operation on `transport`; once expired, shuts that direction down so that the operation ends. The
    /// operation is never dropped before its end.
    ///
    /// No async fn: one would hold the operation twice, as its argument and where it is pinned, in every connection.
    pub fn operation<'a, T: Transport, F: Future>(
        &'a self,
        transport: &'a T,
        how: Shutdown,
        operation: F,
    ) -> impl Future<Output = F::Output> + use<'a, T, F> {
        Operation {
            slot: self,
            transport,
            how: Some(how),
            operation,
        }
    }

    /// Waits for the outcome of the record that `ticket` names; `None` once expired.
    pub async fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        std::future::poll_fn(|context| {
            self.remember(context.waker());
            match self.outcome.take() {
                Some((of, outcome)) => {
                    assert_eq!(
                        of, ticket,
                        "an outcome is that of the record that is waited for"
                    );
                    Poll::Ready(Some(outcome))
                }
                None if self.expired.get() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for one wake-up.
    pub async fn woken(&self) {
        let mut first = true;
        std::future::poll_fn(|context| {
            self.remember(context.waker());
            if std::mem::replace(&mut first, false) && !self.expired.get() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

pin_project_lite::pin_project! {
    /// See [`Slot::operation`].
    struct Operation<'a, T, F> {
        slot: &'a Slot,
        transport: &'a T,
        // What to shut down, until that is done.
        how: Option<Shutdown>,
        #[pin]
        operation: F,
    }
}

impl<T: Transport, F: Future> Future for Operation<'_, T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.slot.remember(context.waker());
        if let Poll::Ready(output) = this.operation.poll(context) {
            return Poll::Ready(output);
        }
        if this.slot.expired.get()
            && let Some(how) = this.how.take()
        {
            this.slot.shut.set(true);
            this.transport.shutdown(how);
        }
        Poll::Pending
    }
}

/// See the module.
pub struct Hub {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Records in flight.
    pub ledger: RefCell<Ledger>,
    /// Room for bodies.
    pub budget: RefCell<Budget>,
    /// Gives queue ids.
    pub ids: RefCell<Generator>,
    /// Bodies' buffers that no message has now.
    pub buffers: RefCell<Buffers>,
    /// Dates as texts.
    pub dates: RefCell<Dates>,
    /// Woken when log lines wait to be handed over.
    pub logged: Notify,
    log_lines: RefCell<Gathered>,
    /// What this worker counts by itself.
    pub tally: Tally,
    /// Tells the time.
    pub clock: Box<dyn Clock>,
    /// Where commands are read to; nobody holds it across a wait.
    pub scratch: RefCell<Box<[u8]>>,
    rules: View<Rules>,
    slots: RefCell<Slab<Rc<Slot>>>,
    /// Empty records, kept for their memory. A record's box goes to librdkafka and comes back with its report.
    #[allow(clippy::vec_box, reason = "the box is what is kept")]
    records: RefCell<Vec<Box<Record>>>,
    /// Memory for what sessions have to say, lent to those that have something.
    #[allow(clippy::vec_box, reason = "the box is what is lent")]
    outputs: RefCell<Vec<Box<Output>>>,
}

impl Hub {
    /// The hub of one worker.
    pub fn new(
        shared: Arc<Shared>,
        ledger: Ledger,
        budget: Budget,
        ids: Generator,
        clock: Box<dyn Clock>,
    ) -> Self {
        Self {
            rules: View::new(&shared.rules),
            tally: shared.metrics.tally(),
            shared,
            ledger: RefCell::new(ledger),
            budget: RefCell::new(budget),
            ids: RefCell::new(ids),
            dates: RefCell::default(),
            logged: Notify::new(),
            log_lines: RefCell::default(),
            records: RefCell::default(),
            outputs: RefCell::default(),
            buffers: RefCell::default(),
            clock,
            scratch: RefCell::new(vec![0; COMMAND_BUFFER_OCTETS].into_boxed_slice()),
            slots: RefCell::new(Slab::new()),
        }
    }

    /// The rules that hold now. Not to be kept over an await: the next call may exchange them.
    pub fn rules(&self) -> Ref<'_, Rules> {
        self.rules.get(&self.shared.rules)
    }

    /// A slot for a new connection.
    pub fn enter(&self) -> (Waiter, Rc<Slot>) {
        let slot = Rc::new(Slot::new(self.clock.now()));
        (self.slots.borrow_mut().insert(Rc::clone(&slot)), slot)
    }

    /// The connection is over.
    pub fn leave(&self, waiter: Waiter) {
        self.slots.borrow_mut().remove(waiter);
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Gives a message's buffer and charge back, and wakes who waits for room.
    pub fn release(&self, body: BytesMut, octets: usize) {
        self.tally.in_flight(-1, -(octets as i64));
        self.budget.borrow_mut().release(octets);
        self.keep(body);
        self.wake_next();
    }

    /// A buffer of this capacity, which has been charged, or is given back before the next wait for a client that is to send
    /// something. What is charged and what is kept are together never more than the budget.
    pub fn take_buffer(&self, capacity: usize) -> BytesMut {
        let mut buffers = self.buffers.borrow_mut();
        let buffer = buffers.take(capacity);
        buffers.shrink(self.budget.borrow().octets_left());
        buffer
    }

    /// Keeps a buffer that is charged no longer.
    pub fn keep(&self, buffer: BytesMut) {
        let left = self.budget.borrow().octets_left();
        self.buffers.borrow_mut().give_back(buffer, left);
    }

    /// An empty record.
    pub fn take_record(&self) -> Box<Record> {
        self.records.borrow_mut().pop().unwrap_or_default()
    }

    /// Memory for what a session has to say.
    pub fn take_output(&self) -> Box<Output> {
        self.outputs.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes such memory back, unless a client has made it large.
    pub fn keep_output(&self, output: Box<Output>) {
        let mut kept = self.outputs.borrow_mut();
        if kept.len() < OUTPUTS_KEPT && output.octets() <= OUTPUT_KEPT_OCTETS {
            kept.push(output);
        }
    }

    /// Takes a record back that is in flight no longer, and its buffer and charge with it.
    pub fn give_back(&self, mut record: Box<Record>) {
        let body = record.clear();
        let octets = body.capacity();
        let mut kept = self.records.borrow_mut();
        if kept.len() < RECORDS_KEPT {
            kept.push(record);
        }
        drop(kept);
        self.release(body, octets);
    }

    /// Adds the log line of a message.
    pub fn log(&self, line: Line<'_>) {
        if let Some(log) = &self.shared.message_log
            && log.add(&mut self.log_lines.borrow_mut(), line)
        {
            self.logged.notify_one();
        }
    }

    /// Whether refusals have log lines.
    pub fn logs_refusals(&self) -> bool {
        self.shared.message_log.is_some()
    }

    /// Adds the log line of a refusal, or counts it in its flood.
    pub fn log_refused(&self, line: RefusedLine<'_>) {
        let Some(log) = &self.shared.message_log else {
            return;
        };
        let mut gathered = self.log_lines.borrow_mut();
        let (client, now) = (line.client.ip(), self.clock.now());
        if log.writes(&mut gathered, line.why, client, now)
            && log.add_refused(&mut gathered, &self.log_time(), line)
        {
            self.logged.notify_one();
        }
    }

    /// Adds the counts of the floods that are over.
    fn end_floods(&self, now: Instant, all: bool) {
        if let Some(log) = &self.shared.message_log
            && log.end_floods(&mut self.log_lines.borrow_mut(), now, all, || {
                self.log_time()
            })
        {
            self.logged.notify_one();
        }
    }

    fn log_time(&self) -> String {
        let time = self.dates.borrow_mut().rfc3339(self.clock.wall());
        String::from_utf8_lossy(&time).into_owned()
    }

    /// Hands over all that is still to be logged; nothing more comes.
    pub fn finish_log(&self) {
        self.end_floods(self.clock.now(), true);
        self.hand_over_log();
    }

    /// Hands over the log lines that wait.
    pub fn hand_over_log(&self) {
        if let Some(log) = &self.shared.message_log {
            log.hand_over(&mut self.log_lines.borrow_mut());
        }
    }

    /// Lets who has waited longest for room look again.
    pub fn wake_next(&self) {
        let next = self.budget.borrow().next();
        if let Some(slot) = next.and_then(|waiter| self.slots.borrow().get(waiter).cloned()) {
            slot.wake();
        }
    }

    /// A delivery report came.
    pub fn report(&self, report: Report) {
        let waiter = self.ledger.borrow_mut().close(report.ticket);
        self.give_back(report.record);
        match waiter.and_then(|waiter| self.slots.borrow().get(waiter).cloned()) {
            Some(slot) => {
                slot.outcome.set(Some((report.ticket, report.outcome)));
                slot.wake();
            }
            None => self.shared.metrics.late_report(),
        }
    }

    /// Interrupts the connections whose deadline has passed; the earliest deadline of the others. Frees some of the buffers
    /// that a burst has left behind, and logs the floods that are over.
    pub fn sweep(&self, now: Instant) -> Option<Instant> {
        self.end_floods(now, false);
        let mut buffers = self.buffers.borrow_mut();
        let spare = buffers.kept().saturating_sub(BUFFERS_KEPT_OCTETS);
        if spare > 0 {
            buffers.shrink(BUFFERS_KEPT_OCTETS + spare / 2);
        }
        drop(buffers);
        let mut earliest: Option<Instant> = None;
        for (_, slot) in &*self.slots.borrow() {
            let deadline = slot.deadline.get();
            if deadline <= now && !slot.expired.get() {
                slot.interrupt();
            } else if deadline > now {
                earliest = Some(earliest.map_or(deadline, |other| other.min(deadline)));
            }
        }
        earliest
    }

    /// Interrupts the connections that are outside of a transaction.
    pub fn interrupt_idle(&self) {
        for (_, slot) in &*self.slots.borrow() {
            if slot.idle.get() && !slot.expired.get() {
                slot.interrupt();
            }
        }
    }
}
