//! One connection after the other, always one at a time: what a task of a thread does from the first message to the last.
//!
//! Owns who sends which message over which connection, and what is counted for it. Must not know threads.
//!
//! Invariants: a number is sent at most once as data. A message of which no data was sent yet stays with its task and goes
//! out on the next connection; one whose data was begun and that got no reply counts as unanswered and is not repeated,
//! because the server may have it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::deadline::{Slot, Slots};
use crate::client::{Answer, CLOSING, Connection, Delivered, Dial, Offers, Unsent, dial};
use crate::content::template::{OwnPart, Template};
use crate::engine::dispatch::{Dispatcher, Work};
use crate::engine::first::First;
use crate::engine::misbehave::{self, Misdeed, Props};
use crate::fault::trouble::What;
use crate::fault::{ErrorKind, Fault};
use crate::options::shape::Transfer;
use crate::plan::{Plan, Profile};
use crate::tally::{Interval, Live, Phase, Tally};
use crate::verify::Sent;

/// The first wait after an error; it doubles with each further one ...
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// ... up to this.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// Between two looks whether fewer messages misbehave.
const CROWDED: Duration = Duration::from_millis(1);

/// What all tasks of a thread share.
pub struct Context {
    /// The run.
    pub plan: Arc<Plan>,
    /// What threads share.
    pub live: Arc<Live>,
    /// The thread's counts.
    pub tally: Rc<RefCell<Tally>>,
    /// The thread's counts since the main thread last looked.
    pub interval: Arc<Mutex<Interval>>,
    /// What there is to do.
    pub dispatcher: Dispatcher,
    /// The thread's deadlines.
    pub slots: Rc<Slots>,
    /// Sessions begun by this thread, idle and misbehaving ones included; starts elsewhere in each thread.
    pub sessions: Cell<u64>,
    /// Misbehaving connections that are open.
    pub misbehaving: Cell<u32>,
    /// The connection that was opened before the run, until somebody takes it.
    pub first: Rc<RefCell<Option<First>>>,
    /// Where `--verify` hears of accepted messages.
    pub verify: Option<std::sync::mpsc::Sender<Sent>>,
}

