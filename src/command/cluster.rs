//! Which cluster, topic and properties commands read: flags, the environment and the configuration file of `serve`.
//!
//! Owns: these flags, what of the configuration concerns reading, and what is wrong with either. Must not know: Kafka's client,
//! which command reads.
//!
//! Invariant: no value of a property gets into a text, as it may be a password.

use std::path::PathBuf;

use clap::Args;

use super::{environment, help};
use crate::config::{self, Brokers, Config, Objects};
use crate::consume::plan::Properties;
use crate::failure::{Blame, Blamed};

/// The brokers where nothing names any.
const LOCAL_BROKERS: &str = "127.0.0.1:9092";

const BROKERS: &str = "Brokers to ask first, host:port, separated by commas.";
const OBJECTS: &str = "Where the objects of large messages are: s3://bucket/prefix, gs://…, az://… or file:///directory.";
const PROPERTIES: &str = "File of librdkafka properties, name=value a line: passwords, which do not belong on a command line.";

/// Where records are.
#[derive(Debug, Clone, Default, Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub(super) struct Cluster {
    /// Configuration file (TOML) of serve
    ///
    /// Where records are and the form of the log are read from it.
    ///
    /// [environment: RINGPOST_CONFIG] [default: no file]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Kafka brokers, host:port,… [default: 127.0.0.1:9092]
    #[arg(long, value_name = "LIST", long_help = help::reads("kafka.brokers", BROKERS, LOCAL_BROKERS))]
    pub brokers: Option<String>,
    /// Topic to read [default: mail]
    #[arg(long, value_name = "NAME", long_help = help::reads("kafka.topic", "Topic to read.", "mail"))]
    pub topic: Option<String>,
    /// Where the objects of large messages are
    #[arg(long, value_name = "URL", long_help = help::reads("objects.url", OBJECTS, "where each record says"), hide_short_help = true)]
    pub objects: Option<String>,
    /// File of librdkafka properties: passwords
    #[arg(long, value_name = "FILE", long_help = help::reads("kafka.properties_file", PROPERTIES, "no file"), hide_short_help = true)]
    pub properties_file: Option<String>,
    /// A librdkafka property; repeatable
    ///
    /// Everybody on the machine can read a command line: a password belongs in --properties-file or RINGPOST_KAFKA_PROPERTIES.
    ///
    /// [default: kafka.properties of the configuration]
    #[arg(long = "property", value_name = "NAME=VALUE", hide_short_help = true)]
    pub properties: Vec<String>,
}

/// What is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub brokers: String,
    pub topic: String,
    pub properties: Properties,
    pub objects: Objects,
    pub warnings: Vec<String>,
    /// All of the configuration.
    pub config: Config,
    /// The same as text, without secrets.
    pub effective: String,
}

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    /// Every mistake of the configuration.
    #[error(transparent)]
    Configuration(#[from] config::Error),
    #[error(
        "kafka.brokers is {0}, of which nothing can be read: name brokers with --brokers host:port (the quick start \
         prints the address of its broker)"
    )]
    InMemory(Brokers),
    #[error("--topic is empty: name the topic to read, such as mail")]
    NoTopic,
    /// The text is not shown: all of it may be a password.
    #[error("--property number {number} is not NAME=VALUE, like security.protocol=SSL")]
    NoPair {
        /// Counted from 1.
        number: usize,
    },
    #[error("--property {name} cannot be set here: {instead}")]
    Taken {
        name: &'static str,
        instead: &'static str,
    },
}

impl Blamed for Mistake {
    fn blame(&self) -> Blame {
        match self {
            Self::Configuration(error) => error.blame(),
            Self::InMemory(_) | Self::NoTopic | Self::NoPair { .. } | Self::Taken { .. } => {
                Blame::Operator
            }
        }
    }
}

/// Properties that flags or the order of flush and commit decide.
const PROPERTIES_TAKEN: [(&str, &str); 10] = [
    ("bootstrap.servers", "use --brokers"),
    ("metadata.broker.list", "use --brokers"),
    ("group.id", "use --group"),
    ("auto.offset.reset", "use --from"),
    ("topic.auto.offset.reset", "use --from"),
    (
        "enable.auto.commit",
        "offsets are committed once what was read is done with",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed once what was read is done with",
    ),
    ("enable.partition.eof", "--until-end needs it on"),
    (
        "allow.auto.create.topics",
        "reading never has a topic created",
    ),
    (
        "acks",
        "what is written counts once every in-sync replica has it",
    ),
];

impl Cluster {
    /// Puts flags, the environment and the file together.
    ///
    /// # Errors
    /// A mistake of the flags, or every one of the environment and the file.
    pub(super) fn load(&self) -> Result<Settings, Mistake> {
        self.load_with(&[])
    }

