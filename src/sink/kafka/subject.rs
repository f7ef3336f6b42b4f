//! What questions and findings are about: a topic of a cluster and what is configured for it, and the commands that change it.
//!
//! Owns: the commands of Kafka's own tools, spelt so that they can be pasted. Must not know: which of them an answer calls for.
//!
//! Invariant: no command has the value of a property.

use super::librdkafka::create::NewTopic;
use super::settings::Cluster;
use crate::config::RecordKey;
use crate::kafka::way::Way;
use crate::limits::{MESSAGE_FLOOR_OCTETS, RECORD_OVERHEAD_OCTETS};

/// The option that the largest message of all follows from.
const MESSAGE_SIZE: &str = "limits.message_size";

/// Replicas of each partition that mail should have: with two that confirm each mail, any one broker may be lost or stopped.
pub(super) const REPLICAS: usize = 3;
/// Partitions of a topic that is created.
pub(super) const PARTITIONS: usize = 12;

/// What the texts speak of.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    brokers: String,
    /// The option that names the topic, where it is one; `topic` otherwise.
    option: &'static str,
    topic: String,
    key: RecordKey,
    allow_compacted: bool,
    require_in_sync: usize,
    create_topic: bool,
    message_size: u64,
    /// The option that this size follows from.
    bound: &'static str,
    /// Whether EHLO names this size already, so that it can no longer be lowered.
    advertised: bool,
    /// How the brokers are spoken to.
    way: Way,
}

impl Subject {
    /// Of this cluster, with the largest message in bytes.
    pub(crate) fn new(cluster: &Cluster, message_size: u64) -> Self {
        let kafka = &cluster.kafka;
        Self {
            brokers: cluster.brokers.clone(),
            option: "kafka.topic",
            topic: kafka.topic.clone(),
            key: kafka.key,
            allow_compacted: kafka.allow_compacted,
            require_in_sync: kafka.require_in_sync,
            create_topic: kafka.create_topic,
            message_size,
            bound: MESSAGE_SIZE,
            advertised: false,
            way: cluster.way(),
        }
    }

    /// How its brokers are spoken to.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Of the default configuration, with messages of 1 MiB.
    #[cfg(test)]
    pub(super) fn of_a_test() -> Self {
        let cluster = Cluster {
            brokers: "k:9092".to_owned(),
            kafka: crate::config::Config::default().kafka,
            topics: crate::config::Topics::one("mail"),
        };
        Self::new(&cluster, 1 << 20)
    }

    /// The same, with this much required.
    #[cfg(test)]
    pub(super) fn requiring(self, require_in_sync: usize) -> Self {
        Self {
            require_in_sync,
            ..self
        }
    }

    /// The same, where a missing topic is created.
    #[cfg(test)]
    pub(super) fn creating(self) -> Self {
        Self {
            create_topic: true,
            ..self
        }
    }

    /// The same for another topic: its largest message, and the option that bounds it.
    pub(super) fn for_topic(self, name: &str, message_size: u64, bound: &'static str) -> Self {
        let option = match name == self.topic {
            true => self.option,
            false => "topic",
        };
        Self {
            option,
            topic: name.to_owned(),
            message_size,
            bound,
            ..self
        }
    }

    /// The same for a server that runs: its SIZE is said.
    pub(super) fn advertised(self) -> Self {
        Self {
            advertised: true,
            ..self
        }
    }

    /// The topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The topic and its cluster, as a text begins with them.
    pub(super) fn place(&self) -> String {
        format!("{} {:?} at {}", self.option, self.topic, self.brokers)
    }

    /// The list of brokers.
    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// What a record's key is made of.
    pub(super) fn key(&self) -> RecordKey {
        self.key
    }

    /// Whether a topic that is compacted is wanted, so that records have keys.
    pub(super) fn allows_compacted(&self) -> bool {
        self.allow_compacted && self.key != RecordKey::None
    }

    /// Whether `kafka.allow_compacted` is set.
    pub(super) fn is_compacted_by_choice(&self) -> bool {
        self.allow_compacted
    }

