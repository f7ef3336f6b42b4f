//! What workers, poll threads and the admin listener share with the thread that watches the cluster.
//!
//! Owns: the gate of each topic, what senders may begin, and what was seen since the thread last looked. Must not know: what is
//! asked of a cluster, and what follows from an answer.
//!
//! Invariants: a question of a worker is one load; nothing here waits for the thread. What is counted is counted once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::librdkafka::Events;
use super::reason::Failure;
use crate::config::TopicPlace;
use crate::kafka::lock::lock;
use crate::kafka::reach::Said;
use crate::kafka::way::Way;
use crate::sink::condition::Condition;
use crate::sink::seam::Unready;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::Intake;

/// See the module.
pub(super) struct Watch {
    /// In the order of the topics.
    topics: Box<[Gate]>,
    /// What senders may begin, by its place in [`INTAKES`].
    intake: AtomicU8,
    ready: AtomicBool,
    ended: AtomicBool,
    /// Whether a trouble is known, so that more of it need not wake the thread.
    away: AtomicBool,
    /// All brokers were unreachable at the same time since the last look.
    all_down: AtomicBool,
    /// Clients that were refused before their mail.
    turned_away: AtomicU64,
    /// When it began: what follows is counted from here.
    origin: Instant,
    unready: Mutex<Unready>,
    condition: Mutex<Condition>,
    said: Said,
    wake: Sender<()>,
    woken: Receiver<()>,
}

/// Of one topic.
#[derive(Default)]
pub(super) struct Gate {
    /// 0 while records are taken; otherwise one more than the place of their refusal in [`CLOSED_WITH`].
    closed: AtomicU8,
    /// When one was last stored, in microseconds after [`Watch::origin`]; 0 if none was since the thread last looked.
    stored: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    /// Messages that were refused for their size.
    oversized: AtomicU64,
    failure: Mutex<Option<Failure>>,
}

/// What was seen of one topic since the last time.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// When a record was last stored, if one was.
    pub(super) stored: Option<Instant>,
    /// Messages that were not stored.
    pub(super) refused: u64,
    /// Messages that were refused for their size.
    pub(super) oversized: u64,
    /// The first record that was not stored.
    pub(super) failure: Option<Failure>,
}

const CLOSED_WITH: [Refusal; 2] = [Refusal::StorageUnavailable, Refusal::StorageRefused];
const INTAKES: [Intake; 3] = [Intake::Open, Intake::NoMail, Intake::Closed];

impl Watch {
    /// For this many topics.
    pub(super) fn new(topics: usize) -> Self {
        assert!(topics > 0, "records go somewhere");
        let (wake, woken) = bounded(1);
        Self {
            topics: (0..topics).map(|_| Gate::default()).collect(),
            intake: AtomicU8::new(0),
            ready: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            away: AtomicBool::new(false),
            all_down: AtomicBool::new(false),
            turned_away: AtomicU64::new(0),
            origin: Instant::now(),
            unready: Mutex::new(Unready::Unasked),
            condition: Mutex::default(),
            said: Said::default(),
            wake,
            woken,
        }
    }

    /// With what a record of this topic is refused before it is handed over, if so.
    pub(super) fn closed(&self, topic: usize) -> Option<Refusal> {
        let gate = &self.topics[topic];
        match gate.closed.load(Ordering::Relaxed) {
            0 => None,
            place => {
                gate.refused.fetch_add(1, Ordering::Relaxed);
                Some(CLOSED_WITH[usize::from(place) - 1])
            }
        }
    }

    /// What senders may begin.
    pub(super) fn intake(&self) -> Intake {
        INTAKES[usize::from(self.intake.load(Ordering::Relaxed))]
    }

    /// A client was refused before its mail.
    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether mail would be stored, or why not.
    pub(super) fn ready(&self) -> Result<(), Unready> {
        match self.ready.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(lock(&self.unready).clone()),
        }
    }

    /// Records of this topic were stored just now.
    pub(super) fn stored(&self, topic: usize) {
        let now = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let now = now.max(1);
        self.topics[topic].stored.store(now, Ordering::Relaxed);
    }

    /// A record of this topic was not stored. The first of a round wakes the thread.
    pub(super) fn failed(&self, topic: usize, code: Code, text: Option<&str>) {
        let gate = &self.topics[topic];
        if Failure::is_of_its_size(code) && gate.oversized.fetch_add(1, Ordering::Relaxed) == 0 {
            self.wake_up();
        }
        if Failure::is_the_records_own(code) {
            return;
        }
        gate.refused.fetch_add(1, Ordering::Relaxed);
        if gate.failures.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        *lock(&gate.failure) = Some(Failure {
            code,
            text: text.map(str::to_owned),
        });
        self.wake_up();
    }

    /// librdkafka said something of its connections.
    fn heard(&self, code: Code, text: &str) {
        if !self.said.note(code, text) {
            self.all_down.store(true, Ordering::Relaxed);
            self.wake_up();
        }
    }

    fn wake_up(&self) {
        if !self.away.load(Ordering::Relaxed) {
            // A full channel wakes it as well.
            let _ = self.wake.try_send(());
        }
    }

    /// The thread is to end, and nothing more is said.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.ready.store(false, Ordering::Relaxed);
        let _ = self.wake.try_send(());
    }
}

/// What the watching thread asks and says.
impl Watch {
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Waits until something has happened or this is over; false where nothing ever will.
    pub(super) fn wait(&self, most: Duration) -> bool {
        self.woken.recv_timeout(most) != Err(RecvTimeoutError::Disconnected)
    }

    /// A broker answers: what was said of the way to it is over.
    pub(super) fn answered(&self) {
        self.said.forget();
        self.all_down.store(false, Ordering::Relaxed);
    }

