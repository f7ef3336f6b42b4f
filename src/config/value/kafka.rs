//! What names a cluster and a topic, and which properties may be passed on to librdkafka.
//!
//! Owns the list of properties that ringpost sets itself, and the text for one that librdkafka does not take. Which
//! properties exist and what each takes is asked of librdkafka itself, on a configuration that is thrown away.
//!
//! Invariant: no text shows a property's value, which may be a password.
//!
//! BUGS: what properties mean together (a password without its mechanism, a file that is missing) shows only when a
//! producer is made of them.

use std::net::Ipv6Addr;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::reason::{PropertyFault, Reason};
use crate::config::suggest;

/// The list of a cluster's brokers in the form that librdkafka takes, `host:port,host:port`.
pub(in crate::config) fn broker_list(text: &str) -> Result<String, Reason> {
    let mut list = Vec::new();
    for broker in text.split(',').map(str::trim) {
        if !is_broker(broker) {
            let broker = broker.to_owned();
            return Err(Reason::NotABroker { broker });
        }
        list.push(broker);
    }
    Ok(list.join(","))
}

/// `[protocol://]host[:port]`, the host a name or an address, IPv6 in brackets.
fn is_broker(text: &str) -> bool {
    const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
    let (protocol, rest) = text.split_once("://").unwrap_or(("plaintext", text));
    if !PROTOCOLS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(protocol))
    {
        return false;
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let Some((ip, port)) = inner.split_once(']') else {
            return false;
        };
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return ip.parse::<Ipv6Addr>().is_ok() && port_fits;
    }
    let (host, port) = rest
        .split_once(':')
        .map_or((rest, None), |(host, port)| (host, Some(port)));
    // Names that only an internal resolver knows may have underscores (Compose makes them), so no more is asked for.
    let is_host_octet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !host.is_empty() && host.bytes().all(is_host_octet) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A topic name, by Kafka's own rule.
///
/// # Errors
/// It is no such name.
pub fn topic(text: &str) -> Result<String, Reason> {
    const CHARACTERS: usize = 249;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=CHARACTERS).contains(&text.len())
        && text.bytes().all(legal)
        && text != "."
        && text != "..";
    if fits {
        return Ok(text.to_owned());
    }
    Err(Reason::NotATopic)
}

/// A topic name, or nothing where there may be none.
pub(in crate::config) fn optional_topic(text: &str) -> Result<Option<String>, Reason> {
    (!text.is_empty()).then(|| topic(text)).transpose()
}

/// A topic name, or the empty text, of which somebody else says that a topic is missing.
pub(in crate::config) fn topic_or_nothing(text: &str) -> Result<String, Reason> {
    Ok(optional_topic(text)?.unwrap_or_default())
}

/// The name of a property that may be passed on to librdkafka.
pub(in crate::config) fn property_name(name: &str) -> Result<String, Reason> {
    let mut reserved = RESERVED_PROPERTIES.iter();
    if let Some(&(_, instead)) = reserved.find(|(reserved, _)| *reserved == name) {
        return Err(PropertyFault::Reserved { instead }.into());
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(PropertyFault::NotAName.into());
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    Ok(alias.map_or(name, |&(_, name)| name).to_owned())
}

/// What to set instead of a property that only Java clients have.
pub fn of_java(name: &str) -> Option<&'static str> {
    match name {
        "sasl.jaas.config" => Some("use sasl.mechanism, sasl.username and sasl.password"),
        "ssl.truststore.location" | "ssl.truststore.password" | "ssl.truststore.type" => {
            Some("use ssl.ca.location, a file of certificates in PEM")
        }
        _ => None,
    }
}

/// Whether librdkafka accepts this value of a property.
pub(in crate::config) fn property_value(name: &str, value: &str) -> Result<(), Reason> {
    if let Some(instead) = of_java(name) {
        return Err(PropertyFault::OfJava { instead }.into());
    }
    if TOKEN_PROPERTIES.contains(&name) {
        return Ok(token_property(name, value.trim())?);
    }
    if name == MECHANISM {
        return Ok(mechanism(value.trim())?);
    }
    let set = ClientConfig::new().set(name, value).create_native_config();
    match set {
        Ok(native) => {
            let read = native.get(name).unwrap_or_default();
            Ok(the_number_that_is_written(value, &read)?)
        }
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            let near = suggest::nearest(name, KNOWN_PROPERTIES);
            Err(PropertyFault::Unknown { near }.into())
        }
        Err(KafkaError::ClientConfig(_, reason, ..)) => Err(refused(name, &reason).into()),
        Err(_) => Err(PropertyFault::Nul.into()),
    }
}

/// Whether librdkafka has this mechanism; it finds out when a client is made, in words about how it was built.
fn mechanism(value: &str) -> Result<(), PropertyFault> {
    match value {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" | "OAUTHBEARER" => Ok(()),
        "GSSAPI" => Err(PropertyFault::Gssapi),
        _ => Err(PropertyFault::NoneOf { words: MECHANISMS }),
    }
}

