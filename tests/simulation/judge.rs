//! What was promised, asked for, stored and said, and whether it agrees. A disagreement panics.
//!
//! Owns: the invariants about messages and replies, and the hash of all that happened. Must not know: how the server works.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ringpost_proto::mail::decode::Attributes;
use ringpost_proto::smtp::parameter::Body;

use crate::kafka::{Kafka, mail_of};
use crate::names::{Names, PASSING};
use crate::sharing::Sharing;

/// A message that a client sends, as it has to arrive.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The name of HELO or EHLO.
    pub helo: String,
    /// The recipients that have to be accepted.
    pub to: Vec<String>,
    /// Address and port that the record names.
    pub client: String,
    /// The value of `ce_smtpprotocol`.
    pub protocol: &'static str,
    /// Whether it comes encrypted.
    pub secure: bool,
    /// The value of `ce_smtpbody`.
    pub body: &'static str,
    /// The message.
    pub message: Vec<u8>,
    /// Whether the client has sent all of it.
    pub complete: bool,
    /// Whether it may be stored at all.
    pub storable: bool,
    /// When its connection began.
    pub since: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    /// The log of Kafka.
    pub kafka: Arc<Kafka>,
    /// The directory, in which recipients come and go.
    pub names: Names,
    /// Those of them that an attempt's client heard accepted, in order.
    accepted: RefCell<HashMap<String, Vec<usize>>>,
    /// Those that its record names.
    passing: RefCell<HashMap<String, Vec<usize>>>,
    attempts: RefCell<HashMap<String, Expected>>,
    /// Which recipients share a record.
    sharing: Sharing,
    /// The ids of the records of each reverse-path, in the order in which they have to come.
    recorded: RefCell<HashMap<String, Vec<String>>>,
    /// Connections whose record is with Kafka, and when they have to have had a reply.
    owed: RefCell<HashMap<usize, u64>>,
    /// Ids for which 250 was queued.
    promised: RefCell<HashSet<String>>,
    effects: Cell<u64>,
    hash: Cell<u64>,
}

impl Judge {
    /// Nothing has happened yet.
    pub fn new(kafka: Arc<Kafka>, sharing: Sharing) -> Self {
        Self {
            kafka,
            sharing,
            names: Names::new(),
            accepted: RefCell::default(),
            passing: RefCell::default(),
            attempts: RefCell::default(),
            recorded: RefCell::default(),
            owed: RefCell::default(),
            promised: RefCell::default(),
            effects: Cell::new(0),
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
        }
    }

    /// A client begins to send a message under the reverse-path `from`, which is like no other.
    pub fn attempt(&self, from: &str, expected: Expected) {
        let before = self.attempts.borrow_mut().insert(from.to_owned(), expected);
        assert!(before.is_none(), "a reverse-path names one attempt");
    }

    /// The client has sent the last byte of it.
    pub fn complete(&self, from: &str) {
        let mut attempts = self.attempts.borrow_mut();
        attempts.get_mut(from).expect("it was attempted").complete = true;
    }

    /// A recipient that comes and goes was accepted.
    pub fn accepted(&self, from: &str, who: usize) {
        let mut accepted = self.accepted.borrow_mut();
        accepted.entry(from.to_owned()).or_default().push(who);
    }

    /// The recipients of a record that stay; the others may be in it if they were in the directory meanwhile.
    fn staying(&self, from: &str, to: &[String], since: u64, now: u64) -> Vec<String> {
        let place = |name: &String| PASSING.iter().position(|passing| passing == name);
        let passing: Vec<usize> = to.iter().filter_map(place).collect();
        for &who in &passing {
            let (there, _) = self.names.during(who, since, now);
            assert!(
                there,
                "{from}: a record for {}, who was not there",
                PASSING[who]
            );
        }
        self.passing.borrow_mut().insert(from.to_owned(), passing);
        to.iter()
            .filter(|name| place(name).is_none())
            .cloned()
            .collect()
    }