    /// Whether all brokers were unreachable since one last answered.
    pub(super) fn is_all_down(&self) -> bool {
        self.all_down.load(Ordering::Relaxed)
    }

    /// Looks for what librdkafka does not say of brokers in TLS: what is wrong with their certificates, or with ours. Blocks for a
    /// second or so.
    pub(super) fn look_closer(&self, brokers: &str, way: &Way) {
        if !way.clear {
            self.said.probe(brokers, way);
        }
    }

    /// Why no broker answers; where nothing was said, what this error means.
    pub(super) fn why(&self, code: Code) -> String {
        self.said.reason(code)
    }

    /// Why there is no token to log in with, if there is none.
    pub(super) fn no_token(&self) -> Option<String> {
        self.said.no_token()
    }

    /// Whether Kafka has refused a record of this topic since the last round: why is asked at once.
    pub(super) fn refuses(&self, topic: usize) -> bool {
        let gate = &self.topics[topic];
        let failure = lock(&gate.failure);
        failure.as_ref().is_some_and(Failure::is_a_refusal)
            || gate.oversized.load(Ordering::Relaxed) > 0
    }

    /// What was seen of this topic since the last time.
    pub(super) fn take(&self, topic: usize) -> Passed {
        let gate = &self.topics[topic];
        let passed = Passed {
            stored: match gate.stored.swap(0, Ordering::Relaxed) {
                0 => None,
                last => Some(self.origin + Duration::from_micros(last)),
            },
            refused: gate.refused.swap(0, Ordering::Relaxed),
            oversized: gate.oversized.swap(0, Ordering::Relaxed),
            failure: lock(&gate.failure).take(),
        };
        gate.failures.store(0, Ordering::Relaxed);
        passed
    }

    /// Clients that were refused before their mail since the last time.
    pub(super) fn take_turned_away(&self) -> u64 {
        self.turned_away.swap(0, Ordering::Relaxed)
    }

    /// Closes a topic's gate with this refusal, or opens it.
    pub(super) fn set_gate(&self, topic: usize, refusal: Option<Refusal>) {
        let place = refusal.map_or(0, |refusal| {
            let place = CLOSED_WITH.iter().position(|&known| known == refusal);
            1 + place.expect("a gate closes with one of its refusals")
        });
        let place = u8::try_from(place).expect("refusals of a gate are few");
        self.topics[topic].closed.store(place, Ordering::Relaxed);
    }

    /// Lets senders begin this, and no more.
    pub(super) fn let_begin(&self, intake: Intake) {
        let place = INTAKES.iter().position(|&known| known == intake);
        let place = u8::try_from(place.expect("it is one of them")).expect("they are three");
        self.intake.store(place, Ordering::Relaxed);
    }

    /// Whether mail would be stored; the reason that is shown where it would not; whether a trouble is known.
    pub(super) fn publish(&self, ready: bool, reason: Option<String>, away: bool) {
        if let Some(reason) = reason {
            *lock(&self.unready) = Unready::Away(reason);
        }
        self.away.store(away, Ordering::Relaxed);
        self.ready.store(ready && !self.ended(), Ordering::Relaxed);
    }

    /// What was last found of the topics.
    pub(super) fn condition(&self) -> Condition {
        lock(&self.condition).clone()
    }

    /// What was found of the topics.
    pub(super) fn show(&self, condition: Condition) {
        *lock(&self.condition) = condition;
    }

    /// Whether it is ready now.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// A sink's events: what they tell of the storage is noted, all else goes on.
pub(super) struct Noted {
    pub(super) watch: std::sync::Arc<Watch>,
    pub(super) events: Box<dyn Events>,
}

impl Events for Noted {
    fn error(&self, code: Code, text: &str) {
        self.watch.heard(code, text);
        self.events.error(code, text);
    }

    fn token(&self, why: Option<&str>) {
        self.watch.said.note_token(why);
        self.events.token(why);
    }

    fn log(&self, level: i32, facility: &str, text: &str) {
        self.events.log(level, facility, text);
    }

    fn undelivered(&self, topic: TopicPlace, code: Code, text: Option<&str>) {
        self.watch.failed(topic.index(), code, text);
        self.events.undelivered(topic, code, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_its_own_gate_and_its_own_counts() {
        let watch = Watch::new(2);
        watch.set_gate(1, Some(Refusal::StorageRefused));
        assert_eq!(watch.closed(0), None);
        assert_eq!(watch.closed(1), Some(Refusal::StorageRefused));
        watch.failed(1, Code::MessageTimedOut, None);
        watch.stored(0);
        let (first, second) = (watch.take(0), watch.take(1));
        assert!(first.stored.is_some() && first.refused == 0 && first.failure.is_none());
        assert!(second.stored.is_none() && second.refused == 2 && second.failure.is_some());
        assert_eq!(watch.take(1).refused, 0, "it is counted once");
        watch.set_gate(1, None);
        assert_eq!(watch.closed(1), None);
    }

    #[test]
    fn senders_are_told_what_they_may_begin() {
        let watch = Watch::new(1);
        assert_eq!(watch.intake(), Intake::Open);
        for intake in INTAKES {
            watch.let_begin(intake);
            assert_eq!(watch.intake(), intake);
        }
        watch.turned_away();
        assert_eq!((watch.take_turned_away(), watch.take_turned_away()), (1, 0));
    }

    #[test]
    fn the_first_record_that_is_too_large_wakes_the_thread() {
        let watch = Watch::new(1);
        for _ in 0..3 {
            watch.failed(0, Code::MessageSizeTooLarge, None);
        }
        assert!(watch.refuses(0) && watch.woken.try_recv().is_ok());
        assert!(watch.woken.try_recv().is_err());
        assert_eq!(watch.take(0).oversized, 3);
        assert!(!watch.refuses(0));
    }
}
