//! What librdkafka is told: ringpost's defaults, the user's properties, and what the promise rests on, in this order.
//!
//! Owns: every property that ringpost sets, and the text for one that librdkafka refuses. Must not know: records, threads.
//!
//! Invariants: values of properties get into no text, as they may be passwords; no client of ours has a topic created.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use super::librdkafka::{Events, Producer};
use super::lock;
use super::reach;
use super::verdict::delivery_outcome;
use crate::config;
use crate::limits::{BATCH_OCTETS, RECORD_OVERHEAD_OCTETS};

/// librdkafka's own bound of `message.max.bytes`.
const MESSAGE_MAX_OCTETS: u64 = 1_000_000_000;

pub(super) fn broker_list(config: &config::Kafka) -> Result<&str, String> {
    match &config.brokers {
        config::Brokers::List(list) => Ok(list),
        // A caller's slip: it starts the embedded broker and passes its address.
        other => Err(format!("kafka.brokers is {other:?}, which names no broker")),
    }
}

/// What every client needs, the user's properties included.
pub(super) fn client_config(config: &config::Kafka) -> Result<ClientConfig, String> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", broker_list(config)?)
        .set("client.id", "ringpost")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true");
    let level = if config.properties.contains_key("debug") {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Info
    };
    settings.set_log_level(level);
    for (name, value) in &config.properties {
        settings.set(name, value);
    }
    // A producer's requests for metadata would create a topic that is misspelt, or that was deleted a moment ago.
    settings.set("allow.auto.create.topics", "false");
    Ok(settings)
}

/// The producer's settings: defaults, then the user's properties, then what the promise rests on.
pub(super) fn producer_config(
    config: &config::Kafka,
    message_size: u64,
) -> Result<ClientConfig, String> {
    let delivery = config.delivery_timeout.as_millis().max(1);
    let message_max = message_size
        .saturating_add(RECORD_OVERHEAD_OCTETS as u64)
        .min(MESSAGE_MAX_OCTETS);
    let mut settings = client_config(config)?;
    // Under the second name, an operator may have set the same.
    let defaults = [
        // How long a steady trickle waits for company: at 2 ms the broker pays half as much again for a mail, below it
        // several times as much. Whoever waits for a report does not wait this long: see `closing`.
        ("linger.ms", "queue.buffering.max.ms", "5".to_owned()),
        ("batch.size", "", BATCH_OCTETS.to_string()),
        ("compression.type", "compression.codec", "none".to_owned()),
        ("retry.backoff.ms", "", "20".to_owned()),
        ("retry.backoff.max.ms", "", "500".to_owned()),
        // What is in flight is bounded by the budget; librdkafka's own bounds are not to be the first.
        ("queue.buffering.max.messages", "", "1000000".to_owned()),
        ("queue.buffering.max.kbytes", "", "2147483647".to_owned()),
        ("statistics.interval.ms", "", "5000".to_owned()),
        // A broker's answer that is late leaves a third of the time for another try.
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
    settings
        .set("acks", "all")
        .set("message.max.bytes", message_max.to_string())
        .set("delivery.timeout.ms", delivery.to_string());
    Ok(settings)
}

/// Properties that name a file which librdkafka reads where brokers are spoken to in TLS.
const FILES: [&str; 5] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.crl.location",
    "ssl.keystore.location",
];

/// The first property whose file cannot be read, and why: librdkafka's own words do not say it.
pub fn unreadable<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<(&'static str, String)> {
    if reach::in_clear(get("security.protocol")) {
        return None;
    }
    FILES.into_iter().find_map(|name| {
        // "probe" has librdkafka look for the machine's own.
        let file = get(name).filter(|file| !file.is_empty() && *file != "probe")?;
        let error = std::fs::File::open(file).err()?;
        Some((
            name,
            format!("the file that it names cannot be read: {error}"),
        ))
    })
}

/// What to set instead of a property that Java clients alone have.
pub fn instead(name: &str) -> Option<&'static str> {
    match name {
        "sasl.jaas.config" => {
            Some("it is of Java clients only: use sasl.mechanism, sasl.username and sasl.password")
        }
        "ssl.truststore.location" | "ssl.truststore.password" | "ssl.truststore.type" => {
            Some("it is of Java clients only: use ssl.ca.location, a file of certificates in PEM")
        }
        _ => None,
    }
}

