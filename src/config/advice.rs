//! What works, and is probably not what the operator wants: said by `check`, and once by `serve`.
//!
//! Owns: these judgements and their texts. Must not know: who says them, certificates (`certificate::fitness` judges those).
//!
//! Invariant: none of it keeps ringpost from working, and each has its fix; the defaults with a list of brokers and a domain have
//! none, but for the name of the machine.

use std::fmt;
use std::time::Duration;

use super::load::Loaded;
use super::options::Config;
use super::value;

/// What is odd, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What follows from which option.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.fix)
    }
}

/// Endings of names that are valid in one network only, or on one machine.
const LOCAL_NAMES: [&str; 4] = [".local", ".localdomain", ".localhost", ".internal"];

/// All of it.
pub fn all(loaded: &Loaded) -> Vec<Advice> {
    let config = &loaded.config;
    let is_named = loaded.origins.is_set("server.hostname");
    let names = hostname(config, is_named)
        .into_iter()
        .chain(domains(config));
    names.chain(limits(config)).collect()
}

/// Whether others know this server by its name. `is_set`: it was configured, and is not the machine's.
pub fn hostname(config: &Config, is_set: bool) -> Option<Advice> {
    let name = &config.server.hostname;
    let wrong = if name.starts_with('[') {
        return None;
    } else if !name.contains('.') {
        "has one label"
    } else if LOCAL_NAMES.iter().any(|local| name.ends_with(local)) {
        "means nothing outside of this machine's network"
    } else {
        return None;
    };
    let whose = match is_set {
        true => "",
        false => ", the name of this machine",
    };
    Some(Advice {
        what: format!(
            "server.hostname = {name:?}{whose} {wrong}: it is not a fully qualified name, so other servers cannot know this one by it"
        ),
        fix: "set server.hostname (or --hostname) to the full name that the MX record points to, such as mx.example.net".to_owned(),
    })
}

/// Whether mail is taken for everybody.
pub fn domains(config: &Config) -> Option<Advice> {
    let recipients = &config.recipients;
    let everywhere = recipients.domains.iter().any(|domain| domain == "*");
    let named = recipients.lists.contains_key("*") || recipients.topic.is_some();
    (everywhere && !named).then(|| Advice {
        what: "recipients.domains has \"*\": mail is taken for every domain, from anybody, so that this server is an open sink and \
               gets the spam of open relays"
            .to_owned(),
        fix: "name yours: recipients.domains = [\"example.com\"], or --domain example.com".to_owned(),
    })
}

/// Limits of which one makes another useless.
pub fn limits(config: &Config) -> Vec<Advice> {
    let one = |what: String, fix: &str| Advice {
        what,
        fix: fix.to_owned(),
    };
    let mut found = connections(config);
    found.extend(times(config));
    let limits = &config.limits;
    let (memory, message) = (limits.in_flight_bytes, limits.message_size);
    if config.objects.url.is_none() && memory / 2 < message {
        found.push(one(
            format!(
                "limits.in_flight_bytes ({}) holds one message of limits.message_size ({}) and no second: while it is under way, \
                 others wait, and after a while get 451",
                value::size_text(memory),
                value::size_text(message)
            ),
            "raise the first to what the machine can spare, or lower the second",
        ));
    }
    found
}

fn connections(config: &Config) -> Vec<Advice> {
    let limits = &config.limits;
    let (all, of_address, of_network) = (
        limits.connections,
        limits.connections_per_ip,
        limits.connections_per_network,
    );
    let mut found = Vec::new();
    for (key, limit) in [
        ("limits.connections_per_ip", of_address),
        ("limits.connections_per_network", of_network),
    ] {
        if limit >= all && limit > 0 {
            found.push(Advice {
                what: format!(
                    "{key} ({limit}) is not less than limits.connections ({all}): one client can still take every connection"
                ),
                fix: "lower the first, or set it to 0 if there is to be no such limit".to_owned(),
            });
        }
    }
    if of_network > 0 && of_address > of_network {
        found.push(Advice {
            what: format!(
                "limits.connections_per_ip ({of_address}) is more than limits.connections_per_network ({of_network}), so that it is \
                 never reached"
            ),
            fix: "lower the first or raise the second".to_owned(),
        });
    }
    found
}

