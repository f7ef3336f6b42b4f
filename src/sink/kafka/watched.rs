//! What the watching thread knows of one topic, and what follows for its gate.
//!
//! Owns: which findings are certain, when its gate is closed, and whether it could take mail. Must not know: when the cluster is
//! asked, the other topics; what is said of it all is `storage`'s and `size`'s.
//!
//! Invariant: the gate is closed as long as a record that is handed over could be lost after its 250.

use std::time::{Duration, Instant};

use super::finding::{Effect, Finding};
use super::gate::{Passed, Watch};
use super::lines::{Refused, Terms};
use super::reason::Failure;
use super::size::{self, Size};
use super::storage::{Round, Storage};
use super::subject::Subject;
use super::topic::{Seen, Told, Untold};
use super::topic_settings::TopicSettings;
use crate::config::TopicPlace;
use crate::kafka::topic::{Leader, TopicInfo};
use crate::sink::condition::{Shape, TopicCondition};
use crate::sink::statistics::TopicSeen;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::Intake;

/// Rounds in a row that have to find a trouble which may pass in a moment.
pub(super) const CONFIRM: u32 = 2;
/// A record that was stored so shortly before a question says more than that nobody answers it.
const RECENT: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Watched {
    pub(super) subject: Subject,
    /// Its place among the topics.
    place: usize,
    /// Whether configuration and rights are asked for.
    describes: bool,
    pub(super) settings: Option<Told<TopicSettings>>,
    pub(super) writable: Option<Told<bool>>,
    /// The brokers that lead a partition with enough replicas in sync, when they were last asked for.
    pub(super) leaders: Vec<Leader>,
    /// Whether there is one.
    has_room: bool,
    /// What the cluster last said of its partitions.
    shape: Option<Shape>,
    /// How many that is.
    pub(super) least: usize,
    /// In how many rounds in a row it was in trouble.
    pub(super) rounds_in_trouble: u32,
    /// Whether it was looked at.
    pub(super) is_known: bool,
    /// What keeps it from taking mail.
    pub(super) stops: Option<Finding>,
    takes: Intake,
    size: Size,
    /// Its own story, where it is in trouble and others are not.
    pub(super) story: Storage,
    pub(super) passed: Passed,
}

impl Watched {
    /// Nothing is known of it. `describes` says whether its configuration decides over mail.
    pub(super) fn new(subject: Subject, place: usize, describes: bool, terms: Terms) -> Self {
        Self {
            subject,
            place,
            describes,
            settings: None,
            writable: None,
            leaders: Vec::new(),
            has_room: true,
            shape: None,
            least: 1,
            rounds_in_trouble: 0,
            is_known: false,
            stops: None,
            takes: Intake::Open,
            size: Size::default(),
            story: Storage::new(terms),
            passed: Passed::default(),
        }
    }

    /// Whether its configuration is to be asked for out of turn. `known` says whether a trouble of all topics is known.
    pub(super) fn wants_description(&self, watch: &Watch, known: bool) -> bool {
        self.describes
            && (known
                || self.settings.is_none()
                || self.story.reason().is_some()
                || watch.refuses(self.place)
                || self.size.is_in_trouble())
    }

    /// Whether it is to be asked for at all.
    pub(super) fn describes(&self) -> bool {
        self.describes
    }

    /// What its partitions and what is known of it come to.
    pub(super) fn judge(&mut self, info: TopicInfo) -> Vec<Finding> {
        let settings = self.settings.as_ref().and_then(|told| told.as_ref().ok());
        let least = settings.and_then(|settings| settings.min_insync_replicas);
        self.least = least.unwrap_or(1).max(1);
        let leaders = info.leaders.iter();
        self.leaders = leaders
            .filter(|leader| leader.in_sync.len() >= self.least)
            .cloned()
            .collect();
        self.has_room = !self.leaders.is_empty();
        self.shape = Some(Shape {
            partitions: info.partitions.len(),
            leaderless: info.leaderless,
            replicas: info.replicas,
            in_sync: info.in_sync,
        });
        let seen = Seen {
            info,
            settings: self.settings.clone().unwrap_or(Err(Untold::Unasked)),
            writable: self.writable.clone().unwrap_or(Err(Untold::Unasked)),
        };
        seen.findings(&self.subject)
    }

    /// Takes note of what passed since the last round, and of what was found in this one, which began at `began`, if it was looked
    /// at. `known` says whether a trouble of all topics is known.
    pub(super) fn note(
        &mut self,
        watch: &Watch,
        found: Option<Vec<Finding>>,
        began: Instant,
        known: bool,
    ) {
        let before = std::mem::replace(&mut self.passed, watch.take(self.place));
        self.passed.oversized += before.oversized;
        if let Some(findings) = &found {
            self.is_known = true;
            self.say_size(findings);
        }
        let stored = self.passed.stored;
        let all_stored = stored.is_some() && self.passed.failure.is_none();
        // A cluster that is wrong about rights is contradicted by what it stores; so is a silence of the one broker that was asked,
        // by what is stored meanwhile.
        let contradicted = |finding: &Finding| match finding {
            Finding::Unwritable => all_stored,
            Finding::Unreachable(_) => stored.is_some_and(|last| last + RECENT >= began),
            _ => false,
        };
        let Some(findings) = found else {
            if self.stops.as_ref().is_some_and(contradicted) {
                (self.stops, self.takes) = (None, Intake::Open);
            }
            return;
        };
        let stops = findings
            .into_iter()
            .filter(|finding| finding.effect(&self.subject) != Effect::Warns)
            .find(|finding| !contradicted(finding));
        self.rounds_in_trouble = match &stops {
            Some(_) => self.rounds_in_trouble.saturating_add(1),
            None => 0,
        };
        self.takes = stops
            .as_ref()
            .map_or(Intake::Open, |finding| self.takes(finding));
        let certain = self.rounds_in_trouble >= CONFIRM
            || known
            || self.story.reason().is_some()
            || self.passed.failure.is_some();
        self.stops = stops.filter(|finding| certain || !may_pass(finding));
        watch.set_gate(self.place, self.refusal());
    }

