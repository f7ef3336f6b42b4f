//! The lives of the server: it is started, drained and killed, and what it depends on fails, until nothing more goes wrong.
//!
//! Owns: which faults there are, and what is left after the end of a life. Must not know: what clients say.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringpost::limits::{SWEEP_MAXIMUM_MILLISECONDS, SWEEP_MINIMUM_MILLISECONDS};
use ringpost::net::clock::Clock;
use ringpost::net::slots::Drain;
use ringpost::objects::Kind;
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::Intake;

use super::{Event, World};
use crate::kafka::Mode;
use crate::objects;

/// Longest drain: a client inside a transaction has until `message_timeout`, and its commands theirs.
const DRAIN: u64 = 400_000_000;

impl World {
    pub(super) fn start(&mut self) {
        if self.hub.is_some() {
            return;
        }
        self.life += 1;
        let hub = self.settings.hub(
            Arc::clone(&self.kafka),
            &self.objects,
            self.time.clone(),
            self.random.next(),
            self.judge.names.directory(),
        );
        self.hub = Some(Rc::new(hub));
        self.draining_since = None;
        self.at(self.time.micros(), Event::Sweep(self.life));
    }

    pub(super) fn sweep(&mut self) {
        let Some(hub) = self.hub.clone() else { return };
        let now = self.time.micros();
        if let Some(since) = self.draining_since {
            let drain = Drain {
                began: self.time.now() - Duration::from_micros(now - since),
                timeout: Duration::from_micros(DRAIN),
            };
            hub.slots.end_idle(&drain, self.time.now());
            hub.sweep(self.time.now());
            // It asserts that no charge is out where no session and no record is.
            if hub.is_empty() {
                return self.drained();
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

    fn drained(&mut self) {
        assert_eq!(
            self.kafka.in_flight().0,
            0,
            "after a drain no record is in flight"
        );
        // What was given up ends by itself.
        for step in 1..=20 {
            let later = self.time.micros() + step * 10_000_000;
            self.objects.advance_to(later);
        }
        assert_eq!(self.objects.uploads(), 0, "nor an upload");
        let claims = self.hub.as_ref().and_then(|hub| hub.shared.claims.as_ref());
        let lent = claims.map_or(0, |claims| claims.lent.octets());
        assert_eq!(lent, 0, "nor a buffer with the store");
        self.summary.drains += 1;
        self.hub = None;
        self.life += 1;
        self.after(1000, 3_000_000, Event::Start);
    }

    pub(super) fn fault(&mut self) {
        match self.random.below(18) {
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
                    hub.shared.rules.store(Arc::new(self.settings.rules()));
                }
            }
            // Whether mail is being stored when that is said: an outage may end before it is noticed that it has.
            7 | 8 => {
                let intakes = [Intake::Open, Intake::NoMail, Intake::Closed];
                self.kafka.let_begin(*self.random.of(&intakes));
            }
            9..=11 => {
                let kinds = [Kind::Unavailable, Kind::TimedOut, Kind::Full];
                let modes = [
                    objects::Mode::Healthy,
                    objects::Mode::Slow,
                    objects::Mode::Away,
                    objects::Mode::Losing,
                    objects::Mode::Failing(*self.random.of(&kinds)),
                ];
                self.objects.become_(*self.random.of(&modes));
            }
            _ => {
                let refusals = [
                    Refusal::StorageUnavailable,
                    Refusal::StorageTooBig,
                    Refusal::StorageRefused,
                    Refusal::StorageQueueFull,
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

    /// A recipient comes or goes, which is in force at once.
    pub(super) fn name(&mut self) {
        self.judge
            .names
            .change(&mut self.random, self.time.micros());
        if let Some(hub) = &self.hub {
            let names = self.judge.names.directory();
            hub.shared.directory.store(Some(names));
        }
    }

    pub(super) fn drain(&mut self) {
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
        self.objects.forget_uploads();
        self.executor.kill();
        self.kafka.forget_reports();
        self.life += 1;
        self.summary.crashes += 1;
        self.draining_since = None;
        self.judge.note(&[7]);
        self.after(1000, 3_000_000, Event::Start);
    }

    pub(super) fn become_calm(&mut self) {
        (self.calm, self.calm_since) = (true, self.time.micros());
        self.kafka.become_(Mode::Healthy);
        self.kafka.let_begin(Intake::Open);
        self.objects.become_(objects::Mode::Healthy);
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
}
