//! What all tasks of a thread share, and which message is next for a task that asks.
//!
//! Owns that messages which misbehave are taken out of the way of those that behave. Must not know threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::Sender as Channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::dispatch::{Dispatcher, Work};
use super::misbehave::{self, Props};
use crate::client::deadline::Slots;
use crate::client::{Connection, Dial, dial};
use crate::fault::Fault;
use crate::net::choice::Io;
use crate::options::misbehaviour::Misdeed;
use crate::plan::{Plan, Profile};
use crate::tally::{Interval, Live, MisdeedOutcome, Tally};
use crate::verify::Sent;

/// Between two looks whether fewer messages misbehave.
const CROWDED: Duration = Duration::from_millis(1);

/// An open connection that waits for its first message.
pub(super) struct First {
    /// A sender whose shape it has.
    pub place: u64,
    /// The connection.
    pub connection: Connection,
}

/// What all tasks of a thread share.
pub(super) struct Context {
    /// The run.
    pub plan: Arc<Plan>,
    /// What its sockets go through.
    pub io: Io,
    /// What threads share.
    pub live: Arc<Live>,
    /// The thread's counts.
    pub tally: Rc<RefCell<Tally>>,
    /// The thread's counts since the main thread last looked.
    pub shared_interval: Arc<Mutex<Interval>>,
    /// What there is to do.
    pub dispatcher: Dispatcher,
    /// The thread's deadlines.
    pub slots: Rc<Slots>,
    /// Sessions begun by this thread, idle and misbehaving ones included; starts elsewhere in each thread.
    pub sessions: Cell<u64>,
    /// Misbehaving connections that are open.
    pub misbehaving: Cell<u32>,
    /// The connection that was opened before the run, until a session takes it.
    pub first: Rc<RefCell<Option<First>>>,
    /// Where `--verify` is told of accepted messages.
    pub verify: Option<Channel<Sent>>,
}

impl Context {
    /// The number of a new session, and how to connect for it.
    pub(super) fn dial<'a>(&'a self, profile: &'a Profile, number: u64) -> Dial<'a> {
        let plan = &self.plan;
        Dial {
            io: self.io,
            address: plan.address,
            source: plan.source(number),
            proxy: dial::proxy_header(profile.proxy, number),
            tls: profile.tls,
            tls_settings: &profile.tls_settings,
            server_name: &plan.server_name,
            helo: &plan.options.helo,
            timeout: plan.options.step_time(),
        }
    }

    /// The number of a new session.
    pub(super) fn next_session(&self) -> u64 {
        let number = self.sessions.get();
        self.sessions.set(number + 1);
        number
    }

    /// Counts an error.
    pub(super) fn count_error(&self, fault: &Fault) {
        self.note_error(fault);
        self.tally
            .borrow_mut()
            .count_failure(fault.kind, Instant::now());
        self.live.count_error(self.plan.options.most_errors());
    }

    /// Counts an error that must not end the run.
    pub(super) fn note_error(&self, fault: &Fault) {
        self.tally.borrow_mut().count_error(fault.kind);
        let mut interval = self.interval();
        interval.errors += 1;
        interval.troubles.count_fault(fault);
    }

    /// The connection that was opened before the run, if it has this shape and is not taken yet.
    pub(super) fn take_first(&self, profile: &Profile) -> Option<Connection> {
        let mut first = self.first.borrow_mut();
        let fits = first
            .as_ref()
            .is_some_and(|first| self.plan.profile(first.place).index == profile.index);
        first.take_if(|_| fits).map(|first| first.connection)
    }

    /// The thread's counts since the main thread last looked.
    pub(super) fn interval(&self) -> MutexGuard<'_, Interval> {
        self.shared_interval
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message that behaves, if one is due; misbehaving ones before it go their own ways.
    pub(super) fn take(self: &Rc<Self>) -> Option<Work> {
        while !self.is_crowded() {
            let work = self.dispatcher.take()?;
            if !self.is_bad(work) {
                return Some(work);
            }
        }
        None
    }

    /// Whether the closed loop has to wait until fewer messages misbehave. The open loop never waits.
    pub(super) fn is_crowded(&self) -> bool {
        !self.plan.is_open_loop() && self.misbehaving.get() >= self.plan.options.connections
    }

    /// The same as [`Context::take`], once one is due.
    pub(super) async fn wait(self: &Rc<Self>) -> Option<Work> {
        loop {
            while self.is_crowded() && !self.dispatcher.is_over() {
                tokio::time::sleep(CROWDED).await;
            }
            let work = self.dispatcher.wait().await?;
            if !self.is_bad(work) {
                return Some(work);
            }
        }
    }

    /// A further message of a connection that came from the timetable.
    pub(super) fn follower(&self, last: u64) -> Option<Work> {
        (!self.dispatcher.is_over()).then(|| Work {
            number: last + 1,
            intended: Instant::now(),
        })
    }

    /// Whether a message misbehaves; if so it is on its way.
    fn is_bad(self: &Rc<Self>, work: Work) -> bool {
        let Some(bad) = &self.plan.bad else {
            return false;
        };
        let Some(misdeed) = bad.misbehaviour.of(work.number) else {
            return false;
        };
        if self.misbehaving.get() >= self.plan.options.connections {
            self.count_misdeed(misdeed, MisdeedOutcome::Skipped);
            return true;
        }
        self.misbehaving.set(self.misbehaving.get() + 1);
        let context = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let outcome = context.misbehave(misdeed, work.number).await;
            context.count_misdeed(misdeed, outcome);
            let open = context.misbehaving.get();
            assert!(open > 0, "what misbehaved was counted when it began");
            context.misbehaving.set(open - 1);
        });
        true
    }

    fn count_misdeed(&self, misdeed: Misdeed, outcome: MisdeedOutcome) {
        let mut tally = self.tally.borrow_mut();
        tally.misdeeds.count(misdeed.name(), outcome);
    }

    async fn misbehave(&self, misdeed: Misdeed, number: u64) -> MisdeedOutcome {
        let Some(bad) = &self.plan.bad else {
            return MisdeedOutcome::Skipped;
        };
        let dial = self.dial(&bad.profile, self.next_session());
        let template = bad.profile.content.template(number);
        let props = Props {
            settings: &bad.misbehaviour,
            commands: &template.envelope.commands,
            wire: template.wire(number),
            number,
        };
        // Counted apart: what it takes to misbehave must not show in the run's percentiles and replies.
        let aside = Rc::new(RefCell::new(Tally::new()));
        let connection = Connection::connect(&dial, self.slots.add(), aside).await;
        misbehave::act(misdeed, &dial, connection, &props).await
    }
}
