//! A cluster as it is configured: checked, examined, asked what it takes, and made a sink.
//!
//! Owns: the order of these. Must not know: how a question is put, what is said of an answer.
//!
//! Invariant: SIZE is never advertised above what the topic takes, as far as the cluster tells.
//!
//! BUGS: the limit of a topic that is lowered later is found by `watch`, and SIZE stays.

use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use super::examine;
use super::finding::{Finding, Subject};
use super::settings::{self, Cluster};
use super::sink::{KafkaSink, Parts};
use super::topic::{self, Seen};
use super::watch::First;
use crate::failure::Failure;
use crate::kafka::reach;
use crate::limits::RECORD_OVERHEAD_OCTETS;
use crate::sink::seam::{Configured, Keeps, Setup, Started};
use crate::verdict::Line;

/// Longest wait for the cluster's answer.
const CLUSTER_WAIT: Duration = Duration::from_secs(5);

/// `kafka.brokers` names a cluster.
pub(crate) struct Kafka {
    /// The cluster.
    pub cluster: Cluster,
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
        examine::lines(&self.cluster, self.message_size, waiting)
    }

    fn start(&self, setup: Setup) -> Result<Started, Failure> {
        let (first, message_size) = self.agree()?;
        let parts = Parts {
            first,
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
    /// Asks the cluster what it takes: what it said, and the largest message that fits. A list of which no name resolves is
    /// a mistake; a cluster that does not answer, or a topic that takes no mail, does not prevent the start: mail gets 451
    /// until that is fixed.
    fn agree(&self) -> Result<(First, u64), StartError> {
        let list = &self.cluster.brokers;
        let (unresolved, all) = reach::unresolved(list);
        if unresolved.len() == all {
            return Err(StartError::Unresolved { list: list.clone() });
        }
        let subject = Subject::new(&self.cluster, self.message_size);
        let waiting = |what: &str| tracing::warn!("still waiting for kafka.brokers {what}");
        let seen = topic::ask(&self.cluster, CLUSTER_WAIT, waiting)?;
        let most = seen.as_ref().ok().and_then(|seen| limit(seen, &subject));
        let fits = |most: u64| most.saturating_sub(RECORD_OVERHEAD_OCTETS as u64);
        let message_size = most.map_or(self.message_size, fits);
        Ok((First::Asked(seen), message_size))
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
