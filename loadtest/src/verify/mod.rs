//! `--verify`: reads the topic back while the run goes on, and says what became of each message that got its 250.
//!
//! Reading starts where the partitions end when the run begins, without a consumer group. A message is found by the fields
//! that name it and checked octet by octet against them (see [`crate::content::identity`]); what else is in the topic is
//! foreign and only counted.
//!
//! A message is called lost only when its 250 was read, it did not come within `--verify-wait`, and every partition was
//! read to an end on which two looks agree: right after a failover an end may be early.
//!
//! # BUGS
//! - The time to readable is that of this reader: where it falls behind (both sides saturated), its lag is in it.
//! - Partitions that are added during the run are not read.

mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ringpost_proto::mail::decode::Attributes;

use crate::content::identity::{self, Found};
use crate::content::template::numbered_address;
use crate::plan::Plan;
use crate::tally::{Tally, record};
use crate::units::grouped;
use crate::view::View;
use ledger::{Ledger, Read};

/// How long a request to the brokers may take.
const REQUEST: Duration = Duration::from_secs(20);
/// One try of the first request, at the end of which a signal is seen.
const LOOK_UP: Duration = Duration::from_secs(1);
/// How long a poll waits for a record.
const POLL: Duration = Duration::from_millis(10);
/// Between two looks at the ends of the partitions.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// The looks at the ends get so much of `--verify-wait`, and that is the least of it.
const LOOKS: Duration = Duration::from_secs(2);
/// Lost messages that are named.
const NAMED: usize = 10;

/// What a sending thread tells.
pub enum Sent {
    /// A message got its 250 then.
    Accepted(u64, Instant),
}

/// What became of the messages.
pub struct Verdict {
    /// Accepted messages whose records were not found: lost if the reading is complete.
    pub missing: u64,
    /// The Message-IDs of the first of those.
    pub lost_ids: Vec<String>,
    /// Records of this run.
    pub records: u64,
    /// Records of other origin.
    pub foreign: u64,
    /// See [`Ledger`].
    pub duplicated_same_id: u64,
    /// See [`Ledger`].
    pub duplicated_other_id: u64,
    /// See [`Ledger`].
    pub altered: u64,
    /// See [`Ledger`].
    pub envelope_differs: u64,
    /// Stored, though no 250 was read.
    pub stored_without_reply: u64,
    /// Whether every partition was read to its end.
    pub complete: bool,
    /// Errors of the Kafka client, the last of them.
    pub errors: u64,
    /// The text of the last one.
    pub last_error: Option<String>,
    /// Microseconds from reading the 250 to reading the record; 0 where the record came first.
    pub readable: Histogram<u64>,
}

/// The reader, in a thread of its own.
pub struct Verifier {
    sender: Sender<Sent>,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Reader>,
}

impl Verifier {
    /// Finds the ends of all partitions, and reads from there on. The error is a text for the operator.
    pub fn start(plan: &Plan) -> Result<Verifier, String> {
        let (sender, receiver) = channel();
        let ending = Arc::new(AtomicBool::new(false));
        let reader = Reader::new(plan, receiver, Arc::clone(&ending))?;
        let thread = thread::Builder::new()
            .name("verify".to_owned())
            .spawn(move || reader.run())
            .map_err(|error| format!("--verify: {error}"))?;
        Ok(Verifier {
            sender,
            ending,
            thread,
        })
    }

    /// For a sending thread.
    pub fn sender(&self) -> Sender<Sent> {
        self.sender.clone()
    }

    /// Waits for what is missing, at most so long, and sums up.
    pub fn finish(self, tally: &Tally, wait: Duration, view: &View) -> Result<Verdict, String> {
        drop(self.sender);
        if tally.accepted > 0 {
            view.note(&format!(
                "verify: reading back {} accepted messages, at most {wait:?}",
                grouped(tally.accepted)
            ));
        }
        self.ending.store(true, Ordering::Relaxed);
        let reader = self
            .thread
            .join()
            .map_err(|_| "the reader panicked; its message is above".to_owned())?;
        Ok(reader.verdict())
    }
}

struct Reader {
    consumer: BaseConsumer,
    topic: String,
    run: String,
    from: String,
    to: String,
    wait: Duration,
    receiver: Receiver<Sent>,
    ending: Arc<AtomicBool>,
    ledger: Ledger,
    /// The next offset of each partition, and the end that was seen first.
    positions: Vec<i64>,
    foreign: u64,
    errors: u64,
    last_error: Option<String>,
    readable: Histogram<u64>,
    complete: bool,
}

