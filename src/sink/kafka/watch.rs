//! The thread that watches the cluster while mail flows: what it finds opens and closes the gate, and is said.
//!
//! Owns: when the cluster is asked, and which answers count. Must not know: producers' threads, sessions; what is asked is
//! `topic`'s, what is said of it is `finding`'s and `storage`'s.
//!
//! Invariants: the gate is closed as long as a record that is handed over could be lost after its 250; no worker waits for
//! this thread.
//!
//! BUGS: a change of the topic's configuration is seen some seconds later, as it is asked for every few rounds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::{Effect, Finding, Subject};
use super::lanes::Lanes;
use super::librdkafka::Events;
use super::size::{self, Size};
use super::storage::{Failure, Round, Storage};
use super::topic::{self, Look, Seen, Told, TopicSettings, Untold};
use crate::kafka::lock::lock;
use crate::kafka::reach::Said;
use crate::kafka::topic::TopicInfo;
use crate::sink::seam::Unready;
use crate::smtp::refusal::Refusal;

/// Pause between two rounds, and the longest that one takes to ask for the topic.
const PAUSE: Duration = Duration::from_secs(2);
const LOOK_WAIT: Duration = Duration::from_secs(1);
/// Rounds from one question for the topic's configuration to the next, and the longest wait for an answer.
const DESCRIBE_EVERY: u32 = 3;
const DESCRIBE_WAIT: Duration = Duration::from_secs(2);
/// Rounds in a row that have to find a trouble which may pass in a moment.
const CONFIRM: u32 = 2;

/// What the sink begins with.
#[derive(Debug, Clone)]
pub(crate) enum First {
    /// Nothing has been asked, and only the topic's partitions have to be: the broker is our own, or a test's.
    Trusted,
    /// What was seen a moment ago.
    Asked(Result<Seen, Finding>),
}

/// What workers, poll threads and the admin listener share with the thread.
pub(super) struct Watch {
    /// 0 while records are taken; otherwise one more than the place of their refusal in `CLOSED_WITH`.
    gate: AtomicU8,
    ready: AtomicBool,
    ended: AtomicBool,
    /// Whether a trouble is known, so that more of it need not wake the thread.
    away: AtomicBool,
    stored: AtomicBool,
    /// All brokers were unreachable at the same time since the last look.
    all_down: AtomicBool,
    refused: AtomicU64,
    failures: AtomicU64,
    /// Messages that were refused for their size.
    oversized: AtomicU64,
    failure: Mutex<Option<Failure>>,
    unready: Mutex<Unready>,
    said: Said,
    wake: Sender<()>,
    woken: Receiver<()>,
}

const CLOSED_WITH: [Refusal; 2] = [Refusal::StorageUnavailable, Refusal::StorageRefused];

impl Watch {
    pub(super) fn new() -> Self {
        let (wake, woken) = bounded(1);
        Self {
            gate: AtomicU8::new(0),
            ready: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            away: AtomicBool::new(false),
            stored: AtomicBool::new(false),
            all_down: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            oversized: AtomicU64::new(0),
            failure: Mutex::default(),
            unready: Mutex::new(Unready::Unasked),
            said: Said::default(),
            wake,
            woken,
        }
    }