    /// The same, with values of flags that a command has beside these, by the name of their option.
    ///
    /// # Errors
    /// A mistake of the flags, or every one of the environment and the file.
    pub(super) fn load_with(
        &self,
        more: &[(&'static str, Vec<String>)],
    ) -> Result<Settings, Mistake> {
        self.from(environment(), more)
    }

    fn from(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        more: &[(&'static str, Vec<String>)],
    ) -> Result<Settings, Mistake> {
        let given = self.properties.iter().enumerate();
        let given = given
            .map(|(at, text)| property(at, text))
            .collect::<Result<Vec<_>, _>>()?;
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let mut flags = vec![
            ("kafka.brokers", one(&self.brokers)),
            ("kafka.topic", one(&self.topic)),
            ("kafka.properties_file", one(&self.properties_file)),
            ("objects.url", one(&self.objects)),
        ];
        flags.extend_from_slice(more);
        let loaded = config::load(self.config.as_deref(), environment, &flags)?;
        let effective = loaded.effective();
        let config = loaded.config;
        if config.kafka.topic.is_empty() {
            return Err(Mistake::NoTopic);
        }
        let brokers = match &config.kafka.brokers {
            Brokers::List(list) => list.clone(),
            _ if !loaded.origins.is_set("kafka.brokers") => LOCAL_BROKERS.to_owned(),
            other @ (Brokers::Embedded | Brokers::Discard) => {
                return Err(Mistake::InMemory(other.clone()));
            }
        };
        let set = config.kafka.properties.clone();
        let mut properties: Vec<(String, String)> = set.into_iter().collect();
        properties.extend(given);
        Ok(Settings {
            brokers,
            topic: config.kafka.topic.clone(),
            properties: Properties(properties),
            objects: config.objects.clone(),
            warnings: loaded.warnings,
            config,
            effective,
        })
    }
}

/// A property of the command line.
fn property(at: usize, text: &str) -> Result<(String, String), Mistake> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Mistake::NoPair { number: at + 1 });
    };
    match PROPERTIES_TAKEN.iter().find(|(taken, _)| *taken == name) {
        Some(&(name, instead)) => Err(Mistake::Taken { name, instead }),
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
        cluster: Cluster,
    }

    fn settings(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let line = std::iter::once(&"consume").chain(flags);
        let parsed = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let read = parsed.cluster.from(variables, &[]);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[kafka]\nbrokers = \"file:1\"\ntopic = \"file\"\n[kafka.properties]\n\"sasl.password\" = \"of-file\"\n";
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        let read = settings(&["--config", path], &[]).unwrap();
        assert_eq!(
            (read.brokers.as_str(), read.topic.as_str()),
            ("file:1", "file")
        );
        assert_eq!(
            read.properties.0,
            [("sasl.password".to_owned(), "of-file".to_owned())]
        );
        let variables = [
            ("RINGPOST_CONFIG", path),
            ("RINGPOST_KAFKA_BROKERS", "environment:1"),
            (
                "RINGPOST_KAFKA_PROPERTIES",
                r"sasl.password=of\;environment",
            ),
        ];
        let read = settings(
            &["--topic", "flag", "--property", "sasl.password=of=flag"],
            &variables,
        )
        .unwrap();
        assert_eq!(
            (read.brokers.as_str(), read.topic.as_str()),
            ("environment:1", "flag")
        );
        // The last one of a name counts.
        let values: Vec<&str> = read
            .properties
            .0
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(values, ["of;environment", "of=flag"]);
    }

    #[test]
    fn without_brokers_it_is_this_machine_and_brokers_in_memory_are_an_error() {
        let read = settings(&[], &[]).unwrap();
        assert_eq!(
            (read.brokers.as_str(), read.topic.as_str()),
            (LOCAL_BROKERS, "mail")
        );
        for brokers in ["embedded", "discard"] {
            let error = settings(&[], &[("RINGPOST_KAFKA_BROKERS", brokers)]).unwrap_err();
            assert!(
                error.starts_with("kafka.brokers is ") && error.contains("--brokers"),
                "{error}"
            );
        }
        assert!(
            settings(&["--brokers", ""], &[])
                .unwrap_err()
                .starts_with("--brokers")
        );
        let error = settings(&["--brokers", "127.0.0.1:abc"], &[]).unwrap_err();
        assert!(error.starts_with("--brokers 127.0.0.1:abc"), "{error}");
        assert!(!error.contains("embedded"), "{error}");
        let error = settings(&["--topic", ""], &[]).unwrap_err();
        assert!(error.starts_with("--topic"), "{error}");
        assert!(
            settings(&["--topic", "a b"], &[])
                .unwrap_err()
                .starts_with("--topic")
        );
    }

    #[test]
    fn a_file_of_properties_is_beaten_by_every_other_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.properties");
        std::fs::write(
            &path,
            "sasl.password=of-file\nclient.id=of-file\nclient.rack=x",
        )
        .unwrap();
        let file = path.to_str().unwrap();
        let variables = [("RINGPOST_KAFKA_PROPERTIES", "client.id=of-environment")];
        let flags = ["--properties-file", file, "--property", "client.rack=flag"];
        let read = settings(&flags, &variables).unwrap();
        let got = |name| read.properties.get(name);
        assert_eq!(got("sasl.password"), Some("of-file"));
        assert_eq!(got("client.id"), Some("of-environment"));
        assert_eq!(got("client.rack"), Some("flag"));
        let named = [("RINGPOST_KAFKA_PROPERTIES_FILE", file)];
        let read = settings(&[], &named).unwrap();
        assert_eq!(read.properties.get("sasl.password"), Some("of-file"));
        std::fs::write(&path, "sasl.pasword=hunter2").unwrap();
        let error = settings(&[], &named).unwrap_err();
        assert!(
            error.contains(":1:1: sasl.pasword: is not a property"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn properties_are_pairs_and_none_of_ours_and_no_error_shows_them() {
        for (text, part) in [
            ("hunter2", "NAME=VALUE"),
            ("=hunter2", "NAME=VALUE"),
            ("group.id=hunter2", "--group"),
        ] {
            let error = settings(&["--property", "a=b", "--property", text], &[]).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
