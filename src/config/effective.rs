//! The configuration that is in force, as TOML: each option with its value, and a comment that says where it was set.
//!
//! Owns: the form of that text. Must not know: which texts are secrets; the rows of the options mask them.
//!
//! Invariants: the text is a configuration file that means the same, but for what is masked; no value and no path can end a
//! line or a comment of it.

use std::fmt::Write as _;

use super::error::Place;
use super::load::Loaded;
use super::options::{ROUTE_SETTINGS, ROUTES, Route, SECTIONS, SETTINGS, Setting};
use super::row::Literal;
use super::value::{self, MASK};

/// Characters of a list that is on one line.
const LINE: usize = 100;

impl Loaded {
    /// The whole configuration as a file would have it, defaults included. Secrets are masked.
    pub fn effective(&self) -> String {
        let mut text =
            format!("# What is in force, and where it was set. {MASK} stands for a secret.\n");
        for section in SECTIONS {
            text.push_str(&format!("\n[{}]\n", section.name));
            let of_section = |setting: &&Setting| setting.section() == section.name;
            // The section of a table ends that of the options beside it.
            let mut tables = String::new();
            for setting in SETTINGS.iter().filter(of_section) {
                match setting.literal(&self.config) {
                    Literal::Table(entries) if !entries.is_empty() => {
                        tables.push_str(&self.table(setting, &entries));
                    }
                    literal => {
                        let comment = self.comment(setting);
                        text.push_str(&assignment(setting.name(), &literal, &comment));
                    }
                }
            }
            text.push_str(&tables);
        }
        for (route, place) in self.config.routes.iter().zip(&self.routes) {
            text.push_str(&table_of_route(route, place));
        }
        text
    }

    /// A table with its entries.
    fn table(&self, setting: &Setting, entries: &[(String, String)]) -> String {
        let mut text = format!("\n[{}]\n", setting.key);
        for (name, literal) in entries {
            let place = self.origins.of_entry(setting.key, name);
            let place = place.or_else(|| self.origins.of(setting.key));
            let comment = place.map_or_else(|| "default".to_owned(), whence);
            let name = value::key(name);
            text.push_str(&format!("{name} = {literal}  # {comment}\n"));
        }
        text
    }

    /// Where an option was set.
    fn comment(&self, setting: &Setting) -> String {
        match self.origins.of(setting.key) {
            Some(place) => whence(place),
            None if setting.has_default(&self.config) => "default".to_owned(),
            // The one option whose default is asked of the machine.
            None => "default: the name of this machine".to_owned(),
        }
    }
}

/// One of `[[routes]]`.
fn table_of_route(route: &Route, place: &Place) -> String {
    let mut text = format!("\n[[{}]]  # {}\n", ROUTES.name, whence(place));
    for setting in ROUTE_SETTINGS.iter() {
        let comment = match setting.has_default(route) {
            true => "default".to_owned(),
            false => whence(place),
        };
        text.push_str(&assignment(
            setting.name(),
            &setting.literal(route),
            &comment,
        ));
    }
    text
}

/// `name = value  # comment`; a long list has a line for each of its values.
fn assignment(name: &str, literal: &Literal, comment: &str) -> String {
    match literal {
        Literal::One(one) => format!("{name} = {one}  # {comment}\n"),
        Literal::List(items) => {
            let short = items.join(", ");
            if short.chars().count() <= LINE {
                return format!("{name} = [{short}]  # {comment}\n");
            }
            let mut text = format!("{name} = [  # {comment}\n");
            for item in items {
                writeln!(text, "    {item},").expect("a String takes every text");
            }
            text.push_str("]\n");
            text
        }
        Literal::Table(entries) => {
            assert!(entries.is_empty(), "a table has a section of its own");
            format!("{name} = {{}}  # {comment}\n")
        }
    }
}

