//! A client that asks a cluster before there is a sink: at the start, and by `ringpost check`.
//!
//! Owns: how long an answer is waited for, and the creation of a topic that is missing. Must not know: what an answer comes to, which
//! is `topic`'s; records.
//!
//! Invariant: a question ends within the time that it is given; a topic is created where that was asked for alone.
//!
//! BUGS: the properties are the same as for producing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::finding::Finding;
use super::librdkafka::admin::Unanswered;
use super::librdkafka::create::NewTopic;
use super::librdkafka::{Events, Producer};
use super::settings::Cluster;
use super::subject::Subject;
use super::topic::{Answer, Seen, Untold, describe, finding};
use super::verdict::delivery_outcome;
use crate::config::Topics;
use crate::kafka::name::named;
use crate::kafka::properties::Refused;
use crate::kafka::reach::Said;
use crate::kafka::search::{Caller, Client, Ended, Search};
use crate::kafka::topic::TopicInfo;

/// The longest time of one try for an answer.
const LONGEST_TRY: Duration = Duration::from_secs(2);
/// Longest wait for the topic's configuration and for what may be done with it.
const DESCRIBE_WAIT: Duration = Duration::from_secs(3);

/// Pause before a topic that was created is looked for again.
const PAUSE: Duration = Duration::from_millis(100);
/// The least time for a question, once the cluster has answered one.
const LEAST_WAIT: Duration = Duration::from_millis(500);

/// Why a topic could not be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Uncreated {
    /// This client may not create it.
    Denied,
    /// The cluster refuses, or does not answer, in these words.
    Refused(String),
    /// It was created, and does not appear.
    Unseen,
}

impl Uncreated {
    fn new(why: Unanswered) -> Self {
        match why.code {
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => Self::Denied,
            code => Self::Refused(format!("{}: {}", named(code), why.text)),
        }
    }

    /// For an operator, with what helps.
    pub(super) fn text(&self, subject: &Subject) -> String {
        let place = subject.place();
        match self {
            Self::Denied => format!(
                "{place} does not exist, and ringpost may not create it (kafka.create_topic): the operation Create is missing; \
                 grant it with {}",
                subject.grant(&["Create"])
            ),
            Self::Refused(words) => {
                format!(
                    "{place} does not exist, and could not be created (kafka.create_topic): {words}"
                )
            }
            Self::Unseen => {
                format!("{place} was created (kafka.create_topic), and has no leaders yet")
            }
        }
    }
}

/// Asks the cluster for all that decides over mail, as [`Inquiry::ask`] does.
///
/// # Errors
/// A property that librdkafka refuses; within, that no broker answers.
pub(super) fn ask(
    cluster: &Cluster,
    subjects: &[Subject],
    timeout: Duration,
    waiting: impl FnOnce(&str),
) -> Result<Result<Vec<Answer>, Finding>, Refused> {
    let inquiry = Inquiry::new(cluster, timeout)?;
    Ok(inquiry.ask(subjects, timeout, waiting))
}

/// A client that asks a cluster before there is a sink.
pub(super) struct Inquiry<'a> {
    cluster: &'a Cluster,
    producer: Producer,
    said: Arc<Said>,
}

