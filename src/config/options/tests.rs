//! The table as a whole, its defaults, and what its rows take.

use std::time::Duration;

use ringpost_proto::mail::record::RecordKey;

use super::super::reason::Reason;
use super::super::row::{Change, Fault, Written};
use super::*;

#[test]
fn keys_are_unique_and_grouped_by_section() {
    let mut order = Vec::new();
    for setting in SETTINGS.iter() {
        if order.last() != Some(&setting.section()) {
            order.push(setting.section());
        }
        let same = SETTINGS
            .iter()
            .filter(|other| other.key == setting.key)
            .count();
        assert_eq!(same, 1, "{} is there once", setting.key);
    }
    let sections: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    assert_eq!(order, sections);
}

#[test]
fn variables_and_flags_are_unique() {
    for (index, setting) in SETTINGS.iter().enumerate() {
        for other in &SETTINGS[index + 1..] {
            assert_ne!(setting.variable(), other.variable());
            assert!(
                setting.flag.is_none() || setting.flag != other.flag,
                "{}",
                setting.key
            );
        }
    }
    assert_eq!(
        setting("limits.message_size")
            .expect("in the table")
            .variable(),
        "RINGPOST_LIMITS_MESSAGE_SIZE"
    );
}

#[test]
fn every_option_is_documented() {
    for setting in SETTINGS.iter() {
        let doc = setting.doc;
        assert!(doc.ends_with('.') && doc.trim() == doc, "{}", setting.key);
        assert!(
            !doc.contains('\n') && !doc.contains("  "),
            "{}",
            setting.key
        );
    }
}

#[test]
fn the_defaults_are_the_quick_start() {
    let config = Config::default();
    assert_eq!(config.server.hostname, "localhost");
    assert_eq!(
        config.server.listen,
        ["127.0.0.1:2525".parse().expect("an address")]
    );
    assert_eq!((config.server.workers, config.server.trace), (0, true));
    assert_eq!(config.server.drain_timeout, Duration::from_secs(35));
    assert_eq!(config.limits.message_size, 26_214_400);
    assert_eq!((config.limits.recipients, config.limits.errors), (100, 20));
    assert_eq!(
        (config.limits.connections, config.limits.connections_per_ip),
        (50_000, 0)
    );
    assert_eq!(
        (
            config.limits.in_flight_messages,
            config.limits.in_flight_bytes
        ),
        (10_000, 1 << 30)
    );
    assert_eq!(config.limits.command_timeout, Duration::from_secs(300));
    assert_eq!(config.limits.data_timeout, Duration::from_secs(180));
    assert_eq!(config.recipients.domains, ["*"]);
    assert_eq!(
        (
            config.recipients.delimiter.as_str(),
            config.recipients.case_sensitive,
            config.recipients.lists.len()
        ),
        ("+", false, 0)
    );
    assert_eq!(
        (config.access.allow.len(), config.access.deny.len()),
        (2, 0)
    );
    assert_eq!(
        config.tls,
        Tls {
            certificate: None,
            key: None,
            sni_certificates: Vec::new(),
            sni_keys: Vec::new(),
            ticket_keys: None,
            handshake_timeout: Duration::from_secs(30),
        }
    );
    assert_eq!(
        (config.kafka.brokers, config.kafka.topic.as_str()),
        (Brokers::Embedded, "mail")
    );
    assert_eq!(
        (config.kafka.key, config.kafka.delivery_timeout),
        (RecordKey::None, Duration::from_secs(30))
    );
    assert!(config.kafka.properties.is_empty());
    assert_eq!(
        config.admin.listen,
        "127.0.0.1:9925".parse().expect("an address")
    );
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Info, LogFormat::Text)
    );
    assert!(config.log.messages);
}

