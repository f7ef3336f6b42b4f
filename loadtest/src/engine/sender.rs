//! One connection after the other, always one at a time: what a task of a thread does from the first message to the last.
//!
//! Owns when a connection is opened, and how long a sender waits after an error. Must not know threads.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::context::Context;
use super::dispatch::Work;
use super::message::{After, Message};
use crate::client::Connection;
use crate::client::deadline::Slot;
use crate::content::OwnPart;
use crate::fault::Fault;
use crate::plan::Profile;

/// The first wait after an error; it doubles with each further one ...
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// ... up to this.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// A task that sends.
pub(super) struct Sender {
    context: Rc<Context>,
    /// Its number among those of all threads: it decides the shape of all its connections.
    place: u64,
    slot: Rc<Slot>,
    part: OwnPart,
    /// Errors since the last accepted message, for the back-off.
    waits: u32,
}

/// How a connection ended: the message that was taken and is still to be sent, and the error.
type Ended = (Option<Work>, Result<(), Fault>);

impl Sender {
    /// Nothing sent yet.
    pub(super) fn new(context: Rc<Context>, place: u64) -> Sender {
        let slot = context.slots.add();
        Sender {
            context,
            place,
            slot,
            part: OwnPart::default(),
            waits: 0,
        }
    }

    /// Sends until there is nothing more to send; begins after `delay`.
    pub(super) async fn run(mut self, delay: Duration) {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let plan = Arc::clone(&self.context.plan);
        let profile = plan.profile(self.place);
        let live = Arc::clone(&self.context.live);
        let fate = live.fate(profile.index);
        let mut held: Option<Work> = None;
        loop {
            if held.is_none() && plan.connects_ahead() && self.context.dispatcher.is_done() {
                return;
            }
            if held.is_none() && !plan.connects_ahead() {
                held = self.context.wait().await;
                if held.is_none() {
                    return;
                }
            }
            if self.context.dispatcher.is_over() || fate.given_up().is_some() {
                self.context.count_unsent(held);
                return;
            }
            let session = self.context.next_session();
            let (left, result) = self.session(profile, session, held.take()).await;
            held = left;
            if let Err(fault) = result {
                self.fail(profile, &fault).await;
            }
        }
    }

    /// Counts an error, and waits: longer with each that follows another.
    async fn fail(&mut self, profile: &Profile, fault: &Fault) {
        let context = &self.context;
        context.count_error(fault);
        let most = context.plan.options.most_fruitless();
        context.live.count_fruitless(most);
        self.count_failure(profile, fault);
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.waits.min(10))
            .min(LONGEST_WAIT);
        self.waits += 1;
        tokio::time::sleep(wait).await;
    }

    /// A shape that never works is given up, and with the last of them the run.
    fn count_failure(&self, profile: &Profile, fault: &Fault) {
        if self.context.plan.options.max_errors == Some(0) {
            return;
        }
        let live = &self.context.live;
        live.fate(profile.index).count_failure(fault);
        if live.fates().iter().all(|fate| fate.given_up().is_some()) {
            live.give_up();
        }
    }

    /// Opens a connection and sends messages over it.
    async fn session(&mut self, profile: &Profile, number: u64, held: Option<Work>) -> Ended {
        let context = Rc::clone(&self.context);
        let mut connection = match self.open(profile, number).await {
            Ok(connection) => connection,
            Err(fault) => return (held, Err(fault)),
        };
        context.tally.borrow_mut().connections += 1;
        let _open = context.live.open_session();
        let mut next = held.map(|work| (work, None));
        let (mut last, mut sent) = (None, 0);
        loop {
            let current = match next.take() {
                Some(current) => current,
                None => {
                    connection.rest();
                    match self.next_on_connection(last).await {
                        Some(work) => (work, None),
                        None => {
                            connection.quit(false).await;
                            return (None, Ok(()));
                        }
                    }
                }
            };
            last = Some(current.0.number);
            sent += 1;
            match self.send(&mut connection, profile, sent, current).await {
                After::Next(following) => next = following,
                After::Quit { held, sent } => {
                    connection.quit(sent).await;
                    return (held, Ok(()));
                }
                After::Failed { held, fault } => return (held, Err(fault)),
            }
        }
    }

    /// One message, the one with this number on its connection.
    async fn send(
        &mut self,
        connection: &mut Connection,
        profile: &Profile,
        number: u64,
        current: (Work, Option<Instant>),
    ) -> After {
        let mut message = Message {
            context: &self.context,
            part: &mut self.part,
            pipelining: profile.pipelining && connection.offers().pipelining,
            connection,
            profile,
            stay: profile.per_connection == 0 || number < profile.per_connection,
            accepted: false,
        };
        let after = message.send(current).await;
        if message.accepted {
            self.waits = 0;
        }
        after
    }

    /// The connection from before the run, or a new one.
    async fn open(&self, profile: &Profile, number: u64) -> Result<Connection, Fault> {
        let context = &self.context;
        if let Some(connection) = context.take_first(profile) {
            return Ok(connection);
        }
        let dial = context.dial(profile, number);
        Connection::open(&dial, Rc::clone(&self.slot), Rc::clone(&context.tally)).await
    }

    /// The next message for an open connection. With a rate of connections only its first comes from the timetable, and
    /// the others' numbers follow its number.
    async fn next_on_connection(&self, last: Option<u64>) -> Option<Work> {
        match last {
            Some(last) if self.context.plan.paces_connections() => self.context.follower(last),
            _ => self.context.wait().await,
        }
    }
}
