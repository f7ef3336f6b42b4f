//! Races that the seeds found, or could find too seldom, each in the order that matters.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringpost::net::connection::{self, Opening};

use crate::clock::Time;
use crate::executor::Executor;
use crate::judge::Judge;
use crate::kafka::Kafka;
use crate::random::Random;
use crate::server::Settings;
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

/// A command that arrives when the server has just given up to wait for one, because it stops, begins a transaction that
/// cannot be finished: the client gets a reply that says so (RFC 5321 3.8).
#[test]
fn a_command_that_meets_the_drain_is_answered_and_then_421() {
    let mut told = 0;
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let kafka = Arc::new(Kafka::new(Random::new(seed), 10));
        let judge = Rc::new(Judge::new(Arc::clone(&kafka)));
        let hub = Settings::plain().hub(kafka, Time::new(), seed);
        let (hub, mut executor) = (Rc::new(hub), Executor::new());
        let wire = Wire::new(0, Random::new(seed), Rc::new(RefCell::default()), judge);
        let (wire, served) = (Rc::new(wire), Rc::clone(&hub));
        let end = End(Rc::clone(&wire));
        let peer = SocketAddr::from(([10, 0, 0, 1], 4711));
        executor.spawn(async move {
            connection::serve(
                &end,
                ringpost_proto::mail::envelope::Client::new(peer),
                &served,
                Opening::Clear,
            )
            .await
        });
        assert!(hear(&mut executor, &wire, &mut random).starts_with("220 "));
        wire.send(b"EHLO c\r\n");
        assert!(hear(&mut executor, &wire, &mut random).starts_with("250-"));
        hub.shared.draining.store(true, Ordering::Relaxed);
        hub.slots.interrupt_idle();
        executor.poll_one(&mut random);
        wire.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<x@mx.example>\r\n");
        let heard = hear(&mut executor, &wire, &mut random);
        let last = heard.lines().last().unwrap_or_default();
        // Closed with bytes unread, TCP resets the connection, and what was on its way is lost.
        if !wire.is_broken() {
            assert!(last.starts_with("421 "), "seed {seed}: {heard:?}");
            told += usize::from(heard.starts_with("250 2.1.0"));
        }
    }
    assert!(told > 0, "the command was answered first");
}