    /// The least `min.insync.replicas` with which mail is taken.
    pub(super) fn require_in_sync(&self) -> usize {
        self.require_in_sync
    }

    /// Whether the start creates a topic that is missing.
    pub(super) fn creates(&self) -> bool {
        self.create_topic
    }

    /// Whether EHLO names this size already.
    pub(super) fn is_advertised(&self) -> bool {
        self.advertised
    }

    /// The largest message in bytes.
    pub(super) fn message_size(&self) -> u64 {
        self.message_size
    }

    /// Whether the largest message that goes to it is the largest of all.
    pub(super) fn is_bound_by_size(&self) -> bool {
        self.bound == MESSAGE_SIZE
    }

    /// Which option bounds the messages that go to the topic.
    pub(super) fn bound(&self) -> &'static str {
        self.bound
    }

    /// The largest record in bytes.
    pub(super) fn record_size(&self) -> u64 {
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
    pub(super) fn raise(&self) -> String {
        self.alter(&format!("max.message.bytes={}", self.record_size()))
    }

    /// That Kafka has refused mail for its size, where the topic's limit is not known to be too small.
    pub(super) fn refused_for_its_size(&self) -> String {
        format!(
            "{}: Kafka refuses records for their size (MSG_SIZE_TOO_LARGE) that are within the SIZE = {} \
             that EHLO names; such mail gets 451 until the topic's max.message.bytes is raised; raise it with {}",
            self.place(),
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

    /// The topic as it should be created for this configuration's mail, in a cluster of this many brokers. Zero: the number is
    /// unknown.
    pub(super) fn plan(&self, brokers: usize) -> NewTopic {
        let replicas = match brokers {
            0 => REPLICAS,
            brokers => brokers.min(REPLICAS),
        };
        // With two replicas, 2 would let each stop of a broker stop mail.
        let least = if replicas < REPLICAS { 1 } else { 2 };
        let least = match self.require_in_sync <= replicas {
            true => least.max(self.require_in_sync),
            false => least,
        };
        NewTopic {
            name: self.topic.clone(),
            partitions: PARTITIONS,
            replicas,
            entries: vec![
                ("min.insync.replicas", least.to_string()),
                ("max.message.bytes", self.record_size().to_string()),
                ("cleanup.policy", "delete".to_owned()),
            ],
        }
    }

    /// The command that creates the topic, and what its copies are worth where they are few.
    pub(super) fn create(&self, brokers: usize) -> String {
        let plan = self.plan(brokers);
        let worth = match plan.replicas {
            1 => {
                " (one copy: what its broker loses is lost; with three brokers use 3 and min.insync.replicas=2)"
            }
            2 => {
                " (two copies, of which one alone may confirm a mail; with three brokers use 3 and min.insync.replicas=2)"
            }
            _ => "",
        };
        let entry = |(name, value): &(&str, String)| format!(" --config {name}={value}");
        let entries: String = plan.entries.iter().map(entry).collect();
        let (bootstrap, topic) = (&self.brokers, &self.topic);
        format!(
            "`kafka-topics.sh --create --bootstrap-server {bootstrap} --topic {topic} --partitions {} --replication-factor \
             {}{entries}`{worth}",
            plan.partitions, plan.replicas
        )
    }

    /// Sets an entry of the topic's configuration.
    pub(super) fn alter(&self, entry: &str) -> String {
        let (bootstrap, topic) = (&self.brokers, &self.topic);
        format!(
            "`kafka-configs.sh --bootstrap-server {bootstrap} --alter --topic {topic} --add-config {entry}`"
        )
    }

    /// Gives partitions more replicas, by this file.
    pub(super) fn reassign(&self, file: &str) -> String {
        let bootstrap = &self.brokers;
        format!(
            "`echo '{file}' > more-replicas.json; kafka-reassign-partitions.sh --bootstrap-server {bootstrap} \
             --reassignment-json-file more-replicas.json --execute`"
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
