//! A Kafka that is slow, refuses, is full, is down, reorders its reports, and forgets one now and then.
//!
//! Owns: the log, which outlives every crash of the server, and the reports to come. Must not know: sessions.
//!
//! Invariant: a record is acknowledged in the log before its report "stored" leaves.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Mutex;

use ringpost::config::{TopicPlace, Topics};
use ringpost::sink::{Description, Keeps, Outcome, Report, Sink, Submission, Ticket, Unready};
use ringpost_proto::mail::record::{Record, Value};
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::Intake;

use crate::random::Random;

/// Microseconds of a batch.
const BATCH: u64 = 20_000;

/// How Kafka is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers within milliseconds.
    Healthy,
    /// Answers within seconds, or when no session waits any longer.
    Slow,
    /// Refuses at once.
    Refusing(Refusal),
    /// Answers nothing before it is up again.
    Down,
    /// Loses reports.
    Losing,
}

#[derive(Debug)]
struct Waiting {
    due: u64,
    report: Report,
    id: String,
    /// Whether the report is lost forever.
    lost: bool,
}

#[derive(Debug)]
struct Entry {
    from: String,
    acknowledged: bool,
}

#[derive(Debug)]
struct State {
    random: Random,
    mode: Mode,
    /// What it lets begin, and since when.
    intake: (Intake, u64),
    now: u64,
    queue_most: usize,
    batches: bool,
    /// The names of the topics.
    topics: Topics,
    waiting: Vec<Waiting>,
    log: HashMap<String, Entry>,
    /// Records of the judge's, submitted since it last looked.
    fresh: Vec<Fresh>,
}

