//! A mail that becomes several records: one for each group of its recipients.
//!
//! Owns: how they are made of one body, and handed over. Must not know: who is in which group, and why (`routing`); when all of them
//! are back (`net::parts`).
//!
//! Invariants: the body is there once, whatever the number of records, and so is its charge, to which the memory of the records is
//! added; no record is handed over while a topic of the mail is known to take none, and one that is refused at once keeps those after
//! it from being handed over, as the sender repeats all of them.
//!
//! BUGS: those before it may be stored: the sender's next try stores them again, under another id.

use std::rc::Rc;

use bytes::BytesMut;

use super::claim::Claim;
use super::message::Submitted;
use super::{Connection, Message};
use crate::config::TopicPlace;
use crate::limits::PART_OVERHEAD_OCTETS;
use crate::mail::envelope::Envelope;
use crate::mail::record::{Part, Record, Stamp};
use crate::net::parts::Parts;
use crate::net::transport::Transport;
use crate::sink::routing::Groups;
use crate::sink::{Outcome, Report, Submission};
use crate::smtp::refusal::Refusal;

impl<T: Transport> Connection<'_, T> {
    /// Hands over a record for each group, all with this body, which is charged.
    pub(super) fn submit_parts(
        &self,
        groups: &Groups,
        envelope: &Envelope<'_>,
        stamp: Stamp<'_>,
        message: Message,
    ) -> Submitted {
        let Message {
            body,
            mut charge,
            claim,
            ..
        } = message;
        let (hub, sink) = (self.hub, &self.hub.shared.sink);
        if let Some(refusal) = groups.iter().find_map(|(topic, _)| sink.closed(topic)) {
            hub.memory.release(body, charge);
            return Submitted::Done(Outcome::Refused(refusal));
        }
        let mut records = self.records(groups, envelope, stamp, claim.as_deref());
        let octets = |record: &Record| PART_OVERHEAD_OCTETS + 2 * record.attribute_octets();
        let beside = records.iter().map(|(_, record)| octets(record)).sum();
        if !charge.grow(beside) {
            for (_, record) in records {
                hub.memory.keep_part(record);
            }
            hub.memory.release(body, charge);
            return Submitted::Done(Outcome::Refused(Refusal::NoRoom));
        }
        hub.memory.make_way();
        let body = body.freeze();
        for (_, record) in &mut records {
            record.value = body.clone().into();
        }
        drop(body);
        let parts = Parts::new(charge, beside, &self.slot);
        self.hand_over(&parts, records);
        // One object for all of them; whatever is said of them, one may be there.
        claim.into_iter().for_each(|claim| claim.keep());
        let ticket = parts.ticket();
        hub.end_parts(parts.complete());
        Submitted::Under(ticket, Some(parts))
    }

    /// Hands the records over, up to the first that is refused at once.
    fn hand_over(&self, parts: &Rc<Parts>, records: Vec<(TopicPlace, Box<Record>)>) {
        let hub = self.hub;
        for (topic, record) in records {
            if parts.is_refused() {
                parts.held_back(hub.memory.keep_part(record));
                continue;
            }
            let ticket = hub.flights.depart_part(parts);
            if let Submission::Done(outcome, record) = hub.shared.sink.submit(topic, ticket, record)
            {
                hub.report(Report {
                    topic,
                    ticket,
                    outcome,
                    record,
                });
            }
        }
    }

    /// The record of each group, still without its body.
    fn records(
        &self,
        groups: &Groups,
        envelope: &Envelope<'_>,
        stamp: Stamp<'_>,
        claim: Option<&Claim>,
    ) -> Vec<(TopicPlace, Box<Record>)> {
        let numbered = (1..).zip(groups.iter());
        let record = |(number, (topic, recipients))| {
            let mut record = self.hub.memory.take_record();
            let part = Some(Part { number, recipients });
            record.fill(envelope, Stamp { part, ..stamp }, BytesMut::new());
            if let Some(claim) = claim {
                claim.refer(&mut record);
            }
            (topic, record)
        };
        numbered.map(record).collect()
    }
}