impl Reader {
    fn new(
        plan: &Plan,
        receiver: Receiver<Sent>,
        ending: Arc<AtomicBool>,
    ) -> Result<Reader, String> {
        let options = &plan.options;
        let (brokers, topic) = (
            options.brokers.clone().unwrap_or_default(),
            options.topic.clone().unwrap_or_default(),
        );
        let consumer = consumer(&brokers, &options.kafka, &plan.run)?;
        let failed = |error: rdkafka::error::KafkaError| {
            format!(
                "--verify: topic {topic} at {brokers}: {error}; give brokers that answer and a topic that exists"
            )
        };
        let metadata = look_up(&consumer, &topic, &brokers, options.quiet)?.map_err(failed)?;
        let partitions = metadata
            .topics()
            .first()
            .map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            return Err(format!(
                "--verify: topic {topic} at {brokers}: it does not exist; create it, or give another"
            ));
        }
        let (mut list, mut positions) = (TopicPartitionList::new(), Vec::new());
        for partition in 0..partitions as i32 {
            let (_, end) = consumer
                .fetch_watermarks(&topic, partition, REQUEST)
                .map_err(failed)?;
            list.add_partition_offset(&topic, partition, Offset::Offset(end))
                .map_err(failed)?;
            positions.push(end);
        }
        consumer.assign(&list).map_err(failed)?;
        let readable = Tally::new().phases[0].clone();
        Ok(Reader {
            consumer,
            run: plan.run.clone(),
            from: options.from.clone(),
            to: options.to.clone(),
            wait: options.verify_wait,
            topic,
            receiver,
            ending,
            ledger: Ledger::default(),
            positions,
            foreign: 0,
            errors: 0,
            last_error: None,
            readable,
            complete: false,
        })
    }

    /// Reads until the run is over and nothing is missing, or the wait is over.
    fn run(mut self) -> Reader {
        let mut ending: Option<(Instant, Instant)> = None;
        // A signal that ended the run does not end the reading; one that comes later does.
        let mut signalled = true;
        loop {
            let open = self.hear();
            let polled = self.poll();
            if ending.is_none() && !open && self.ending.load(Ordering::Relaxed) {
                let end = Instant::now() + self.wait.max(LOOKS);
                ending = Some((end - LOOKS, end));
                signalled = crate::signals::stopped();
            }
            let Some((until, end)) = ending else { continue };
            if !signalled && crate::signals::stopped() {
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

    /// Takes what the sending threads tell; whether they may tell more.
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

    /// Reads what is there, waiting shortly for the first; whether there was anything.
    fn poll(&mut self) -> bool {
        const BATCH: usize = 1000;
        let mut wait = POLL;
        for count in 0..BATCH {
            match self.consumer.poll(wait) {
                None => return count > 0,
                Some(Err(error)) => {
                    self.errors += 1;
                    self.last_error = Some(error.to_string());
                }
                Some(Ok(message)) => {
                    let at = Instant::now();
                    self.positions[message.partition() as usize] = message.offset() + 1;
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
        let partitions = 0..self.positions.len() as i32;
        let ends: Result<Vec<i64>, _> = partitions
            .map(|partition| {
                self.consumer
                    .fetch_watermarks(&self.topic, partition, left(until))
                    .map(|(_, end)| end)
            })
            .collect();
        ends.map_err(|error| {
            self.errors += 1;
            self.last_error = Some(error.to_string());
        })
        .ok()
    }

    fn verdict(self) -> Verdict {
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

/// Asks for the topic, again and again within the time of a request, so that a signal is seen meanwhile.
fn look_up(
    consumer: &BaseConsumer,
    topic: &str,
    brokers: &str,
    quiet: bool,
) -> Result<KafkaResult<Metadata>, String> {
    let until = Instant::now() + REQUEST;
    let mut said = quiet;
    loop {
        let found = consumer.fetch_metadata(Some(topic), LOOK_UP);
        if crate::signals::stopped() {
            return Err(format!("stopped by a signal while it waited for {brokers}"));
        }
        if found.is_ok() || Instant::now() >= until {
            return Ok(found);
        }
        if !said {
            eprintln!("waiting for {brokers}, at most {REQUEST:?}");
            said = true;
        }
    }
}

/// How long a request may take that must be done by then.
fn left(until: Instant) -> Duration {
    let left = until.saturating_duration_since(Instant::now());
    left.clamp(POLL, REQUEST)
}

fn consumer(brokers: &str, properties: &[String], run: &str) -> Result<BaseConsumer, String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // librdkafka wants a group even where none is used.
        .set("group.id", format!("ringpost-loadtest-{run}"))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        // A broker that comes back is to be found soon.
        .set("reconnect.backoff.max.ms", "1000");
    for property in properties {
        let (name, value) = property.split_once('=').ok_or_else(|| {
            format!("--kafka {property:?}: give name=value, e.g. security.protocol=SSL")
        })?;
        config.set(name.trim(), value.trim());
    }
    config
        .create()
        .map_err(|error| format!("--kafka: {error}; see librdkafka's CONFIGURATION.md"))
}

/// What a record tells; `None` for one of other origin.
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
    let told =
        Attributes::decode(headers.map(|header| (header.key, header.value.unwrap_or_default())));
    let recipients = told.rcpt_to.unwrap_or_default();
    let mut numbered = (1..).zip(&recipients);
    let envelope = told.malformed.is_empty()
        && told.mail_from == Some(from)
        && !recipients.is_empty()
        && numbered.all(|(number, recipient)| *recipient == numbered_address(to, number));
    let id = told.id.unwrap_or_default().as_bytes();
    Some(Read {
        number,
        id,
        intact,
        envelope,
    })
}
