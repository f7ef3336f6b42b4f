//! What holds at any moment of a run, and that every record is one that a client asked for.
//!
//! Owns: the invariants of the world as a whole; those of single mails are the judge's. Must not know: what comes next.

use ringpost::net::clock::Clock;

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

    /// Judges a record; the connection that it came from.
    pub(super) fn record(&self, record: &Fresh) -> usize {
        let (headers, value) = (&record.headers, &record.value);
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
