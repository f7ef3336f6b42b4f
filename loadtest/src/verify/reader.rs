//! Reads the topic until nothing is missing, or the wait is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use ringpost_proto::mail::decode::Attributes;

use super::error::VerifyError;
use super::ledger::{Ledger, Read};
use super::standstill::Standstill;
use super::topic::{POLL, Topic};
use crate::content::identity::{self, Found};
use crate::content::numbered_address;
use crate::plan::Plan;
use crate::signals;
use crate::tally::{Verdict, histogram_of_run, record};

/// Between two looks at the ends of the partitions.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// The part of `--verify-wait` for the looks at the ends; the wait is at least this long.
const LOOKS: Duration = Duration::from_secs(2);
/// Lost messages that are named.
const NAMED: usize = 10;

/// What a sending thread reports.
pub(crate) enum Sent {
    /// A message got its 250 then.
    Accepted(u64, Instant),
}

/// Reads the topic, and compares what it reads with what the sending threads report.
pub(super) struct Reader {
    topic: Topic,
    run: String,
    from: String,
    to: String,
    wait: Duration,
    receiver: Receiver<Sent>,
    ending: Arc<AtomicBool>,
    ledger: Ledger,
    /// The next offset of each partition, and the end that was seen first.
    positions: Vec<i64>,
    standstill: Standstill,
    foreign: u64,
    errors: u64,
    last_error: Option<String>,
    readable: Histogram<u64>,
    complete: bool,
}

impl Reader {
    /// From the ends of all partitions on.
    pub(super) fn new(
        plan: &Plan,
        receiver: Receiver<Sent>,
        ending: Arc<AtomicBool>,
    ) -> Result<Reader, VerifyError> {
        let options = &plan.options;
        let (topic, positions) = Topic::open(options, &plan.run)?;
        Ok(Reader {
            topic,
            run: plan.run.clone(),
            from: options.from.clone(),
            to: options.to.clone(),
            wait: options.verify_wait,
            receiver,
            ending,
            ledger: Ledger::default(),
            standstill: Standstill::new(positions.len(), Instant::now()),
            positions,
            foreign: 0,
            errors: 0,
            last_error: None,
            readable: histogram_of_run(),
            complete: false,
        })
    }

    /// Reads until the run is over and nothing is missing, or the wait is over.
    pub(super) fn run(mut self) -> Reader {
        let mut ending: Option<(Instant, Instant)> = None;
        // A signal that ended the run does not end the reading; one that comes later does.
        let mut signalled = true;
        loop {
            let open = self.hear();
            let polled = self.poll();
            self.look_after(Instant::now());
            if ending.is_none() && !open && self.ending.load(Ordering::Relaxed) {
                let end = Instant::now() + self.wait.max(LOOKS);
                ending = Some((end - LOOKS, end));
                signalled = signals::stopped();
            }
            let Some((until, end)) = ending else { continue };
            if !signalled && signals::stopped() {
                return self;
            }
            // A record that came late must still count as a duplicate: read to the end in any case.
            if polled || (self.ledger.missing() > 0 && Instant::now() < until) {
                if Instant::now() < end {
                    continue;
                }
                return self;
            }
            if self.is_at_end(end) {
                self.complete = true;
                return self;
            }
            if Instant::now() >= end {
                return self;
            }
        }
    }

