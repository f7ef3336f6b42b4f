//! A cluster as it is configured: checked, examined, asked what it takes, and made a sink.
//!
//! Owns: the order of these. Must not know: how a question is put, what is said of an answer.
//!
//! Invariant: SIZE is never advertised above what the topic takes, as far as the cluster tells.
//!
//! BUGS: the limit of a topic that is lowered later is found by `watch`, and SIZE stays.

use std::sync::Arc;
use std::time::Duration;

use super::destinations::{self, Destination};
use super::error::StartError;
use super::examine;
use super::finding::Finding;
use super::inquiry::Inquiry;
use super::question::Question;
use super::settings::{self, Cluster};
use super::sink::{KafkaSink, Parts};
use super::subject::Subject;
use super::topic::{self, Answer, Seen};
use super::watch::First;
use super::weakness;
use crate::failure::Failure;
use crate::kafka::reach;
use crate::sink::seam::{Configured, Keeps, Setup, Started};
use crate::verdict::Line;

/// Longest wait for the cluster's answer.
const CLUSTER_WAIT: Duration = Duration::from_secs(5);

/// Longest wait for a topic to be created, and then for its leaders.
const CREATE_WAIT: Duration = Duration::from_secs(10);

/// `kafka.brokers` names a cluster.
pub(crate) struct Kafka {
    /// The cluster.
    pub cluster: Cluster,
    /// Each topic that mail can go to.
    pub destinations: Vec<Destination>,
    /// The largest message in bytes that is wanted.
    pub message_size: u64,
}

impl Configured for Kafka {
    fn keeps(&self) -> Keeps {
        Keeps::Replicas
    }

    fn check(&self) -> Result<Vec<String>, Failure> {
        Ok(settings::check(&self.cluster.kafka, self.message_size)?)
    }

    fn examine(&self, waiting: &dyn Fn(&str)) -> Vec<Line> {
        examine::lines(&self.cluster, &self.subjects(self.message_size), waiting)
    }

    fn start(&self, setup: Setup) -> Result<Started, Failure> {
        let (first, message_size) = self.agree()?;
        let parts = Parts {
            first,
            subjects: Some(self.subjects(message_size)),
            ..Parts::new(message_size, setup)
        };
        let (sink, reports) = KafkaSink::start(&self.cluster, parts)?;
        Ok(Started {
            sink: Arc::new(sink),
            reports,
        })
    }
}

impl Kafka {
    /// Each topic that mail can go to, in the order of the destinations, where no message is larger than this.
    fn subjects(&self, message_size: u64) -> Vec<Subject> {
        let subject = Subject::new(&self.cluster, message_size);
        let of = |destination: &Destination| {
            let most = destination.sizes.1.min(message_size);
            let subject = subject.clone();
            subject.for_topic(&destination.topic, most, destination.bound)
        };
        self.destinations.iter().map(of).collect()
    }

    /// Asks the cluster what it takes: what it said, and the largest message that fits. A list of which no name resolves is
    /// a mistake; a cluster that does not answer, or a topic that takes no mail, does not prevent the start: mail gets 451
    /// until that is fixed.
    fn agree(&self) -> Result<(First, u64), StartError> {
        let list = &self.cluster.brokers;
        let (unresolved, all) = reach::unresolved(list);
        if unresolved.len() == all {
            return Err(StartError::Unresolved { list: list.clone() });
        }
        let subjects = self.subjects(self.message_size);
        if let Some(weakness) = weakness::of_properties(&self.cluster.kafka.properties) {
            tracing::warn!("{}", weakness.text(&subjects[0]));
        }
        let answers = match self.ask(&subjects)? {
            Ok(answers) => answers,
            Err(finding) => {
                let answers = subjects.iter().map(|_| Err(finding.clone())).collect();
                return Ok((First::Asked(answers), self.message_size));
            }
        };
        let seen = subjects.iter().zip(&answers);
        let seen = seen.filter_map(|(subject, answer)| Some((subject, answer.as_ref().ok()?)));
        say_weaknesses(&seen.collect::<Vec<_>>());
        let message_size = self.fitting(&subjects, &answers);
        Ok((First::Asked(answers), message_size))
    }

    /// What was found about each topic, after those that are missing were created, if they are to be.
    fn ask(&self, subjects: &[Subject]) -> Result<Result<Vec<Answer>, Finding>, StartError> {
        let waiting = |what: &str| tracing::warn!("still waiting for kafka.brokers {what}");
        let inquiry = Inquiry::new(&self.cluster, CLUSTER_WAIT)?;
        let answered = inquiry.ask(subjects, CLUSTER_WAIT, waiting);
        let some_created = match &answered {
            Ok(answers) if self.cluster.kafka.create_topic => {
                create_missing(&inquiry, subjects, answers)
            }
            Ok(_) | Err(_) => false,
        };
        match some_created {
            true => Ok(inquiry.ask(subjects, CLUSTER_WAIT, waiting)),
            false => Ok(answered),
        }
    }

    /// The SIZE with which each message fits its topic, as far as the cluster tells. What is odd about sizes is said.
    fn fitting(&self, subjects: &[Subject], answers: &[Answer]) -> u64 {
        let limits = answers.iter().zip(subjects).map(|(answer, subject)| {
            let seen = answer.as_ref().ok()?;
            limit(seen, subject)
        });
        destinations::fitting(self.message_size, self.destinations.iter().zip(limits))
    }
}

/// Creates the topics that do not exist, and says so of each; whether one was created.
fn create_missing(inquiry: &Inquiry<'_>, subjects: &[Subject], answers: &[Answer]) -> bool {
    let mut some = false;
    for (subject, answer) in subjects.iter().zip(answers) {
        let Err(Finding::Missing(brokers)) = answer else {
            continue;
        };
        let plan = subject.plan(*brokers);
        match inquiry.create(&plan, CREATE_WAIT) {
            Ok(()) => {
                tracing::info!("{} did not exist, and was created: {plan}", subject.place());
                some = true;
            }
            Err(why) => tracing::error!("{}", why.text(subject)),
        }
    }
    some
}

/// One line for each question whose answer is weak, about the first topic of which it is, and the names of the others.
fn say_weaknesses(about: &[(&Subject, &Seen)]) {
    let mut said: Vec<(Question, String, Vec<&str>)> = Vec::new();
    for (subject, seen) in about {
        for weakness in seen.weaknesses(subject) {
            let question = weakness.question();
            match said.iter_mut().find(|line| line.0 == question) {
                Some((_, _, others)) => others.push(subject.topic()),
                None => said.push((question, weakness.text(subject), Vec::new())),
            }
        }
    }
    for (_, text, others) in said {
        match others.is_empty() {
            true => tracing::warn!("{text}"),
            false => tracing::warn!(
                "{text}; `ringpost check` says the same of: {}",
                others.join(", ")
            ),
        }
    }
}

/// The topic's largest record, where the largest message does not fit; what is odd about sizes is said.
fn limit(seen: &Seen, subject: &Subject) -> Option<u64> {
    let settings = match &seen.settings {
        Ok(settings) => settings,
        Err(why) => {
            tracing::warn!("{}; {}", why.text(subject), subject.size_unknown());
            return None;
        }
    };
    if settings.max_message_bytes.is_none() {
        tracing::warn!("{}; {}", topic::UNTOLD_SIZE, subject.size_unknown());
    }
    let findings = seen.findings(subject);
    findings.iter().find_map(|finding| match finding {
        Finding::TooSmall(most) => {
            tracing::warn!("{}", finding.text(subject));
            Some(*most)
        }
        _ => None,
    })
}
