//! What is asked of a cluster about the topic: at start, by the sink while it runs, and by `ringpost check`.
//!
//! Owns: the questions, and an operator's text for every answer that keeps mail from being stored. Must not know: records
//! under way.
//!
//! Invariant: a question ends within the time that it is given.
//!
//! BUGS: asking for a topic may create it where the brokers do that (`auto.create.topics.enable`). The properties are the
//! same as for producing.

use std::net::ToSocketAddrs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::librdkafka::{Events, Producer};
use super::lock;
use super::properties::{broker_list, client_config, explain};
use super::verdict::delivery_outcome;
use crate::config;
use crate::limits::RECORD_OVERHEAD_OCTETS;

/// Longest wait for an event before the topic is looked at again.
const POLL: Duration = Duration::from_millis(100);

/// What the cluster says of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its partitions.
    pub partitions: usize,
    /// The smallest number of replicas that a partition has.
    pub replicas: usize,
    /// The smallest number of replicas in sync that a partition has.
    pub in_sync: usize,
    /// Brokers in the cluster.
    pub brokers: usize,
}

/// Asks once; `None` while a leader is being chosen.
pub(super) fn look(
    producer: &Producer,
    topic: &str,
    timeout: Duration,
) -> Result<Option<TopicInfo>, Code> {
    let metadata = producer
        .metadata(topic, timeout)
        .map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Fail))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.ok_or(Code::UnknownTopicOrPartition)?;
    match found.error().map(Code::from) {
        None => {}
        Some(Code::LeaderNotAvailable) => return Ok(None),
        Some(code) => return Err(code),
    }
    let partitions = found.partitions();
    if partitions.iter().any(|partition| partition.leader() < 0) {
        return Ok(None);
    }
    let least = |count: fn(&rdkafka::metadata::MetadataPartition) -> usize| {
        partitions.iter().map(count).min().unwrap_or(0)
    };
    Ok(Some(TopicInfo {
        partitions: partitions.len(),
        replicas: least(|partition| partition.replicas().len()),
        in_sync: least(|partition| partition.isr().len()),
        brokers: metadata.brokers().len(),
    }))
}

/// Why a topic takes no records: an operator's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No broker answers, or none can be asked with these settings.
    Cluster(String),
    /// The cluster answers, and what it says of the topic is the trouble.
    Topic(String),
}

/// Asks the cluster for the topic. Blocks up to `timeout`, and uses it up where no broker answers.
///
/// # Errors
/// What is wrong and what helps.
pub fn check(config: &config::Kafka, timeout: Duration) -> Result<TopicInfo, Trouble> {
    let brokers = broker_list(config).map_err(Trouble::Cluster)?;
    let settings = client_config(config).map_err(Trouble::Cluster)?;
    let said = Arc::new(Said::default());
    let events = Box::new(said.clone());
    let producer = Producer::new(&settings, &config.topic, events, delivery_outcome)
        .map_err(|error| Trouble::Cluster(explain(&error)))?;
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let seen = look(&producer, &config.topic, left);
        while producer.poll(Duration::ZERO, &mut Vec::new()) {}
        match seen {
            Ok(Some(info)) => return Ok(info),
            Ok(None) if left.is_zero() => {
                return Err(Trouble::Topic(format!(
                    "kafka.topic {:?} at {brokers}: a partition has no leader; see `kafka-topics.sh --describe \
                     --bootstrap-server {brokers} --topic {}`",
                    config.topic, config.topic
                )));
            }
            Ok(None) => {
                // A leader is being chosen; events are all there is to wait for.
                producer.poll(left.min(POLL), &mut Vec::new());
            }
            Err(code) => return Err(trouble(config, brokers, code, &said.text())),
        }
    }
}