impl Context {
    /// The number of a new session, and how to connect for it.
    pub fn dial<'a>(&'a self, profile: &'a Profile, number: u64) -> Dial<'a> {
        let plan = &self.plan;
        Dial {
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
    pub fn next_session(&self) -> u64 {
        let number = self.sessions.get();
        self.sessions.set(number + 1);
        number
    }

    /// Counts an error.
    pub fn count_error(&self, fault: &Fault) {
        self.note_error(fault);
        self.tally
            .borrow_mut()
            .count_failure(fault.kind, Instant::now());
        self.live.count_error(self.plan.options.most_errors());
    }

    /// Counts an error that must not end the run.
    pub fn note_error(&self, fault: &Fault) {
        self.tally.borrow_mut().errors[fault.kind as usize] += 1;
        let mut interval = self.interval();
        interval.errors += 1;
        interval.troubles.count_fault(fault);
    }

    /// The connection that was opened before the run, if it has this shape and nobody has taken it yet.
    pub fn take_first(&self, profile: &Profile) -> Option<Connection> {
        let mut first = self.first.borrow_mut();
        let fits = first
            .as_ref()
            .is_some_and(|first| std::ptr::eq(self.plan.profile(first.place), profile));
        first.take_if(|_| fits).map(|first| first.connection)
    }

    fn interval(&self) -> std::sync::MutexGuard<'_, Interval> {
        self.interval.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message that behaves, if one is due; misbehaving ones before it go their own ways.
    fn take(self: &Rc<Self>) -> Option<Work> {
        while !self.is_crowded() {
            let work = self.dispatcher.take()?;
            match self.plan.misbehaviour.of(work.number) {
                Some(misdeed) => self.misbehave(misdeed, work),
                None => return Some(work),
            }
        }
        None
    }

    /// Whether the closed loop has to wait until fewer messages misbehave. The open loop does not wait for anybody.
    fn is_crowded(&self) -> bool {
        !self.plan.is_open_loop() && self.misbehaving.get() >= self.plan.options.connections
    }

    /// The same, once one is due.
    async fn wait(self: &Rc<Self>) -> Option<Work> {
        loop {
            while self.is_crowded() && !self.dispatcher.is_over() {
                tokio::time::sleep(CROWDED).await;
            }
            let work = self.dispatcher.wait().await?;
            match self.plan.misbehaviour.of(work.number) {
                Some(misdeed) => self.misbehave(misdeed, work),
                None => return Some(work),
            }
        }
    }

    fn misbehave(self: &Rc<Self>, misdeed: Misdeed, work: Work) {
        if self.misbehaving.get() >= self.plan.options.connections {
            self.tally
                .borrow_mut()
                .misdeeds
                .count(misdeed, "skipped: too many at once");
            return;
        }
        self.misbehaving.set(self.misbehaving.get() + 1);
        let context = Rc::clone(self);
        tokio_uring::spawn(async move {
            let outcome = context.misbehave_alone(misdeed, work.number).await;
            context.tally.borrow_mut().misdeeds.count(misdeed, outcome);
            context.misbehaving.set(context.misbehaving.get() - 1);
        });
    }

    async fn misbehave_alone(&self, misdeed: Misdeed, number: u64) -> &'static str {
        let session = self.next_session();
        let profile = self.plan.bad_profile();
        let dial = self.dial(profile, session);
        let template = profile.content.template(number);
        let mut part = OwnPart::default();
        template.load(&mut part, number, &[]);
        let mut wire = part.bytes;
        template
            .rest()
            .iter()
            .for_each(|segment| wire.extend_from_slice(&segment.bytes));
        let props = Props {
            settings: &self.plan.misbehaviour,
            commands: &template.envelope.commands,
            wire,
            number,
        };
        // Counts of its own: what it takes to misbehave must not show in the run's percentiles and replies.
        let aside = Rc::new(RefCell::new(Tally::new()));
        let connection = Connection::connect(&dial, self.slots.add(), aside).await;
        misbehave::act(misdeed, &dial, connection, &props).await
    }
}

/// A task that sends.
pub struct Sender {
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

/// What to do after a message. `held` is a message that was taken and is still to be sent.
enum After {
    /// The next message, on this connection, if there is one already; the time when its envelope was sent, if it was.
    Next(Option<(Work, Option<Instant>)>),
    /// The end of the connection; the QUIT may have been sent with the message.
    Quit { held: Option<Work>, sent: bool },
    /// The connection is of no more use.
    Failed { held: Option<Work>, fault: Fault },
}

impl Sender {
    /// Nothing sent yet.
    pub fn new(context: Rc<Context>, place: u64) -> Sender {
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
    pub async fn run(mut self, delay: Duration) {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let plan = Arc::clone(&self.context.plan);
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
            let profile = plan.profile(self.place);
            if self.context.dispatcher.is_over() || profile.fate.given_up().is_some() {
                self.count_unsent(held);
                return;
            }
            let session = self.context.next_session();
            let (left, result) = self.session(profile, session, held.take()).await;
            held = left;
            if let Err(fault) = result {
                self.context.count_error(&fault);
                self.context
                    .live
                    .count_fruitless(plan.options.most_fruitless());
                self.count_failure(profile, &fault);
                let wait = FIRST_WAIT
                    .saturating_mul(1 << self.waits.min(10))
                    .min(LONGEST_WAIT);
                self.waits += 1;
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// A shape that never works is given up, and with the last of them the run.
    fn count_failure(&self, profile: &Profile, fault: &Fault) {
        let plan = &self.context.plan;
        if plan.options.max_errors == Some(0) {
            return;
        }
        profile.fate.count_failure(fault);
        let given_up = |profile: &Profile| profile.fate.given_up().is_some();
        if plan.profiles.iter().all(given_up) {
            self.context.live.give_up();
        }
    }

    /// A message that was taken and could not be sent before the end counts like one that was never given out.
    fn count_unsent(&self, held: Option<Work>) {
        if let Some(work) = held
            && self.context.plan.is_open_loop()
        {
            let mut tally = self.context.tally.borrow_mut();
            tally.overdue += 1;
            tally.record(Phase::Whole, work.intended.elapsed());
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
        let pipelining = profile.pipelining && connection.offers().pipelining;
        let mut next = held.map(|work| (work, None));
        let mut last = None;
        for sent in 1.. {
            if next.is_none() {
                connection.rest();
                next = match self.next_on_connection(last).await {
                    Some(work) => Some((work, None)),
                    None => {
                        connection.quit(false).await;
                        return (None, Ok(()));
                    }
                };
            }
            let current = next.take().expect("just taken");
            last = Some(current.0.number);
            let stay = profile.per_connection == 0 || sent < profile.per_connection;
            let mut message = Message {
                sender: self,
                connection: &mut connection,
                profile,
                pipelining,
                stay,
            };
            match message.send(current).await {
                After::Next(following) => next = following,
                After::Quit { held, sent } => {
                    connection.quit(sent).await;
                    return (held, Ok(()));
                }
                After::Failed { held, fault } => return (held, Err(fault)),
            }
        }
        unreachable!("a connection ends before its messages have no number")
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

impl Context {
    /// A further message of a connection that came from the timetable.
    fn follower(&self, last: u64) -> Option<Work> {
        (!self.dispatcher.is_over()).then(|| Work {
            number: last + 1,
            intended: Instant::now(),
        })
    }
}

/// One message on its way.
struct Message<'a> {
    sender: &'a mut Sender,
    connection: &'a mut Connection,
    profile: &'a Profile,
    pipelining: bool,
    /// Whether another message may follow on this connection.
    stay: bool,
}

impl Message<'_> {
    /// Sends a message, of which the envelope may have been sent already.
    async fn send(&mut self, (work, envelope_sent): (Work, Option<Instant>)) -> After {
        let profile = self.profile;
        let template = profile.content.template(work.number);
        if let Some(extension) = missing(self.connection.offers(), template) {
            let fault = self.connection.unsupported(extension);
            return self.failed(Some(work), fault);
        }
        if profile.transfer == Transfer::Bdat {
            return self.send_chunks(template, work).await;
        }
        let begun = envelope_sent.unwrap_or_else(Instant::now);
        let answer = if self.pipelining {
            if envelope_sent.is_none() {
                self.connection.send_envelope(&template.envelope).await;
            }
            self.connection
                .envelope_replies(&template.envelope, true)
                .await
        } else {
            self.connection
                .envelope_step_by_step(&template.envelope, true)
                .await
        };
        match answer {
            Err(fault) => self.failed(Some(work), fault),
            Ok(Answer::Go { recipients_refused }) => {
                self.count_envelope(recipients_refused, begun.elapsed());
                self.data(template, work).await
            }
            Ok(Answer::Void(code)) => {
                self.count_refused(code);
                match self.connection.deliver_nothing().await {
                    Ok(CLOSING) => self.failed(None, self.closing()),
                    Ok(_) => self.proceed(),
                    Err(fault) => self.failed(None, fault),
                }
            }
            Ok(Answer::Refused(code)) => self.refused(code).await,
        }
    }

    /// The message itself, with what follows it.
    async fn data(&mut self, template: &Template, work: Work) -> After {
        let profile = self.profile;
        // Taken ahead only where the next envelope goes out with this message, and only what is due.
        let ahead = if self.pipelining && self.stay {
            self.take_ahead(work.number)
        } else {
            None
        };
        let context = &self.sender.context;
        let nothing_left =
            self.ends_here() || !(context.plan.is_open_loop() || context.is_crowded());
        let quits = self.pipelining && ahead.is_none() && nothing_left;
        let tail: &[u8] = match &ahead {
            Some(next) => &profile.content.template(next.number).envelope.group,
            None if quits => b"QUIT\r\n",
            None => b"",
        };
        template.load(&mut self.sender.part, work.number, tail);
        let delivered = match self
            .connection
            .deliver(template, &mut self.sender.part, tail)
            .await
        {
            Ok(delivered) => delivered,
            Err(fault) => {
                self.count_unanswered(work);
                return self.failed(ahead, fault);
            }
        };
        self.count_delivered(template, work, &delivered);
        match delivered.code {
            CLOSING => self.failed(ahead, self.closing()),
            code @ 300..400 => {
                let fault = self.connection.reply_fault(ErrorKind::Protocol, code);
                self.failed(ahead, fault)
            }
            _ if quits => After::Quit {
                held: None,
                sent: true,
            },
            _ => match ahead {
                // In the closed loop a message begins when its envelope goes out.
                Some(next) if !self.sender.context.plan.is_open_loop() => {
                    let intended = delivered.last_octet;
                    After::Next(Some((Work { intended, ..next }, Some(intended))))
                }
                Some(next) => After::Next(Some((next, Some(delivered.last_octet)))),
                None => self.proceed(),
            },
        }
    }

    /// A message in chunks.
    async fn send_chunks(&mut self, template: &Template, work: Work) -> After {
        let begun = Instant::now();
        let quits = self.pipelining && self.ends_here();
        let tail: &[u8] = if quits { b"QUIT\r\n" } else { b"" };
        template.load(&mut self.sender.part, work.number, tail);
        let part = &mut self.sender.part;
        let result = if self.pipelining {
            self.connection.chunks_at_once(template, part, tail).await
        } else {
            match self
                .connection
                .envelope_step_by_step(&template.envelope, false)
                .await
            {
                Err(fault) => Err(Unsent::Failed(fault, false)),
                Ok(Answer::Go { recipients_refused }) => {
                    let answered = Instant::now();
                    match self.connection.chunks_step_by_step(template, part).await {
                        Ok(delivered) => Ok((delivered, recipients_refused, answered)),
                        Err(fault) => Err(Unsent::Failed(fault, true)),
                    }
                }
                Ok(Answer::Void(code) | Answer::Refused(code)) => Err(Unsent::Refused(code)),
            }
        };
        match result {
            Ok((delivered, recipients_refused, answered)) => {
                self.count_envelope(recipients_refused, answered - begun);
                self.count_delivered(template, work, &delivered);
                match delivered.code {
                    CLOSING => self.failed(None, self.closing()),
                    _ if quits => After::Quit {
                        held: None,
                        sent: true,
                    },
                    200..300 => self.proceed(),
                    // What the server makes of a transaction whose chunk it refused is not defined (RFC 3030 section 2).
                    _ => self.after_reset().await,
                }
            }
            Err(Unsent::Refused(code)) if quits && code != CLOSING => {
                self.count_refused(code);
                After::Quit {
                    held: None,
                    sent: true,
                }
            }
            Err(Unsent::Refused(code)) => self.refused(code).await,
            Err(Unsent::Failed(fault, false)) => self.failed(Some(work), fault),
            Err(Unsent::Failed(fault, true)) => {
                self.count_unanswered(work);
                self.failed(None, fault)
            }
        }
    }

    /// The envelope was refused.
    async fn refused(&mut self, code: u16) -> After {
        self.count_refused(code);
        if code == CLOSING {
            return self.failed(None, self.closing());
        }
        self.after_reset().await
    }

    async fn after_reset(&mut self) -> After {
        match self.connection.reset().await {
            Ok(()) => self.proceed(),
            Err(fault) => self.failed(None, fault),
        }
    }

    fn failed(&self, held: Option<Work>, fault: Fault) -> After {
        After::Failed { held, fault }
    }

    /// The server said 421, and ends the connection.
    fn closing(&self) -> Fault {
        self.connection.refusal(ErrorKind::Reply421, CLOSING)
    }

    /// After a message whose reply was awaited with nothing sent behind it.
    fn proceed(&self) -> After {
        if self.stay {
            After::Next(None)
        } else {
            After::Quit {
                held: None,
                sent: false,
            }
        }
    }

    /// The next message of this connection, if one is due.
    fn take_ahead(&self, last: u64) -> Option<Work> {
        let context = &self.sender.context;
        if context.plan.paces_connections() {
            return context.follower(last);
        }
        context.take()
    }

    /// Whether it is known that no message follows on this connection.
    fn ends_here(&self) -> bool {
        let context = &self.sender.context;
        !self.stay || context.dispatcher.is_over()
    }

    fn count_envelope(&self, recipients_refused: u64, time: Duration) {
        let context = &self.sender.context;
        if recipients_refused > 0 {
            let mut interval = context.interval();
            for (code, text, count) in self.connection.refused_recipients() {
                interval.troubles.count_recipients(code, text, count);
            }
        }
        let mut tally = context.tally.borrow_mut();
        tally.recipients_refused += recipients_refused;
        tally.record(Phase::Envelope, time);
    }

    /// Counts a final reply by what it says.
    fn count_delivered(&mut self, template: &Template, work: Work, delivered: &Delivered) {
        let context = &self.sender.context;
        let whole = delivered.answered - work.intended;
        if (200..600).contains(&delivered.code) {
            self.profile.fate.count_answer();
        }
        {
            let mut interval = context.interval();
            match delivered.code {
                200..300 => {
                    context.live.count_answer();
                    interval.accepted += 1;
                }
                400..600 => {
                    context.live.count_answer();
                    interval.refused += 1;
                    self.note_refusal(&mut interval, delivered.code);
                }
                _ => interval.errors += 1,
            }
            crate::tally::record(&mut interval.whole, whole);
        }
        let mut tally = context.tally.borrow_mut();
        match delivered.code {
            200..300 => {
                tally.accepted += 1;
                tally.end_away(delivered.answered);
                tally.accepted_octets += template.octets as u64;
                context.live.count_accepted();
                self.sender.waits = 0;
                if let Some(log) = &context.plan.log {
                    log.append(
                        template.message_id(&self.sender.part),
                        self.connection.reply_text(),
                    );
                }
                if let Some(verify) = &context.verify {
                    // The reader of the topic outlives all threads.
                    let _ = verify.send(Sent::Accepted(work.number, delivered.answered));
                }
            }
            400..600 => {
                tally.refused += 1;
                tally.refused_by[usize::from(delivered.code)] += 1;
            }
            _ => tally.unanswered += 1,
        }
        tally.record(Phase::Reply, delivered.answered - delivered.last_octet);
        tally.record(Phase::Whole, whole);
        tally.last_result = Some(delivered.answered);
    }

    fn count_refused(&self, code: u16) {
        let context = &self.sender.context;
        {
            if code != CLOSING {
                self.profile.fate.count_answer();
                context.live.count_answer();
            }
            let mut interval = context.interval();
            interval.refused += 1;
            self.note_refusal(&mut interval, code);
        }
        let mut tally = context.tally.borrow_mut();
        tally.refused += 1;
        tally.refused_by[usize::from(code)] += 1;
        tally.last_result = Some(Instant::now());
    }

    /// Keeps what a refusal said. A 421 is kept as the error that ends the connection.
    fn note_refusal(&self, interval: &mut Interval, code: u16) {
        if code != CLOSING {
            let fault = self.connection.refusal(ErrorKind::Protocol, code);
            interval
                .troubles
                .count_reply(What::Refused, fault.step, code, &fault.words);
        }
    }

    /// The latency of such a message is not known, but it is at least this.
    fn count_unanswered(&self, work: Work) {
        let mut tally = self.sender.context.tally.borrow_mut();
        tally.unanswered += 1;
        tally.record(Phase::Whole, work.intended.elapsed());
        tally.last_result = Some(Instant::now());
    }
}

/// An extension that a message needs and the server does not offer.
pub fn missing(offers: Offers, template: &Template) -> Option<&'static str> {
    let needs = template.needs;
    if needs.chunking && !offers.chunking {
        Some("CHUNKING")
    } else if needs.binary && !offers.binary {
        Some("BINARYMIME")
    } else if needs.eight_bit && !needs.binary && !offers.eight_bit {
        Some("8BITMIME")
    } else {
        None
    }
}

/// Keeps an idle session open until its slot is shut down.
pub async fn idle(context: Rc<Context>, slot: Rc<Slot>, mut connection: Connection) {
    connection.idle().await;
    if !context.live.is_idle_over() {
        context.tally.borrow_mut().idle_closed += 1;
    }
    drop(connection);
    drop(slot);
}
