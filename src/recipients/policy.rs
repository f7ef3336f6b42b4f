//! Whether Kafka keeps the recipients that are written to the topic: its `cleanup.policy`.
//!
//! Owns: the question, and what an answer means. Must not know: who asks.
//!
//! BUGS: asked once, at the start of a server.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, ResourceSpecifier};

use super::place::Place;
use crate::kafka::name::named;

/// Longest wait for the answer.
const WAIT: Duration = Duration::from_secs(3);

/// What becomes of what is written to the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The newest record of each key is kept.
    Forever,
    /// Compacted, and deleted by age or size as well: this `cleanup.policy`.
    Compacted(String),
    /// Deleted by age or size: this `cleanup.policy`.
    Deleted(String),
    /// The cluster does not say, for this reason.
    Unknown(String),
}

impl Kept {
    fn of(policy: &str) -> Self {
        let has = |word: &str| policy.split(',').any(|part| part.trim() == word);
        match (has("compact"), has("delete")) {
            (true, false) => Self::Forever,
            (true, true) => Self::Compacted(policy.to_owned()),
            (false, _) => Self::Deleted(policy.to_owned()),
        }
    }

    /// What an operator should know, with the fix; none where all is kept.
    pub fn text(&self, place: &Place) -> Option<String> {
        let Place { brokers, topic, .. } = place;
        let fix = format!(
            "set it with `kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config \
             cleanup.policy=compact`"
        );
        match self {
            Self::Forever => None,
            Self::Compacted(policy) => Some(format!(
                "topic {topic:?}: cleanup.policy = {policy}: Kafka deletes recipients that were written longer ago than \
                 retention.ms, and they are refused after the next start; {fix}"
            )),
            Self::Deleted(policy) => Some(format!(
                "topic {topic:?}: cleanup.policy = {policy}: Kafka deletes recipients that were written longer ago than \
                 retention.ms, and never the records that a newer one has replaced; {fix}"
            )),
            Self::Unknown(why) => Some(format!(
                "topic {topic:?}: whether its cleanup.policy is compact cannot be asked: {why}; the operation DescribeConfigs \
                 allows it"
            )),
        }
    }
}

/// Asks the cluster. Blocks for some seconds at most.
pub fn ask(place: &Place) -> Kept {
    let admin = match place.admin() {
        Ok(Some(admin)) => admin,
        Ok(None) => return Kept::Unknown("it is not asked with a login by tokens".to_owned()),
        Err(refused) => return Kept::Unknown(refused.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Kept::Unknown(error.to_string()),
    };
    let options = AdminOptions::new().request_timeout(Some(WAIT));
    let topic = [ResourceSpecifier::Topic(&place.topic)];
    let answers = match runtime.block_on(admin.describe_configs(&topic, &options)) {
        Ok(answers) => answers,
        Err(error) => {
            let why = error.rdkafka_error_code().map(named);
            return Kept::Unknown(why.unwrap_or_else(|| error.to_string()));
        }
    };
    match answers.into_iter().next() {
        Some(Ok(entries)) => {
            let mut entries = entries.entries.into_iter();
            let policy = entries.find(|entry| entry.name == "cleanup.policy");
            match policy.and_then(|entry| entry.value) {
                Some(policy) => Kept::of(&policy),
                None => Kept::Unknown("the answer leaves it out".to_owned()),
            }
        }
        Some(Err(code)) => Kept::Unknown(named(code)),
        None => Kept::Unknown("the answer is empty".to_owned()),
    }
}

/// Asks on a thread of its own, and warns in the log where recipients may get lost.
pub(super) fn warn(place: &Place) {
    let place = place.clone();
    let asks = move || match ask(&place) {
        Kept::Forever => {}
        kept @ Kept::Unknown(_) => {
            tracing::debug!("{}", kept.text(&place).unwrap_or_default());
        }
        kept @ (Kept::Compacted(_) | Kept::Deleted(_)) => {
            tracing::warn!(
                "recipients.topic: {}",
                kept.text(&place).unwrap_or_default()
            );
        }
    };
    let thread = std::thread::Builder::new().name("recipients-policy".to_owned());
    if let Err(error) = thread.spawn(asks) {
        tracing::debug!(%error, "the cleanup.policy of recipients.topic is not asked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_keeps() {
        for (policy, kept) in [
            ("compact", Kept::Forever),
            ("delete", Kept::Deleted("delete".to_owned())),
            (
                "delete,compact",
                Kept::Compacted("delete,compact".to_owned()),
            ),
            (
                "compact, delete",
                Kept::Compacted("compact, delete".to_owned()),
            ),
        ] {
            assert_eq!(Kept::of(policy), kept);
        }
        let place = Place {
            brokers: "k:9092".to_owned(),
            topic: "who".to_owned(),
            properties: Vec::new(),
        };
        assert_eq!(Kept::Forever.text(&place), None);
        let text = Kept::of("delete").text(&place).expect("something is wrong");
        assert!(
            text.contains("--topic who --add-config cleanup.policy=compact"),
            "{text}"
        );
    }
}
