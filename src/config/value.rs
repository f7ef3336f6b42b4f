//! How single values are written: sizes, durations, addresses, domains, brokers, topics, property lists.
//!
//! Owns the text forms, in both directions where documentation shows them. Knows neither the options that use them nor
//! where a text came from; the `Err` of each parser is the end of a sentence about the value: what is wrong and what to
//! write instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Units of sizes with their octets, the smallest last.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Units of durations with their milliseconds, the smallest last.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Octets out of `25MiB`, `1 GB` or `1048576`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        "is not a size: write octets, or a whole number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 25MiB"
            .to_owned()
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let factor = match unit {
        "" => 1,
        _ => {
            let known = SIZE_UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or_else(wrong)?.1
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| "is more octets than can be counted".to_owned())
}

/// The shortest exact form of a size: `25MiB`.
pub(super) fn size_text(octets: u64) -> String {
    with_unit(octets, &SIZE_UNITS)
}

/// A duration out of `250ms`, `30s`, `5min` or `1h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong =
        || "is not a duration: write a whole number with ms, s, min or h, such as 30s".to_owned();
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let (_, factor) = TIME_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let milliseconds = number.checked_mul(*factor);
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| "is longer than can be counted".to_owned())
}

/// The shortest exact form of a duration of whole milliseconds: `5min`.
pub(super) fn time_text(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis())
        .expect("durations are read from 64 bits of milliseconds");
    with_unit(milliseconds, &TIME_UNITS)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// The form with the fewest digits among the units that divide the number.
fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    let smallest = units.last().expect("a table of units has a unit");
    let (name, factor) = units
        .iter()
        .filter(fits)
        .max_by_key(|(_, factor)| *factor)
        .unwrap_or(smallest);
    format!("{}{name}", number / factor)
}

/// A whole number as written in the environment or after a flag.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.trim()
        .parse()
        .map_err(|_| "is not a whole number".to_owned())
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    text.trim()
        .parse()
        .map_err(|_| "is neither true nor false".to_owned())
}

/// An address with its port. Host names are refused: a listener has to know its interface without asking anybody.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let problem = "is not an IP address with a port";
        match meant_address(text) {
            Some(meant) => format!("{problem}: write {meant}"),
            None => {
                format!("{problem}, such as 0.0.0.0:25 or [::]:25; host names are not looked up")
            }
        }
    })
}

/// The address that was probably meant by one that cannot be read.
fn meant_address(text: &str) -> Option<String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(format!(
            "{} (an address and the port to listen on)",
            SocketAddr::new(ip, 25)
        ));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    let every = "for every interface";
    match host {
        "localhost" => Some(format!(
            "{} (host names are not looked up)",
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        )),
        "" | "*" => Some(format!("0.0.0.0:{port} {every}, or [::]:{port}")),
        _ => host
            .parse::<Ipv6Addr>()
            .ok()
            .map(|ip| SocketAddr::from((ip, port)).to_string()),
    }
}

/// The name of this server: a domain name, or an address literal (RFC 5321 4.1.3). Empty stays empty.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || is_literal(text) {
        return Ok(text.to_owned());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!(
            "is a bare address: write it as a literal, {}",
            literal(ip)
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    domain_name(name).map(|()| name.to_owned())
}

