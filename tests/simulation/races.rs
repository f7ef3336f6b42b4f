//! Races that the seeds found, or could find too seldom, each in the order that matters.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringpost::config::Topics;
use ringpost::net::connection::{self, Entrance, Opening};
use ringpost::net::hub::Hub;
use ringpost::net::slots::Drain;
use ringpost_proto::smtp::session::Intake;

use crate::clock::Time;
use crate::executor::Executor;
use crate::judge::Judge;
use crate::kafka::Kafka;
use crate::names::Names;
use crate::objects::Objects;
use crate::random::Random;
use crate::server::Settings;
use crate::sharing::Sharing;
use crate::wire::{End, Wire};

/// What the client has received since the last call.
fn hear(executor: &mut Executor, wire: &Wire, random: &mut Random) -> String {
    let mut heard = Vec::new();
    for _ in 0..100 {
        wire.arrive();
        while executor.poll_one(random).is_some() {}
        heard.extend(wire.receive().0);
    }
    String::from_utf8(heard).unwrap()
}

/// One connection to a worker that is like no other.
struct Scene {
    kafka: Arc<Kafka>,
    hub: Rc<Hub>,
    executor: Executor,
    wire: Rc<Wire>,
    random: Random,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let kafka = Arc::new(Kafka::new(Random::new(seed), 10, Topics::one("mail")));
        let judge = Rc::new(Judge::new(Arc::clone(&kafka), Sharing::all()));
        let objects = Arc::new(Objects::new(Random::new(seed)));
        let hub = Settings::plain().hub(
            Arc::clone(&kafka),
            &objects,
            Time::new(),
            seed,
            Names::new().directory(),
        );
        let wire = Wire::new(0, Random::new(seed), Rc::new(RefCell::default()), judge);
        Self {
            kafka,
            hub: Rc::new(hub),
            executor: Executor::new(),
            wire: Rc::new(wire),
            random: Random::new(seed),
        }
    }

    fn connect(&mut self) {
        let (end, served) = (End(Rc::clone(&self.wire)), Rc::clone(&self.hub));
        let peer = SocketAddr::from(([10, 0, 0, 1], 4711));
        self.executor.spawn(async move {
            connection::serve(
                &end,
                ringpost_proto::mail::envelope::Client::new(peer),
                &served,
                Entrance {
                    listener: 0,
                    opening: Opening::Clear,
                },
            )
            .await
        });
    }

    fn hear(&mut self) -> String {
        hear(&mut self.executor, &self.wire, &mut self.random)
    }

    fn say(&mut self, octets: &[u8]) -> String {
        self.wire.send(octets);
        self.hear()
    }
}

impl Drop for Scene {
    /// As a crash ends it: what the connection still waits for is not awaited.
    fn drop(&mut self) {
        self.wire.kill();
        self.executor.kill();
    }
}

/// A command that arrives when the server has just given up to wait for one, because it stops, begins a transaction that
/// cannot be finished: the client gets a reply that says so (RFC 5321 3.8).
#[test]
fn a_command_that_meets_the_drain_is_answered_and_then_421() {
    let mut told = 0;
    // So long that no client may speak any more.
    let long_ago = Drain {
        began: Instant::now(),
        timeout: Duration::ZERO,
    };
    for seed in 0..40 {
        let mut scene = Scene::new(seed);
        scene.connect();
        assert!(scene.hear().starts_with("220 "));
        assert!(scene.say(b"EHLO c\r\n").starts_with("250-"));
        scene.hub.shared.draining.store(true, Ordering::Relaxed);
        scene.hub.slots.end_idle(&long_ago, Instant::now());
        scene.executor.poll_one(&mut scene.random);
        let heard = scene.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\n");
        let last = heard.lines().last().unwrap_or_default();
        // Closed with bytes unread, TCP resets the connection, and what was on its way is lost.
        if !scene.wire.is_broken() {
            assert!(last.starts_with("421 "), "seed {seed}: {heard:?}");
            told += usize::from(heard.starts_with("250 2.1.0"));
        }
    }
    assert!(told > 0, "the command was answered first");
}

/// A connection learns with its next MAIL that no mail is taken, and with the one after it that mail is taken again; a
/// transaction that is open goes on.
#[test]
fn an_open_connection_is_told_of_an_outage_at_mail_and_of_its_end() {
    const MAIL: &[u8] = b"MAIL FROM:<a@b>\r\n";
    for intake in [Intake::NoMail, Intake::Closed] {
        let mut scene = Scene::new(1);
        scene.connect();
        assert!(scene.hear().starts_with("220 "));
        assert!(scene.say(b"EHLO c\r\n").starts_with("250-"));
        assert!(scene.say(MAIL).starts_with("250 2.1.0"));
        scene.kafka.let_begin(intake);
        let heard = scene.say(b"RCPT TO:<x@mx.example>\r\nDATA\r\n");
        assert!(
            heard.ends_with("354 Start mail input; end with <CRLF>.<CRLF>\r\n"),
            "{heard}"
        );
        scene.say(b"x\r\n.\r\n");
        assert_eq!(scene.kafka.take_fresh().len(), 1, "it is handed over");
        scene.kafka.advance_to(1_000_000);
        while let Some(report) = scene.kafka.report() {
            scene.hub.report(report);
        }
        scene.hear();
        assert!(scene.say(MAIL).starts_with("451 4.3.2"));
        assert!(scene.say(b"NOOP\r\n").starts_with("250"));
        scene.kafka.let_begin(Intake::Open);
        assert!(scene.say(MAIL).starts_with("250 2.1.0"));
    }
}

/// A client that connects while the storage is away is told so in place of the banner, and the connection ends; one that
/// connects after it is back gets the banner.
#[test]
fn a_client_that_connects_in_an_outage_gets_421_and_the_next_one_a_banner() {
    for (intake, said) in [
        (Intake::Closed, "421 4.3.2 "),
        (Intake::NoMail, "220 "),
        (Intake::Open, "220 "),
    ] {
        let mut scene = Scene::new(2);
        scene.kafka.let_begin(intake);
        scene.connect();
        let heard = scene.hear();
        assert!(heard.starts_with(said), "{intake:?}: {heard}");
        assert_eq!(heard.lines().count(), 1, "{heard}");
    }
}
