//! Which topic of which cluster, and the clients that read and write it.
//!
//! Owns: the settings of these clients. Must not know: what records mean.
//!
//! Invariants: no client of ours creates the topic; a reader is in no group and commits nothing; no value of a property gets
//! into a text.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::trouble::{Failed, Trouble};
use crate::config::Config;
use crate::kafka::oauth::keeper::Kept;
use crate::kafka::oauth::settings::Settings;
use crate::kafka::properties::{Refused, tokens, usable};
use crate::kafka::reach::Said;
use crate::kafka::topic::{self, TopicInfo};
use crate::kafka::way::Way;

/// A client needs a name to assign partitions by hand. No group of this name is joined or written to.
const NO_GROUP: &str = "ringpost-recipients";

/// A topic of recipients. See the module.
#[derive(Clone)]
pub struct Place {
    /// The `bootstrap.servers` of its cluster.
    pub brokers: String,
    /// Its name.
    pub topic: String,
    /// The operator's properties: names and values.
    pub properties: Vec<(String, String)>,
}

impl Place {
    /// The one that a configuration names, in the cluster that these brokers are of.
    pub fn of(config: &Config, brokers: &str) -> Option<Self> {
        let topic = config.recipients.topic.clone()?;
        let properties = config.kafka.properties.iter();
        Some(Self {
            brokers: brokers.to_owned(),
            topic,
            properties: properties
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        })
    }

    fn property(&self, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter().rev();
        let found = properties.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn settings(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings
            .set("client.id", "ringpost")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in &self.properties {
            settings.set(name, value);
        }
        settings
            .set("bootstrap.servers", &self.brokers)
            .set("allow.auto.create.topics", "false");
        settings
    }

    fn client<C, T>(
        &self,
        settings: &ClientConfig,
        context: C,
    ) -> Result<(T, Option<Settings>), Refused>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C>,
    {
        usable(|name| self.property(name))?;
        let (settings, tokens) = tokens(settings)?;
        let properties = self.properties.iter();
        let client = settings.create_with_context(context).map_err(|error| {
            let pairs = properties.map(|(name, value)| (name.as_str(), value.as_str()));
            Refused::new(error, pairs)
        })?;
        Ok((client, tokens))
    }

    /// A client that reads.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn consumer(&self) -> Result<Kept<BaseConsumer<Heard>>, Failed> {
        let mut settings = self.settings();
        settings
            .set("group.id", NO_GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // How the end of the topic is known.
            .set("enable.partition.eof", "true")
            // For a partition that was cut, or made again, while it was read.
            .set("auto.offset.reset", "earliest")
            // Other requests wait for a fetch on the same connection: an idle one is short.
            .set("fetch.wait.max.ms", "200")
            .set("fetch.error.backoff.ms", "100")
            // What is fetched and not yet taken.
            .set("queued.max.messages.kbytes", "16384")
            // A full queue is looked at again soon; librdkafka's own pause of a second would be most of a long reading.
            .set("fetch.queue.backoff.ms", "10");
        let heard = Heard::default();
        let said = Arc::clone(&heard.0);
        let (consumer, tokens): (BaseConsumer<Heard>, _) = self.client(&settings, heard)?;
        let told = move |why: Option<&str>| said.note_token(why);
        Kept::new(consumer, tokens, told).map_err(Failed::Thread)
    }

    /// A client that writes: with acks=all, and a key is in the partition in which Java's clients put it.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn producer<C: ProducerContext>(
        &self,
        context: C,
        heard: &Heard,
    ) -> Result<Kept<BaseProducer<C>>, Failed> {
        let mut settings = self.settings();
        settings
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("delivery.timeout.ms", "30000")
            .set("linger.ms", "20");
        let said = Arc::clone(&heard.0);
        let (producer, tokens): (BaseProducer<C>, _) = self.client(&settings, context)?;
        let told = move |why: Option<&str>| said.note_token(why);
        Kept::new(producer, tokens, told).map_err(Failed::Thread)
    }

    /// A client that asks for the topic's configuration; none where a login needs tokens.
    ///
    /// # Errors
    /// A property that librdkafka refuses.
    pub(super) fn admin(&self) -> Result<Option<AdminClient<Heard>>, Refused> {
        let (admin, tokens) = self.client(&self.settings(), Heard::default())?;
        Ok(tokens.is_none().then_some(admin))
    }
}

impl Place {
    /// What an answer to the question for the topic means.
    ///
    /// # Errors
    /// What is wrong with the cluster or the topic.
    pub(super) fn read(
        &self,
        answer: KafkaResult<Metadata>,
        heard: &Heard,
    ) -> Result<TopicInfo, Trouble> {
        match answer {
            Ok(metadata) => {
                heard.0.forget();
                topic::read(&metadata, &self.topic).map_err(Trouble::no_topic)
            }
            Err(error) => {
                let way = Way::of(|name| self.property(name));
                heard.0.probe(&self.brokers, &way);
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                Err(Trouble::Silent(heard.0.reason(code)))
            }
        }
    }

    /// A trouble with it, for an operator.
    pub(super) fn text(&self, trouble: &Trouble) -> String {
        trouble.text(&self.brokers, &self.topic)
    }

    /// The same as the end of a command.
    pub(super) fn failed(&self, trouble: &Trouble) -> Failed {
        Failed::Trouble(self.text(trouble))
    }

    /// Whether no broker can be reached, so that waiting is of no use.
    pub(super) fn is_hopeless(&self, heard: &Heard) -> bool {
        heard.0.hopeless(&self.brokers)
    }
}

/// Keeps what librdkafka says of its connections.
#[derive(Clone, Default)]
pub(super) struct Heard(pub(super) Arc<Said>);

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if let Some(code) = error.rdkafka_error_code() {
            self.0.note(code, reason);
        }
    }
}

impl ConsumerContext for Heard {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_topic_is_one_of_the_cluster_that_mail_goes_to_with_its_properties() {
        let mut config = config::Config::default();
        assert!(Place::of(&config, "k:1").is_none());
        config.recipients.topic = Some("recipients".to_owned());
        let properties = &mut config.kafka.properties;
        properties.insert("security.protocol".to_owned(), "ssl".to_owned());
        properties.insert("acks".to_owned(), "1".to_owned());
        let place = Place::of(&config, "k:1").expect("a topic");
        let settings = place.settings();
        assert_eq!(settings.get("security.protocol"), Some("ssl"));
        assert_eq!(settings.get("bootstrap.servers"), Some("k:1"));
    }

    #[test]
    fn a_property_that_librdkafka_refuses_is_named_without_its_value() {
        let place = Place {
            brokers: "127.0.0.1:1".to_owned(),
            topic: "recipients".to_owned(),
            properties: vec![
                ("security.protocol".to_owned(), "sasl_ssl".to_owned()),
                ("sasl.mechanism".to_owned(), "hunter2".to_owned()),
            ],
        };
        let refused = place
            .consumer()
            .err()
            .expect("no such mechanism")
            .to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
