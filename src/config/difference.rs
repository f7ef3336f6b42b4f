//! Which options differ between two configurations, so that a reload can name those that it applies and those that it does not.
//!
//! Owns: the text of a difference, and which differences need a restart. Must not know: when and how a reload comes.
//!
//! Invariants: an option that differs is named, either among those that a reload applies or among those that need a restart (a test
//! changes each); a secret is never part of a text, its name is.

use std::fmt;

use super::options::{Config, ROUTES, SETTINGS, Setting};
use super::row::{Change, EntryChange};
use super::value::{self, MASK};

/// Characters of a value that are shown.
const VALUE_SHOWN: usize = 200;
/// Items of a list that are shown.
const ITEMS_SHOWN: usize = 3;

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
        let settings = SETTINGS
            .iter()
            .filter(|setting| !self.applies(setting, newer));
        self.differences(newer, settings)
            .chain(self.other_routes(newer))
            .collect()
    }

    /// The options in which `newer` differs and that SIGHUP applies.
    pub fn changes_that_a_reload_applies(&self, newer: &Config) -> Vec<Difference> {
        let settings = SETTINGS
            .iter()
            .filter(|setting| self.applies(setting, newer));
        self.differences(newer, settings).collect()
    }

    /// Whether SIGHUP applies what `newer` has for an option.
    fn applies(&self, setting: &Setting, newer: &Config) -> bool {
        // Another certificate is loaded; to begin or to end TLS needs a restart.
        let is_pair = ["tls.certificate", "tls.key"].contains(&setting.key);
        setting.reload && !(is_pair && self.offers_tls() != newer.offers_tls())
    }

    fn differences(
        &self,
        newer: &Config,
        settings: impl Iterator<Item = &'static Setting>,
    ) -> impl Iterator<Item = Difference> {
        settings.filter_map(|setting| {
            let what = text(&setting.change(self, newer)?);
            let key = setting.key;
            Some(Difference { key, what })
        })
    }

    fn other_routes(&self, newer: &Config) -> Option<Difference> {
        let (old, new) = (self.routes.len(), newer.routes.len());
        let what = match self.routes == newer.routes {
            true => return None,
            false if old == new => format!("({old}, not all as before)"),
            false => format!("from {old} to {new}"),
        };
        let key = ROUTES.name;
        Some(Difference { key, what })
    }

    fn offers_tls(&self) -> bool {
        self.tls.certificate.is_some()
    }
}

fn text(change: &Change) -> String {
    match change {
        Change::Values(old, new) => format!("from {} to {}", cut(old), cut(new)),
        Change::Items(added, removed) => {
            let parts = [counted(added, "added"), counted(removed, "removed")];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            match parts.is_empty() {
                true => "(the same in another order, or repeated)".to_owned(),
                false => format!("({})", parts.join("; ")),
            }
        }
        Change::Entries(entries) => {
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("({})", cut(&entries.join(", ")))
        }
    }
}

/// `2 added: "a.example", "b.example"`; nothing of none.
fn counted(items: &[String], what: &str) -> Option<String> {
    let (shown, more) = items.split_at(items.len().min(ITEMS_SHOWN));
    let more = if more.is_empty() { "" } else { ", …" };
    let shown: Vec<String> = shown.iter().map(|item| cut(item)).collect();
    let count = items.len();
    (count > 0).then(|| format!("{count} {what}: {}{more}", shown.join(", ")))
}

