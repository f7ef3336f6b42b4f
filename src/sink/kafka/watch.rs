//! The thread that watches the cluster while mail flows: what it finds opens and closes gates, tells senders what they may begin,
//! and is said.
//!
//! Owns: when the cluster is asked, and the order of what follows. Must not know: producers' threads, sessions; what is asked is
//! `topic`'s, what an answer means for one topic `watched`'s, for senders `patience`'s, what is said of it `storage`'s.
//!
//! ```text
//!   look at topics ─▶ Watched, one for each ─▶ its gate
//!                              │ together
//!                              ├─▶ Storage: away since, and back ─▶ the log, /readyz
//!                              └─▶ Patience: what senders may begin
//! ```
//!
//! With several topics there is one story of the storage, for what concerns all of them, and one of each topic, told while others
//! take mail.
//!
//! Invariants: no worker waits for this thread; one question is out at a time; the questions of a round are bounded, however many
//! topics there are; what decides over senders is asked for before the time is over, and decides when it is.
//!
//! BUGS: questions go by the connections of the records, and a broker answers in turn, so that one which does not confirm a record
//! answers no question either. A change of a topic's configuration is seen some seconds later, as it is asked for every few rounds. A
//! cluster that takes longer than [`LOOK_WAIT_AWAY`] for each answer counts as away, unless it stores records meanwhile.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::gate::Watch;
use super::lanes::Lanes;
use super::leaders::{self, Found};
use super::lines::{Line, Refused, Terms};
use super::patience::{Leaders, Patience, Sight};
use super::reason::Stall;
use super::statistics::Observe;
use super::storage::{Round, Storage};
use super::subject::Subject;
use super::topic::{self, Answer, Look, Untold};
use super::watched::{CONFIRM, Watched};
use crate::sink::condition::Condition;
use crate::sink::statistics::Statistics;
use crate::smtp::session::Intake;

/// Pause between two rounds, and the longest that one takes to ask for a topic.
const PAUSE: Duration = Duration::from_secs(2);
const LOOK_WAIT: Duration = Duration::from_secs(1);
/// The same while no broker, or no leader, could take mail: its return is to be seen at once, and a slow answer is one.
const PAUSE_AWAY: Duration = Duration::from_millis(500);
const LOOK_WAIT_AWAY: Duration = Duration::from_secs(3);
/// The shortest pause: what is due in a moment is waited for.
const PAUSE_LEAST: Duration = Duration::from_millis(10);
/// Topics that are looked at in a round at least; of more than this many times `TURNS`, one in `TURNS`, so that each is seen often
/// enough.
const LOOKS: usize = 8;
const TURNS: usize = 8;
/// Rounds from one question for a topic's configuration to the next, the longest wait for an answer, and for all of a round.
const DESCRIBE_EVERY: u32 = 3;
const DESCRIBE_WAIT: Duration = Duration::from_secs(2);
/// The longest wait for leaders, which are asked at once.
const LEADER_WAIT: Duration = Duration::from_millis(750);
/// The longest wait for anything else while records are under way in vain.
const WORRIED_WAIT: Duration = Duration::from_millis(500);
/// How long an answer is as good as a new one.
const FRESH: Duration = Duration::from_secs(1);

/// What the sink begins with.
#[derive(Debug, Clone)]
pub(crate) enum First {
    /// Nothing has been asked, and only the topics' partitions have to be: the broker is our own, or a test's.
    Trusted,
    /// What was found a moment ago, about each topic.
    Asked(Vec<Answer>),
}

/// The thread's own memory.
pub(super) struct Watcher {
    topics: Vec<Watched>,
    storage: Storage,
    patience: Patience,
    /// The leaders, when they were last looked at.
    leaders: Found,
    observe: Arc<Observe>,
    /// Whether the sink has begun: a trouble before that is said at once.
    begun: bool,
    /// When the last look ended, unless it has decided over senders.
    looked: Option<Instant>,
    rounds: u32,
    /// The topic that is looked at next.
    next: usize,
    probes: u64,
}

