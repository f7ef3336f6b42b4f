//! Which options differ between two configurations, for what a reload says of those that it does not apply.
//!
//! Owns: the text of a value that is in force, and which differences need a restart. Must not know: who reloads, and when.
//!
//! Invariants: an option that SIGHUP does not apply and that differs is named (a test changes each); the value of one that
//! may hold a secret is never part of a text, the names in it are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::options::SETTINGS;
use super::setting::{Kind, Setting};
use super::{Config, value};

/// Characters of a value that are shown.
const VALUE_SHOWN: usize = 200;

/// An option that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `section.name`.
    pub key: &'static str,
    /// From what to what; of a secret, which names.
    what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}

impl Config {
    /// The options in which `newer` differs and that SIGHUP does not apply.
    pub fn changes_that_need_a_restart(&self, newer: &Config) -> Vec<Difference> {
        let settings = SETTINGS.iter().filter(|setting| {
            // Another certificate is loaded; to begin or to end TLS needs a restart.
            let is_pair = ["tls.certificate", "tls.key"].contains(&setting.key);
            !setting.reload || (is_pair && self.offers_tls() != newer.offers_tls())
        });
        settings
            .filter_map(|setting| {
                let what = setting.difference(self, newer)?;
                let key = setting.key;
                Some(Difference { key, what })
            })
            .collect()
    }

    fn offers_tls(&self) -> bool {
        self.tls.certificate.is_some()
    }
}

impl Setting {
    /// From what to what its value changed; none where it did not.
    fn difference(&self, old: &Config, new: &Config) -> Option<String> {
        if let Kind::Table(.., at) = self.kind {
            let names = changed_names(at(&mut old.clone()), at(&mut new.clone()));
            return (!names.is_empty()).then(|| format!("({})", cut(&names.join(", "))));
        }
        assert!(
            !self.is_secret(),
            "a secret is a table: its names are shown"
        );
        let (old, new) = (self.shown(old), self.shown(new));
        (old != new).then(|| format!("from {} to {}", cut(&old), cut(&new)))
    }

    /// Its value as it would be written in the file.
    fn shown(&self, config: &Config) -> String {
        let mut copy = config.clone();
        match self.kind {
            Kind::Switch(at) => at(&mut copy).to_string(),
            Kind::Count(.., at) => at(&mut copy).to_string(),
            Kind::Size(.., at) => value::size_text(*at(&mut copy)),
            Kind::Time(.., at) => value::time_text(*at(&mut copy)),
            Kind::Choice(words) => {
                let is_chosen = |choose: fn(&mut Config)| {
                    let mut copy = config.clone();
                    choose(&mut copy);
                    copy == *config
                };
                let word = words.iter().find(|(_, choose)| is_chosen(*choose));
                word.map_or("?", |(word, _)| word).to_owned()
            }
            Kind::Text(..) | Kind::List(..) => shown_text(self.key, config),
            Kind::Table(..) => unreachable!("only the names of a table are shown"),
        }
    }
}

