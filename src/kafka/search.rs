//! Asking a cluster for a topic until it answers, or until waiting cannot help.
//!
//! Owns: how long one try takes, when librdkafka's silence is looked into, when an operator who waits gets a line. Must not
//! know: producers, consumers, what an answer means for them; why no broker answers is `reach`'s.
//!
//! Invariant: a search ends within its limit, and the time of one try.

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::reach::Said;
use super::topic::{self, NoTopic, TopicInfo};
use super::way::Way;

/// The first try for an answer; later ones take longer. Between two, it is clear whether all brokers are unreachable.
const FIRST_TRY: Duration = Duration::from_millis(250);
/// If librdkafka has not said why by then, the probe looks.
const PROBE_AFTER: Duration = Duration::from_millis(700);
/// If the answer takes longer, the operator who waits gets a line.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Pause before a cluster that has answered is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A client of librdkafka's, whatever it does besides.
pub trait Client {
    /// Asks for the topic.
    ///
    /// # Errors
    /// librdkafka's, where no broker answers in time.
    fn metadata(&self, topic: &str, timeout: Duration) -> Result<Metadata, KafkaError>;

    /// Waits up to `within` for what librdkafka has to say of its connections, and takes note of all of it.
    fn listen(&self, within: Duration);
}

/// What is searched for, and with how much patience.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The list of brokers.
    pub brokers: &'a str,
    /// How they are spoken to.
    pub way: &'a Way,
    /// The topic.
    pub topic: &'a str,
    /// How long the cluster has to answer.
    pub limit: Duration,
    /// The longest time of one try.
    pub longest_try: Duration,
    /// After how long the search ends if all brokers are known to be unreachable.
    pub hopeless_after: Duration,
}

/// What a cluster says of the topic.
pub type Answer = Result<TopicInfo, NoTopic>;

/// How a search ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<S> {
    /// The cluster has answered. An answer that does not settle the matter is the last one before the limit.
    Answered(Answer),
    /// No broker answers.
    Silent {
        /// Why, in an operator's words.
        reason: String,
        /// Whether each is known to be unreachable, so that the search ended before its limit.
        hopeless: bool,
    },
    /// The caller has stopped it, for this reason.
    Stopped(S),
}

/// What is known when it takes longer than an operator expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoFar<'a> {
    /// The last answer does not settle the matter.
    Answered(&'a Answer),
    /// No broker answers.
    Silent(Code),
}

/// What a search asks its caller, and says to it.
pub struct Caller<'a, S> {
    /// Whether an answer settles the matter, so that no other one is waited for.
    pub settles: &'a dyn Fn(&Answer) -> bool,
    /// Whether to stop, and why. `Infallible` is the reason of a caller that never does.
    pub stop: &'a dyn Fn() -> Option<S>,
    /// Called once, if it takes long.
    pub waiting: &'a mut dyn FnMut(SoFar<'_>),
}