/// What a round of questions brought.
enum Looked {
    /// No broker answers.
    Silent(Finding),
    /// What is wrong with each topic that was looked at, by its place.
    At(Vec<(usize, Vec<Finding>)>),
}

impl Watcher {
    /// For these topics. What is known of them goes to `observe` with each round.
    pub(super) fn new(
        subjects: Vec<Subject>,
        terms: Terms,
        observe: Arc<Observe>,
        first: &First,
    ) -> Self {
        assert!(!subjects.is_empty(), "records go somewhere");
        let describes = matches!(first, First::Asked(_));
        let topics = subjects.into_iter().enumerate();
        Self {
            topics: topics
                .map(|(place, subject)| Watched::new(subject, place, describes, terms))
                .collect(),
            storage: Storage::new(terms),
            patience: Patience::new(terms.fail_fast, Instant::now()),
            leaders: Found::default(),
            observe,
            begun: false,
            looked: None,
            rounds: 0,
            next: 0,
            probes: 0,
        }
    }

    /// Judges what was seen before the sink began, so that its trouble is said before "ready" is.
    pub(super) fn begin(&mut self, watch: &Watch, first: First) {
        let First::Asked(answers) = first else {
            self.begun = true;
            return;
        };
        let mut found = Vec::new();
        let mut silent = None;
        for (place, (topic, answer)) in self.topics.iter_mut().zip(answers).enumerate() {
            topic.rounds_in_trouble = CONFIRM;
            match answer {
                Ok(seen) => {
                    topic.settings = Some(seen.settings);
                    topic.writable = Some(seen.writable);
                    found.push((place, topic.judge(seen.info)));
                }
                Err(finding @ Finding::Unreachable(_)) => silent = Some(finding),
                Err(finding) => found.push((place, vec![finding])),
            }
        }
        let looked = match silent {
            // Of some topics alone, it is asked again in a moment.
            Some(finding) if found.is_empty() => Looked::Silent(finding),
            Some(_) | None => Looked::At(found),
        };
        let now = Instant::now();
        self.conclude(watch, looked, (now, now), (false, None));
        self.begun = true;
    }

    /// Watches until [`Watch::end`].
    pub(super) fn run(mut self, watch: &Watch, lanes: &Lanes) {
        while !watch.ended() {
            let began = Instant::now();
            let (looked, leaders) = match self.decides_now(watch, began) {
                true => (Looked::At(Vec::new()), None),
                false => {
                    let looked = self.look(watch, lanes);
                    let leaders = self.look_at_leaders(watch, lanes, &looked);
                    (looked, leaders)
                }
            };
            if watch.ended() {
                return;
            }
            let (now, under_way) = (Instant::now(), lanes.has_small_under_way());
            self.conclude(watch, looked, (began, now), (under_way, leaders));
            if !watch.wait(self.pause(now)) {
                return;
            }
        }
    }

    /// Whether the time is over after which senders are refused, and what was found a moment ago decides.
    fn decides_now(&mut self, watch: &Watch, now: Instant) -> bool {
        let due = self.patience.due().is_some_and(|due| due <= now);
        let found = self.looked.take();
        due && watch.intake() == Intake::Open
            && found.is_some_and(|at| now.duration_since(at) <= FRESH)
    }

    /// How long to wait for the next round.
    fn pause(&self, now: Instant) -> Duration {
        if self.topics.iter().any(|topic| !topic.is_known) && !self.is_away() {
            return PAUSE_LEAST;
        }
        let usual = match self.is_away() || self.patience.worries(now) {
            true => PAUSE_AWAY,
            false => PAUSE,
        };
        let left = self.patience.due().map(|due| due.duration_since(now));
        match left.filter(|left| !left.is_zero()) {
            Some(left) => usual.min(left).max(PAUSE_LEAST),
            None => usual,
        }
    }

