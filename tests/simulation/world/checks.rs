//! What holds at any moment of a run, and that every record is one that a client asked for.
//!
//! Owns: the invariants of the world as a whole; those of single mails are the judge's. Must not know: what comes next.

use ring::digest::{SHA256, digest};
use ringpost::net::clock::Clock;
use ringpost::objects::hexadecimal;

use super::World;
use crate::driver::Driver;
use crate::kafka::Fresh;
use crate::kind::Kind;

impl World {
    /// Nothing is ready: the first connection that waits for room has a reason, and a task that gets on without a wake-up has
    /// missed one.
    pub(super) fn nobody_waits_in_vain(&mut self) {
        if let Some(hub) = &self.hub {
            let budget = &hub.memory.budget;
            let only_messages = self.settings.octets_most == usize::MAX / 2;
            if only_messages && budget.waiting() > 0 {
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

    /// What the budget has charged and what waits for it: messages, and connections in the queue.
    pub(super) fn room(&self) -> (usize, usize) {
        let budget = self.hub.as_ref().map(|hub| &hub.memory.budget);
        budget.map_or((0, 0), |budget| (budget.messages(), budget.waiting()))
    }

    /// One task was polled, with this before: room that was waited for has gone to the connection that left the queue for it.
    pub(super) fn nobody_overtakes(&self, (messages, waiting): (usize, usize)) {
        let after = self.room();
        assert!(
            waiting == 0 || after.0 <= messages || after.1 < waiting,
            "a newcomer got the room that others wait for"
        );
    }

    pub(super) fn check(&self) {
        self.judge.nothing_is_overdue(self.time.micros());
        for url in &self.named {
            assert!(
                self.objects.get(url).is_some(),
                "an object that a record names is gone: {url}"
            );
        }
        let Some(hub) = &self.hub else { return };
        let (messages, octets) = self.kafka.in_flight();
        // Those of a mail share a charge.
        let records = hub.flights.len();
        let budget = &hub.memory.budget;
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
        assert!(messages <= records, "a record in flight has a ticket");
        assert!(
            (records <= budget.messages() || self.settings.sharing.divides())
                && budget.messages() <= records + hub.slots.len(),
            "each charge is that of a record in flight, or of a session's one message"
        );
        assert!(
            budget.waiting() <= hub.slots.len(),
            "a connection that waits for room is open"
        );
    }

    /// The whole message of a record: its value, or the object that it names, which is complete by now.
    pub(super) fn whole(&mut self, fresh: &Fresh) -> Vec<u8> {
        let text = |name: &str| {
            let header = fresh.headers.iter().find(|(have, _)| *have == name);
            header.map(|(_, value)| std::str::from_utf8(value).expect("UTF-8").to_owned())
        };
        let size = text("ce_smtpsize").expect("it has one");
        let size: u64 = size.parse().expect("a number");
        let Some(url) = text("ce_dataref") else {
            let above = self.settings.above.unwrap_or(u64::MAX);
            assert!(size <= above, "a large message is in its record");
            return fresh.value.clone();
        };
        let object = self.objects.get(&url);
        let object = object.expect("an object is complete before its record");
        let sha256 = hexadecimal(digest(&SHA256, &object).as_ref());
        assert_eq!(text("ce_smtpsha256"), Some(sha256), "its hash");
        let is_section = object.starts_with(&fresh.value) && !fresh.value.is_empty();
        assert!(is_section, "the value is the front of the object");
        let section = &fresh.value[..];
        let is_whole = section == b"\r\n" || section.ends_with(b"\r\n\r\n");
        assert!(is_whole || section.len() <= 400, "its header section");
        let id = text("ce_id").expect("it has one");
        // One that was refused at once is no record.
        if fresh.pending || self.kafka.is_acknowledged(&id) {
            self.named.push(url);
        }
        object
    }

    /// Judges a record; the connection that it came from.
    pub(super) fn record(&self, record: &Fresh, value: &[u8]) -> usize {
        let headers = &record.headers;
        let message = if self.settings.trace {
            without_trace(headers, value)
        } else {
            value
        };
        let client = headers
            .iter()
            .find(|(name, _)| *name == "ce_smtpclient")
            .expect("it has one");
        let client = std::str::from_utf8(&client.1).expect("UTF-8");
        let origin = self.origins.get(client);
        let origin = origin.unwrap_or_else(|| panic!("a record from {client}, where nobody is"));
        match origin.kind {
            Kind::Garbage | Kind::Silent => {
                self.accidental(&self.wires[origin.wire].sent(), headers, message)
            }
            _ => {
                let now = self.time.micros();
                self.judge.record(&record.topic, headers, message, now);
            }
        }
        origin.wire
    }

    /// A record that a client brought about by accident: the session by itself, given all at once, makes the same of it.
    fn accidental(&self, sent: &[u8], headers: &[(&'static str, Vec<u8>)], message: &[u8]) {
        let behind_header = sent.strip_prefix(b"PROXY ").and_then(|rest| {
            let end = rest.windows(2).position(|two| two == b"\r\n")?;
            Some(&rest[end + 2..])
        });
        let mut driver = Driver::new(self.settings.policy(), self.time.now());
        driver.session.follow(Some(&self.judge.names.directory()));
        driver.receive(behind_header.unwrap_or(sent));
        let from = headers
            .iter()
            .find(|(name, _)| *name == "ce_smtpfrom")
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

/// The value after its Received field: as many bytes at the end as the record says. An empty line separates them where
/// the message could continue the field.
fn without_trace<'a>(headers: &[(&'static str, Vec<u8>)], value: &'a [u8]) -> &'a [u8] {
    let size = headers.iter().find(|(name, _)| *name == "ce_smtpsize");
    let size = std::str::from_utf8(&size.expect("it has one").1).expect("UTF-8");
    let (field, message) = value.split_at(value.len() - size.parse::<usize>().expect("a number"));
    assert!(
        field.starts_with(b"Received: from "),
        "the trace field comes first"
    );
    let lines = field.strip_suffix(b"\r\n").expect("whole lines");
    let alone = lines.strip_suffix(b"\r\n");
    let first = message.first();
    if first.is_none() || message.starts_with(b"\r\n") {
        assert!(alone.is_none(), "an empty line too many");
    } else if first.is_some_and(|octet| !octet.is_ascii_graphic()) {
        assert!(alone.is_some(), "{} goes on", message.escape_ascii());
    }
    let lines = alone.unwrap_or(lines);
    let mut ends = lines.windows(3).filter(|three| three.starts_with(b"\r\n"));
    assert!(
        ends.all(|three| three[2] == b'\t') && !lines.ends_with(b"\r\n"),
        "one field and nothing else: {}",
        field.escape_ascii()
    );
    message
}