impl<'a> Inquiry<'a> {
    /// Makes it; a silent broker is given up after `timeout`.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn new(cluster: &'a Cluster, timeout: Duration) -> Result<Self, Refused> {
        let mut settings = cluster.client();
        // These detect a silent broker; librdkafka's own values are 30 s and 10 s.
        let most = timeout.as_millis().max(1_000).to_string();
        for name in [
            "socket.connection.setup.timeout.ms",
            "api.version.request.timeout.ms",
        ] {
            if settings.get(name).is_none() {
                settings.set(name, &most);
            }
        }
        let said = Arc::new(Said::default());
        let events = Box::new(Heard(Arc::clone(&said)));
        let topic = &cluster.kafka.topic;
        let producer = Producer::new(&settings, &Topics::one(topic), events, delivery_outcome)
            .map_err(|error| cluster.refused(error))?;
        Ok(Self {
            cluster,
            producer,
            said,
        })
    }

    /// Asks about each of these topics, of which there is one at least. Blocks up to `timeout` and the time for a description;
    /// less where every broker is known to be out of reach. `waiting` is called once if it takes longer than an operator
    /// expects.
    ///
    /// # Errors
    /// That no broker answers.
    pub(super) fn ask(
        &self,
        subjects: &[Subject],
        timeout: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<Vec<Answer>, Finding> {
        let (first, others) = subjects.split_first().expect("there is one topic");
        let deadline = Instant::now() + timeout;
        let mut found = vec![self.find(first.topic(), timeout, waiting)];
        if let Err(finding @ Finding::Unreachable(_)) = &found[0] {
            return Err(finding.clone());
        }
        for other in others {
            // The cluster has answered: only a topic without leaders takes time.
            let left = deadline.saturating_duration_since(Instant::now());
            found.push(self.find(other.topic(), left.max(LEAST_WAIT), |_| {}));
        }
        let mut wait = DESCRIBE_WAIT;
        let described = found.into_iter().zip(subjects).map(|(found, subject)| {
            let info = found?;
            let (settings, writable) = describe(&self.producer, subject.topic(), wait, || false);
            if matches!(settings, Err(Untold::Unanswered(..))) {
                // The others would not be answered either, and each would take as long.
                wait = LEAST_WAIT;
            }
            Ok(Seen {
                info,
                settings,
                writable,
            })
        });
        Ok(described.collect())
    }

    /// Creates a topic, and waits until it has its leaders.
    ///
    /// # Errors
    /// Why it is not there.
    pub(super) fn create(&self, topic: &NewTopic, timeout: Duration) -> Result<(), Uncreated> {
        match self.producer.create(topic, timeout) {
            Ok(()) => {}
            // Another instance was faster.
            Err(why) if why.code == Code::TopicAlreadyExists => {}
            Err(why) => return Err(Uncreated::new(why)),
        }
        let deadline = Instant::now() + timeout;
        loop {
            // A broker may not know of the topic for a moment.
            let found = self.find(&topic.name, LEAST_WAIT, |_| {});
            let over = Instant::now() >= deadline;
            match found {
                Ok(info) if info.leaderless == 0 && !info.partitions.is_empty() => return Ok(()),
                Ok(_) | Err(_) if over => return Err(Uncreated::Unseen),
                Ok(_) | Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    fn find(
        &self,
        topic: &str,
        timeout: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<TopicInfo, Finding> {
        let way = self.cluster.way();
        let search = Search {
            brokers: &self.cluster.brokers,
            way: &way,
            topic,
            limit: timeout,
            longest_try: LONGEST_TRY,
            hopeless_after: Duration::ZERO,
        };
        let mut waiting = Some(waiting);
        let caller = Caller {
            // A topic without a leader has one in a moment.
            settles: &|answer| answer.as_ref().map_or(true, |info| info.leaderless == 0),
            stop: &|| None::<Infallible>,
            waiting: &mut |_| {
                if let Some(waiting) = waiting.take() {
                    waiting(&self.said.so_far(&self.cluster.brokers));
                }
            },
        };
        match search.run(&self.producer, &self.said, caller) {
            Ended::Answered(Ok(info)) => Ok(info),
            Ended::Answered(Err(no_topic)) => Err(finding(no_topic)),
            Ended::Silent { reason, .. } => Err(Finding::Unreachable(reason)),
            Ended::Stopped(never) => match never {},
        }
    }
}

/// Keeps what librdkafka says of its connections.
struct Heard(Arc<Said>);

impl Events for Heard {
    fn error(&self, code: Code, text: &str) {
        tracing::debug!(target: "librdkafka", ?code, "{text}");
        self.0.note(code, text);
    }

    fn token(&self, why: Option<&str>) {
        self.0.note_token(why);
    }
}

impl Client for Producer {
    fn metadata(&self, topic: &str, timeout: Duration) -> Result<Metadata, KafkaError> {
        Producer::metadata(self, topic, timeout)
    }

    fn listen(&self, within: Duration) {
        let mut wait = within;
        while self.poll(wait, &mut Vec::new()) {
            wait = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::TcpListener;

    use rdkafka::types::RDKafkaRespErr;

    use super::*;
    use crate::config::Config;
    use crate::sink::embedded::broker::EmbeddedBroker;

    const TOPIC: &str = "mail";
    /// Ends a test that would hang; nothing is measured against it.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn cluster(brokers: String) -> Cluster {
        let kafka = Config::default().kafka;
        let topics = Topics::one(TOPIC);
        Cluster {
            brokers,
            kafka,
            topics,
        }
    }

    fn asked(cluster: &Cluster) -> Answer {
        let subjects = [Subject::new(cluster, 1 << 20)];
        let mut answers = ask(cluster, &subjects, PATIENCE, |_| {}).unwrap()?;
        answers.pop().unwrap()
    }

    #[test]
    fn a_missing_topic_is_told_from_a_missing_broker() {
        let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 5).unwrap();
        let mut cluster = cluster(broker.bootstrap());
        let seen = asked(&cluster).unwrap();
        assert_eq!((seen.info.partitions.len(), seen.info.brokers), (5, 1));
        broker.run(|mock| {
            let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
            mock.topic_error("absent", missing).unwrap();
        });
        cluster.kafka.topic = "absent".into();
        assert_eq!(asked(&cluster), Err(Finding::Missing(1)));
    }

    #[test]
    fn librdkafkas_own_lines_do_not_keep_a_client_from_ending() {
        let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
        let mut cluster = cluster(broker.bootstrap());
        let debug = ("debug".to_owned(), "all".to_owned());
        cluster.kafka.properties = [debug].into_iter().collect();
        for _ in 0..5 {
            asked(&cluster).unwrap();
        }
    }

    fn reason(brokers: String) -> String {
        match asked(&cluster(brokers)) {
            Err(Finding::Unreachable(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_broker_that_cannot_be_reached_is_known_before_the_time_is_over() {
        // A port that was free a moment ago, so that nothing listens there.
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        let error = reason(address.clone());
        assert!(
            error.contains(&address) && error.contains("refused"),
            "{error}"
        );
        let error = reason("no-such-host.invalid:9092".into());
        assert!(error.contains("no-such-host.invalid:9092"), "{error}");
        assert!(error.contains("does not resolve"), "{error}");
    }

    #[test]
    fn a_wait_is_told_of_and_ends() {
        // The kernel accepts the connections, and no program answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let cluster = cluster(address.clone());
        let told = Cell::new(String::new());
        let limit = Duration::from_secs(3);
        let subjects = [Subject::new(&cluster, 1 << 20)];
        let answer = ask(&cluster, &subjects, limit, |what| told.set(what.to_owned())).unwrap();
        let Err(Finding::Unreachable(error)) = answer else {
            panic!("{answer:?}");
        };
        assert!(error.contains("timed out"), "{error}");
        assert!(told.take().contains(&address));
    }

    #[test]
    fn librdkafkas_own_log_keeps_no_client_from_ending() {
        let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
        let mut cluster = cluster(broker.bootstrap());
        let debug = ("debug".to_owned(), "all".to_owned());
        cluster.kafka.properties = [debug].into_iter().collect();
        assert!(asked(&cluster).is_ok());
    }

    #[test]
    fn what_the_cluster_cannot_tell_is_no_finding() {
        // The embedded broker does not know the request for the configuration.
        let broker = EmbeddedBroker::start(&Topics::one(TOPIC), 1).unwrap();
        let cluster = cluster(broker.bootstrap());
        let seen = asked(&cluster).unwrap();
        assert!(seen.settings.is_err(), "{seen:?}");
        assert_eq!(seen.findings(&Subject::new(&cluster, 1 << 20)), []);
    }
}
