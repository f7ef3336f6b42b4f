//! What librdkafka is told: ringpost's defaults, the user's properties, and what the promise rests on, in this order.
//!
//! Owns: every property that ringpost sets, and the text for one that librdkafka refuses. Must not know: records, threads.
//!
//! Invariant: values of properties get into no text, as they may be passwords.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

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
    let defaults = [
        // How long a steady trickle waits for company: at 2 ms the broker pays half as much again for a mail, below it
        // several times as much. Whoever waits for a report does not wait this long: see `closing`.
        ("linger.ms", "5".to_owned()),
        ("batch.size", BATCH_OCTETS.to_string()),
        ("compression.type", "none".to_owned()),
        ("retry.backoff.ms", "20".to_owned()),
        ("retry.backoff.max.ms", "500".to_owned()),
        // What is in flight is bounded by the budget; librdkafka's own bounds are not to be the first.
        ("queue.buffering.max.messages", "1000000".to_owned()),
        ("queue.buffering.max.kbytes", "2147483647".to_owned()),
        ("statistics.interval.ms", "5000".to_owned()),
        // A broker's answer that is late leaves a third of the time for another try.
        (
            "request.timeout.ms",
            (delivery * 2 / 3).clamp(1, 30_000).to_string(),
        ),
    ];
    for (name, value) in defaults {
        if settings.get(name).is_none() {
            settings.set(name, value);
        }
    }
    settings
        .set("acks", "all")
        .set("message.max.bytes", message_max.to_string())
        .set("delivery.timeout.ms", delivery.to_string());
    Ok(settings)
}

/// Says which key is wrong; values stay out, as they may be passwords.
pub(super) fn explain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, key, _) => {
            format!("kafka.properties, key {key:?}: librdkafka refuses it: {reason}")
        }
        KafkaError::ClientCreation(reason) => {
            format!("[kafka]: librdkafka refuses the settings: {reason}")
        }
        other => format!("[kafka]: librdkafka did not start: {other}"),
    }
}