    /// How long to wait for an answer: where senders are to be refused soon, or should be by now, no longer than until then.
    fn wait(&self, intake: Intake, now: Instant) -> Duration {
        let due = self.patience.due().filter(|_| intake == Intake::Open);
        match due {
            _ if !self.is_away() && self.patience.worries(now) => WORRIED_WAIT,
            _ if !self.is_away() => LOOK_WAIT,
            Some(due) => due.duration_since(now).clamp(LOOK_WAIT / 2, LOOK_WAIT_AWAY),
            None => LOOK_WAIT_AWAY,
        }
    }

    /// Whether no broker, or no leader, could take mail.
    fn is_away(&self) -> bool {
        self.takes() == Intake::Closed || self.patience.is_stalled()
    }

    /// What the topic that is best off could take.
    fn takes(&self) -> Intake {
        let all = || self.topics.iter().map(Watched::intake);
        if all().any(|intake| intake == Intake::Open) {
            Intake::Open
        } else if all().any(|intake| intake == Intake::NoMail) {
            Intake::NoMail
        } else {
            Intake::Closed
        }
    }

    fn confirm_all(&mut self) {
        for topic in &mut self.topics {
            topic.rounds_in_trouble = topic.rounds_in_trouble.max(CONFIRM);
        }
    }

    /// Asks for some topics in turn, one question at a time.
    fn look(&mut self, watch: &Watch, lanes: &Lanes) -> Looked {
        let count = self.topics.len();
        let looks = LOOKS.max(count.div_ceil(TURNS)).min(count);
        let wait = self.wait(watch.intake(), Instant::now());
        self.rounds = self.rounds.wrapping_add(1);
        let mut found = Vec::new();
        let mut described = Duration::ZERO;
        for _ in 0..looks {
            if watch.ended() {
                break;
            }
            let place = self.next;
            self.next = (place + 1) % count;
            match self.look_at(lanes, place, wait) {
                Look::Found(info) => {
                    watch.answered();
                    let began = Instant::now();
                    let most = match self.patience.worries(began) {
                        true => WORRIED_WAIT,
                        false => DESCRIBE_WAIT,
                    };
                    if described < most {
                        self.describe(watch, lanes, place, most);
                    }
                    described += began.elapsed();
                    found.push((place, self.topics[place].judge(info)));
                }
                Look::Bad(finding) => {
                    watch.answered();
                    found.push((place, vec![finding]));
                }
                Look::Silent(code) => {
                    if watch.is_all_down() {
                        self.confirm_all();
                    }
                    let subject = &self.topics[place].subject;
                    watch.look_closer(subject.brokers(), subject.way());
                    return Looked::Silent(Finding::Unreachable(watch.why(code)));
                }
            }
        }
        Looked::At(found)
    }

    fn look_at(&mut self, lanes: &Lanes, place: usize, wait: Duration) -> Look {
        let topic = self.topics[place].subject.topic();
        let mut look = Look::Silent(Code::OperationTimedOut);
        // librdkafka asks any broker. The first silence of one may be its own: the next question goes to another.
        let tries = match self.topics[place].rounds_in_trouble {
            0 => 2,
            _ => 1,
        };
        for _ in 0..tries {
            look = topic::look(&lanes.producer(0), topic, wait / tries);
            self.probes += 1;
            if !matches!(look, Look::Silent(_)) {
                break;
            }
        }
        // A producer that has seen the topic missing looks again when it is asked to.
        if matches!(look, Look::Found(_)) {
            for other in 1..lanes.names().count() {
                let _ = topic::look(&lanes.producer(other), topic, LOOK_WAIT);
                self.probes += 1;
            }
        }
        look
    }