    /// With what a record is refused before it is handed over, if so.
    pub(super) fn closed(&self) -> Option<Refusal> {
        match self.gate.load(Ordering::Relaxed) {
            0 => None,
            place => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Some(CLOSED_WITH[usize::from(place) - 1])
            }
        }
    }

    /// Whether mail would be stored, or why not.
    pub(super) fn ready(&self) -> Result<(), Unready> {
        match self.ready.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(lock(&self.unready).clone()),
        }
    }

    /// Records were stored.
    pub(super) fn stored(&self) {
        self.stored.store(true, Ordering::Relaxed);
    }

    /// A record was not stored. The first of a round wakes the thread.
    pub(super) fn failed(&self, code: Code, text: Option<&str>) {
        if Failure::is_of_its_size(code) && self.oversized.fetch_add(1, Ordering::Relaxed) == 0 {
            self.wake_up();
        }
        if Failure::is_the_records_own(code) {
            return;
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        *lock(&self.failure) = Some(Failure {
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

    /// Whether Kafka has refused a record since the last round: why is asked at once.
    fn refuses(&self) -> bool {
        let failure = lock(&self.failure);
        failure.as_ref().is_some_and(Failure::is_a_refusal)
            || self.oversized.load(Ordering::Relaxed) > 0
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

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
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

    fn log(&self, level: i32, facility: &str, text: &str) {
        self.events.log(level, facility, text);
    }

    fn undelivered(&self, code: Code, text: Option<&str>) {
        self.watch.failed(code, text);
        self.events.undelivered(code, text);
    }
}

/// The thread's own memory.
pub(super) struct Watcher {
    subject: Subject,
    topic: String,
    /// Whether configuration and rights are asked for.
    describes: bool,
    settings: Option<Told<TopicSettings>>,
    writable: Option<Told<bool>>,
    /// The last finding, and in how many rounds in a row there was one.
    rounds_in_trouble: u32,
    rounds: u32,
    size: Size,
    storage: Storage,
}

impl Watcher {
    pub(super) fn new(subject: Subject, topic: &str, first: &First) -> Self {
        Self {
            subject,
            topic: topic.to_owned(),
            describes: matches!(first, First::Asked(_)),
            settings: None,
            writable: None,
            rounds_in_trouble: 0,
            rounds: 0,
            size: Size::default(),
            storage: Storage::default(),
        }
    }

    /// Judges what was seen before the sink began, so that its trouble is said before "ready" is.
    pub(super) fn begin(&mut self, watch: &Watch, first: First) {
        let First::Asked(seen) = first else { return };
        self.rounds_in_trouble = CONFIRM;
        match seen {
            Ok(seen) => {
                self.settings = Some(seen.settings.clone());
                self.writable = Some(seen.writable.clone());
                let findings = seen.findings(&self.subject);
                self.conclude(watch, findings);
            }
            Err(finding) => self.conclude(watch, vec![finding]),
        }
    }

    /// Watches until [`Watch::end`].
    pub(super) fn run(mut self, watch: &Watch, lanes: &Lanes) {
        while !watch.ended() {
            let findings = self.ask(watch, lanes);
            if watch.ended() {
                return;
            }
            self.conclude(watch, findings);
            match watch.woken.recv_timeout(PAUSE) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn ask(&mut self, watch: &Watch, lanes: &Lanes) -> Vec<Finding> {
        let producer = lanes.producer(0);
        let look = topic::look(producer, &self.topic, LOOK_WAIT);
        // A producer that has seen the topic missing looks again when it is asked to.
        for other in 1..lanes.names().count() {
            if !watch.ended() && matches!(look, Look::Found(_)) {
                let _ = topic::look(lanes.producer(other), &self.topic, LOOK_WAIT);
            }
        }
        match look {
            Look::Found(info) => {
                watch.said.forget();
                watch.all_down.store(false, Ordering::Relaxed);
                self.describe(watch, lanes);
                self.judge(info)
            }
            Look::Bad(finding) => vec![finding],
            Look::Silent(code) => {
                if watch.all_down.load(Ordering::Relaxed) {
                    self.rounds_in_trouble = CONFIRM;
                }
                vec![Finding::Unreachable(watch.said.reason(code))]
            }
        }
    }

    fn describe(&mut self, watch: &Watch, lanes: &Lanes) {
        let due = self.rounds.is_multiple_of(DESCRIBE_EVERY)
            || self.settings.is_none()
            || self.storage.reason().is_some()
            || watch.refuses()
            || self.size.is_in_trouble();
        self.rounds = self.rounds.wrapping_add(1);
        if !self.describes || !due {
            return;
        }
        let stop = || watch.ended();
        let producer = lanes.producer(0);
        let (settings, writable) = topic::describe(producer, &self.topic, DESCRIBE_WAIT, stop);
        // An answer is worth more than none: what is known stays known while a broker is slow to answer.
        if settings.is_ok() || self.settings.is_none() {
            self.settings = Some(settings);
        }
        self.writable = Some(writable);
    }

    fn judge(&mut self, info: TopicInfo) -> Vec<Finding> {
        let seen = Seen {
            info,
            settings: self.settings.clone().unwrap_or(Err(Untold::Unasked)),
            writable: self.writable.clone().unwrap_or(Err(Untold::Unasked)),
        };
        seen.findings(&self.subject)
    }

    fn conclude(&mut self, watch: &Watch, findings: Vec<Finding>) {
        let stored = watch.stored.swap(false, Ordering::Relaxed);
        self.say_size(watch, &findings);
        let failure = lock(&watch.failure).take();
        let contradicted = stored && failure.is_none();
        let stops = findings
            .into_iter()
            .filter(|finding| finding.effect(&self.subject) != Effect::Warns)
            // A cluster that is wrong about rights is contradicted by what it stores; so is a silence of the one broker that
            // was asked.
            .find(|finding| {
                !(contradicted && matches!(finding, Finding::Unwritable | Finding::Unreachable(_)))
            });
        self.rounds_in_trouble = match &stops {
            Some(_) => self.rounds_in_trouble.saturating_add(1),
            None => 0,
        };
        let certain = self.rounds_in_trouble >= CONFIRM
            || self.storage.reason().is_some()
            || failure.is_some();
        let stops = stops.filter(|finding| certain || !may_pass(finding));
        self.move_gate(watch, stops.as_ref());
        let round = Round {
            finding: stops,
            failure,
            writable: self.writable == Some(Ok(true)),
            refused: watch.refused.swap(0, Ordering::Relaxed),
            stored,
        };
        watch.failures.store(0, Ordering::Relaxed);
        let line = self.storage.judge(round, Instant::now(), Timestamp::now());
        self.publish(watch);
        if let Some(line) = line {
            line.write(&self.subject);
        }
    }

    fn publish(&self, watch: &Watch) {
        let reason = self.storage.unready();
        if let Some(reason) = reason {
            *lock(&watch.unready) = Unready::Away(reason.text(&self.subject));
        }
        // What is not certain yet changes nothing.
        let known = self.rounds_in_trouble == 0 || watch.ready.load(Ordering::Relaxed);
        let ready = reason.is_none() && known && !watch.ended();
        let away = self.storage.reason().is_some();
        watch.away.store(away, Ordering::Relaxed);
        watch.ready.store(ready, Ordering::Relaxed);
    }

    /// Closed while the topic is missing or compacted, and as long as neither is known.
    fn move_gate(&self, watch: &Watch, stops: Option<&Finding>) {
        let refuses = |finding: &&Finding| finding.effect(&self.subject) == Effect::Refuses;
        let place = match stops.filter(refuses) {
            Some(Finding::Compacted(_) | Finding::BelowFloor(_)) => 2,
            Some(_) => 1,
            None if self.describes && self.settings.is_none() => 1,
            None => 0,
        };
        assert!(
            usize::from(place) <= CLOSED_WITH.len(),
            "it has its refusal"
        );
        watch.gate.store(place, Ordering::Relaxed);
    }

    fn say_size(&mut self, watch: &Watch, findings: &[Finding]) {
        let limit = |finding: &Finding| match finding {
            Finding::TooSmall(most) => Some(*most),
            _ => None,
        };
        let settings = self.settings.as_ref().and_then(|told| told.as_ref().ok());
        let round = size::Round {
            too_small: findings.iter().find_map(limit),
            known: settings.is_some_and(|settings| settings.max_message_bytes.is_some()),
            refused: watch.oversized.swap(0, Ordering::Relaxed),
        };
        if let Some(line) = self.size.judge(&round, Instant::now()) {
            line.write(&self.subject);
        }
    }
}

/// Whether it may be over at the next look: a leader is being chosen, or one answer was late.
fn may_pass(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::Unreachable(_)
            | Finding::Leaderless(..)
            | Finding::FewInSync(..)
            | Finding::Missing(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_a_missing_right_has_the_command_though_the_cluster_does_not_tell_rights() {
        let subject = Subject::of_a_test().advertised();
        let (watch, mut watcher) = (Watch::new(), Watcher::new(subject, "mail", &First::Trusted));
        watch.failed(Code::TopicAuthorizationFailed, None);
        watcher.conclude(&watch, Vec::new());
        let reason = watch.ready().unwrap_err().to_string();
        assert!(reason.contains("kafka-acls.sh"), "{reason}");
        assert!(reason.contains("--operation Write"), "{reason}");
    }

    #[test]
    fn a_record_that_is_too_large_leaves_the_server_ready_and_wakes_it_once() {
        let subject = Subject::of_a_test().advertised();
        let (watch, mut watcher) = (Watch::new(), Watcher::new(subject, "mail", &First::Trusted));
        for _ in 0..3 {
            watch.failed(Code::MessageSizeTooLarge, None);
        }
        assert!(watch.refuses() && watch.woken.try_recv().is_ok());
        assert!(watch.woken.try_recv().is_err());
        watcher.conclude(&watch, Vec::new());
        assert!(watcher.size.is_in_trouble() && watcher.storage.reason().is_none());
        assert_eq!(watch.ready(), Ok(()));
        assert!(!watch.refuses());
    }

    #[test]
    fn a_topic_below_the_floor_closes_the_gate() {
        let subject = Subject::of_a_test().advertised();
        let (watch, mut watcher) = (Watch::new(), Watcher::new(subject, "mail", &First::Trusted));
        watcher.conclude(&watch, vec![Finding::BelowFloor(1_000)]);
        assert_eq!(watch.closed(), Some(Refusal::StorageRefused));
        assert!(watch.ready().is_err());
        watcher.conclude(&watch, Vec::new());
        assert_eq!(watch.closed(), None);
    }
}