    /// How many replicas it has, as far as is known.
    pub(super) fn replicas(&self) -> Option<TopicSeen> {
        let Shape {
            replicas, in_sync, ..
        } = self.shape?;
        let settings = self.settings.as_ref().and_then(|told| told.as_ref().ok());
        Some(TopicSeen {
            place: TopicPlace::of(self.place),
            replicas,
            in_sync,
            least: settings.and_then(|settings| settings.min_insync_replicas),
        })
    }

    /// How it is, for an operator.
    pub(super) fn condition(&self) -> TopicCondition {
        let settings = self.settings.as_ref().and_then(|told| told.as_ref().ok());
        TopicCondition {
            name: self.subject.topic().to_owned(),
            trouble: self
                .stops
                .as_ref()
                .map(|finding| finding.text(&self.subject)),
            shape: self.shape,
            min_in_sync: settings.and_then(|settings| settings.min_insync_replicas),
        }
    }

    /// What it could take, as far as is known.
    pub(super) fn intake(&self) -> Intake {
        self.takes
    }

    fn takes(&self, finding: &Finding) -> Intake {
        match finding {
            Finding::Unreachable(_) | Finding::Missing(_) => Intake::Closed,
            Finding::Leaderless(..) | Finding::FewInSync(..) if self.has_room => Intake::Open,
            Finding::Leaderless(..) | Finding::FewInSync(..) => Intake::Closed,
            Finding::Hidden
            | Finding::Unnameable
            | Finding::Odd(_)
            | Finding::Compacted(_)
            | Finding::BelowRequired { .. }
            | Finding::RequiredUntold(_)
            | Finding::Unwritable
            | Finding::BelowFloor(_) => Intake::NoMail,
            Finding::TooSmall(_) => Intake::Open,
        }
    }

    /// With what its records are refused: while it is missing or compacted, and as long as neither is known.
    fn refusal(&self) -> Option<Refusal> {
        let refuses = |finding: &&Finding| finding.effect(&self.subject) == Effect::Refuses;
        match self.stops.as_ref().filter(refuses) {
            Some(
                Finding::Compacted(_)
                | Finding::BelowFloor(_)
                | Finding::BelowRequired { .. }
                | Finding::RequiredUntold(_),
            ) => Some(Refusal::StorageRefused),
            Some(_) => Some(Refusal::StorageUnavailable),
            None if self.describes && self.settings.is_none() => Some(Refusal::StorageUnavailable),
            None => None,
        }
    }

    /// Whether its trouble leaves partitions that take mail.
    pub(super) fn stops_partly(&self) -> bool {
        self.stops.is_some() && self.takes == Intake::Open
    }

    /// Whether its mail gets 451 without being tried.
    pub(super) fn refuses(&self) -> bool {
        self.refusal().is_some()
    }

    /// What passed, as its own story takes it.
    pub(super) fn round(&mut self) -> Round {
        Round {
            finding: self.stops.clone(),
            partly: self.stops_partly(),
            failure: self.failure(),
            writable: self.is_writable(),
            refuses: self.refuses(),
            refused: Refused {
                messages: std::mem::take(&mut self.passed.refused),
                clients: 0,
            },
            stored: self.passed.stored.is_some(),
            ..Round::default()
        }
    }

    /// The first of its records that was not stored.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        self.passed.failure.take()
    }

    /// Whether writing to it is known to be allowed.
    pub(super) fn is_writable(&self) -> bool {
        self.writable == Some(Ok(true))
    }

    fn say_size(&mut self, findings: &[Finding]) {
        let limit = |finding: &Finding| match finding {
            Finding::TooSmall(most) => Some(*most),
            _ => None,
        };
        let unseen =
            |finding: &Finding| matches!(finding, Finding::Unreachable(_) | Finding::Missing(_));
        let seen = !findings.iter().any(unseen);
        let settings = self.settings.as_ref().and_then(|told| told.as_ref().ok());
        let known = settings.is_some_and(|settings| settings.max_message_bytes.is_some());
        let round = size::Round {
            too_small: findings.iter().find_map(limit),
            known: seen && known,
            refused: std::mem::take(&mut self.passed.oversized),
        };
        if let Some(line) = self.size.judge(&round, Instant::now()) {
            line.write(&self.subject);
        }
    }

    /// Whether a record was too large for it.
    #[cfg(test)]
    pub(super) fn is_too_small(&self) -> bool {
        self.size.is_in_trouble()
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
