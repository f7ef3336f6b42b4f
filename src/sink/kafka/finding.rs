//! What can be wrong with a cluster and a topic: the one list, with one text for each, that `check`, the start, the log and
//! /readyz share.
//!
//! Owns: the texts, and the commands in them that fix it. Must not know: how an answer was found.
//!
//! Invariant: a text names what, where and the fix, and no value of a property.

use super::settings::Cluster;
use crate::config::RecordKey;
use crate::limits::{MESSAGE_FLOOR_OCTETS, RECORD_OVERHEAD_OCTETS};

/// Replicas that the printed command asks for, where the cluster has as many brokers.
const REPLICAS: usize = 3;
/// Partitions that it asks for.
const PARTITIONS: usize = 12;

/// What a finding answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether the cluster answers.
    Brokers,
    /// Whether the topic can take records.
    Topic,
    /// Whether the topic keeps every record.
    Cleanup,
    /// Whether this client may write to it.
    Write,
    /// Whether the topic takes the largest message.
    Size,
}

/// Something that an operator has to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// No broker answers: why.
    Unreachable(String),
    /// The topic does not exist in a cluster of this many brokers.
    Missing(usize),
    /// This client may not even describe the topic.
    Hidden,
    /// The cluster does not accept the topic's name.
    Unnameable,
    /// The cluster says something else of the topic.
    Odd(String),
    /// This many partitions, of this many, have no leader.
    Leaderless(usize, usize),
    /// A partition has this many replicas in sync, fewer than `min.insync.replicas`.
    FewInSync(usize, usize),
    /// This `cleanup.policy` compacts.
    Compacted(String),
    /// Writing is not allowed.
    Unwritable,
    /// `max.message.bytes` is less than what the largest message needs.
    TooSmall(u64),
    /// `max.message.bytes` is less than what the smallest message needs that a mail server has to take.
    BelowFloor(u64),
}

/// What a finding means for mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Mail is answered 451, at once: handing it over could lose it, or create the topic.
    Refuses,
    /// Mail is answered 451 once Kafka has refused it, or has not stored it in time.
    Fails,
    /// Mail is stored, but not as an operator may expect.
    Warns,
}

/// What the texts speak of.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    brokers: String,
    topic: String,
    key: RecordKey,
    allow_compacted: bool,
    message_size: u64,
    /// Whether EHLO names this size already, so that it can no longer be lowered.
    advertised: bool,
}

impl Subject {
    /// Of this cluster, with the largest message in bytes.
    pub(crate) fn new(cluster: &Cluster, message_size: u64) -> Self {
        let kafka = &cluster.kafka;
        Self {
            brokers: cluster.brokers.clone(),
            topic: kafka.topic.clone(),
            key: kafka.key,
            allow_compacted: kafka.allow_compacted,
            message_size,
            advertised: false,
        }
    }

    /// Of the default configuration, with messages of 1 MiB.
    #[cfg(test)]
    pub(super) fn of_a_test() -> Self {
        let cluster = Cluster {
            brokers: "k:9092".to_owned(),
            kafka: crate::config::Config::default().kafka,
        };
        Self::new(&cluster, 1 << 20)
    }

    /// The same for a server that runs: its SIZE is said.
    pub(super) fn advertised(self) -> Self {
        Self {
            advertised: true,
            ..self
        }
    }

    /// Where the brokers are.
    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The largest message in bytes.
    pub(super) fn message_size(&self) -> u64 {
        self.message_size
    }

    /// The largest record in bytes.
    fn record_size(&self) -> u64 {
        self.message_size
            .saturating_add(RECORD_OVERHEAD_OCTETS as u64)
    }

    /// Whether a topic with this largest record is too small for mail at all.
    pub(super) fn is_below_floor(&self, most: u64) -> bool {
        most < self
            .message_size
            .min(MESSAGE_FLOOR_OCTETS as u64)
            .saturating_add(RECORD_OVERHEAD_OCTETS as u64)
    }

    /// Raises the topic's limit to what the largest message needs.
    fn raise(&self) -> String {
        self.alter(&format!("max.message.bytes={}", self.record_size()))
    }

