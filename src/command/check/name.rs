//! What `check` asks about names: this server's, and those of the domains and recipients that mail is taken for.
//!
//! Owns: these lines. Must not know: how a list is read.

use crate::config::Config;
use crate::server::rules;
use crate::verdict::{Line, Verdict};

/// Endings of names that are valid in one network only, or on one machine.
const LOCAL_NAMES: [&str; 4] = [".local", ".localdomain", ".localhost", ".internal"];

/// The name of this server, as others see it.
pub(super) fn hostname(config: &Config, is_set: bool) -> Line {
    const NAME: &str = "hostname";
    let name = &config.server.hostname;
    let wrong = if name.starts_with('[') {
        None
    } else if !name.contains('.') {
        Some("has one label")
    } else if LOCAL_NAMES.iter().any(|local| name.ends_with(local)) {
        Some("means nothing outside of this machine's network")
    } else {
        None
    };
    let whose = match is_set {
        true => "",
        false => ", the name of this machine",
    };
    match wrong {
        None => (
            Verdict::Ok,
            NAME,
            format!("{name:?}{whose} is used in the greeting"),
        ),
        Some(wrong) => (
            Verdict::Warning,
            NAME,
            format!(
                "server.hostname = {name:?}{whose} {wrong}: it is not a fully qualified name, so other servers cannot know this one by it; set server.hostname \
                 (or --hostname) to the full name that the MX record points to, such as mx.example.net"
            ),
        ),
    }
}

/// Whose mail is taken.
pub(super) fn domains(config: &Config) -> Line {
    const NAME: &str = "domains";
    let recipients = &config.recipients;
    let everywhere = recipients.domains.iter().any(|domain| domain == "*");
    let named = recipients.lists.contains_key("*") || recipients.topic.is_some();
    if everywhere && !named {
        let text = "recipients.domains has \"*\": mail is taken for every domain, from anybody, so that this server is an open \
                    sink and gets the spam of open relays; name yours: recipients.domains = [\"example.com\"], or --domain \
                    example.com";
        return (Verdict::Warning, NAME, text.to_owned());
    }
    let names: Vec<&str> = recipients
        .domains
        .iter()
        .take(5)
        .map(String::as_str)
        .collect();
    let more = match recipients.domains.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("mail is taken for {}{more}", names.join(", "));
    (Verdict::Ok, NAME, text)
}

/// Whose mail is taken at domains that have a list.
pub(super) fn lists(config: &Config) -> Vec<Line> {
    const NAME: &str = "lists";
    let count = config.recipients.lists.len();
    if count == 0 {
        let text = match config.recipients.topic {
            None => "recipients.lists is not set: every recipient at recipients.domains is taken",
            Some(_) => "recipients.lists is not set: recipients.topic alone names recipients",
        };
        return vec![(Verdict::Skipped, NAME, text.to_owned())];
    }
    match rules::taken(config) {
        Ok(taken) => {
            let text = format!("{} recipients on {count} lists", taken.listed());
            vec![(Verdict::Ok, NAME, text)]
        }
        Err(unusable) => unusable
            .problems()
            .iter()
            .map(|problem| (Verdict::Failed, NAME, problem.to_string()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_else_knows_are_warned_of() {
        let mut config = Config::default();
        for (name, verdict) in [
            ("mx.example.net", Verdict::Ok),
            ("[192.0.2.1]", Verdict::Ok),
            ("localhost", Verdict::Warning),
            ("mx", Verdict::Warning),
            ("3f2a9c", Verdict::Warning),
            ("localhost.localdomain", Verdict::Warning),
            ("printer.local", Verdict::Warning),
        ] {
            config.server.hostname = name.to_owned();
            let line = hostname(&config, false);
            assert_eq!(line.0, verdict, "{line:?}");
            assert!(line.2.contains(name), "{line:?}");
        }
    }

    #[test]
    fn mail_for_every_domain_is_warned_of_unless_a_list_says_whose() {
        let mut config = Config::default();
        assert_eq!(domains(&config).0, Verdict::Warning);
        assert!(domains(&config).2.contains("open sink"));
        let lists = &mut config.recipients.lists;
        lists.insert("*".to_owned(), "all.txt".to_owned());
        assert_eq!(domains(&config).0, Verdict::Ok);
        config.recipients.lists.clear();
        config.recipients.topic = Some("recipients".to_owned());
        assert_eq!(domains(&config).0, Verdict::Ok);
        config.recipients.topic = None;
        config.recipients.domains = (0..7).map(|n| format!("{n}.example")).collect();
        let text = domains(&config).2;
        assert!(text.ends_with("3.example, 4.example and 2 more"), "{text}");
        config.recipients.domains.push("*".to_owned());
        assert_eq!(domains(&config).0, Verdict::Warning);
    }
}
