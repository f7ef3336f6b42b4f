//! Options that a reload would lose: set before, set nowhere now, so that their defaults would take over.
//!
//! Owns: which options that is refused for, and the operator's text. Must not know: what a reload does.
//!
//! An editor that truncates a file before it writes it, a full disk and a template that went wrong all look like an operator
//! who removed lines. The default of `recipients.domains` is every domain, so a reload at that moment would make an open
//! sink of an MX. An operator who wants a default back writes it.
//!
//! Invariant, tested: each option that a reload applies is guarded here, or does no harm.

use super::load::Loaded;
use super::options::{SETTINGS, Setting};

/// An option, what its loss would do, and how its default is written.
type Guarded = (&'static str, &'static str, &'static str);

const GUARDED: [Guarded; 9] = [
    (
        "server.proxy_networks",
        "the proxies that it named would be turned away",
        "proxy_networks = [\"127.0.0.0/8\", \"::1/128\"]",
    ),
    (
        "recipients.domains",
        "mail would be taken for every domain",
        "domains = [\"*\"]",
    ),
    (
        "recipients.delimiter",
        "addresses with a delimiter would be refused",
        "delimiter = \"+\"",
    ),
    (
        "recipients.case_sensitive",
        "recipients that differ only in case would be one",
        "case_sensitive = false",
    ),
    (
        "recipients.lists",
        "mail would be taken for everybody at its domains",
        "lists = {}",
    ),
    (
        "access.allow",
        "every network would be served",
        "allow = [\"0.0.0.0/0\", \"::/0\"]",
    ),
    (
        "access.deny",
        "the networks that it named would be served",
        "deny = []",
    ),
    (
        "tls.sni_certificates",
        "clients that ask for their names would get another certificate",
        "sni_certificates = []",
    ),
    (
        "tls.sni_keys",
        "clients that ask for their names would get another certificate",
        "sni_keys = []",
    ),
];

/// What a reload from `current` to `newer` would lose, a line each.
pub fn losses(current: &Loaded, newer: &Loaded) -> Vec<String> {
    // An operator who replaces one list of networks with the other has not lost the first.
    let rewritten = |key: &str| {
        key.starts_with("access.") && newer.origins.keys().any(|set| set.starts_with("access."))
    };
    let lost = |(key, harm, default): &Guarded| {
        let gone = current.origins.is_set(key) && !newer.origins.is_set(key) && !rewritten(key);
        (gone && !setting(key).has_default(&current.config)).then(|| {
            format!(
                "{key} is no longer set, so {harm}: set it again, or write {default} in [{}] if that is what you want",
                setting(key).section()
            )
        })
    };
    GUARDED.iter().filter_map(lost).collect()
}

/// The domains that had a list of recipients and now take everybody: none where a topic names recipients.
pub fn opened<'a>(current: &'a Loaded, newer: &'a Loaded) -> impl Iterator<Item = &'a str> {
    let by_topic = current.config.recipients.topic.is_some();
    let newer = &newer.config.recipients;
    let lists = current.config.recipients.lists.keys();
    lists
        .filter(move |_| !by_topic)
        .filter(|domain| newer.domains.contains(domain) && !newer.lists.contains_key(*domain))
        .map(String::as_str)
}

fn setting(key: &str) -> &'static Setting {
    let mut settings = SETTINGS.iter();
    settings
        .find(|setting| setting.key == key)
        .expect("a guarded option is one of the table")
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    /// Options whose default does no harm: the certificate that is served stays until a restart, and without keys of tickets
    /// clients shake hands in full.
    const HARMLESS: [&str; 5] = [
        "tls.certificate",
        "tls.key",
        "tls.ticket_keys",
        "log.level",
        "log.trace_networks",
    ];

    /// A file that sets nothing that is guarded; one that sets nothing at all is refused.
    const NOTHING: &str = "[log]\nlevel = \"info\"\n";

    fn loaded(text: &str) -> Loaded {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("a written file");
        load(Some(file.path()), [], &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_option_that_a_reload_applies_is_guarded_or_harmless() {
        for setting in SETTINGS.iter().filter(|setting| setting.reload) {
            let guarded = GUARDED.iter().any(|(key, ..)| *key == setting.key);
            assert!(
                guarded != HARMLESS.contains(&setting.key),
                "{} says `, reload`: it needs either a row in GUARDED or its key in HARMLESS",
                setting.key
            );
        }
        for (key, _, default) in GUARDED {
            // What the message says to write is accepted, and is the default.
            let section = setting(key).section();
            let loaded = loaded(&format!("{NOTHING}[{section}]\n{default}\n"));
            assert!(
                loaded.origins.is_set(key) && setting(key).has_default(&loaded.config),
                "{default}"
            );
        }
    }

    #[test]
    fn what_was_set_and_is_set_nowhere_is_lost_unless_it_was_the_default() {
        let before = loaded(
            "[server]\nproxy_networks = [\"192.0.2.1\"]\n\
             [recipients]\ndomains = [\"a.example\"]\ndelimiter = \"-\"\ncase_sensitive = true\n\
             lists = { \"a.example\" = \"a.txt\" }\n\
             [access]\nallow = [\"192.0.2.0/24\"]\ndeny = [\"192.0.2.9\"]\n\
             [tls]\ncertificate = \"a\"\nkey = \"b\"\nsni_certificates = [\"c\"]\nsni_keys = [\"d\"]\n",
        );
        let lost = losses(&before, &loaded(NOTHING));
        for (key, ..) in GUARDED {
            let told = format!("{key} is no longer set");
            assert!(
                lost.iter().any(|line| line.starts_with(&told)),
                "{key} is in GUARDED: set it to another value in `before`, and to its default in `wide`"
            );
        }
        assert_eq!(lost.len(), GUARDED.len(), "{lost:?}");
        assert!(
            lost[1].starts_with(
                "recipients.domains is no longer set, so mail would be taken for every domain: "
            ),
            "{lost:?}"
        );
        assert!(
            lost[1].contains("domains = [\"*\"] in [recipients]"),
            "{lost:?}"
        );
        assert_eq!(losses(&before, &before), [""; 0]);
        assert_eq!(losses(&loaded(NOTHING), &before), [""; 0]);
        // What is written is what is wanted.
        let wide = "[server]\nproxy_networks = [\"192.0.2.1\"]\n\
                    [recipients]\ndomains = [\"*\"]\ndelimiter = \"\"\ncase_sensitive = false\nlists = {}\n\
                    [access]\nallow = [\"0.0.0.0/0\", \"::/0\"]\ndeny = []\n[tls]\nsni_certificates = []\nsni_keys = []\n";
        assert_eq!(losses(&before, &loaded(wide)), [""; 0]);
        // It was the default, and still is.
        assert_eq!(
            losses(
                &loaded("[recipients]\ndomains = [\"*\"]\n"),
                &loaded(NOTHING)
            ),
            [""; 0]
        );
    }

    #[test]
    fn one_list_of_networks_may_take_the_place_of_the_other() {
        let allow = loaded("[access]\nallow = [\"192.0.2.0/24\"]\n");
        let deny = loaded("[access]\ndeny = [\"192.0.2.0/24\"]\n");
        assert_eq!(losses(&allow, &deny), [""; 0]);
        assert_eq!(losses(&deny, &allow), [""; 0]);
        for before in [allow, deny] {
            assert_eq!(losses(&before, &loaded(NOTHING)).len(), 1);
        }
    }

    #[test]
    fn a_domain_without_its_list_is_open() {
        let text = |lists: &str| {
            format!(
                "[recipients]\ndomains = [\"a.example\", \"b.example\"]\nlists = {{ {lists} }}\n"
            )
        };
        let before = loaded(&text("\"a.example\" = \"a\", \"b.example\" = \"b\""));
        let after = loaded(&text("\"b.example\" = \"b\""));
        assert_eq!(opened(&before, &after).collect::<Vec<_>>(), ["a.example"]);
        assert_eq!(opened(&after, &before).count(), 0);
    }
}