/// librdkafka of this build does not have these; what they mean together is found out when they are used.
fn token_property(name: &str, value: &str) -> Result<(), PropertyFault> {
    let words = PROPERTY_WORDS.iter().find(|(known, _)| *known == name);
    match words {
        _ if value.contains('\0') => Err(PropertyFault::Nul),
        Some(&(_, words)) if !words.split(" and ").any(|word| word == value) => {
            Err(PropertyFault::NoneOf { words })
        }
        Some(_) | None => Ok(()),
    }
}

/// librdkafka reads a number as far as it goes, and cuts one that is too large for it: `5s` is 5, and 4294967301 as well.
fn the_number_that_is_written(written: &str, read: &str) -> Result<(), PropertyFault> {
    let written = written.trim();
    let begins_as_one = written.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let Ok(number) = read.parse::<f64>() else {
        return Ok(());
    };
    let same = match written.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).is_ok_and(|all| all as f64 == number),
        None => written.parse::<f64>().is_ok_and(|all| all == number),
    };
    if same || read == written || !begins_as_one {
        return Ok(());
    }
    Err(PropertyFault::Unit)
}

/// What librdkafka's reason says, without the value that it may show.
fn refused(name: &str, reason: &str) -> PropertyFault {
    if let Some((_, range)) = reason.split_once("outside allowed range ") {
        let allowed = range.trim().replace("..", " to ");
        return PropertyFault::OutOfRange { allowed };
    }
    if reason.contains("not supported in this build") {
        return PropertyFault::NotBuiltIn;
    }
    if reason.starts_with("Expected bool") {
        return PropertyFault::Switch;
    }
    if reason.starts_with("Property ") || reason.starts_with("Internal ") {
        return PropertyFault::ProgramsAlone;
    }
    match PROPERTY_WORDS.iter().find(|(known, _)| *known == name) {
        Some(&(_, words)) => PropertyFault::NoneOf { words },
        None if takes_a_number(name) => PropertyFault::NotANumber,
        None => PropertyFault::Refused,
    }
}

fn takes_a_number(name: &str) -> bool {
    let defaults = ClientConfig::new().create_native_config();
    let default = defaults.and_then(|defaults| defaults.get(name));
    default.is_ok_and(|text| text.parse::<f64>().is_ok())
}

const MECHANISM: &str = "sasl.mechanism";
const MECHANISMS: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER";

/// Names that librdkafka takes for others. One source has to beat the other, whichever name each uses.
const ALIASES: [(&str, &str); 3] = [
    ("sasl.mechanisms", MECHANISM),
    (
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.id",
    ),
    (
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.client.secret",
    ),
];

/// Properties of librdkafka's that ringpost takes itself, as it fetches tokens itself (`kafka::oauth`).
pub const TOKEN_PROPERTIES: [&str; 9] = [
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "https.ca.location",
    "https.ca.pem",
];

/// What the properties take that are set most often.
const PROPERTY_WORDS: [(&str, &str); 5] = [
    ("sasl.oauthbearer.method", "oidc and default"),
    (MECHANISM, MECHANISMS),
    (
        "security.protocol",
        "plaintext, ssl, sasl_plaintext and sasl_ssl",
    ),
    ("compression.type", "none, gzip, lz4, snappy and zstd"),
    ("compression.codec", "none, gzip, lz4, snappy and zstd"),
];

/// Names to suggest for one that is misspelt: what is set in practice, of librdkafka's 180.
const KNOWN_PROPERTIES: [&str; 39] = [
    "client.id",
    "client.rack",
    "compression.level",
    "compression.type",
    "batch.num.messages",
    "batch.size",
    "connections.max.idle.ms",
    "debug",
    "enable.idempotence",
    "https.ca.location",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "metadata.max.age.ms",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "statistics.interval.ms",
];