/// A record that was submitted.
#[derive(Debug)]
pub struct Fresh {
    /// Its topic.
    pub topic: String,
    /// Its headers.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether its report is to come.
    pub pending: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Kafka(Mutex<State>);

impl Kafka {
    /// Healthy, with an empty log.
    pub fn new(random: Random, queue_most: usize, topics: Topics) -> Self {
        let mut random = random;
        Self(Mutex::new(State {
            batches: random.once_in(2),
            random,
            mode: Mode::Healthy,
            intake: (Intake::Open, 0),
            now: 0,
            queue_most,
            topics,
            waiting: Vec::new(),
            log: HashMap::new(),
            fresh: Vec::new(),
        }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// It becomes another; what waited for it to be up is answered soon.
    pub fn become_(&self, mode: Mode) {
        let mut state = self.state();
        let state = &mut *state;
        state.mode = mode;
        if mode == Mode::Healthy {
            let together = state
                .random
                .once_in(2)
                .then(|| state.now + state.random.below(300_000) as u64);
            for waiting in state.waiting.iter_mut().filter(|waiting| !waiting.lost) {
                let alone = state.now + state.random.between(100, 500_000) as u64;
                let soon = together.unwrap_or(alone);
                waiting.due = waiting.due.min(soon);
            }
        }
    }

    /// It lets this begin from now on.
    pub fn let_begin(&self, intake: Intake) {
        let mut state = self.state();
        if state.intake.0 != intake {
            state.intake = (intake, state.now);
        }
    }

    /// Whether it has let everything begin at every moment since then.
    pub fn is_open_since(&self, then: u64) -> bool {
        let (intake, since) = self.state().intake;
        intake == Intake::Open && since < then
    }

    /// Whether it has let no transaction begin at any moment since then.
    pub fn takes_no_mail_since(&self, then: u64) -> bool {
        let (intake, since) = self.state().intake;
        intake != Intake::Open && since < then
    }

    /// Whether it has let no session begin at any moment since then.
    pub fn is_closed_since(&self, then: u64) -> bool {
        let (intake, since) = self.state().intake;
        intake == Intake::Closed && since < then
    }

    /// Time passes.
    pub fn advance_to(&self, now: u64) {
        self.state().now = now;
    }

    /// When the next report is due.
    pub fn next_due(&self) -> Option<u64> {
        self.state()
            .waiting
            .iter()
            .map(|waiting| waiting.due)
            .min()
            .filter(|&due| due < u64::MAX)
    }

    /// A report that is due, in any order.
    pub fn report(&self) -> Option<Report> {
        let mut state = self.state();
        let state = &mut *state;
        let now = state.now;
        let due: Vec<usize> = (0..state.waiting.len())
            .filter(|&at| state.waiting[at].due <= now)
            .collect();
        if due.is_empty() {
            return None;
        }
        let waiting = state.waiting.swap_remove(*state.random.of(&due));
        if waiting.report.outcome == Outcome::Stored {
            state
                .log
                .get_mut(&waiting.id)
                .expect("it was submitted")
                .acknowledged = true;
        }
        Some(waiting.report)
    }

    /// The process that waited for reports is gone. Its records may have reached the log all the same.
    pub fn forget_reports(&self) {
        self.state().waiting.clear();
    }

    /// Reports that will never come.
    pub fn lost(&self) -> usize {
        self.state()
            .waiting
            .iter()
            .filter(|waiting| waiting.lost)
            .count()
    }

    /// Mails of which a record waits for its report, and the bytes that their bodies hold: once for all records of a mail.
    pub fn in_flight(&self) -> (usize, usize) {
        let state = self.state();
        let mut mails = BTreeMap::new();
        for waiting in &state.waiting {
            let octets = match &waiting.report.record.value {
                Value::Own(body) => body.capacity(),
                Value::Shared(body) => body.len(),
            };
            mails.insert(mail_of(&waiting.id), octets);
        }
        (mails.len(), mails.values().sum())
    }

    /// Whether the log has it.
    pub fn is_acknowledged(&self, id: &str) -> bool {
        self.state()
            .log
            .get(id)
            .is_some_and(|entry| entry.acknowledged)
    }

    /// The reverse-path of the record with this id.
    pub fn from(&self, id: &str) -> Option<String> {
        self.state().log.get(id).map(|entry| entry.from.clone())
    }

    /// Records submitted since the last call.
    pub fn take_fresh(&self) -> Vec<Fresh> {
        std::mem::take(&mut self.state().fresh)
    }
}

/// The id of the mail that a record is a part of, or all of.
pub fn mail_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(mail, _)| mail)
}

impl Sink for Kafka {
    fn submit(&self, topic: TopicPlace, ticket: Ticket, record: Box<Record>) -> Submission {
        let mut state = self.state();
        let state = &mut *state;
        let header = |name: &str| {
            let value = record.headers().find(|(have, _)| *have == name);
            let (_, value) = value.expect("a header of every record");
            String::from_utf8(value.to_vec()).expect("UTF-8")
        };
        let (id, from) = (header("ce_id"), header("ce_smtpfrom"));
        let entry = Entry {
            from,
            acknowledged: false,
        };
        assert!(
            state.log.insert(id.clone(), entry).is_none(),
            "an id names one record"
        );
        let headers = record
            .headers()
            .map(|(name, value)| (name, value.to_vec()))
            .collect();
        state.fresh.push(Fresh {
            topic: state.topics.name(topic).to_owned(),
            headers,
            value: record.value.to_vec(),
            pending: false,
        });
        if let Mode::Refusing(refusal) = state.mode {
            return Submission::Done(Outcome::Refused(refusal), record);
        }
        if state.waiting.len() >= state.queue_most {
            return Submission::Done(Outcome::Refused(Refusal::StorageQueueFull), record);
        }
        if state.mode == Mode::Healthy && state.random.once_in(20) {
            state.log.get_mut(&id).expect("just inserted").acknowledged = true;
            return Submission::Done(Outcome::Stored, record);
        }
        let lost = state.mode == Mode::Losing && state.random.once_in(3);
        let delay = match state.mode {
            Mode::Healthy => state.random.between(50, 20_000),
            Mode::Slow => state.random.between(1_000, 25_000_000),
            Mode::Losing if lost => usize::MAX,
            Mode::Losing => state.random.between(50, 2_000_000),
            Mode::Down => usize::MAX,
            Mode::Refusing(_) => unreachable!("answered above"),
        };
        let fails = state.mode != Mode::Healthy && state.random.once_in(5);
        let outcome = if fails {
            Outcome::Refused(Refusal::StorageTimedOut)
        } else {
            Outcome::Stored
        };
        let due = state
            .now
            .saturating_add(u64::try_from(delay).unwrap_or(u64::MAX));
        // A broker answers for a batch at a time.
        let due = if state.batches {
            due.checked_next_multiple_of(BATCH).unwrap_or(due)
        } else {
            due
        };
        state.fresh.last_mut().expect("just pushed").pending = true;
        state.waiting.push(Waiting {
            due,
            report: Report {
                topic,
                ticket,
                outcome,
                record,
            },
            id,
            lost,
        });
        Submission::Pending
    }

    fn intake(&self) -> Intake {
        self.state().intake.0
    }

    fn ready(&self) -> Result<(), Unready> {
        match self.state().mode {
            Mode::Healthy | Mode::Slow | Mode::Losing => Ok(()),
            Mode::Refusing(refusal) => Err(Unready::Away(format!("{refusal:?}"))),
            Mode::Down => Err(Unready::Away("down".to_owned())),
        }
    }

    /// Nothing is carried by threads here: the world delivers what is due, and forgets the rest with the server.
    fn drain(&self, _within: std::time::Duration) {}

    fn describe(&self) -> Description {
        Description {
            address: "simulated".to_owned(),
            topics: self.state().topics.clone(),
            message_size: u64::MAX,
            keeps: Keeps::Replicas,
        }
    }
}