    /// That Kafka has refused mail for its size, where the topic's limit is not known to be too small.
    pub(super) fn refused_for_its_size(&self) -> String {
        format!(
            "kafka.topic {:?} at {}: Kafka refuses records for their size (MSG_SIZE_TOO_LARGE) that are within the SIZE = {} \
             that EHLO names; such mail gets 451 until the topic's max.message.bytes is raised; raise it with {}",
            self.topic,
            self.brokers,
            self.message_size,
            self.raise()
        )
    }

    /// What follows where the topic's `max.message.bytes` is not known.
    pub(crate) fn size_unknown(&self) -> String {
        format!(
            "SIZE = {} is not checked against the topic's max.message.bytes: if that is lower, larger mail gets 451 until it is \
             raised",
            self.message_size
        )
    }

    /// Whether a topic with this largest record is too small.
    pub(super) fn exceeds(&self, most: u64) -> bool {
        most < self.record_size()
    }

    /// Creates the topic so that it takes this configuration's mail, in a cluster of this many brokers; and what its copies
    /// are worth where they are few. Zero brokers: the number is unknown.
    fn create(&self, brokers: usize) -> String {
        let replicas = match brokers {
            0 => REPLICAS,
            brokers => brokers.min(REPLICAS),
        };
        let (least, worth) = match replicas {
            1 => (
                1,
                " (one copy: what its broker loses is lost; with three brokers use 3 and min.insync.replicas=2)",
            ),
            2 => (
                1,
                " (two copies, of which one alone may confirm a mail; with three brokers use 3 and min.insync.replicas=2)",
            ),
            _ => (2, ""),
        };
        let (bootstrap, topic, bytes) = (&self.brokers, &self.topic, self.record_size());
        format!(
            "`kafka-topics.sh --create --bootstrap-server {bootstrap} --topic {topic} --partitions {PARTITIONS} \
             --replication-factor {replicas} --config min.insync.replicas={least} --config max.message.bytes={bytes} \
             --config cleanup.policy=delete`{worth}"
        )
    }

    /// Sets an entry of the topic's configuration.
    fn alter(&self, entry: &str) -> String {
        let (bootstrap, topic) = (&self.brokers, &self.topic);
        format!(
            "`kafka-configs.sh --bootstrap-server {bootstrap} --alter --topic {topic} --add-config {entry}`"
        )
    }

    /// Grants operations on the topic.
    pub(super) fn grant(&self, operations: &[&str]) -> String {
        let (bootstrap, topic) = (&self.brokers, &self.topic);
        let operations: Vec<String> = operations
            .iter()
            .map(|operation| format!("--operation {operation}"))
            .collect();
        let operations = operations.join(" ");
        format!(
            "`kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal User:NAME {operations} --topic {topic}` \
             (NAME is ringpost's user at the brokers)"
        )
    }
}

impl Finding {
    /// What it answers.
    pub(crate) fn question(&self) -> Question {
        match self {
            Finding::Unreachable(_) => Question::Brokers,
            Finding::Missing(_)
            | Finding::Hidden
            | Finding::Unnameable
            | Finding::Odd(_)
            | Finding::Leaderless(..)
            | Finding::FewInSync(..) => Question::Topic,
            Finding::Compacted(_) => Question::Cleanup,
            Finding::Unwritable => Question::Write,
            Finding::TooSmall(_) | Finding::BelowFloor(_) => Question::Size,
        }
    }

    /// What it means for mail.
    pub(crate) fn effect(&self, subject: &Subject) -> Effect {
        match self {
            Finding::Missing(_) | Finding::BelowFloor(_) => Effect::Refuses,
            // With a key, an operator may want the newest mail of each alone; without one, Kafka takes none at all.
            Finding::Compacted(_) if subject.allow_compacted && subject.key != RecordKey::None => {
                Effect::Warns
            }
            Finding::Compacted(_) => Effect::Refuses,
            Finding::TooSmall(_) => Effect::Warns,
            Finding::Unreachable(_)
            | Finding::Hidden
            | Finding::Unnameable
            | Finding::Odd(_)
            | Finding::Leaderless(..)
            | Finding::FewInSync(..)
            | Finding::Unwritable => Effect::Fails,
        }
    }

