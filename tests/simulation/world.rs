//! The world of one seed: clients, wires, Kafka, and one worker of ringpost that is started, drained and killed.
//!
//! Owns: the order of events, faults, phases. Must not know: SMTP.
//!
//! First a phase with faults, in which nothing false may be said or stored; then one without, in which every mail of the
//! good clients has to get its 250; then a drain, after which nothing is left.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringpost::limits::{SWEEP_MAXIMUM_MILLISECONDS, SWEEP_MINIMUM_MILLISECONDS};
use ringpost::net::clock::Clock;
use ringpost::net::connection::{self, Opening};
use ringpost::net::hub::Hub;
use ringpost::smtp::refusal::Refusal;

use crate::client::{BAD, Client, GOOD, Kind, Rules};
use crate::clock::Time;
use crate::driver::Driver;
use crate::executor::Executor;
use crate::judge::Judge;
use crate::kafka::{Kafka, Mode};
use crate::random::Random;
use crate::server::Settings;
use crate::wire::{End, Wire};

/// Something that happens at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client looks at its connection, or connects.
    Act(usize),
    /// Octets arrive.
    Arrive(usize),
    /// Reports are due.
    Reports,
    /// The worker of this life looks at its deadlines.
    Sweep(usize),
    /// Something goes wrong.
    Fault,
    /// The server starts again.
    Start,
    /// Nothing goes wrong any more.
    Calm,
}

/// Who is behind an address.
struct Origin {
    wire: usize,
    kind: Kind,
}

/// What a seed came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Hash of all that happened.
    pub hash: u64,
    /// Events.
    pub events: u64,
    /// Records that were submitted.
    pub records: u64,
    /// Times that the server was killed.
    pub crashes: u64,
    /// Times that it was drained.
    pub drains: u64,
    /// Connections.
    pub connections: usize,
}

/// Longest time without faults until all is delivered, in microseconds.
const PATIENCE: u64 = 240_000_000;

/// Longest drain: a client inside a transaction has until `message_timeout`, and its commands theirs.
const DRAIN: u64 = 400_000_000;