fn is_literal(text: &str) -> bool {
    let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return false;
    };
    match inner.strip_prefix("IPv6:") {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// A pattern of recipient domains, in lower case and without a trailing dot.
pub(super) fn domain_pattern(text: &str) -> Result<String, String> {
    let text = text.trim();
    let pattern = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if pattern == "*" {
        return Ok(pattern);
    }
    if let Some(rest) = pattern.strip_prefix('.') {
        return Err(format!(
            "begins with a dot: write *.{rest} for the names below {rest}"
        ));
    }
    if let Some((_, domain)) = pattern.rsplit_once('@') {
        return Err(format!(
            "is a mailbox: a domain is expected, such as {domain}"
        ));
    }
    let name = pattern.strip_prefix("*.").unwrap_or(&pattern);
    if name.contains('*') {
        return Err(
            "has a * in the midst: write * for every domain, *.example.com for the names below one"
                .to_owned(),
        );
    }
    domain_name(name).map(|()| pattern)
}

/// The characters of plus-addressing, of which each divides a local-part.
pub(super) fn delimiters(text: &str) -> Result<String, String> {
    const CHARACTERS: usize = 4;
    let legal = |octet: u8| b"!#$%&'*+-/=?^_`{|}~.".contains(&octet);
    if text.len() <= CHARACTERS && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err("is not a set of delimiters: write up to 4 of !#$%&'*+-/=?^_`{|}~. such as +, or nothing for none".to_owned())
}

/// Checks a name of letters, digits and hyphens (RFC 5321 4.1.2, RFC 1035 2.3.4).
fn domain_name(name: &str) -> Result<(), String> {
    // 255 octets on the wire are 253 characters in text: the first length octet and the root's fall away.
    const CHARACTERS: usize = 253;
    const LABEL_CHARACTERS: usize = 63;
    let wrong = |why: &str| Err(format!("is not a domain name: {why}"));
    if name.is_empty() {
        return wrong("it is empty");
    }
    if !name.is_ascii() {
        return wrong("letters outside of ASCII are written in their xn-- form");
    }
    if name.len() > CHARACTERS {
        return wrong("it is longer than 253 characters");
    }
    for label in name.split('.') {
        let bytes = label.as_bytes();
        if bytes.is_empty() {
            return wrong("it has nothing between two dots");
        }
        if bytes.len() > LABEL_CHARACTERS {
            return wrong("a part between dots is longer than 63 characters");
        }
        if !bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        {
            return wrong("only letters, digits, hyphens and dots are allowed");
        }
        if bytes.starts_with(b"-") || bytes.ends_with(b"-") {
            return wrong("a part between dots begins or ends with a hyphen");
        }
    }
    Ok(())
}

/// The list of a cluster's brokers in the form that librdkafka takes, `host:port,host:port`.
pub(super) fn broker_list(text: &str) -> Result<String, String> {
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
pub(super) fn topic(text: &str) -> Result<String, String> {
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

/// `name=value;name=value`; a backslash takes the next character as it is, so that a value can hold a semicolon. The
/// error does not show the text: it may hold a password.
pub(super) fn property_list(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut properties = Vec::new();
    for (index, entry) in split_unescaped(text).into_iter().enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = entry.split_once('=') else {
            return Err(format!(
                "its part {} has no =: write name=value;name=value, and \\; for a ; in a value",
                index + 1
            ));
        };
        properties.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(properties)
}

fn split_unescaped(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == ';' {
            entries.push(String::new());
            continue;
        }
        let literal = if character == '\\' {
            characters.next().unwrap_or('\\')
        } else {
            character
        };
        entries
            .last_mut()
            .expect("it begins with one entry")
            .push(literal);
    }
    entries
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

/// The name of a property that may be passed on to librdkafka.
pub(super) fn property_name(name: &str) -> Result<String, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let cases = [
            ("0", 0, "0B"),
            ("1", 1, "1B"),
            ("1048576", 1 << 20, "1MiB"),
            ("25MiB", 25 << 20, "25MiB"),
            (" 25 mib ", 25 << 20, "25MiB"),
            ("64KiB", 64 << 10, "64KiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("1GiB", 1 << 30, "1GiB"),
            ("2TiB", 2 << 40, "2TiB"),
            ("1500KB", 1_500_000, "1500KB"),
            ("7B", 7, "7B"),
        ];
        for (text, octets, shown) in cases {
            assert_eq!(size(text), Ok(octets), "{text}");
            assert_eq!(size_text(octets), shown, "{text}");
            assert_eq!(size(shown), Ok(octets), "{shown}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in [
            "",
            "MiB",
            "25M",
            "25k",
            "1.5GiB",
            "-1",
            "+1",
            "1 000",
            "18446744073709551616",
            "25MiBs",
            "1e6",
        ] {
            let why = size(text).expect_err(text);
            assert!(why.starts_with("is not a size: write"), "{text}: {why}");
        }
        assert_eq!(
            size("18446744073709551615TiB"),
            Err("is more octets than can be counted".to_owned())
        );
    }

    #[test]
    fn durations_are_read_and_shown() {
        let cases = [
            ("0s", 0, "0ms"),
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("300s", 300_000, "5min"),
            ("5 min", 300_000, "5min"),
            ("1h", 3_600_000, "1h"),
        ];
        for (text, milliseconds, shown) in cases {
            assert_eq!(
                time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
            assert_eq!(
                time_text(Duration::from_millis(milliseconds)),
                shown,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["", "30", "s", "5m", "1.5s", "-1s", "1h30min", "30S"] {
            let why = time(text).expect_err(text);
            assert!(why.starts_with("is not a duration: write"), "{text}: {why}");
        }
        assert_eq!(
            time("18446744073709551615h"),
            Err("is longer than can be counted".to_owned())
        );
    }

    #[test]
    fn addresses_need_an_ip_and_a_port() {
        for text in ["0.0.0.0:25", "[::]:25", "127.0.0.1:0", "[2001:db8::1]:2525"] {
            assert_eq!(address(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
        let cases = [
            (
                "localhost:2525",
                "write 127.0.0.1:2525 (host names are not looked up)",
            ),
            (":25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            ("*:25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            ("25", "write 0.0.0.0:25 for every interface, or [::]:25"),
            (
                "127.0.0.1",
                "write 127.0.0.1:25 (an address and the port to listen on)",
            ),
            (
                "::1",
                "write [::1]:25 (an address and the port to listen on)",
            ),
            ("2001:db8:0:0:0:0:0:1:25", "write [2001:db8::1]:25"),
            (
                "mx.example.net:25",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "127.0.0.1:65536",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "127.0.0.1:25,[::1]:25",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
            (
                "",
                "such as 0.0.0.0:25 or [::]:25; host names are not looked up",
            ),
        ];
        for (text, end) in cases {
            let why = address(text).expect_err(text);
            assert!(
                why.starts_with("is not an IP address with a port"),
                "{text}: {why}"
            );
            assert!(why.ends_with(end), "{text}: {why}");
        }
    }

    #[test]
    fn host_names_are_domains_or_literals() {
        let good = [
            "mx.example.net",
            "mx",
            "MX-1.example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "xn--mnchen-3ya.example",
            "",
        ];
        for text in good {
            assert_eq!(host_name(text), Ok(text.to_owned()));
        }
        assert_eq!(
            host_name("mx.example.net."),
            Ok("mx.example.net".to_owned())
        );
        let cases = [
            (
                "192.0.2.1",
                "is a bare address: write it as a literal, [192.0.2.1]",
            ),
            (
                "2001:db8::1",
                "is a bare address: write it as a literal, [IPv6:2001:db8::1]",
            ),
            (
                "[2001:db8::1]",
                "is a bare address: write it as a literal, [IPv6:2001:db8::1]",
            ),
            (
                "mx_1.example",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
            (
                "mx example",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
            (
                "mx..example",
                "is not a domain name: it has nothing between two dots",
            ),
            (".", "is not a domain name: it is empty"),
            (
                "-mx.example",
                "is not a domain name: a part between dots begins or ends with a hyphen",
            ),
            (
                "mx-.example",
                "is not a domain name: a part between dots begins or ends with a hyphen",
            ),
            (
                "münchen.example",
                "is not a domain name: letters outside of ASCII are written in their xn-- form",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(host_name(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn lengths_of_domain_names_are_bounded() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert_eq!(domain_name(&longest), Ok(()));
        assert!(domain_name(&format!("{longest}a")).is_err());
        assert!(domain_name(&format!("a{label}.example")).is_err());
    }

    #[test]
    fn domain_patterns_are_normalised() {
        let good = [
            ("*", "*"),
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("*.Sub.example", "*.sub.example"),
        ];
        for (text, pattern) in good {
            assert_eq!(domain_pattern(text), Ok(pattern.to_owned()));
        }
        let cases = [
            (
                ".example.com",
                "begins with a dot: write *.example.com for the names below example.com",
            ),
            (
                "user@example.com",
                "is a mailbox: a domain is expected, such as example.com",
            ),
            (
                "mx*.example.com",
                "has a * in the midst: write * for every domain, *.example.com for the names below one",
            ),
            (
                "*.*",
                "has a * in the midst: write * for every domain, *.example.com for the names below one",
            ),
            ("", "is not a domain name: it is empty"),
            (
                "exa mple.com",
                "is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(domain_pattern(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn delimiters_are_characters_of_a_local_part() {
        for text in ["", "+", "+-=_"] {
            assert_eq!(delimiters(text), Ok(text.to_owned()));
        }
        for text in ["@", "a", " ", "\"", "+-=_.", "\u{e4}"] {
            let why = delimiters(text).expect_err(text);
            assert!(why.starts_with("is not a set of delimiters"), "{why}");
        }
    }

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
    fn property_lists_are_split() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let cases = [
            ("", vec![]),
            ("linger.ms=2", vec![pair("linger.ms", "2")]),
            ("a=1; b=x=y;", vec![pair("a", "1"), pair("b", "x=y")]),
            (
                r"sasl.password=a\;b\\c;d=",
                vec![pair("sasl.password", r"a;b\c"), pair("d", "")],
            ),
        ];
        for (text, properties) in cases {
            assert_eq!(property_list(text), Ok(properties), "{text}");
        }
        let why = property_list("a=1;hunter2").expect_err("the second part has no =");
        assert!(
            why.starts_with("its part 2 has no =") && !why.contains("hunter2"),
            "{why}"
        );
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