fn times(config: &Config) -> Vec<Advice> {
    let (limits, kafka) = (&config.limits, &config.kafka);
    let mut pairs = vec![
        (
            ("limits.command_timeout", limits.command_timeout),
            ("limits.session_timeout", limits.session_timeout),
            "the session ends before the first is over",
        ),
        (
            ("limits.data_timeout", limits.data_timeout),
            ("limits.message_timeout", limits.message_timeout),
            "the message ends before the first is over",
        ),
        (
            ("kafka.fail_fast_after", kafka.fail_fast_after),
            ("kafka.delivery_timeout", kafka.delivery_timeout),
            "mail gets its 451 for an outage before new mail is turned away",
        ),
    ];
    if config.objects.url.is_some() {
        pairs.push((
            ("objects.timeout", config.objects.timeout),
            ("server.drain_timeout", config.server.drain_timeout),
            "a drain can end while an object is still written",
        ));
    }
    let longer = pairs
        .into_iter()
        .filter(|((_, one), (_, other), _)| one > other);
    let text = |(key, time): (&str, Duration)| format!("{key} ({})", value::time_text(time));
    longer
        .map(|(one, other, harm)| Advice {
            what: format!("{} is more than {}: {harm}", text(one), text(other)),
            fix: "lower the first or raise the second".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn names_that_nobody_else_knows_are_advised_against() {
        let mut config = Config::default();
        for (name, is_odd) in [
            ("mx.example.net", false),
            ("[192.0.2.1]", false),
            ("localhost", true),
            ("mx", true),
            ("3f2a9c", true),
            ("localhost.localdomain", true),
            ("printer.local", true),
        ] {
            config.server.hostname = name.to_owned();
            let advice = hostname(&config, false);
            assert_eq!(advice.is_some(), is_odd, "{name}");
            let said = advice.map_or(name.to_owned(), |advice| advice.to_string());
            assert!(said.contains(name), "{said}");
        }
    }

    #[test]
    fn mail_for_every_domain_is_advised_against_unless_a_list_says_whose() {
        let mut config = Config::default();
        assert!(domains(&config).unwrap().what.contains("open sink"));
        let lists = &mut config.recipients.lists;
        lists.insert("*".to_owned(), "all.txt".to_owned());
        assert_eq!(domains(&config), None);
        config.recipients.lists.clear();
        config.recipients.topic = Some("recipients".to_owned());
        assert_eq!(domains(&config), None);
        config.recipients.topic = None;
        config.recipients.domains = vec!["a.example".to_owned()];
        assert_eq!(domains(&config), None);
        config.recipients.domains.push("*".to_owned());
        assert!(domains(&config).is_some());
    }

    type Change = fn(&mut Config);

    #[test]
    fn limits_that_make_each_other_useless_are_named_and_at_their_edge_they_are_not() {
        let fine: [Change; 5] = [
            |_| {},
            |c| c.limits.in_flight_bytes = 2 * c.limits.message_size,
            |c| c.limits.connections_per_ip = c.limits.connections - 1,
            |c| c.kafka.fail_fast_after = c.kafka.delivery_timeout,
            |c| c.objects.timeout = 2 * c.server.drain_timeout,
        ];
        for change in fine {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(limits(&config), []);
        }
        let odd: [(Change, &str); 7] = [
            (
                |c| c.limits.in_flight_bytes = 2 * c.limits.message_size - 1,
                "limits.in_flight_bytes",
            ),
            (
                |c| c.limits.connections_per_ip = c.limits.connections,
                "limits.connections_per_ip (50000) is not less",
            ),
            (
                |c| {
                    (
                        c.limits.connections_per_ip,
                        c.limits.connections_per_network,
                    ) = (9, 8)
                },
                "limits.connections_per_ip (9) is more",
            ),
            (
                |c| c.limits.session_timeout = Duration::from_secs(60),
                "limits.command_timeout (5min) is more than limits.session_timeout (1min)",
            ),
            (
                |c| c.limits.message_timeout = Duration::from_secs(60),
                "limits.data_timeout (3min) is more",
            ),
            (
                |c| c.kafka.fail_fast_after = 2 * c.kafka.delivery_timeout,
                "kafka.fail_fast_after (1min) is more",
            ),
            (
                |c| {
                    c.objects.url = "file:///objects".parse().ok();
                    c.objects.timeout = 2 * c.server.drain_timeout;
                },
                "objects.timeout (70s) is more",
            ),
        ];
        for (change, begin) in odd {
            let mut config = Config::default();
            change(&mut config);
            let said = limits(&config);
            assert_eq!(said.len(), 1, "{begin}: {said:?}");
            assert!(said[0].what.starts_with(begin), "{said:?}");
        }
    }

    #[test]
    fn a_server_that_is_set_up_has_no_advice() {
        let given = [
            ("server.hostname", vec!["mx.example.net".to_owned()]),
            ("recipients.domains", vec!["example.com".to_owned()]),
            ("kafka.brokers", vec!["kafka:9092".to_owned()]),
        ];
        assert_eq!(all(&load(None, [], &given).unwrap()), []);
    }
}