/// Where something was set: `file ringpost.toml:3`, `environment RINGPOST_KAFKA_TOPIC`, `flag --topic`.
fn whence(place: &Place) -> String {
    match place {
        Place::File { path, position } => {
            let path = value::escaped(&path.display().to_string());
            match position {
                Some((line, _)) => format!("file {path}:{line}"),
                None => format!("file {path}"),
            }
        }
        Place::Environment(name) => format!("environment {name}"),
        Place::Flag(name) => format!("flag {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, load};
    use super::*;

    const FILE: &str = r#"
        [server]
        hostname = "mx.example.net"
        listen = ["127.0.0.1:25", "[::1]:25"]
        drain_timeout = "90s"
        [recipients]
        domains = ["a.example", "*.b.example"]
        lists = { "a.example" = "a \"list\" # \u001b.txt" }
        [kafka]
        brokers = "kafka:9092"
        [kafka.properties]
        linger.ms = 7
        "sasl.mechanisms" = "PLAIN"
        sasl.password = "hunter2"
        [objects]
        url = "s3://bucket/mail"
        [objects.options]
        region = "eu-central-1"
        secret_access_key = "hunter2"
        [[routes]]
        recipients = ["*.b.example"]
        topic = "b"
        [[routes]]
        listen = ["[::1]:25"]
        topic = "c"
        large_topic = "c.large"
    "#;

    fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let variables = variables.iter();
        let variables = variables.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let flags = [("kafka.topic", vec!["flagged".to_owned()])];
        load(Some(file.path()), variables, &flags).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Without what is masked, which nobody can read back.
    fn without_secrets(mut config: Config) -> Config {
        let secret = |name: &str| name.contains("secret") || name.contains("password");
        config.kafka.properties.retain(|name, _| !secret(name));
        config.objects.options.retain(|name, _| !secret(name));
        config
    }

    #[test]
    fn every_option_is_there_and_read_back_as_the_same_configuration() {
        let many: Vec<String> = (0..50).map(|one| format!("\"{one}.example\"")).collect();
        let many = format!("[recipients]\ndomains = [{}]\n", many.join(", "));
        let domains = [("RINGPOST_RECIPIENTS_DOMAINS", "a.example,*.b.example")];
        for (text, variables) in [(FILE, &domains[..]), (&many, &[])] {
            let before = loaded(text, variables);
            let effective = before.effective();
            let after = loaded(&effective, &[]);
            assert_eq!(
                without_secrets(after.config.clone()),
                without_secrets(before.config.clone()),
                "{effective}"
            );
            for setting in SETTINGS.iter() {
                assert!(after.origins.is_set(setting.key), "{}", setting.key);
            }
            assert_eq!(after.effective().lines().count(), effective.lines().count());
        }
    }

    #[test]
    fn a_comment_says_where_a_value_was_set() {
        let variables = [
            ("RINGPOST_SERVER_WORKERS", "3"),
            (
                "RINGPOST_KAFKA_PROPERTIES",
                "client.id=mx;sasl.password=hunter3",
            ),
        ];
        let text = loaded(FILE, &variables).effective();
        for (line, end) in [
            ("hostname = \"mx.example.net\"  # file ", ":3"),
            ("workers = 3  # environment RINGPOST_SERVER_WORKERS", ""),
            ("topic = \"flagged\"  # flag --topic", ""),
            ("io = \"auto\"  # default", ""),
            ("drain_timeout = \"90s\"  # file ", ":5"),
            (
                "\"a.example\" = \"a \\\"list\\\" # \\U0000001B.txt\"  # file ",
                ":8",
            ),
            (
                "\"client.id\" = \"mx\"  # environment RINGPOST_KAFKA_PROPERTIES",
                "",
            ),
            ("\"linger.ms\" = \"7\"  # file ", ":12"),
            ("\"sasl.mechanism\" = \"PLAIN\"  # file ", ":13"),
            (
                "\"sasl.password\" = \"********\"  # environment RINGPOST_KAFKA_PROPERTIES",
                "",
            ),
            ("region = \"eu-central-1\"  # file ", ":18"),
            ("secret_access_key = \"********\"  # file ", ":19"),
            ("[[routes]]  # file ", ":20"),
            ("large_topic = \"c.large\"  # file ", ":23"),
        ] {
            let has = |one: &str| one.starts_with(line) && one.ends_with(end);
            assert!(text.lines().any(has), "{line}…{end} in:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
    }

    #[test]
    fn the_name_of_the_machine_is_no_default_of_the_table() {
        let text = load(None, [], &[]).unwrap().effective();
        let line = text.lines().find(|line| line.starts_with("hostname"));
        let line = line.expect("the host name is there");
        assert!(
            line.ends_with("  # default: the name of this machine"),
            "{line}"
        );
    }

    #[test]
    fn what_a_file_of_properties_brings_is_there_and_masked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka\n.properties");
        std::fs::write(&path, "linger.ms=9\n\nsasl.password=hunter2\n").unwrap();
        let path = path.to_str().unwrap();
        let loaded = loaded(FILE, &[("RINGPOST_KAFKA_PROPERTIES_FILE", path)]);
        let text = loaded.effective();
        // The configuration file beats it.
        assert!(text.contains("\"linger.ms\" = \"7\""), "{text}");
        assert!(text.contains("\"sasl.password\" = \"********\""), "{text}");
        let only = "[kafka]\nbrokers = \"kafka:9092\"\n";
        let loaded = super::tests::loaded(only, &[("RINGPOST_KAFKA_PROPERTIES_FILE", path)]);
        let text = loaded.effective();
        let shown = path.replace('\n', "\\n");
        for line in [
            format!("\"linger.ms\" = \"9\"  # file {shown}:1"),
            format!("\"sasl.password\" = \"********\"  # file {shown}:3"),
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
    }
}