    /// A record is submitted, for this topic, by a client whose messages are registered.
    pub fn record(
        &self,
        topic: &str,
        headers: &[(&'static str, Vec<u8>)],
        message: &[u8],
        now: u64,
    ) {
        self.effect();
        let headers = headers.iter();
        let told = Attributes::decode(headers.map(|(name, value)| (*name, value.as_slice())));
        assert_eq!(told.malformed, [""; 0], "a header that cannot be read");
        let from = told.mail_from.expect("a sender").to_owned();
        self.note(&[message.len() as u64, crate::hash(from.as_bytes())]);
        let attempts = self.attempts.borrow();
        let expected = attempts.get(&from);
        let expected =
            expected.unwrap_or_else(|| panic!("a record that nobody asked for, from {from}"));
        assert!(
            expected.complete,
            "{from}: a record of a message that was not sent to its end"
        );
        assert!(
            expected.storable,
            "{from}: a record of a message that is to be refused"
        );
        let (of_topic, to) = self.next_record(&from, told.id.expect("an id"), expected);
        assert_eq!(topic, of_topic, "{from}: the topic of {to:?}");
        assert!(
            message == expected.message,
            "{from}: the message differs from what the oracle decodes"
        );
        let told_to = told.rcpt_to.as_deref().unwrap_or_default();
        let staying = self.staying(&from, told_to, expected.since, now);
        assert_eq!(staying, to, "{from}");
        assert_eq!(told.helo, Some(expected.helo.as_str()), "{from}");
        let client = told.client.map(|client| client.to_string());
        assert_eq!(client.as_ref(), Some(&expected.client), "{from}");
        assert_eq!(told.protocol, Some(expected.protocol), "{from}");
        assert_eq!(told.tls.is_some(), expected.secure, "{from}");
        assert_eq!(told.body.map(Body::keyword), Some(expected.body), "{from}");
        assert_eq!(told.size, Some(message.len() as u64), "{from}");
    }

    /// The topic and the recipients of the record that comes next of this reverse-path, which has this id.
    fn next_record(
        &self,
        from: &str,
        id: &str,
        expected: &Expected,
    ) -> (&'static str, Vec<String>) {
        let mut recorded = self.recorded.borrow_mut();
        let ids = recorded.entry(from.to_owned()).or_default();
        let mut records = self.sharing.records(&expected.to);
        assert!(
            ids.len() < records.len(),
            "{from}: a second record of one transaction"
        );
        if records.len() > 1 {
            let number = format!("{}.{}", mail_of(id), ids.len() + 1);
            assert_eq!(id, number, "{from}: the id of a part");
        }
        assert!(
            is_queue_id(mail_of(id)) && ids.iter().all(|other| mail_of(other) == mail_of(id)),
            "{from}: {id} after {ids:?}"
        );
        ids.push(id.to_owned());
        records.swap_remove(ids.len() - 1)
    }

    /// Whether each record of the mail that a 250 names is acknowledged.
    fn is_stored(&self, id: &str) -> bool {
        if self.kafka.is_acknowledged(id) {
            return true;
        }
        let Some(from) = self.kafka.from(&format!("{id}.1")) else {
            return false;
        };
        // Of a client that said by accident what has several recipients, nothing is known.
        let count = self
            .attempts
            .borrow()
            .get(&from)
            .map_or(1, |expected| self.sharing.records(&expected.to).len());
        (1..=count).all(|number| self.kafka.is_acknowledged(&format!("{id}.{number}")))
    }

    /// Kafka has a record of this connection, which is to have its reply by then, whatever Kafka does.
    pub fn owes(&self, wire: usize, until: u64) {
        self.owed.borrow_mut().insert(wire, until);
    }

    /// It has its reply, or is closed.
    pub fn forget(&self, wire: usize) {
        self.owed.borrow_mut().remove(&wire);
    }

    /// No client waits longer for an outcome than that may take.
    pub fn nothing_is_overdue(&self, now: u64) {
        let owed = self.owed.borrow();
        let late = owed.iter().find(|(_, until)| **until < now);
        assert!(late.is_none(), "no reply in time on connection {late:?}");
    }

    /// The server queues bytes that only the client can read; a seed decides only their length.
    pub fn queued_sealed(&self, wire: usize, octets: &[u8]) {
        self.forget(wire);
        self.note(&[8, wire as u64, octets.len() as u64]);
    }

    /// The server queues replies to be written: what they promise has to be true already.
    pub fn queued(&self, wire: usize, octets: &[u8]) {
        self.forget(wire);
        self.note(&[1, wire as u64, crate::hash(octets)]);
        assert!(octets.ends_with(b"\r\n"), "whole lines are written");
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            assert!(
                line.len() <= 512 && line.ends_with(b"\r\n"),
                "a reply line: {}",
                line.escape_ascii()
            );
            let text = std::str::from_utf8(line)
                .expect("replies are UTF-8")
                .trim_end();
            if let Some(id) = text.strip_prefix("250 2.0.0 ").filter(|id| is_queue_id(id)) {
                assert!(
                    self.is_stored(id),
                    "250 for {id}, which Kafka has not acknowledged"
                );
                assert!(
                    self.promised.borrow_mut().insert(id.to_owned()),
                    "250 twice for {id}"
                );
            }
        }
    }

    /// A client got a 250 for its message: the record that it names has to be that message.
    pub fn delivered(&self, from: &str, id: &str) {
        assert!(is_queue_id(id), "a 250 names the queue id, not {id}");
        assert!(
            self.is_stored(id),
            "250 for {id}, which Kafka has not acknowledged"
        );
        let first = self.kafka.from(&format!("{id}.1"));
        assert_eq!(
            self.kafka.from(id).or(first).as_deref(),
            Some(from),
            "250 for {id}, which is another message"
        );
        assert_eq!(
            self.passing
                .borrow()
                .get(from)
                .map(Vec::as_slice)
                .unwrap_or_default(),
            self.accepted
                .borrow()
                .get(from)
                .map(Vec::as_slice)
                .unwrap_or_default(),
            "{from}: the record is for those who were accepted"
        );
    }

    /// Something happened that can be seen from outside.
    pub fn effect(&self) {
        self.effects.set(self.effects.get() + 1);
    }

    /// How much has happened.
    pub fn effects(&self) -> u64 {
        self.effects.get()
    }

    /// Takes numbers into the hash of all that happened.
    pub fn note(&self, numbers: &[u64]) {
        let mut hash = self.hash.get();
        for number in numbers {
            hash = (hash ^ number)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
        self.hash.set(hash);
    }

    /// The hash of all that happened.
    pub fn hash(&self) -> u64 {
        self.hash.get()
    }
}

fn is_queue_id(text: &str) -> bool {
    text.len() == 26
        && text
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit())
}