    fn describe(&mut self, watch: &Watch, lanes: &Lanes, place: usize, most: Duration) {
        let known = self.storage.reason().is_some();
        let topic = &mut self.topics[place];
        let turn = u32::try_from(place).expect("topics are few");
        let due = self
            .rounds
            .wrapping_add(turn)
            .is_multiple_of(DESCRIBE_EVERY);
        if !topic.describes() || !(due || topic.wants_description(watch, known)) {
            return;
        }
        let (producer, stop) = (lanes.producer(0), || watch.ended());
        let name = topic.subject.topic();
        let (settings, writable) = topic::describe(&producer, name, most, stop);
        // An answer is worth more than none: what is known stays known while a broker is slow to answer. A right that is gone is
        // an answer where something is required of the topic: it can no longer be checked.
        let denied = matches!(settings, Err(Untold::Denied(_)));
        let counts = settings.is_ok() || denied && topic.subject.require_in_sync() > 1;
        if counts || topic.settings.is_none() {
            topic.settings = Some(settings);
        }
        topic.writable = Some(writable);
    }

    /// What leaders do with the records that they have; looked at where these have been under way in vain.
    fn look_at_leaders(
        &mut self,
        watch: &Watch,
        lanes: &Lanes,
        looked: &Looked,
    ) -> Option<Leaders> {
        if watch.ended() || !self.patience.doubts(Instant::now()) {
            return None;
        }
        let silent = matches!(looked, Looked::Silent(_));
        let open = |topic: &&Watched| silent || topic.intake() == Intake::Open && !topic.refuses();
        let open = self.topics.iter().filter(open);
        let leaders = open.flat_map(|topic| {
            let name = topic.subject.topic();
            let least = topic.least;
            topic
                .leaders
                .iter()
                .map(move |leader| (name, leader, least))
        });
        let holding = match self.patience.vain() {
            None => Some(BTreeSet::new()),
            // None was stored since: who was given one after that holds it, or has refused it.
            Some(since) => lanes.held().by(since),
        };
        if silent {
            // Only for what is said: nobody has to be asked again.
            self.leaders = leaders::look(leaders, holding.as_ref(), |_, _| false);
            return None;
        }
        let producer = lanes.producer(0);
        let found = leaders::look(leaders, holding.as_ref(), |topic, partition| {
            producer.leader_answers(topic, partition, LEADER_WAIT)
        });
        self.probes += found.counts.asked();
        self.leaders = found;
        Some(self.leaders.counts)
    }

    /// What follows from a round: gates, what senders may begin, lines, /readyz, metrics. The last two arguments are when the
    /// round began and ended, and whether records are under way and what their leaders do.
    fn conclude(
        &mut self,
        watch: &Watch,
        looked: Looked,
        (began, now): (Instant, Instant),
        (under_way, leaders): (bool, Option<Leaders>),
    ) {
        let known = self.storage.reason().is_some();
        if !matches!(&looked, Looked::At(found) if found.is_empty()) {
            self.looked = Some(now);
        }
        let (silent, mut found) = match looked {
            Looked::Silent(finding) => (Some(finding), Vec::new()),
            Looked::At(found) => (None, found),
        };
        for (place, topic) in self.topics.iter_mut().enumerate() {
            let mine = found.iter().position(|(at, _)| *at == place);
            let mine = mine.map(|at| found.swap_remove(at).1);
            let mine = mine.or_else(|| silent.clone().map(|finding| vec![finding]));
            topic.note(watch, mine, began, known);
        }
        let sight = Sight {
            takes: self.takes(),
            certain: self.topics.iter().all(|topic| topic.stops.is_some()),
            under_way,
            stored: self
                .topics
                .iter()
                .filter_map(|topic| topic.passed.stored)
                .max(),
            leaders,
        };
        let intake = self.patience.judge(&sight, now);
        watch.let_begin(intake);
        self.tell(watch, intake, sight.stored.is_some(), now);
        self.publish(watch, intake);
    }

