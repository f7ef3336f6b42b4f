//! What names a cluster and a topic, and which properties may be passed on to librdkafka.
//!
//! Owns the list of properties that are ringpost's own to set. Whether a property exists and what it takes is checked by
//! librdkafka when the producer is made.

use std::net::Ipv6Addr;

/// The list of a cluster's brokers in the form that librdkafka takes, `host:port,host:port`.
pub(in crate::config) fn broker_list(text: &str) -> Result<String, String> {
    let mut list = Vec::new();
    for broker in text.split(',').map(str::trim) {
        if !is_broker(broker) {
            return Err(format!(
                "has {broker:?} for a broker: write host:port, several separated by commas, or embedded, or discard"
            ));
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
pub(in crate::config) fn topic(text: &str) -> Result<String, String> {
    const CHARACTERS: usize = 249;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=CHARACTERS).contains(&text.len())
        && text.bytes().all(legal)
        && text != "."
        && text != "..";
    if fits {
        return Ok(text.to_owned());
    }
    Err(
        "is not a name that Kafka allows: 1 to 249 letters, digits, dots, underscores and hyphens"
            .to_owned(),
    )
}

/// The name of a property that may be passed on to librdkafka.
pub(in crate::config) fn property_name(name: &str) -> Result<String, String> {
    if let Some((_, instead)) = RESERVED_PROPERTIES
        .iter()
        .find(|(reserved, _)| *reserved == name)
    {
        return Err(format!("is not for kafka.properties: {instead}"));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || !name.bytes().all(legal) {
        return Err("is not the name of a librdkafka property, such as linger.ms".to_owned());
    }
    Ok(name.to_owned())
}

/// Properties of librdkafka that are ringpost's to set, each with what to do instead. Their aliases count as well.
const RESERVED_PROPERTIES: [(&str, &str); 11] = [
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
            let why = broker_list(text).expect_err(text);
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
        }
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
            ("", "is not the name"),
            ("linger ms", "is not the name"),
        ];
        for (name, part) in cases {
            let why = property_name(name).expect_err(name);
            assert!(why.contains(part), "{name}: {why}");
        }
    }
}