fn trouble(config: &config::Kafka, brokers: &str, code: Code, said: &str) -> Trouble {
    let topic = &config.topic;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => Trouble::Topic(format!(
            "kafka.topic {topic:?} does not exist at {brokers}; create it with `kafka-topics.sh --create \
             --bootstrap-server {brokers} --topic {topic} --partitions 12 --replication-factor 3 --config \
             min.insync.replicas=2`"
        )),
        Code::TopicAuthorizationFailed => Trouble::Topic(format!(
            "kafka.topic {topic:?} at {brokers}: not authorized; the principal needs Describe and Write on it"
        )),
        Code::InvalidTopic => Trouble::Topic(format!(
            "kafka.topic {topic:?} is not a name that {brokers} accepts"
        )),
        code => Trouble::Cluster(unreachable_cluster(config, brokers, code, said)),
    }
}

fn unreachable_cluster(config: &config::Kafka, brokers: &str, code: Code, said: &str) -> String {
    let reason = if said.is_empty() {
        "no broker answered in time"
    } else {
        said
    };
    let what = if said.contains("Failed to resolve") {
        "a name does not resolve"
    } else {
        "no broker can be reached"
    };
    format!(
        "kafka.brokers {brokers}, topic {:?}: {what} ({code:?}): {reason}; check the list, and security.protocol in \
         [kafka.properties]",
        config.topic
    )
}

/// The entries of a list of brokers whose name does not resolve, and how many there are in all.
pub fn unresolved(list: &str) -> (Vec<&str>, usize) {
    // As librdkafka reads it: a protocol in front is passed over, and 9092 is the port where none is given.
    let resolves = |broker: &str| {
        let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
        let found = if address.rsplit_once(':').is_some() {
            address.to_socket_addrs()
        } else {
            (address, 9092).to_socket_addrs()
        };
        found.is_ok_and(|mut found| found.next().is_some())
    };
    let brokers: Vec<&str> = list.split(',').map(str::trim).collect();
    let unresolved = brokers.iter().copied().filter(|broker| !resolves(broker));
    (unresolved.collect(), brokers.len())
}

/// Remembers what librdkafka said of errors while a check ran.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Said {
    fn text(&self) -> String {
        lock(&self.0).join("; ")
    }
}

impl Events for Arc<Said> {
    fn error(&self, code: Code, text: &str) {
        let mut said = lock(&self.0);
        // "All brokers are down" adds nothing to the reason of each.
        // A second failure differs by its count alone, which stands in parentheses at the end.
        let cause = |text: &str| text.split(" (after ").next().map(str::to_owned);
        let repeated = said.iter().any(|known| cause(known) == cause(text));
        let new = code != Code::AllBrokersDown && !repeated;
        if new && said.len() < 4 {
            said.push(text.to_owned());
        }
    }

    fn log(&self, _level: i32, _facility: &str, text: &str) {
        tracing::debug!(target: "librdkafka", "{text}");
    }
}

/// What of a topic's configuration decides over mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// `max.message.bytes`: the largest record.
    pub max_message_bytes: Option<u64>,
    /// `min.insync.replicas`: with fewer in sync, nothing is stored.
    pub min_insync_replicas: Option<usize>,
}