/// Whether librdkafka makes a producer of the properties; one that knows no broker is made and thrown away. What it warns of
/// comes back.
///
/// # Errors
/// Which key is wrong, and why.
pub fn check(config: &config::Kafka, message_size: u64) -> Result<Vec<String>, String> {
    let mut nowhere = config.clone();
    nowhere.brokers = config::Brokers::List(String::new());
    let mut settings = producer_config(&nowhere, message_size)?;
    settings.remove("bootstrap.servers");
    if let Some((name, why)) = unreadable(|name| config.properties.get(name).map(String::as_str)) {
        return Err(format!("kafka.properties, key {name:?}: {why}"));
    }
    let warned = Arc::new(Warned::default());
    let producer = Producer::new(
        &settings,
        &config.topic,
        Box::new(Arc::clone(&warned)),
        delivery_outcome,
    )
    .map_err(|error| explain(config, &error))?;
    while producer.poll(Duration::ZERO, &mut Vec::new()) {}
    drop(producer);
    let warnings = std::mem::take(&mut *lock(&warned.0));
    Ok(warnings
        .iter()
        .map(|text| format!("{}: {}", place(config, text), masked(config, text)))
        .collect())
}

/// What librdkafka warns of in its configuration.
#[derive(Default)]
struct Warned(Mutex<Vec<String>>);

impl Events for Arc<Warned> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        const WARNING: i32 = 4;
        if facility == "CONFWARN" && level <= WARNING {
            let text = text.rsplit("]: ").next().unwrap_or(text);
            lock(&self.0).push(text.to_owned());
        }
    }
}

/// Says which key is wrong; values stay out, as they may be passwords.
pub(super) fn explain(config: &config::Kafka, error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, key, _) if instead(key).is_some() => {
            let instead = instead(key).unwrap_or_default();
            format!("kafka.properties, key {key:?}: {instead}")
        }
        KafkaError::ClientConfig(_, reason, key, _) => {
            let reason = masked(config, reason);
            format!("kafka.properties, key {key:?}: librdkafka refuses it: {reason}")
        }
        KafkaError::ClientCreation(reason) => format!(
            "{}: librdkafka refuses the settings: {}",
            place(config, reason),
            masked(config, reason)
        ),
        other => format!("[kafka]: librdkafka did not start: {other}"),
    }
}

/// The properties that a text of librdkafka speaks of.
fn place(config: &config::Kafka, text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = text
        .split(|c| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
        .collect();
    let named: Vec<String> = config
        .properties
        .keys()
        .filter(|name| words.contains(&name.as_str()))
        .map(|name| format!("key {name:?}"))
        .collect();
    match named.is_empty() {
        true => "[kafka.properties]".to_owned(),
        false => format!("kafka.properties, {}", named.join(" and ")),
    }
}

/// A text of librdkafka without the values that the operator has set.
fn masked(config: &config::Kafka, text: &str) -> String {
    let mut values: Vec<&str> = config
        .properties
        .values()
        .map(|value| value.trim())
        .collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    // A short number or word would be found inside of others; no password is as short.
    values.retain(|value| value.len() > 3 && !matches!(*value, "true" | "false"));
    values
        .iter()
        .fold(text.to_owned(), |text, value| text.replace(value, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(properties: &[(&str, &str)]) -> config::Kafka {
        let mut config = config::Config::default().kafka;
        config.brokers = config::Brokers::List("127.0.0.1:1".into());
        config.properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        config
    }

    #[test]
    fn what_properties_mean_together_is_checked_without_a_broker() {
        assert_eq!(check(&config(&[]), 1 << 20), Ok(Vec::new()));
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
                "of Java clients only: use sasl.mechanism, sasl.username and sasl.password",
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
    fn an_operators_other_name_of_a_default_is_not_set_twice() {
        let settings = producer_config(&config(&[("queue.buffering.max.ms", "0")]), 1000).unwrap();
        assert_eq!(settings.get("linger.ms"), None);
        let settings = producer_config(&config(&[]), 1000).unwrap();
        assert_eq!(settings.get("linger.ms"), Some("5"));
        assert_eq!(settings.get("allow.auto.create.topics"), Some("false"));
    }
}