    /// Says what changed, of all topics together and of those that are in trouble alone.
    fn tell(&mut self, watch: &Watch, intake: Intake, stored: bool, now: Instant) {
        let time = Timestamp::now();
        let alone = self.topics.len() == 1;
        let all = self.topics.iter().all(|topic| topic.stops.is_some());
        // A broker answers in turn what comes by one connection, so that one which does not confirm a record is silent to questions.
        let mute = self
            .topics
            .iter()
            .any(|topic| topic.stops.as_ref().is_some_and(is_silence));
        let mute = mute && self.patience.worries(now) && !self.leaders.holding.is_empty();
        let lasted = self.patience.stalled(now);
        let lasted = lasted.or(mute.then(|| self.patience.lasted(now)));
        let stalled = lasted.map(|lasted| Stall {
            lasted,
            silent: self.leaders.silent.clone(),
            holding: self.leaders.holding.clone(),
            no_token: watch.no_token(),
        });
        let apart = !(alone || all || stalled.is_some());
        if apart {
            self.tell_apart(now, time);
        }
        let mut refused = Refused {
            messages: 0,
            clients: watch.take_turned_away(),
        };
        for topic in &mut self.topics {
            refused.messages += std::mem::take(&mut topic.passed.refused);
        }
        let partly = self.topics.iter().any(Watched::stops_partly);
        let refuses = self.topics.iter().all(Watched::refuses);
        let first = &mut self.topics[0];
        let failure = first.failure();
        let round = Round {
            finding: first
                .stops
                .clone()
                .filter(|finding| all && !(mute && is_silence(finding))),
            partly: all && partly,
            stalled,
            failure: failure.filter(|_| alone),
            writable: first.is_writable(),
            refuses,
            intake,
            refused,
            stored,
            lasted: self.patience.lasted(now),
            at_once: !self.begun,
        };
        if let Some(line) = self.storage.judge(round, now, time) {
            line.write(&self.topics[0].subject, &[]);
        }
    }

    /// Says what changed of each topic; topics with the same trouble share a line.
    fn tell_apart(&mut self, now: Instant, time: Timestamp) {
        let mut said: Vec<(Line, Vec<usize>)> = Vec::new();
        for (place, topic) in self.topics.iter_mut().enumerate() {
            let round = topic.round();
            let Some(line) = topic.story.judge(round, now, time) else {
                continue;
            };
            match said
                .iter_mut()
                .find_map(|(known, places)| known.join(&line).then_some(places))
            {
                Some(places) => places.push(place),
                None => said.push((line, vec![place])),
            }
        }
        for (line, places) in said {
            let subject = |place: &usize| &self.topics[*place].subject;
            let names: Vec<&str> = places.iter().map(|place| subject(place).topic()).collect();
            line.write(subject(&places[0]), &names);
        }
    }

    /// What was found, for an operator.
    fn condition(&self) -> Condition {
        Condition {
            away_since: self.storage.since(),
            topics: self.topics.iter().map(Watched::condition).collect(),
            brokers: Vec::new(),
        }
    }

    fn publish(&self, watch: &Watch, intake: Intake) {
        let subject = &self.topics[0].subject;
        let unready = self.storage.unready();
        let reason = unready.map(|reason| reason.text(subject));
        // What is not certain yet changes nothing.
        let certain = self.topics.iter().any(|topic| topic.rounds_in_trouble == 0);
        let ready = reason.is_none() && (certain || watch.is_ready());
        let away = self.storage.reason().is_some();
        for topic in &self.topics {
            (self.observe)(&Statistics {
                topic: topic.replicas(),
                ..Statistics::default()
            });
        }
        (self.observe)(&Statistics {
            away: Some(!ready),
            fails_fast: Some(intake != Intake::Open),
            probes: Some(self.probes),
            ..Statistics::default()
        });
        watch.publish(ready, reason, away);
        watch.show(self.condition());
    }
}

fn is_silence(finding: &Finding) -> bool {
    matches!(finding, Finding::Unreachable(_))
}
