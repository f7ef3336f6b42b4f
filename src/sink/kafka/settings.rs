//! librdkafka's settings: ringpost's defaults, the user's properties, and what the promise rests on, in this order.
//!
//! Owns: every property that ringpost sets. Must not know: records, threads; what is wrong with a property is
//! `kafka::properties`'s.
//!
//! Invariants: values of properties get into no text, as they may be passwords; no client of ours creates a topic.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use super::librdkafka::{Events, Producer};
use super::verdict::delivery_outcome;
use crate::config::{self, Topics};
use crate::kafka::lock::lock;
use crate::kafka::properties::{Refused, hide_values, named_in, place, tokens, usable};
use crate::kafka::way::Way;
use crate::kafka::words::without_thread;
use crate::limits::{BATCH_OCTETS, RECORD_OVERHEAD_OCTETS};

/// librdkafka's own bound of `message.max.bytes`.
const MESSAGE_MAX_OCTETS: u64 = 1_000_000_000;

/// A cluster, and what is configured for it.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Its `bootstrap.servers`: `host:port`, separated by commas.
    pub brokers: String,
    /// `[kafka]`.
    pub kafka: config::Kafka,
    /// The topics that records go to.
    pub topics: Topics,
}

impl Cluster {
    /// The properties that the operator has set: names and values.
    fn properties(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let properties = self.kafka.properties.iter();
        properties.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How its brokers are spoken to.
    pub(super) fn way(&self) -> Way {
        Way::of(|name| self.kafka.properties.get(name).map(String::as_str))
    }

    /// Why librdkafka does not take the properties, from its error.
    pub(super) fn refused(&self, error: KafkaError) -> Refused {
        Refused::new(error, self.properties())
    }

    /// What every client needs, the user's properties included.
    pub(super) fn client(&self) -> ClientConfig {
        let mut settings = ClientConfig::new();
        settings
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "ringpost")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A network that drops packets: a new try begins before the kernel's own pauses between two get long.
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.keepalive.enable", "true");
        let level = if self.kafka.properties.contains_key("debug") {
            RDKafkaLogLevel::Debug
        } else {
            RDKafkaLogLevel::Info
        };
        settings.set_log_level(level);
        for (name, value) in self.properties() {
            settings.set(name, value);
        }
        // A producer's requests for metadata would create a misspelt topic, or one that was deleted a moment ago.
        settings.set("allow.auto.create.topics", "false");
        settings
    }

    /// The producer's settings: defaults, then the user's properties, then what the promise rests on.
    pub(super) fn producer(&self, message_size: u64) -> ClientConfig {
        let delivery = self.kafka.delivery_timeout.as_millis().max(1);
        let message_max = message_size
            .saturating_add(RECORD_OVERHEAD_OCTETS as u64)
            .min(MESSAGE_MAX_OCTETS);
        let mut settings = self.client();
        // Under the second name, an operator may have set the same.
        let defaults = [
            // How long a record of a steady trickle waits for others: at 2 ms a mail costs the broker half as much again, below it
            // several times as much. A sender that waits for its report does not wait this long: see `closing`.
            ("linger.ms", "queue.buffering.max.ms", "5".to_owned()),
            ("batch.size", "", BATCH_OCTETS.to_string()),
            ("compression.type", "compression.codec", "none".to_owned()),
            ("retry.backoff.ms", "", "20".to_owned()),
            ("retry.backoff.max.ms", "", "500".to_owned()),
            // The budget bounds what is in flight; librdkafka's own bounds must not be reached first.
            ("queue.buffering.max.messages", "", "1000000".to_owned()),
            ("queue.buffering.max.kbytes", "", "2147483647".to_owned()),
            // What waits at which broker is evidence that it does not store: see `patience`.
            ("statistics.interval.ms", "", "1000".to_owned()),
            // A connection on which nothing was answered for this long is made again: where a network dropped packets for a while, the
            // kernel's own pause before its next try is as long as that while was.
            (
                "socket.timeout.ms",
                "",
                (delivery * 2 / 3).clamp(10_000, 30_000).to_string(),
            ),
            // A late answer of a broker leaves a third of the time for another try.
            (
                "request.timeout.ms",
                "",
                (delivery * 2 / 3).clamp(1, 30_000).to_string(),
            ),
        ];
        for (name, alias, value) in defaults {
            if settings.get(name).is_none() && settings.get(alias).is_none() {
                settings.set(name, value);
            }
        }
        for other_name in ["request.required.acks", "message.timeout.ms"] {
            let none = settings.get(other_name).is_none();
            assert!(none, "the configuration refuses {other_name}");
        }
        settings
            .set("acks", "all")
            .set("message.max.bytes", message_max.to_string())
            .set("delivery.timeout.ms", delivery.to_string());
        settings
    }
}