fn entry(change: &EntryChange) -> String {
    let name = value::escaped(&change.name);
    let is_secret = |text: &String| text.contains(MASK);
    let secret = [&change.old, &change.new]
        .into_iter()
        .flatten()
        .any(is_secret);
    match (&change.old, &change.new) {
        (Some(_), Some(_)) if secret => format!("{name} changed"),
        (Some(old), Some(new)) => format!("{name} from {old} to {new}"),
        (None, Some(_)) if secret => format!("{name} added"),
        (None, Some(new)) => format!("{name} added: {new}"),
        (_, None) => format!("{name} removed"),
    }
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
            "epoll",
            "domain",
            "other.example",
            "s3://bucket/mail",
            "region=eu-central-1",
            "none",
        ];
        for setting in SETTINGS.iter() {
            let mut started = Config::default();
            // TLS is on: to turn it on or off needs a restart, another certificate does not.
            started.tls.certificate = Some("mx.pem".into());
            let changed = values.iter().find_map(|value| {
                let mut newer = started.clone();
                setting.set(&mut newer, &setting.written(value)).ok()?;
                (newer != started).then_some(newer)
            });
            let newer = changed.unwrap_or_else(|| panic!("no value changes {}", setting.key));
            let differences = started.changes_that_need_a_restart(&newer);
            let keys: Vec<&str> = differences.iter().map(|one| one.key).collect();
            let expected: &[&str] = if setting.reload { &[] } else { &[setting.key] };
            assert_eq!(keys, expected, "{}", setting.key);
            let applied = started.changes_that_a_reload_applies(&newer);
            assert_eq!(applied.len() + keys.len(), 1, "{}", setting.key);
            assert!(applied.iter().all(|one| one.key == setting.key));
            assert_eq!(started.changes_that_need_a_restart(&started), []);
            assert_eq!(started.changes_that_a_reload_applies(&started), []);
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
            "server.listen_tls (1 added: \"127.0.0.1:465\")",
            "tls.certificate from \"\" to \"mx.pem\"",
            "tls.key from \"\" to \"mx.key\"",
        ] {
            assert!(all.iter().any(|one| one == expected), "{expected}: {all:?}");
        }
        assert!(all.iter().any(|one| one.ends_with(" to 90s")), "{all:?}");
        assert_eq!(all.len(), 9, "{all:?}");
    }

    #[test]
    fn of_secrets_the_names_alone_are_told() {
        let texts = |pairs: &[(&str, &str)]| -> crate::config::Texts {
            let pairs = pairs.iter();
            pairs
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let [mut started, mut newer] = [(); 2].map(|()| Config::default());
        started.kafka.properties = texts(&[
            ("sasl.password", "hunter2"),
            ("linger.ms", "5"),
            ("client.id", "a"),
        ]);
        newer.kafka.properties = texts(&[
            ("sasl.password", "hunter3"),
            ("linger.ms", "7"),
            ("ssl.key.pem", "hunter4"),
        ]);
        let all = started.changes_that_need_a_restart(&newer);
        let [difference] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(
            difference.to_string(),
            "kafka.properties (client.id removed, linger.ms from \"5\" to \"7\", sasl.password changed, ssl.key.pem added)"
        );
    }

    #[test]
    fn a_list_names_what_was_added_and_removed() {
        let domains = |count: usize| -> Vec<String> {
            (0..count).map(|one| format!("{one}.example")).collect()
        };
        let [mut started, mut newer] = [(); 2].map(|()| Config::default());
        (started.recipients.domains, newer.recipients.domains) = (domains(3), domains(9));
        newer.recipients.domains.remove(0);
        let text = |started: &Config, newer: &Config| {
            let all = started.changes_that_a_reload_applies(newer);
            assert_eq!(all.len(), 1, "{all:?}");
            all[0].to_string()
        };
        assert_eq!(
            text(&started, &newer),
            "recipients.domains (6 added: \"3.example\", \"4.example\", \"5.example\", …; 1 removed: \"0.example\")"
        );
        newer.recipients.domains = started.recipients.domains.iter().rev().cloned().collect();
        assert!(text(&started, &newer).contains("another order"));
    }

    #[test]
    fn other_routes_are_told() {
        let route = |topic: &str| crate::config::Route {
            topic: topic.to_owned(),
            ..Default::default()
        };
        assert_eq!(
            differences(|config| config.routes = vec![route("a"), route("b")]),
            ["routes from 0 to 2"]
        );
        let [mut started, mut newer] = [(); 2].map(|()| Config::default());
        (started.routes, newer.routes) = (vec![route("a")], vec![route("b")]);
        let [difference] = &started.changes_that_need_a_restart(&newer)[..] else {
            panic!("the routes differ");
        };
        assert_eq!(difference.to_string(), "routes (1, not all as before)");
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