/// The value of an option that is a text or a list of them.
fn shown_text(key: &str, config: &Config) -> String {
    let Config {
        server,
        recipients,
        access,
        tls,
        kafka,
        admin,
        ..
    } = config;
    match key {
        "server.hostname" => quoted(&server.hostname),
        "server.listen" => list(&server.listen),
        "server.listen_tls" => list(&server.listen_tls),
        "server.listen_proxy" => list(&server.listen_proxy),
        "server.proxy_networks" => list(&server.proxy_networks),
        "recipients.domains" => list(&recipients.domains),
        "recipients.delimiter" => quoted(&recipients.delimiter),
        "access.allow" => list(&access.allow),
        "access.deny" => list(&access.deny),
        "tls.certificate" => path(tls.certificate.as_ref()),
        "tls.key" => path(tls.key.as_ref()),
        "tls.sni_certificates" => paths(&tls.sni_certificates),
        "tls.sni_keys" => paths(&tls.sni_keys),
        "kafka.brokers" => quoted(&kafka.brokers.to_string()),
        "kafka.topic" => quoted(&kafka.topic),
        "admin.listen" => quoted(&admin.listen.to_string()),
        _ => panic!("the value of {key} has no text here"),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn list(values: &[impl ToString]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("{values:?}")
}

fn path(path: Option<&PathBuf>) -> String {
    quoted(&path.map_or(String::new(), |path| path.display().to_string()))
}

fn paths(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    list(&texts)
}

/// The names whose values differ, or that only one of the two has.
fn changed_names(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differs = |name: &&&String| old.get(**name) != new.get(**name);
    let names = names.iter().filter(differs);
    names.map(|name| name.escape_debug().to_string()).collect()
}

/// What is shown of a value of any length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let started = Config::default();
        let mut newer = started.clone();
        change(&mut newer);
        let differences = started.changes_that_need_a_restart(&newer);
        differences.iter().map(ToString::to_string).collect()
    }

    /// Every option of the table, changed alone: it is named where the table says that SIGHUP does not apply it.
    #[test]
    fn the_table_says_what_a_reload_applies() {
        // One for each kind of option; an option is changed by the first one that it takes and does not have already.
        let values = [
            "17",
            "77s",
            "7s",
            "77MiB",
            "true",
            "false",
            "192.0.2.0/24",
            "127.0.0.1:7777",
            "*=list.txt",
            "linger.ms=7",
            "-",
            "accept",
            "sender",
            "debug",
            "json",
            "other.example",
        ];
        for setting in &SETTINGS {
            let mut started = Config::default();
            // TLS is on: to turn it on or off needs a restart, another certificate does not.
            started.tls.certificate = Some("mx.pem".into());
            let changed = values.iter().find_map(|value| {
                let mut newer = started.clone();
                setting.set(&mut newer, &[value]).ok()?;
                (newer != started).then_some(newer)
            });
            let newer = changed.unwrap_or_else(|| panic!("no value changes {}", setting.key));
            let differences = started.changes_that_need_a_restart(&newer);
            let keys: Vec<&str> = differences.iter().map(|one| one.key).collect();
            let expected: &[&str] = if setting.reload { &[] } else { &[setting.key] };
            assert_eq!(keys, expected, "{}", setting.key);
            assert_eq!(started.changes_that_need_a_restart(&started), []);
        }
    }

    #[test]
    fn a_difference_names_both_values_as_they_would_be_written() {
        let all = differences(|config| {
            config.server.workers = 4;
            config.limits.message_size = 50 << 20;
            config.server.drain_timeout = std::time::Duration::from_secs(90);
            config.server.trace = false;
            config.kafka.key = crate::config::RecordKey::Sender;
            config.kafka.topic = "other".to_owned();
            config.server.listen_tls = vec!["127.0.0.1:465".parse().unwrap()];
            config.tls.certificate = Some("mx.pem".into());
            config.tls.key = Some("mx.key".into());
        });
        for expected in [
            "server.workers from 0 to 4",
            "limits.message_size from 25MiB to 50MiB",
            "server.trace from true to false",
            "kafka.key from none to sender",
            "kafka.topic from \"mail\" to \"other\"",
            "server.listen_tls from [] to [\"127.0.0.1:465\"]",
            "tls.certificate from \"\" to \"mx.pem\"",
            "tls.key from \"\" to \"mx.key\"",
        ] {
            assert!(all.iter().any(|one| one == expected), "{expected}: {all:?}");
        }
        assert!(all.iter().any(|one| one.ends_with(" to 90s")), "{all:?}");
        assert_eq!(all.len(), 9, "{all:?}");
    }

    #[test]
    fn of_properties_the_names_alone_are_told() {
        let all = differences(|config| {
            let properties = &mut config.kafka.properties;
            properties.insert("sasl.password".to_owned(), "hunter2".to_owned());
            properties.insert("linger.ms".to_owned(), "7".to_owned());
        });
        assert_eq!(all, ["kafka.properties (linger.ms, sasl.password)"]);
    }

    #[test]
    fn a_long_value_is_cut() {
        let all = differences(|config| {
            config.server.listen_tls = (1..1000)
                .map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port)))
                .collect();
        });
        assert!(all[0].chars().count() < 2 * VALUE_SHOWN, "{all:?}");
    }
}