/// Whether librdkafka makes a producer of the properties; one that knows no broker is made and thrown away. What it warns of
/// comes back.
///
/// # Errors
/// Which key is wrong, and why.
pub(crate) fn check(kafka: &config::Kafka, message_size: u64) -> Result<Vec<String>, Refused> {
    usable(|name| kafka.properties.get(name).map(String::as_str))?;
    let nowhere = Cluster {
        brokers: String::new(),
        kafka: kafka.clone(),
        topics: Topics::one(&kafka.topic),
    };
    let mut settings = nowhere.producer(message_size);
    settings.remove("bootstrap.servers");
    let (mut settings, tokens) = tokens(&settings)?;
    if tokens.is_some() {
        // This client needs none, and librdkafka asks who makes them.
        settings.set("enable.sasl.oauthbearer.unsecure.jwt", "true");
    }
    let warned = Arc::new(Warned::default());
    let events = Box::new(Arc::clone(&warned));
    let producer = Producer::new(&settings, &nowhere.topics, events, delivery_outcome)
        .map_err(|error| nowhere.refused(error))?;
    while producer.poll(Duration::ZERO, &mut Vec::new()) {}
    drop(producer);
    let mut warnings = std::mem::take(&mut *lock(&warned.0));
    if tokens.is_some_and(|tokens| tokens.exposes_the_secret()) {
        warnings.push(CLEAR_SECRET.to_owned());
    }
    warnings.extend(nowhere.way().ageing(Timestamp::now()));
    let said = |text: &String| {
        let named = named_in(nowhere.properties(), text);
        let keys: Vec<&str> = named.iter().map(String::as_str).collect();
        let text = hide_values(nowhere.properties(), text);
        format!("{}: {text}", place(&keys))
    };
    Ok(warnings.iter().map(said).collect())
}

const CLEAR_SECRET: &str =
    "the client's secret goes to sasl.oauthbearer.token.endpoint.url in clear text: use https://";

/// What librdkafka warns of in its configuration.
#[derive(Default)]
struct Warned(Mutex<Vec<String>>);

impl Events for Arc<Warned> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        const WARNING: i32 = 4;
        if facility == "CONFWARN" && level <= WARNING {
            lock(&self.0).push(without_thread(text).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Blame, Blamed};

    fn config(properties: &[(&str, &str)]) -> config::Kafka {
        let mut config = config::Config::default().kafka;
        config.properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        config
    }

    #[test]
    fn what_properties_mean_together_is_checked_without_a_broker() {
        assert_eq!(check(&config(&[]), 1 << 20).unwrap(), Vec::<String>::new());
        for (properties, words) in [
            (
                &[
                    ("security.protocol", "ssl"),
                    ("ssl.ca.location", "/no/hunter2.pem"),
                ][..],
                "key \"ssl.ca.location\": the file that it names cannot be read",
            ),
            (
                &[("sasl.jaas.config", "Login required password=\"hunter2\";")],
                "for Java clients only: use sasl.mechanism, sasl.username and sasl.password",
            ),
            (
                &[("enable.idempotence", "true"), ("max.in.flight", "100000")],
                "key \"enable.idempotence\"",
            ),
            (
                &[
                    ("security.protocol", "sasl_ssl"),
                    ("sasl.mechanism", "hunter2"),
                ],
                "kafka.properties",
            ),
        ] {
            let error = check(&config(properties), 1 << 20).unwrap_err();
            assert_eq!(error.blame(), Blame::Operator);
            let error = error.to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_property_without_effect_is_warned_of() {
        let warnings = check(&config(&[("group.id", "hunter2")]), 1 << 20).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("key \"group.id\""), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
    }

    #[test]
    fn what_is_about_to_fail_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["ringpost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        std::fs::write(path("hunter2.pem"), certificate.pem()).unwrap();
        std::fs::write(path("hunter2.key"), key.serialize_pem()).unwrap();
        let (pem, private) = (path("hunter2.pem"), path("hunter2.key"));
        let tls = [
            ("security.protocol", "ssl"),
            ("ssl.certificate.location", pem.as_str()),
            ("ssl.key.location", private.as_str()),
        ];
        let tokens = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "mail"),
            ("sasl.oauthbearer.client.secret", "hunter2"),
            (
                "sasl.oauthbearer.token.endpoint.url",
                "http://hunter2.example/",
            ),
        ];
        for (properties, words) in [
            (
                &tls[..],
                "key \"ssl.certificate.location\": the certificate of ssl.certificate.location expired at 2021-01-01T00:00:00Z",
            ),
            (
                &tokens[..],
                "key \"sasl.oauthbearer.token.endpoint.url\": the client's secret goes",
            ),
        ] {
            let warnings = check(&config(properties), 1 << 20).unwrap();
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains(words), "{warnings:?}");
            assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
        }
    }

    #[test]
    fn an_operators_other_name_of_a_default_is_not_set_twice() {
        let settings = |properties| {
            let cluster = Cluster {
                brokers: "127.0.0.1:1".to_owned(),
                kafka: config(properties),
                topics: Topics::one("mail"),
            };
            cluster.producer(1000)
        };
        let lingers = settings(&[("queue.buffering.max.ms", "0")]);
        assert_eq!(lingers.get("linger.ms"), None);
        let usual = settings(&[]);
        assert_eq!(usual.get("linger.ms"), Some("5"));
        assert_eq!(usual.get("allow.auto.create.topics"), Some("false"));
    }
}