fn set(key: &str, texts: &[&str]) -> Result<Config, Vec<Fault>> {
    let mut config = Config::default();
    let setting = setting(key).expect("in the table");
    let written = match texts {
        [text] if !setting.is_list() => Written::One(text),
        texts => Written::List(texts.to_vec()),
    };
    setting.set(&mut config, &written)?;
    Ok(config)
}

#[test]
fn both_ends_of_a_range_are_allowed_and_no_more() {
    let cases = [
        ("limits.recipients", "0", "1", "10000", "10001"),
        ("limits.message_size", "1023", "1KiB", "1GiB", "1073741825"),
        (
            "kafka.delivery_timeout",
            "99ms",
            "100ms",
            "9min",
            "540001ms",
        ),
    ];
    for (key, below, least, most, above) in cases {
        for text in [least, most] {
            assert!(set(key, &[text]).is_ok(), "{key} = {text}");
        }
        for text in [below, above] {
            let faults = set(key, &[text]).expect_err(text);
            assert!(
                matches!(faults[0].reason, Reason::OutOfRange { .. }),
                "{key} = {text}: {faults:?}"
            );
        }
    }
    let faults = set("limits.message_size", &["2GiB"]).expect_err("above the range");
    assert_eq!(
        faults[0].reason.to_string(),
        "is out of range: 1KiB to 1GiB is allowed, 25MiB is the default"
    );
}

#[test]
fn every_choice_can_be_made_and_is_shown_as_its_word() {
    for (key, words) in [
        ("server.bare_newlines", &["reject", "accept"][..]),
        (
            "kafka.key",
            &[
                "none",
                "recipient",
                "recipient-domain",
                "sender",
                "client-ip",
            ],
        ),
        ("kafka.split", &["none", "domain", "recipient"]),
        ("log.level", &["error", "warn", "info", "debug", "trace"]),
        ("log.format", &["text", "json"]),
    ] {
        let setting = setting(key).expect("in the table");
        let allowed: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        assert_eq!(setting.allowed(), allowed.join(", "));
        for from in words {
            for to in words {
                let made = [from, to].map(|word| set(key, &[word]).expect("a word of the row"));
                let change = Change::Values((*from).to_owned(), (*to).to_owned());
                let expected = (from != to).then_some(change);
                assert_eq!(setting.change(&made[0], &made[1]), expected);
            }
        }
    }
    let faults = set("log.format", &["xml"]).expect_err("no such format");
    assert_eq!(faults[0].reason.to_string(), "is none of `text`, `json`");
}

#[test]
fn a_list_says_which_item_is_wrong() {
    let faults =
        set("server.listen", &["localhost:25", "[::]:25", "25"]).expect_err("two are wrong");
    let items: Vec<Option<usize>> = faults.iter().map(|fault| fault.item).collect();
    assert_eq!(items, [Some(0), Some(2)]);
}

#[test]
fn a_list_replaces_its_default() {
    let config = set("recipients.domains", &["a.example", "*.b.example"]).expect("two patterns");
    assert_eq!(config.recipients.domains, ["a.example", "*.b.example"]);
    assert!(set("recipients.domains", &[]).is_err());
}

#[test]
fn a_scalar_takes_one_value() {
    let faults = set("kafka.topic", &["a", "b"]).expect_err("two topics");
    assert_eq!(faults[0].reason, Reason::GivenTimes(2));
}

#[test]
fn an_empty_path_is_none() {
    assert_eq!(set("tls.key", &[""]).expect("allowed").tls.key, None);
    assert_eq!(
        set("tls.key", &["mx.key"]).expect("allowed").tls.key,
        Some("mx.key".into())
    );
}

#[test]
fn brokers_are_a_list_or_a_word() {
    let cases = [
        ("embedded", Brokers::Embedded),
        ("discard", Brokers::Discard),
        ("a:1, b:2", Brokers::List("a:1,b:2".to_owned())),
    ];
    for (text, brokers) in cases {
        assert_eq!(
            set("kafka.brokers", &[text]).expect(text).kafka.brokers,
            brokers
        );
    }
}
