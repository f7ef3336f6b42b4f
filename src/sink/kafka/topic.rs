//! What is asked of a cluster about the topic, and what an answer comes to.
//!
//! Owns: the questions, and which answer is a [`Finding`]. Must not know: who asks, and how often; why no broker answers is
//! `reach`'s, the texts are `finding`'s.
//!
//! Invariants: a question ends within the time that it is given; none creates a topic, whatever the brokers'
//! `auto.create.topics.enable` says.
//!
//! BUGS: brokers older than Kafka 0.11 may create a topic that is asked for.

use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::librdkafka::Producer;
use super::librdkafka::admin::Unanswered;
use super::librdkafka::describe::Description;
use super::subject::Subject;
use super::topic_settings::TopicSettings;
use super::weakness::{self, Weakness};
use crate::kafka::name::named;
use crate::kafka::topic::{self, NoTopic, TopicInfo};

/// Said where a cluster answers, and leaves this out.
pub(super) const UNTOLD_SIZE: &str = "the cluster does not tell the topic's max.message.bytes";

const NO_REPLICAS: &str = "a broker in this process keeps one copy, in memory";
const UNTOLD_IN_SYNC: &str = "the cluster does not tell the topic's min.insync.replicas";

/// An answer, or why there is none.
pub(super) type Told<T> = Result<T, Untold>;

/// What a cluster is asked of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Its configuration.
    Settings,
    /// What this client may do with it.
    Rights,
}

/// Why a cluster does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Untold {
    /// It was not asked.
    Unasked,
    /// This client may not ask.
    Denied(Asked),
    /// It is too old, in these words.
    Unable(Asked, String),
    /// It gives an error, or no answer in time, in these words.
    Unanswered(Asked, String),
    /// It answers, and leaves the rights out.
    NoRights,
}

impl Asked {
    fn name(self) -> &'static str {
        match self {
            Self::Settings => "the topic's configuration",
            Self::Rights => "what ringpost may do with the topic",
        }
    }

    /// The operation that has to be allowed.
    fn operation(self) -> &'static str {
        match self {
            Self::Settings => "DescribeConfigs",
            Self::Rights => "Describe",
        }
    }
}

impl Untold {
    fn new(asked: Asked, why: Unanswered) -> Self {
        match why.code {
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                Self::Denied(asked)
            }
            Code::UnsupportedFeature | Code::UnsupportedVersion => Self::Unable(asked, why.text),
            _ => Self::Unanswered(asked, why.text),
        }
    }

    /// For an operator, with what helps.
    pub(super) fn text(&self, subject: &Subject) -> String {
        match self {
            Self::Unasked => "not asked".to_owned(),
            Self::Denied(asked) => format!(
                "the cluster may not tell {}: the operation {} is missing; grant it with {}",
                asked.name(),
                asked.operation(),
                subject.grant(&[asked.operation()])
            ),
            Self::Unable(asked, words) => {
                format!("the cluster cannot tell {}: {words}", asked.name())
            }
            Self::Unanswered(asked, words) => {
                format!("the cluster does not tell {}: {words}", asked.name())
            }
            Self::NoRights => {
                "the cluster does not say what ringpost may do with the topic".to_owned()
            }
        }
    }
}

/// What was seen of a topic that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its partitions.
    pub info: TopicInfo,
    /// Its configuration.
    pub settings: Told<TopicSettings>,
    /// Whether records may be written to it.
    pub writable: Told<bool>,
}

impl Seen {
    /// All that is wrong, the worst first.
    pub(crate) fn findings(&self, subject: &Subject) -> Vec<Finding> {
        let mut findings = Vec::new();
        let settings = self.settings.as_ref().ok();
        let policy = settings.and_then(|settings| settings.cleanup_policy.as_deref());
        if let Some(policy) = policy.filter(|policy| compacts(policy)) {
            findings.push(Finding::Compacted(policy.to_owned()));
        }
        findings.extend(self.below_required(subject));
        if self.writable == Ok(false) {
            findings.push(Finding::Unwritable);
        }
        let info = &self.info;
        if info.leaderless > 0 || info.partitions.is_empty() {
            let partitions = info.partitions.len();
            findings.push(Finding::Leaderless(info.leaderless, partitions));
        }
        if let Some(least) = settings.and_then(|settings| settings.min_insync_replicas)
            && info.in_sync < least
        {
            findings.push(Finding::FewInSync(info.in_sync, least));
        }
        if let Some(most) = settings.and_then(|settings| settings.max_message_bytes)
            && subject.exceeds(most)
        {
            match subject.is_below_floor(most) {
                true => findings.insert(0, Finding::BelowFloor(most)),
                false => findings.push(Finding::TooSmall(most)),
            }
        }
        findings
    }

