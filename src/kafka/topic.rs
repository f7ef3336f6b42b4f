//! What a cluster says of a topic when it is asked for it: the answer to a metadata request, read once for all clients.
//!
//! Owns: which answer means what. Must not know: who asks, what follows from an answer, its texts.
//!
//! Invariant: whether a topic is there follows from Kafka's code, never from a text.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::metadata::{Metadata, MetadataBroker, MetadataPartition};
use rdkafka::types::RDKafkaErrorCode as Code;

/// A topic that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its partitions; none while it is being made.
    pub partitions: Vec<i32>,
    /// How many of them have no leader.
    pub leaderless: usize,
    /// The smallest number of replicas that a partition has.
    pub replicas: usize,
    /// The smallest number of replicas in sync that a partition has.
    pub in_sync: usize,
    /// Brokers in the cluster.
    pub brokers: usize,
    /// Each broker that leads a partition.
    pub leaders: Vec<Leader>,
    /// Which brokers have the replicas of each partition, the preferred leader first.
    pub placement: BTreeMap<i32, Vec<i32>>,
    /// All brokers that are known, in their order: those that answer, and those that have a replica.
    pub members: Vec<i32>,
}

/// A broker that leads partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its number in the cluster.
    pub broker: i32,
    /// Its host and port, as the cluster names them; empty if it names none.
    pub address: String,
    /// How many partitions it leads.
    pub leads: usize,
    /// That of them with the most replicas in sync,
    pub partition: i32,
    /// and which these are.
    pub in_sync: Vec<i32>,
}

/// Why a cluster that answers has no such topic for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTopic {
    /// The answer leaves it out, in a cluster of this many brokers.
    Unnamed(usize),
    /// It does not exist, in a cluster of this many brokers.
    Missing(usize),
    /// This client may not even describe it.
    Hidden,
    /// The cluster does not accept its name.
    Unnameable,
    /// The cluster says something else of it.
    Odd(Code),
}

/// What the answer says of the topic.
///
/// # Errors
/// Why it has none.
pub fn read(metadata: &Metadata, topic: &str) -> Result<TopicInfo, NoTopic> {
    let brokers = metadata.brokers().len();
    let mut topics = metadata.topics().iter();
    let Some(found) = topics.find(|found| found.name() == topic) else {
        return Err(NoTopic::Unnamed(brokers));
    };
    match found.error().map(Code::from) {
        // A topic that was made this moment has no leaders yet.
        None | Some(Code::LeaderNotAvailable) => {}
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            return Err(NoTopic::Missing(brokers));
        }
        Some(Code::TopicAuthorizationFailed) => return Err(NoTopic::Hidden),
        Some(Code::InvalidTopic) => return Err(NoTopic::Unnameable),
        Some(code) => return Err(NoTopic::Odd(code)),
    }
    let partitions = found.partitions();
    let least = |count: fn(&MetadataPartition) -> usize| {
        let counts = partitions.iter().map(count);
        counts.min().unwrap_or(0)
    };
    let placement: BTreeMap<i32, Vec<i32>> = partitions
        .iter()
        .map(|partition| (partition.id(), partition.replicas().to_vec()))
        .collect();
    let mut members: BTreeSet<i32> = metadata.brokers().iter().map(MetadataBroker::id).collect();
    members.extend(placement.values().flatten());
    let leaderless = partitions.iter().filter(|one| one.leader() < 0);
    Ok(TopicInfo {
        partitions: partitions.iter().map(MetadataPartition::id).collect(),
        leaderless: leaderless.count(),
        replicas: least(|partition| partition.replicas().len()),
        in_sync: least(|partition| partition.isr().len()),
        brokers,
        leaders: leaders(metadata.brokers(), partitions),
        placement,
        members: members.into_iter().collect(),
    })
}

fn leaders(brokers: &[MetadataBroker], partitions: &[MetadataPartition]) -> Vec<Leader> {
    let mut leaders: BTreeMap<i32, Leader> = BTreeMap::new();
    for one in partitions.iter().filter(|one| one.leader() >= 0) {
        let (broker, in_sync) = (one.leader(), one.isr());
        let known = brokers.iter().find(|known| known.id() == broker);
        let leader = leaders.entry(broker).or_insert_with(|| Leader {
            broker,
            address: known.map_or_else(String::new, |known| {
                format!("{}:{}", known.host(), known.port())
            }),
            leads: 0,
            partition: one.id(),
            in_sync: in_sync.to_vec(),
        });
        leader.leads += 1;
        if in_sync.len() > leader.in_sync.len() {
            (leader.partition, leader.in_sync) = (one.id(), in_sync.to_vec());
        }
    }
    leaders.into_values().collect()
}