/// Reads the topic's configuration; `None` where the cluster refuses to tell (not authorized). Blocks up to `timeout`,
/// and uses it up where the request is not answered, as the embedded broker never does.
pub fn settings(
    config: &config::Kafka,
    timeout: Duration,
) -> Result<Option<TopicSettings>, String> {
    let brokers = broker_list(config)?;
    let failed = |reason: String| {
        format!(
            "kafka.brokers {brokers}: the configuration of topic {:?} cannot be read: {reason}",
            config.topic
        )
    };
    let client: AdminClient<DefaultClientContext> = client_config(config)?
        .create()
        .map_err(|error| explain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let options = AdminOptions::new()
        .request_timeout(Some(timeout))
        .operation_timeout(Some(timeout));
    let topic = [ResourceSpecifier::Topic(&config.topic)];
    let answer = match runtime.block_on(client.describe_configs(&topic, &options)) {
        Ok(answers) => answers.into_iter().next(),
        Err(KafkaError::AdminOp(code)) => Some(Err(code)),
        Err(error) => return Err(failed(error.to_string())),
    };
    match answer {
        None
        | Some(Err(
            Code::UnsupportedFeature
            | Code::UnsupportedVersion
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed,
        )) => Ok(None),
        Some(Err(code)) => Err(failed(format!("{code:?}"))),
        Some(Ok(resource)) => {
            let value = |name: &str| resource.get(name)?.value.as_deref()?.parse::<u64>().ok();
            Ok(Some(TopicSettings {
                max_message_bytes: value("max.message.bytes"),
                min_insync_replicas: value("min.insync.replicas")
                    .and_then(|count| count.try_into().ok()),
            }))
        }
    }
}

/// What lets the topic take messages of this size.
pub fn raise_command(config: &config::Kafka, message_size: u64) -> String {
    let (brokers, topic) = (&config.brokers, &config.topic);
    let needed = message_size + RECORD_OVERHEAD_OCTETS as u64;
    format!(
        "kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config max.message.bytes={needed}"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::types::RDKafkaRespErr;

    use super::*;
    use crate::sink::embedded::EmbeddedBroker;

    const TOPIC: &str = "mail";
    /// Ends a test that would hang; nothing is measured against it.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn config(brokers: String) -> config::Kafka {
        config::Kafka {
            brokers: config::Brokers::List(brokers),
            topic: TOPIC.into(),
            key: config::RecordKey::None,
            delivery_timeout: PATIENCE,
            properties: BTreeMap::new(),
        }
    }

    #[test]
    fn the_check_tells_a_missing_topic_from_a_missing_broker() {
        let broker = EmbeddedBroker::start(TOPIC, 5).unwrap();
        let mut config = config(broker.bootstrap());
        let info = check(&config, PATIENCE).unwrap();
        assert_eq!((info.partitions, info.brokers), (5, 1));
        broker.run(|cluster| {
            let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
            cluster.topic_error("absent", missing).unwrap();
        });
        let topic = |checked| match checked {
            Err(Trouble::Topic(text)) => text,
            other => panic!("{other:?}"),
        };
        let cluster = |checked| match checked {
            Err(Trouble::Cluster(text)) => text,
            other => panic!("{other:?}"),
        };
        config.topic = "absent".into();
        let error = topic(check(&config, PATIENCE));
        assert!(error.contains("\"absent\" does not exist"), "{error}");
        assert!(error.contains("--create"), "{error}");
        config.brokers = config::Brokers::List("no-such-host.invalid:9092".into());
        let error = cluster(check(&config, Duration::from_secs(2)));
        assert!(error.contains("does not resolve"), "{error}");
        assert!(error.contains("no-such-host.invalid:9092"), "{error}");
        // A port that was free a moment ago, and that nobody listens on.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        config.brokers = config::Brokers::List(address.clone());
        let error = cluster(check(&config, Duration::from_secs(2)));
        assert!(error.contains("no broker can be reached"), "{error}");
        assert!(
            error.contains(&address) && error.contains("refused"),
            "{error}"
        );
    }

    #[test]
    fn a_limit_that_nobody_tells_is_an_error_that_says_where() {
        // The embedded broker does not know this request.
        let broker = EmbeddedBroker::start(TOPIC, 1).unwrap();
        let config = config(broker.bootstrap());
        let error = settings(&config, Duration::from_secs(1)).unwrap_err();
        assert!(error.contains(&broker.bootstrap()), "{error}");
        assert!(error.contains("\"mail\""), "{error}");
    }

    #[test]
    fn names_that_do_not_resolve_are_told_apart() {
        let list =
            "127.0.0.1:9092, no-such-host.invalid:9092,PLAINTEXT://localhost,[::1]:1,x.invalid";
        let (bad, all) = unresolved(list);
        assert_eq!(
            (bad, all),
            (vec!["no-such-host.invalid:9092", "x.invalid"], 5)
        );
    }
}