    /// Whether less confirms a record than is required, or whether that is not known.
    fn below_required(&self, subject: &Subject) -> Option<Finding> {
        let required = subject.require_in_sync();
        // With 1, nothing is required that acks=all does not give.
        if required <= 1 {
            return None;
        }
        let told = self
            .settings
            .as_ref()
            .map(|settings| settings.min_insync_replicas);
        match told {
            Ok(Some(least)) => (least < required).then_some(Finding::BelowRequired {
                least,
                replicas: self.info.replicas,
            }),
            Ok(None) => Some(Finding::RequiredUntold(UNTOLD_IN_SYNC.to_owned())),
            Err(Untold::Unasked) => Some(Finding::RequiredUntold(NO_REPLICAS.to_owned())),
            Err(why) => Some(Finding::RequiredUntold(why.text(subject))),
        }
    }

    /// What makes a 250 worth less than it could be.
    pub(super) fn weaknesses(&self, subject: &Subject) -> Vec<Weakness> {
        weakness::of(&self.info, self.settings.as_ref().ok(), subject)
    }
}

fn compacts(policy: &str) -> bool {
    policy.split(',').any(|part| part.trim() == "compact")
}

/// What one question for the topic brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// It is there.
    Found(TopicInfo),
    /// The cluster answers, and this is the trouble.
    Bad(Finding),
    /// No answer.
    Silent(Code),
}

/// Asks once.
pub(super) fn look(producer: &Producer, topic: &str, timeout: Duration) -> Look {
    match producer.metadata(topic, timeout) {
        Ok(metadata) => match topic::read(&metadata, topic) {
            Ok(info) => Look::Found(info),
            Err(no_topic) => Look::Bad(finding(no_topic)),
        },
        Err(error) => Look::Silent(error.rdkafka_error_code().unwrap_or(Code::Fail)),
    }
}

/// What is wrong with a topic that is not there for us.
pub(super) fn finding(no_topic: NoTopic) -> Finding {
    match no_topic {
        NoTopic::Unnamed(brokers) | NoTopic::Missing(brokers) => Finding::Missing(brokers),
        NoTopic::Hidden => Finding::Hidden,
        NoTopic::Unnameable => Finding::Unnameable,
        NoTopic::Odd(code) => Finding::Odd(named(code)),
    }
}

/// Asks for the configuration and for what may be done with the topic; `stop` ends it early.
pub(super) fn describe(
    producer: &Producer,
    topic: &str,
    timeout: Duration,
    stop: impl Fn() -> bool,
) -> (Told<TopicSettings>, Told<bool>) {
    let Description { settings, rights } = producer.describe(topic, timeout, stop);
    let settings = settings
        .map(|entries| TopicSettings::read(&entries))
        .map_err(|why| Untold::new(Asked::Settings, why));
    let writable = match rights {
        Ok(Some(rights)) => Ok(rights.write()),
        Ok(None) => Err(Untold::NoRights),
        Err(why) => Err(Untold::new(Asked::Rights, why)),
    };
    (settings, writable)
}

/// What was found about a topic: what was seen of it, or why it is not there for us.
pub(crate) type Answer = Result<Seen, Finding>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_policy_that_compacts_is_found() {
        for (policy, found) in [
            ("delete", false),
            ("", false),
            ("compact", true),
            ("compact,delete", true),
            ("delete, compact", true),
        ] {
            assert_eq!(compacts(policy), found, "{policy}");
        }
    }
}