/// See the module.
pub struct World {
    random: Random,
    time: Time,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    executor: Executor,
    settings: Settings,
    hub: Option<Rc<Hub>>,
    life: usize,
    draining_since: Option<u64>,
    kafka: Arc<Kafka>,
    reports_due: u64,
    judge: Rc<Judge>,
    clients: Vec<Client>,
    wires: Vec<Rc<Wire>>,
    stalled: Vec<u64>,
    kicked: Rc<RefCell<Vec<usize>>>,
    origins: HashMap<String, Origin>,
    calm: bool,
    calm_since: u64,
    summary: Summary,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::part(seed, 1);
        let settings = Settings::draw(&mut random);
        let kafka = Arc::new(Kafka::new(Random::part(seed, 2), *random.of(&[2, 5, 100])));
        let safety = random.between(5_000_000, 60_000_000) as u64;
        let rules = Rules {
            takes_bare_newlines: settings.takes_bare_newlines(),
        };
        let mut clients = Vec::new();
        let crowd = random.once_in(4);
        let (count, until) = if crowd {
            (random.between(8, 12), 3_000_000)
        } else {
            (random.between(2, 7), safety)
        };
        for number in 0..count {
            let kind = if number == 0 || random.once_in(2) {
                *random.of(&GOOD)
            } else {
                *random.of(&BAD)
            };
            let mails = if GOOD.contains(&kind) {
                random.between(1, 5)
            } else {
                0
            };
            let stream = Random::part(seed, 100 + number as u64);
            clients.push(Client::new(number, kind, stream, mails, until, rules));
        }
        let mut world = Self {
            random,
            time: Time::new(),
            events: BinaryHeap::new(),
            executor: Executor::new(),
            settings,
            hub: None,
            life: 0,
            draining_since: None,
            judge: Rc::new(Judge::new(Arc::clone(&kafka))),
            kafka,
            reports_due: u64::MAX,
            clients,
            wires: Vec::new(),
            stalled: Vec::new(),
            kicked: Rc::default(),
            origins: HashMap::new(),
            calm: false,
            calm_since: 0,
            summary: Summary {
                hash: 0,
                events: 0,
                records: 0,
                crashes: 0,
                drains: 0,
                connections: 0,
            },
        };
        world.at(0, Event::Start);
        world.at(safety, Event::Calm);
        let first = world.random.between(100_000, 5_000_000);
        world.at(first as u64, Event::Fault);
        for client in 0..world.clients.len() {
            let next = world.clients[client]
                .next_connect()
                .expect("it begins with mail");
            world.at(next, Event::Act(client));
        }
        world
    }

    /// Lets it all happen.
    ///
    /// # Panics
    /// If an invariant does not hold.
    pub fn run(mut self) -> Summary {
        while !self.is_over() {
            self.settle();
            let Reverse((when, _, event)) = self.events.pop().expect("something is to come");
            self.summary.events += 1;
            assert!(self.summary.events < 2_000_000, "it comes to no end");
            self.time.advance_to(when.max(self.time.micros()));
            self.kafka.advance_to(self.time.micros());
            self.happen(event);
            self.check();
        }
        self.summary.hash = self.judge.hash();
        self.summary.connections = self.wires.len();
        self.summary
    }

    fn at(&mut self, when: u64, event: Event) {
        let tie = self.random.next();
        self.events.push(Reverse((when, tie, event)));
    }

    fn after(&mut self, least: usize, most: usize, event: Event) {
        let when = self.time.micros() + self.random.between(least, most) as u64;
        self.at(when, event);
    }

    /// Polls what is ready, all of it most of the time.
    fn settle(&mut self) {
        while let Some(task) = self.executor.poll_one(&mut self.random) {
            self.judge.note(&[2, task as u64]);
            self.follow();
            self.check();
            if self.random.once_in(6) {
                return;
            }
        }
        self.nobody_waits_in_vain();
    }

    /// What was done has its consequences: octets are under way, reports will be due.
    fn follow(&mut self) {
        for (headers, value) in self.kafka.take_fresh() {
            self.summary.records += 1;
            self.record(&headers, &value);
        }
        let kicked: Vec<usize> = self.kicked.borrow_mut().drain(..).collect();
        for wire in kicked {
            self.schedule_arrival(wire);
        }
        if let Some(due) = self.kafka.next_due().filter(|&due| due < self.reports_due) {
            self.reports_due = due;
            self.at(due, Event::Reports);
        }
    }

    fn schedule_arrival(&mut self, wire: usize) {
        let slow = !self.calm && self.random.once_in(50);
        let delay = self.random.below(if slow { 3_000_000 } else { 1500 }) as u64;
        let when = (self.time.micros() + delay).max(self.stalled[wire]);
        self.at(when, Event::Arrive(wire));
    }

    /// Nothing is ready: who waits first for room has a reason, and a task that gets on although nobody woke it has missed a
    /// wake-up.
    fn nobody_waits_in_vain(&mut self) {
        if let Some(hub) = &self.hub {
            let budget = hub.budget.borrow();
            let only_messages = self.settings.octets_most == usize::MAX / 2;
            if only_messages && budget.next().is_some() {
                assert_eq!(
                    budget.messages(),
                    self.settings.messages_most,
                    "somebody waits although there is room"
                );
            }
        }
        if self.random.once_in(20) {
            let before = self.judge.effects();
            self.executor.poll_unwoken();
            assert_eq!(
                self.judge.effects(),
                before,
                "a task got on that nobody had woken"
            );
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(client) => self.act(client),
            Event::Arrive(wire) => {
                self.judge.note(&[3, wire as u64]);
                if self.wires[wire].arrive() {
                    self.schedule_arrival(wire);
                }
                let waits =
                    |client: &Client| client.wire.as_ref().is_some_and(|of| of.number == wire);
                if let Some(client) = self.clients.iter().position(waits) {
                    self.after(0, 1000, Event::Act(client));
                }
            }
            Event::Reports => self.report(),
            Event::Sweep(life) if life == self.life => self.sweep(),
            Event::Sweep(_) => {}
            Event::Fault if self.calm => {}
            Event::Fault => {
                self.fault();
                self.after(200_000, 12_000_000, Event::Fault);
            }
            Event::Start => self.start(),
            Event::Calm => self.become_calm(),
        }
        self.follow();
    }

    fn start(&mut self) {
        if self.hub.is_some() {
            return;
        }
        self.life += 1;
        let hub = self.settings.hub(
            Arc::clone(&self.kafka),
            self.time.clone(),
            self.random.next(),
        );
        self.hub = Some(Rc::new(hub));
        self.draining_since = None;
        self.at(self.time.micros(), Event::Sweep(self.life));
    }

    fn act(&mut self, client: usize) {
        let now = self.time.micros();
        if self.clients[client].wants_to_connect(now) {
            self.connect(client);
        }
        let next = self.clients[client].act(now, &self.judge);
        let next = if self.clients[client].wire.is_some() {
            next
        } else {
            self.clients[client].next_connect()
        };
        if let Some(next) = next.filter(|&next| next < u64::MAX) {
            self.at(next.max(now + 1), Event::Act(client));
        }
    }

    fn connect(&mut self, client: usize) {
        let now = self.time.micros();
        let Some(hub) = self.hub.as_ref().filter(|_| self.draining_since.is_none()) else {
            // Refused: nobody listens.
            self.clients[client].connects_at = now + self.random.between(50_000, 2_000_000) as u64;
            return;
        };
        let number = self.wires.len();
        let stream = Random::new(self.random.next());
        let wire = Rc::new(Wire::new(
            number,
            stream,
            Rc::clone(&self.kicked),
            Rc::clone(&self.judge),
        ));
        let port = u16::try_from(10_000 + number).expect("few connections");
        let peer = SocketAddr::from(([10, 0, 0, client as u8], port));
        let proxied = self.random.once_in(4);
        let (opening, address, header) = if proxied {
            let header = format!("PROXY TCP4 192.0.2.{client} 198.51.100.1 {port} 25\r\n");
            (
                Opening::Proxied,
                SocketAddr::from(([192, 0, 2, client as u8], port)),
                header,
            )
        } else {
            (Opening::Clear, peer, String::new())
        };
        let (end, hub) = (End(Rc::clone(&wire)), Rc::clone(hub));
        self.executor.spawn(async move {
            connection::serve(
                &end,
                ringpost::mail::envelope::Client::new(peer),
                &hub,
                opening,
            )
            .await;
        });
        self.wires.push(Rc::clone(&wire));
        self.stalled.push(0);
        let origin = Origin {
            wire: number,
            kind: self.clients[client].kind,
        };
        self.origins.insert(address.to_string(), origin);
        self.clients[client].connect(
            wire,
            now,
            &self.judge,
            &address.to_string(),
            header.as_bytes(),
        );
        self.judge.note(&[4, number as u64]);
    }

    fn report(&mut self) {
        self.reports_due = u64::MAX;
        while let Some(report) = self.kafka.report() {
            self.judge.effect();
            self.judge
                .note(&[5, u64::from(report.ticket.slot), report.ticket.turn]);
            self.hub
                .as_ref()
                .expect("reports end with the process")
                .report(report);
            if self.random.once_in(3) {
                break;
            }
        }
    }

    fn sweep(&mut self) {
        let Some(hub) = self.hub.clone() else { return };
        let now = self.time.micros();
        if let Some(since) = self.draining_since {
            hub.interrupt_idle();
            hub.sweep(self.time.now());
            if hub.connections() == 0 && hub.ledger.borrow().is_empty() {
                return self.drained(&hub);
            }
            assert!(now < since + DRAIN, "the drain comes to no end");
            self.at(
                now + 1000 * SWEEP_MINIMUM_MILLISECONDS,
                Event::Sweep(self.life),
            );
            return;
        }
        let next = hub
            .sweep(self.time.now())
            .map_or(u64::MAX, |next| self.time.micros_of(next));
        let shortest = now + 1000 * SWEEP_MINIMUM_MILLISECONDS;
        let longest = now + 1000 * SWEEP_MAXIMUM_MILLISECONDS;
        self.at(next.clamp(shortest, longest), Event::Sweep(self.life));
    }

    fn drained(&mut self, hub: &Hub) {
        let budget = hub.budget.borrow();
        assert_eq!(
            (budget.messages(), budget.octets()),
            (0, 0),
            "after a drain nothing is charged"
        );
        assert_eq!(
            self.kafka.in_flight().0,
            0,
            "after a drain no record is in flight"
        );
        self.summary.drains += 1;
        self.hub = None;
        self.life += 1;
        self.after(1000, 3_000_000, Event::Start);
    }

    fn fault(&mut self) {
        match self.random.below(13) {
            0 | 1 => self.crash(),
            2 | 3 => self.drain(),
            4 if !self.wires.is_empty() => {
                let wire = self.random.below(self.wires.len());
                self.wires[wire].reset();
            }
            5 if !self.wires.is_empty() => {
                let wire = self.random.below(self.wires.len());
                self.stalled[wire] =
                    self.time.micros() + self.random.between(1_000_000, 50_000_000) as u64;
            }
            6 => {
                if let Some(hub) = &self.hub {
                    hub.shared.rules.publish(self.settings.rules());
                }
            }
            _ => {
                let refusals = [
                    Refusal::KafkaUnavailable,
                    Refusal::KafkaTooBig,
                    Refusal::KafkaRefused,
                    Refusal::KafkaQueueFull,
                ];
                let refusing = Mode::Refusing(*self.random.of(&refusals));
                let modes = [
                    Mode::Healthy,
                    Mode::Healthy,
                    Mode::Slow,
                    Mode::Down,
                    Mode::Losing,
                    refusing,
                ];
                self.kafka.become_(*self.random.of(&modes));
            }
        }
    }

    fn drain(&mut self) {
        if self.kafka.lost() > 0 {
            // A ledger that waits for a report which never comes is not drained; the drain deadline kills the process.
            return self.crash();
        }
        if let Some(hub) = self.hub.as_ref().filter(|_| self.draining_since.is_none()) {
            hub.shared.draining.store(true, Ordering::Relaxed);
            self.draining_since = Some(self.time.micros());
            self.judge.note(&[6]);
            self.life += 1;
            self.at(self.time.micros(), Event::Sweep(self.life));
        }
    }

    /// kill -9.
    fn crash(&mut self) {
        if self.hub.take().is_none() {
            return;
        }
        for wire in &self.wires {
            wire.kill();
        }
        self.executor.kill();
        self.kafka.forget_reports();
        self.life += 1;
        self.summary.crashes += 1;
        self.draining_since = None;
        self.judge.note(&[7]);
        self.after(1000, 3_000_000, Event::Start);
    }

    fn become_calm(&mut self) {
        (self.calm, self.calm_since) = (true, self.time.micros());
        self.kafka.become_(Mode::Healthy);
        if self.kafka.lost() > 0 {
            self.crash();
        }
        self.stalled.fill(0);
        let now = self.time.micros();
        for number in 0..self.clients.len() {
            if self.clients[number].is_good() {
                self.clients[number].enqueue(now);
                self.at(now, Event::Act(number));
            } else {
                self.clients[number].leave();
            }
        }
        for wire in 0..self.wires.len() {
            self.schedule_arrival(wire);
        }
    }

    /// Whether all is delivered and, in the end, drained.
    fn is_over(&mut self) -> bool {
        if !self.calm {
            return false;
        }
        if self.clients.iter().all(Client::is_done) {
            if self.hub.is_none() {
                return true;
            }
            self.drain();
            return false;
        }
        let undelivered: usize = self.clients.iter().map(Client::undelivered).sum();
        let late = self.time.micros() > self.calm_since + PATIENCE;
        assert!(
            !late,
            "{undelivered} mails of good clients are not delivered"
        );
        false
    }

    fn check(&self) {
        let Some(hub) = &self.hub else { return };
        let (messages, octets) = self.kafka.in_flight();
        let budget = hub.budget.borrow();
        assert!(
            messages <= budget.messages() && octets <= budget.octets(),
            "what is in flight is charged"
        );
        assert!(
            budget.messages() <= self.settings.messages_most,
            "more messages than the budget has"
        );
        assert!(
            budget.octets() <= self.settings.octets_most,
            "more octets than the budget has"
        );
        assert!(
            messages <= hub.ledger.borrow().len(),
            "who is in flight has a ticket"
        );
    }

    fn record(&self, headers: &[(&'static str, Vec<u8>)], value: &[u8]) {
        let message = if self.settings.trace {
            without_trace(value)
        } else {
            value
        };
        let client = headers
            .iter()
            .find(|(name, _)| *name == "smtp_client")
            .expect("it has one");
        let client = std::str::from_utf8(&client.1).expect("UTF-8");
        let origin = self.origins.get(client);
        let origin = origin.unwrap_or_else(|| panic!("a record from {client}, where nobody is"));
        match origin.kind {
            Kind::Garbage | Kind::Silent => {
                self.accidental(&self.wires[origin.wire].sent(), headers, message)
            }
            _ => self.judge.record(headers, message),
        }
    }

    /// A record that a client brought about by accident: the session by itself, given all at once, makes the same of it.
    fn accidental(&self, sent: &[u8], headers: &[(&'static str, Vec<u8>)], message: &[u8]) {
        let behind_header = sent.strip_prefix(b"PROXY ").and_then(|rest| {
            let end = rest.windows(2).position(|two| two == b"\r\n")?;
            Some(&rest[end + 2..])
        });
        let mut driver = Driver::new(self.settings.policy(), self.time.now());
        driver.receive(behind_header.unwrap_or(sent));
        let from = headers
            .iter()
            .find(|(name, _)| *name == "smtp_from")
            .expect("it has one");
        let found = driver
            .log
            .committed
            .iter()
            .any(|committed| committed.body == message && committed.from.as_bytes() == from.1);
        assert!(
            found,
            "a record that nobody asked for: {}",
            sent.escape_ascii()
        );
    }
}

/// The value behind its Received field.
fn without_trace(value: &[u8]) -> &[u8] {
    assert!(
        value.starts_with(b"Received: from "),
        "the trace field stands in front"
    );
    let end = value
        .windows(3)
        .position(|three| three[..2] == *b"\r\n" && three[2] != b'\t')
        .map_or(value.len(), |at| at + 2);
    &value[end..]
}
