//! Which cluster, topics and properties are used, and in whose name: flags, the environment and the configuration file of `serve`.
//!
//! Owns: what of the configuration concerns authentication. Must not know: Kafka's client.
//! Invariant: no value of a property gets into a text.

use super::options::Options;
use super::usage::Usage;
use crate::command::environment;
use crate::config::{self, Brokers, Objects};
use crate::consume::plan::Properties;

/// The brokers where nothing names any.
const LOCAL_BROKERS: &str = "127.0.0.1:9092";

/// What is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub brokers: String,
    pub topic: String,
    pub hostname: String,
    pub properties: Properties,
    pub objects: Objects,
    pub warnings: Vec<String>,
}

/// Properties that flags decide, or that what is promised depends on.
const PROPERTIES_TAKEN: [(&str, &str); 10] = [
    ("bootstrap.servers", "use --brokers"),
    ("metadata.broker.list", "use --brokers"),
    ("group.id", "use --group"),
    ("auto.offset.reset", "use --from"),
    ("topic.auto.offset.reset", "use --from"),
    (
        "enable.auto.commit",
        "offsets are committed after the mails are in the other topic",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed after the mails are in the other topic",
    ),
    ("enable.partition.eof", "--until-end needs it on"),
    ("allow.auto.create.topics", "a topic is never created"),
    (
        "acks",
        "a mail counts as written once every in-sync replica has it",
    ),
];

/// Puts them together.
///
/// # Errors
/// A mistake of the flags, or every one of the environment and the file.
pub(super) fn load(options: &Options) -> Result<Settings, Usage> {
    from(options, environment())
}

fn from(
    options: &Options,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, Usage> {
    let given = options
        .properties
        .iter()
        .enumerate()
        .map(|(at, text)| property(at, text));
    let given = given.collect::<Result<Vec<_>, _>>()?;
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let flags = [
        ("server.hostname", one(&options.hostname)),
        ("kafka.brokers", one(&options.brokers)),
        ("kafka.topic", one(&options.topic)),
        ("kafka.properties_file", one(&options.properties_file)),
        ("objects.url", one(&options.objects)),
    ];
    let loaded = config::load(options.config.as_deref(), environment, &flags)?;
    let kafka = loaded.config.kafka;
    let brokers = match kafka.brokers {
        Brokers::List(list) => list,
        _ if !loaded.set.contains("kafka.brokers") => LOCAL_BROKERS.to_owned(),
        other @ (Brokers::Embedded | Brokers::Discard) => return Err(Usage::InMemory(other)),
    };
    if options.to_topic == kafka.topic {
        return Err(Usage::SameTopic(kafka.topic));
    }
    let mut properties: Vec<(String, String)> = kafka.properties.into_iter().collect();
    properties.extend(given);
    Ok(Settings {
        brokers,
        topic: kafka.topic,
        hostname: loaded.config.server.hostname,
        properties: Properties(properties),
        objects: loaded.config.objects,
        warnings: loaded.warnings,
    })
}

/// A property of the command line.
fn property(at: usize, text: &str) -> Result<(String, String), Usage> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Usage::NoPair { number: at + 1 });
    };
    match PROPERTIES_TAKEN.iter().find(|(taken, _)| *taken == name) {
        Some(&(name, instead)) => Err(Usage::Taken { name, instead }),
        None => Ok((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let line = ["authenticate", "--group", "g", "--to-topic", "checked"];
        let parsed =
            Line::try_parse_from(line.iter().chain(flags)).map_err(|error| error.to_string())?;
        from(&parsed.options, []).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_used_follows_from_the_flags() {
        let read = settings(&[
            "--hostname",
            "mx.example",
            "--topic",
            "in",
            "--property",
            "client.id=x",
        ])
        .unwrap();
        assert_eq!(
            (read.hostname.as_str(), read.topic.as_str()),
            ("mx.example", "in")
        );
        assert_eq!(
            (read.brokers.as_str(), read.properties.get("client.id")),
            (LOCAL_BROKERS, Some("x"))
        );
    }

    #[test]
    fn mistakes_are_named_and_no_error_shows_a_property() {
        for (flags, part) in [
            (&["--topic", "checked"][..], "--to-topic"),
            (&["--brokers", "embedded"], "--brokers"),
            (&["--property", "hunter2"], "NAME=VALUE"),
            (&["--property", "acks=hunter2"], "every in-sync replica"),
            (&["--hostname", "a b"], "--hostname"),
            (&["--resolver", "localhost"], "--resolver"),
            (&["--patience", "long"], "--patience"),
        ] {
            let error = settings(flags).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{flags:?}: {error}"
            );
        }
    }
}