    /// For an operator: what, where, and what helps.
    pub(crate) fn text(&self, subject: &Subject) -> String {
        let (brokers, topic) = (&subject.brokers, &subject.topic);
        match self {
            Finding::Unreachable(reason) => format!("kafka.brokers {brokers}: {reason}"),
            Finding::Missing(count) => format!(
                "kafka.topic {topic:?} does not exist at {brokers} (UNKNOWN_TOPIC_OR_PARTITION), and ringpost creates none; \
                 create it with {}",
                subject.create(*count)
            ),
            Finding::Hidden => format!(
                "kafka.topic {topic:?} at {brokers}: not authorized (TOPIC_AUTHORIZATION_FAILED); the operations Describe and \
                 Write are missing; grant them with {}",
                subject.grant(&["Describe", "Write", "DescribeConfigs"])
            ),
            Finding::Unnameable => format!(
                "kafka.topic {topic:?} is not a name that {brokers} accepts (INVALID_TOPIC_EXCEPTION)"
            ),
            Finding::Odd(reason) => format!("kafka.topic {topic:?} at {brokers}: {reason}"),
            Finding::Leaderless(count, of) => format!(
                "kafka.topic {topic:?} at {brokers}: {count} of {of} partitions have no leader; bring the brokers back that \
                 hold them; `kafka-topics.sh --describe --bootstrap-server {brokers} --topic {topic}` names them"
            ),
            Finding::FewInSync(in_sync, least) => format!(
                "kafka.topic {topic:?} at {brokers}: a partition has {in_sync} replicas in sync, fewer than \
                 min.insync.replicas = {least}, so that mail for it gets 451; bring the brokers back, or lower it to what \
                 the replicas allow"
            ),
            Finding::Compacted(policy) => compacted(subject, policy),
            Finding::Unwritable => format!(
                "kafka.topic {topic:?} at {brokers}: ringpost may not write to it (TOPIC_AUTHORIZATION_FAILED); the operation \
                 Write is missing; grant it with {}",
                subject.grant(&["Write"])
            ),
            Finding::TooSmall(most) => too_small(subject, *most),
            Finding::BelowFloor(most) => format!(
                "max.message.bytes = {most} of kafka.topic {topic:?} at {brokers} is too small for any mail: a message of \
                 {} bytes and {RECORD_OVERHEAD_OCTETS} for its headers have to fit, so that all mail gets 451; raise it with {}",
                subject.message_size.min(MESSAGE_FLOOR_OCTETS as u64),
                subject.raise()
            ),
        }
    }
}

fn too_small(subject: &Subject, most: u64) -> String {
    let (topic, wanted, raise) = (&subject.topic, subject.message_size, subject.raise());
    let fits = most.saturating_sub(RECORD_OVERHEAD_OCTETS as u64);
    match subject.advertised {
        false => format!(
            "max.message.bytes = {most} of kafka.topic {topic:?} is too small for limits.message_size = {wanted}: SIZE is \
             lowered to {fits} at the start, and a larger mail is refused; raise it with {raise}"
        ),
        true => format!(
            "max.message.bytes = {most} of kafka.topic {topic:?} is too small for the SIZE = {wanted} that EHLO names: mail \
             of more than {fits} bytes gets 451 until it is raised; raise it with {raise}; or restart, and SIZE is {fits}"
        ),
    }
}