impl Search<'_> {
    /// Searches. `said` is what `client` notes of its connections.
    pub fn run<S>(&self, client: &impl Client, said: &Said, caller: Caller<'_, S>) -> Ended<S> {
        let started = Instant::now();
        let (mut told, mut tried) = (false, FIRST_TRY);
        loop {
            if let Some(why) = (caller.stop)() {
                return Ended::Stopped(why);
            }
            let left = self.limit.saturating_sub(started.elapsed());
            let asked = client.metadata(self.topic, left.min(tried));
            client.listen(Duration::ZERO);
            let waited = started.elapsed();
            let answer = asked.map(|metadata| topic::read(&metadata, self.topic));
            let answer = answer.map_err(|error| error.rdkafka_error_code().unwrap_or(Code::Fail));
            match &answer {
                Ok(answer) if waited >= self.limit || (caller.settles)(answer) => {
                    return Ended::Answered(answer.clone());
                }
                Ok(_) => client.listen(PAUSE.min(left)),
                Err(code) => {
                    if said.is_vague() {
                        said.probe(self.brokers, self.way);
                    }
                    if let Some((reason, hopeless)) = self.silent(said, *code, waited) {
                        return Ended::Silent { reason, hopeless };
                    }
                    tried = (tried * 2).min(self.longest_try);
                    if waited >= PROBE_AFTER && !told {
                        said.probe(self.brokers, self.way);
                    }
                }
            }
            // The probe has taken its time too, and another try would take more.
            if started.elapsed() >= PATIENCE && !std::mem::replace(&mut told, true) {
                (caller.waiting)(match &answer {
                    Ok(answer) => SoFar::Answered(answer),
                    Err(code) => SoFar::Silent(*code),
                });
            }
        }
    }

    /// Why no broker answers, and whether waiting is of no use; none while it is of use.
    fn silent(&self, said: &Said, code: Code, waited: Duration) -> Option<(String, bool)> {
        let over = waited >= self.limit;
        let hopeless = !over && waited >= self.hopeless_after && said.hopeless(self.brokers);
        let reason = || said.reason(code);
        (over || hopeless).then(|| (reason(), hopeless))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    /// A client whose brokers are silent this many times, and a consumer that asks a cluster after that.
    struct Late {
        silences: RefCell<VecDeque<RDKafkaRespErr>>,
        asks: BaseConsumer,
    }

    impl Late {
        fn new(brokers: &str, silences: impl IntoIterator<Item = RDKafkaRespErr>) -> Self {
            let mut settings = ClientConfig::new();
            settings.set("bootstrap.servers", brokers);
            Self {
                silences: RefCell::new(silences.into_iter().collect()),
                asks: settings.create().unwrap(),
            }
        }
    }

    impl Client for Late {
        fn metadata(&self, topic: &str, _timeout: Duration) -> Result<Metadata, KafkaError> {
            match self.silences.borrow_mut().pop_front() {
                Some(silence) => Err(KafkaError::MetadataFetch(Code::from(silence))),
                None => self
                    .asks
                    .fetch_metadata(Some(topic), Duration::from_secs(60)),
            }
        }

        fn listen(&self, _within: Duration) {}
    }

    static IN_CLEAR: std::sync::LazyLock<Way> = std::sync::LazyLock::new(Way::in_clear);

    fn search(limit: Duration) -> Search<'static> {
        Search {
            brokers: "k:1",
            way: &IN_CLEAR,
            topic: "mail",
            limit,
            longest_try: Duration::from_secs(1),
            hopeless_after: Duration::ZERO,
        }
    }

    fn run(
        search: &Search<'_>,
        client: &Late,
        said: &Said,
        settles: fn(&Answer) -> bool,
    ) -> Ended<Infallible> {
        search.run(
            client,
            said,
            Caller {
                settles: &settles,
                stop: &|| None,
                waiting: &mut |_| {},
            },
        )
    }

    const LONG: Duration = Duration::from_secs(60);
    const TIMED_OUT: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT;

    #[test]
    fn an_answer_that_settles_the_matter_ends_it_after_any_silence() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mail", 3, 1).unwrap();
        let client = Late::new(&cluster.bootstrap_servers(), [TIMED_OUT; 2]);
        let ended = run(&search(LONG), &client, &Said::default(), |_| true);
        let Ended::Answered(Ok(info)) = ended else {
            panic!("{ended:?}");
        };
        assert_eq!(info.partitions, [0, 1, 2]);
        assert_eq!((info.leaderless, info.brokers), (0, 1));
        assert!(client.silences.borrow().is_empty());
        let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        cluster.topic_error("mail", missing).unwrap();
        let ended = run(&search(LONG), &client, &Said::default(), |_| true);
        assert_eq!(ended, Ended::Answered(Err(NoTopic::Missing(1))));
    }

    #[test]
    fn the_last_answer_counts_at_the_limit() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mail", 1, 1).unwrap();
        let client = Late::new(&cluster.bootstrap_servers(), []);
        let ended = run(&search(Duration::ZERO), &client, &Said::default(), |_| {
            false
        });
        assert!(matches!(ended, Ended::Answered(Ok(_))), "{ended:?}");
    }

    #[test]
    fn brokers_that_are_all_out_of_reach_are_not_waited_for() {
        let client = Late::new("127.0.0.1:1", [TIMED_OUT; 2]);
        let said = Said::default();
        said.note(
            Code::Resolve,
            "k:1/bootstrap: Failed to resolve 'k:1': none",
        );
        let ended = run(&search(LONG), &client, &said, |_| true);
        let Ended::Silent { reason, hopeless } = ended else {
            panic!("{ended:?}");
        };
        assert!(hopeless && reason.contains("does not resolve"), "{reason}");
        let ended = run(&search(Duration::ZERO), &client, &Said::default(), |_| true);
        assert!(matches!(
            ended,
            Ended::Silent {
                hopeless: false,
                ..
            }
        ));
    }

    /// A client whose brokers are silent until the time of each try is over.
    #[derive(Default)]
    struct Silent {
        tries: Cell<usize>,
    }

    impl Client for Silent {
        fn metadata(&self, _topic: &str, timeout: Duration) -> Result<Metadata, KafkaError> {
            self.tries.set(self.tries.get() + 1);
            std::thread::sleep(timeout);
            Err(KafkaError::MetadataFetch(Code::from(TIMED_OUT)))
        }

        fn listen(&self, _within: Duration) {}
    }

    #[test]
    fn a_silent_broker_is_spoken_of_as_soon_as_the_probe_has_looked() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, client) = (silent.local_addr().unwrap().to_string(), Silent::default());
        let search = Search {
            brokers: &address,
            ..search(LONG)
        };
        let told = Cell::new(None);
        let ended = search.run(
            &client,
            &Said::default(),
            Caller {
                settles: &|_| true,
                stop: &|| told.get(),
                waiting: &mut |_| told.set(Some(client.tries.get())),
            },
        );
        let Ended::Stopped(tries) = ended else {
            panic!("{ended:?}");
        };
        // The third try takes a second, which an operator would wait for in vain.
        assert!(tries <= 2, "{tries}");
    }

    #[test]
    fn a_caller_that_stops_is_not_kept_waiting() {
        let client = Late::new("127.0.0.1:1", [TIMED_OUT; 9]);
        let asked = Cell::new(0);
        let stop = || (asked.replace(asked.get() + 1) == 2).then_some("enough");
        let ended = search(LONG).run(
            &client,
            &Said::default(),
            Caller {
                settles: &|_| true,
                stop: &stop,
                waiting: &mut |_| {},
            },
        );
        assert_eq!(ended, Ended::Stopped("enough"));
        assert_eq!(client.silences.borrow().len(), 7);
    }
}
