//! The world of one seed: clients, wires, Kafka, and one worker of ringpost that is started, drained and killed.
//!
//! Owns: the order of events and the phases. Must not know: SMTP; faults and lives of the server are `lives`', invariants
//! `checks`'.
//!
//! First a phase with faults, in which nothing false may be said or stored; then one without, in which every mail of the
//! good clients has to get its 250; then a drain, after which nothing is left.

#[path = "world/checks.rs"]
mod checks;
#[path = "world/lives.rs"]
mod lives;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ringpost::net::connection::{self, Entrance, Opening};
use ringpost::net::hub::Hub;

use crate::client::Client;
use crate::clock::Time;
use crate::executor::Executor;
use crate::judge::Judge;
use crate::kafka::Kafka;
use crate::kind::{BAD, GOOD, Kind};
use crate::objects::Objects;
use crate::random::Random;
use crate::script::Rules;
use crate::server::Settings;
use crate::wire::{End, Wire};

/// Something that happens at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client looks at its connection, or connects.
    Act(usize),
    /// Bytes arrive.
    Arrive(usize),
    /// Reports are due.
    Reports,
    /// Something is due in the store of objects.
    Objects,
    /// The worker of this life looks at its deadlines.
    Sweep(usize),
    /// Something goes wrong.
    Fault,
    /// A recipient comes or goes.
    Name,
    /// The server starts again.
    Start,
    /// Nothing more goes wrong.
    Calm,
}

/// The client at an address.
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

/// Longest time from a record to the reply, in microseconds: the commit's, and a look at the deadlines or two.
const COMMIT: u64 = 12_500_000;

/// Longest time without faults until all is delivered, in microseconds.
const PATIENCE: u64 = 240_000_000;

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
    objects: Arc<Objects>,
    objects_due: u64,
    /// Addresses of objects that records in the log name.
    named: Vec<String>,
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
        let kafka = Arc::new(Kafka::new(
            Random::part(seed, 2),
            *random.of(&[2, 5, 100]),
            settings.sharing.config().topics(),
        ));
        let safety = random.between(5_000_000, 60_000_000) as u64;
        let rules = Rules {
            takes_bare_newlines: settings.takes_bare_newlines(),
            tls: settings.tls,
            passing: settings.has_directory(),
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
        let judge = Rc::new(Judge::new(Arc::clone(&kafka), settings.sharing));
        let mut world = Self {
            random,
            time: Time::new(),
            events: BinaryHeap::new(),
            executor: Executor::new(),
            settings,
            hub: None,
            life: 0,
            draining_since: None,
            judge,
            kafka,
            reports_due: u64::MAX,
            objects: Arc::new(Objects::new(Random::part(seed, 3))),
            objects_due: u64::MAX,
            named: Vec::new(),
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
        if world.settings.has_directory() {
            world.at(0, Event::Name);
        }
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
        loop {
            let before = self.room();
            let Some(task) = self.executor.poll_one(&mut self.random) else {
                break;
            };
            self.judge.note(&[2, task as u64]);
            self.nobody_overtakes(before);
            self.follow();
            self.check();
            if self.random.once_in(6) {
                return;
            }
        }
        self.nobody_waits_in_vain();
    }

    /// What was done has its consequences: bytes are under way, reports will be due.
    fn follow(&mut self) {
        for fresh in self.kafka.take_fresh() {
            self.summary.records += 1;
            let value = self.whole(&fresh);
            let wire = self.record(&fresh, &value);
            if fresh.pending {
                self.judge.owes(wire, self.time.micros() + COMMIT);
            }
        }
        let kicked: Vec<usize> = self.kicked.borrow_mut().drain(..).collect();
        for wire in kicked {
            self.schedule_arrival(wire);
        }
        self.objects.advance_to(self.time.micros());
        let due = self.objects.next_due();
        if let Some(due) = due.filter(|&due| due < self.objects_due) {
            self.objects_due = due;
            self.at(due, Event::Objects);
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
            // `follow` lets the store's time pass.
            Event::Objects => self.objects_due = u64::MAX,
            Event::Sweep(life) if life == self.life => self.sweep(),
            Event::Sweep(_) => {}
            Event::Fault if self.calm => {}
            Event::Fault => {
                self.fault();
                self.after(200_000, 12_000_000, Event::Fault);
            }
            Event::Name => {
                self.name();
                self.after(10_000, 2_000_000, Event::Name);
            }
            Event::Start => self.start(),
            Event::Calm => self.become_calm(),
        }
        self.follow();
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
            // Refused: nothing listens.
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
        let secure = !proxied
            && self.settings.tls
            && self.clients[client].shakes_hands()
            && self.random.once_in(6);
        let (opening, address, header) = if secure {
            wire.seal();
            (Opening::Tls, peer, String::new())
        } else if proxied {
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
                ringpost_proto::mail::envelope::Client::new(peer),
                &hub,
                Entrance {
                    listener: 0,
                    opening,
                },
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
        self.clients[client].calm = self.calm;
        self.clients[client].connect(
            wire,
            now,
            &self.judge,
            &address.to_string(),
            header.as_bytes(),
            secure,
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
}