fn compacted(subject: &Subject, policy: &str) -> String {
    let (brokers, topic) = (&subject.brokers, &subject.topic);
    let mend = subject.alter("cleanup.policy=delete");
    let harm = match subject.key {
        RecordKey::None => {
            "Kafka refuses every record without a key, which kafka.key = \"none\" makes"
        }
        _ => {
            "Kafka deletes all but the newest record of each key, so that mail is lost after its 250"
        }
    };
    let otherwise = match (subject.key, subject.allow_compacted) {
        (RecordKey::None, _) => "",
        (_, true) => " (kafka.allow_compacted is true)",
        (_, false) => {
            ", or set kafka.allow_compacted = true if the newest mail of each key is enough"
        }
    };
    format!(
        "kafka.topic {topic:?} at {brokers} is compacted (cleanup.policy = {policy}): {harm}; change it with {mend}{otherwise}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn subject(change: impl FnOnce(&mut Config)) -> Subject {
        let mut config = Config::default();
        change(&mut config);
        let cluster = Cluster {
            brokers: "k:9092".to_owned(),
            kafka: config.kafka,
        };
        Subject::new(&cluster, config.limits.message_size)
    }

    #[test]
    fn the_command_that_creates_a_topic_fits_the_cluster_and_the_largest_message() {
        let bytes = 25 * 1024 * 1024 + RECORD_OVERHEAD_OCTETS;
        for (brokers, replicas, least, worth) in [
            (0, 3, 2, false),
            (1, 1, 1, true),
            (2, 2, 1, true),
            (3, 3, 2, false),
            (9, 3, 2, false),
        ] {
            let text = Finding::Missing(brokers).text(&subject(|_| {}));
            let command = format!(
                "--replication-factor {replicas} --config min.insync.replicas={least} --config max.message.bytes={bytes} "
            );
            assert!(text.contains(&command), "{brokers}: {text}");
            assert_eq!(
                text.contains("copies") || text.contains("one copy"),
                worth,
                "{text}"
            );
        }
        let large = subject(|config| config.limits.message_size = 64 << 20);
        let text = Finding::Missing(3).text(&large);
        assert!(text.contains("max.message.bytes=67174400"), "{text}");
    }

    #[test]
    fn a_compacted_topic_is_refused_unless_it_is_allowed_and_records_have_keys() {
        let finding = Finding::Compacted("compact,delete".into());
        for (key, allowed, effect, words) in [
            (RecordKey::None, false, Effect::Refuses, "without a key"),
            (RecordKey::None, true, Effect::Refuses, "without a key"),
            (
                RecordKey::Recipient,
                false,
                Effect::Refuses,
                "kafka.allow_compacted = true",
            ),
            (
                RecordKey::Recipient,
                true,
                Effect::Warns,
                "newest record of each key",
            ),
        ] {
            let subject = subject(|config| {
                (config.kafka.key, config.kafka.allow_compacted) = (key, allowed);
            });
            assert_eq!(finding.effect(&subject), effect, "{key:?} {allowed}");
            let text = finding.text(&subject);
            assert!(text.contains(words), "{text}");
            assert!(
                text.contains("--add-config cleanup.policy=delete"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_finding_says_where_and_how_to_mend_it() {
        let subject = subject(|_| {});
        for (finding, words) in [
            (
                Finding::Unwritable,
                "kafka-acls.sh --bootstrap-server k:9092 --add",
            ),
            (Finding::Unwritable, "--operation Write --topic mail"),
            (Finding::Hidden, "--operation Describe --operation Write"),
            (Finding::Leaderless(2, 12), "2 of 12 partitions"),
            (Finding::FewInSync(1, 2), "min.insync.replicas = 2"),
            (Finding::TooSmall(1_000_000), "SIZE is lowered to 934464"),
            (Finding::BelowFloor(1_000), "so that all mail gets 451"),
            (Finding::BelowFloor(1_000), "max.message.bytes=26279936"),
        ] {
            let text = finding.text(&subject);
            assert!(text.contains(words), "{finding:?}: {text}");
            assert!(text.contains("mail"), "{text}");
        }
    }

    #[test]
    fn a_limit_that_is_lowered_later_is_not_said_to_lower_size() {
        let text = Finding::TooSmall(1_000_000).text(&subject(|_| {}).advertised());
        assert!(!text.contains("lowered"), "{text}");
        assert!(text.contains("more than 934464 bytes gets 451"), "{text}");
    }

    #[test]
    fn the_least_that_a_topic_has_to_hold_is_the_least_that_a_mail_server_has_to() {
        let floor = (MESSAGE_FLOOR_OCTETS + RECORD_OVERHEAD_OCTETS) as u64;
        let usual = subject(|_| {});
        assert!(usual.is_below_floor(floor - 1) && !usual.is_below_floor(floor));
        // An operator who asks for less gets less.
        let small = subject(|config| config.limits.message_size = 1024);
        let floor = 1024 + RECORD_OVERHEAD_OCTETS as u64;
        assert!(small.is_below_floor(floor - 1) && !small.is_below_floor(floor));
    }
}