/// Properties of librdkafka that ringpost sets itself, each with what to do instead. Their aliases count as well.
const RESERVED_PROPERTIES: [(&str, &str); 13] = [
    (
        "allow.auto.create.topics",
        "ringpost never has a topic created by asking for it; there is nothing to set",
    ),
    (
        "log.queue",
        "ringpost reads librdkafka's log lines itself; set log.level to debug to see them",
    ),
    (
        "acks",
        "it is always all, as a 250 promises that every in-sync replica has the message",
    ),
    (
        "request.required.acks",
        "it is always all, as a 250 promises that every in-sync replica has the message",
    ),
    (
        "message.max.bytes",
        "set limits.message_size; it follows from that",
    ),
    ("delivery.timeout.ms", "set kafka.delivery_timeout"),
    ("message.timeout.ms", "set kafka.delivery_timeout"),
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    (
        "delivery.report.only.error",
        "a 250 waits for the report of success; there is nothing to set",
    ),
    (
        "enabled_events",
        "ringpost reads librdkafka's events itself; there is nothing to set",
    ),
    (
        "transactional.id",
        "ringpost uses no transactions; enable.idempotence is allowed",
    ),
    ("test.mock.num.brokers", "set kafka.brokers to embedded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_lists_are_checked() {
        let good = [
            ("127.0.0.1:9092", "127.0.0.1:9092"),
            ("kafka-1:9092, kafka-2:9092", "kafka-1:9092,kafka-2:9092"),
            ("kafka_1.internal", "kafka_1.internal"),
            ("[2001:db8::1]:9092", "[2001:db8::1]:9092"),
            ("[::1]", "[::1]"),
            ("SASL_SSL://kafka:9093", "SASL_SSL://kafka:9093"),
        ];
        for (text, list) in good {
            assert_eq!(broker_list(text), Ok(list.to_owned()));
        }
        let bad = [
            "",
            "a:9092,",
            "a:0",
            "a:65536",
            "a:port",
            "a b:9092",
            "http://a:9092",
            "::1:9092",
            "[::1:9092",
            "[a]:1",
            ":1",
        ];
        for text in bad {
            let why = broker_list(text).expect_err(text).to_string();
            assert!(
                why.contains("for a broker: write host:port"),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn topics_follow_the_rule_of_kafka() {
        for text in ["mail", "a", "mail.in_1-x", &"a".repeat(249)] {
            assert_eq!(topic(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            ".",
            "..",
            "mail in",
            "mail/in",
            "märz",
            &"a".repeat(250),
        ] {
            assert!(topic(text).is_err(), "{text}");
            assert_eq!(optional_topic(text).is_err(), !text.is_empty(), "{text}");
        }
        assert_eq!(optional_topic(""), Ok(None));
        assert_eq!(topic_or_nothing("a"), Ok("a".to_owned()));
    }

    #[test]
    fn reserved_properties_name_what_to_use_instead() {
        for name in [
            "linger.ms",
            "enable.idempotence",
            "sasl.password",
            "ssl.ca.location",
        ] {
            assert_eq!(property_name(name), Ok(name.to_owned()));
        }
        let cases = [
            ("acks", "always all"),
            ("request.required.acks", "always all"),
            ("message.max.bytes", "limits.message_size"),
            ("delivery.timeout.ms", "kafka.delivery_timeout"),
            ("message.timeout.ms", "kafka.delivery_timeout"),
            ("bootstrap.servers", "kafka.brokers"),
            ("metadata.broker.list", "kafka.brokers"),
            ("delivery.report.only.error", "report of success"),
            ("allow.auto.create.topics", "never has a topic created"),
            ("", "is not the name"),
            ("linger ms", "is not the name"),
        ];
        for (name, part) in cases {
            let why = property_name(name).expect_err(name).to_string();
            assert!(why.contains(part), "{name}: {why}");
        }
    }

    #[test]
    fn a_property_that_librdkafka_does_not_take_is_told_without_its_value() {
        for (name, value) in [
            ("linger.ms", "5"),
            ("linger.ms", "0.5"),
            ("socket.keepalive.enable", "true"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.password", "5s"),
            ("sasl.password", "-1x"),
            ("client.id", "007"),
            ("statistics.interval.ms", "0x10"),
            ("debug", "broker,topic"),
            ("compression.level", "-1"),
        ] {
            assert_eq!(property_value(name, value), Ok(()), "{name} = {value}");
        }
        for (name, value, words) in [
            ("linger.mss", "hunter2", "did you mean linger.ms?"),
            ("sasl.pasword", "hunter2", "did you mean sasl.password?"),
            ("zzzzzzzzzz", "hunter2", "CONFIGURATION.md"),
            ("linger.ms", "hunter2", "a number is expected"),
            ("linger.ms", "-777777", "0 to 900000 is allowed"),
            ("linger.ms", "5seconds", "without a unit"),
            ("socket.timeout.ms", "4294977296", "without a unit"),
            ("socket.keepalive.enable", "hunter2", "true or false"),
            ("security.protocol", "hunter2", "sasl_ssl"),
            (
                "ssl.endpoint.identification.algorithm",
                "hunter2",
                "does not take",
            ),
            ("error_cb", "hunter2", "by a program"),
            ("client.id", "hun\0ter2", "NUL"),
        ] {
            let why = property_value(name, value).expect_err(name).to_string();
            assert!(why.contains(words), "{name}: {why}");
            assert!(!why.contains(value), "{name}: {why}");
        }
    }

    #[test]
    fn what_is_suggested_can_be_set() {
        for name in KNOWN_PROPERTIES {
            let told = property_value(name, "\u{7f}")
                .err()
                .map_or(String::new(), |reason| reason.to_string());
            assert!(!told.contains("is not a property"), "{name}: {told}");
        }
        for (name, words) in PROPERTY_WORDS {
            for word in words.replace(" and ", ", ").split(", ") {
                assert_eq!(property_value(name, word), Ok(()), "{name} = {word}");
            }
        }
    }
}