    /// Takes what the sending threads report; whether there may be more.
    fn hear(&mut self) -> bool {
        loop {
            match self.receiver.try_recv() {
                Ok(Sent::Accepted(number, at)) => {
                    if let Some(time) = self.ledger.accepted(number, at) {
                        record(&mut self.readable, time);
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Reads what is available, waiting briefly for the first record; whether there was any.
    fn poll(&mut self) -> bool {
        const BATCH: usize = 1000;
        let mut wait = POLL;
        for count in 0..BATCH {
            let polled = self.topic.consumer.poll(wait);
            match polled {
                None => return count > 0,
                Some(Err(error)) => {
                    self.errors += 1;
                    self.last_error = Some(error.to_string());
                }
                Some(Ok(message)) => {
                    let at = Instant::now();
                    let partition = message.partition() as usize;
                    self.positions[partition] = message.offset() + 1;
                    self.standstill.moved(partition, at);
                    match described(&message, &self.run, &self.from, &self.to) {
                        None => self.foreign += 1,
                        Some(read) => {
                            if let Some(time) = self.ledger.read(read, at) {
                                record(&mut self.readable, time);
                            }
                        }
                    }
                }
            }
            wait = Duration::ZERO;
        }
        true
    }

    /// Makes the consumer again if a partition brings nothing and has more: the new one asks who leads it.
    fn look_after(&mut self, now: Instant) {
        let still = self.standstill.over(now);
        let stuck = still.into_iter().any(|partition| {
            let end = self.topic.end(partition, now + LOOKS);
            end.map_or(true, |end| end > self.positions[partition])
        });
        if !stuck {
            return;
        }
        if let Err(error) = self.topic.renew(&self.positions) {
            self.errors += 1;
            self.last_error = Some(error.to_string());
        }
    }

    /// Whether every partition was read to an end that two looks agree on.
    fn is_at_end(&mut self, until: Instant) -> bool {
        let Some(first) = self.ends(until) else {
            return false;
        };
        if first
            .iter()
            .zip(&self.positions)
            .any(|(end, position)| end > position)
        {
            return false;
        }
        thread::sleep(BETWEEN_LOOKS);
        self.ends(until).is_some_and(|second| second == first)
    }

    /// The partitions' ends; `None` where the brokers do not say them in time.
    fn ends(&mut self, until: Instant) -> Option<Vec<i64>> {
        match self.topic.ends(self.positions.len(), until) {
            Ok(ends) => Some(ends),
            Err(error) => {
                self.errors += 1;
                self.last_error = Some(error.to_string());
                None
            }
        }
    }

    /// What became of the messages.
    pub(super) fn verdict(self) -> Verdict {
        let lost_ids = self.ledger.first_missing(NAMED);
        let ledger = self.ledger;
        Verdict {
            missing: ledger.missing(),
            lost_ids: lost_ids
                .iter()
                .map(|number| {
                    let mut fields = identity::fields(&self.run, &[]);
                    identity::patch(&mut fields, *number);
                    String::from_utf8_lossy(identity::message_id(&fields)).into_owned()
                })
                .collect(),
            records: ledger.records,
            foreign: self.foreign,
            duplicated_same_id: ledger.duplicated_same_id,
            duplicated_other_id: ledger.duplicated_other_id,
            altered: ledger.altered,
            envelope_differs: ledger.envelope_differs,
            stored_without_reply: ledger.stored_without_reply(),
            complete: self.complete,
            errors: self.errors,
            last_error: self.last_error,
            readable: self.readable,
        }
    }
}

/// What a record says of its message; `None` for a record of other origin.
fn described<'a>(
    message: &'a BorrowedMessage<'_>,
    run: &str,
    from: &str,
    to: &str,
) -> Option<Read<'a>> {
    let (found_run, number, intact) = match identity::check(message.payload()?) {
        Found::Foreign => return None,
        Found::Intact { run, number } => (run, number, true),
        Found::Altered { run, number } => (run, number, false),
    };
    if found_run != run.as_bytes() {
        return None;
    }
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let attributes =
        Attributes::decode(headers.map(|header| (header.key, header.value.unwrap_or_default())));
    let recipients = attributes.rcpt_to.unwrap_or_default();
    let mut numbered = (1..).zip(&recipients);
    let envelope = attributes.malformed.is_empty()
        && attributes.mail_from == Some(from)
        && !recipients.is_empty()
        && numbered.all(|(number, recipient)| *recipient == numbered_address(to, number));
    let id = attributes.id.unwrap_or_default().as_bytes();
    Some(Read {
        number,
        id,
        intact,
        envelope,
    })
}
