//! Properties of librdkafka that an operator sets: what is wrong with one, without its value.
//!
//! Owns: why a property is refused, and the texts for it. Must not know: where properties come from, which of them ringpost
//! sets itself.
//!
//! Invariant: no value of a property gets into a text, as it may be a password.
//!
//! BUGS: librdkafka says in prose alone which properties do not fit together, so they are looked for in it by name.

use std::fmt;
use std::io;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

use super::oauth::endpoint::Endpoint;
use super::oauth::settings::{self, Settings};
use super::way;
use crate::config;
use crate::failure::{Blame, Blamed};

/// Properties that name a file which librdkafka reads where brokers are spoken to in TLS.
const FILES: [&str; 5] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.crl.location",
    "ssl.keystore.location",
];

/// A shorter value would be found inside other words; no password is that short.
const SHORTEST_HIDDEN: usize = 4;

/// Why librdkafka does not take the properties.
#[derive(Debug)]
pub enum Refused {
    /// A property names a file that cannot be read.
    Unreadable {
        /// The property.
        key: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// Only Java clients have it.
    OfJava {
        /// The property.
        key: String,
        /// What to set instead.
        instead: &'static str,
    },
    /// A login is wanted, and librdkafka would ask Kerberos for it.
    Kerberos {
        /// Whether an operator has asked for that; it is librdkafka's default.
        asked: bool,
    },
    /// One of those that tokens are fetched with.
    Tokens {
        /// The property.
        key: &'static str,
        /// What is wrong with it, without its value.
        why: String,
    },
    /// librdkafka refuses one.
    One {
        /// The property.
        key: String,
        /// librdkafka's words, without values.
        reason: String,
    },
    /// librdkafka refuses what they mean together.
    Together {
        /// The properties that its words name.
        keys: Vec<String>,
        /// librdkafka's words, without values.
        reason: String,
    },
    /// librdkafka does not start for another reason.
    NotStarted(KafkaError),
}

impl Refused {
    /// From librdkafka's error.
    pub fn new<'a>(
        error: KafkaError,
        properties: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Self {
        match error {
            KafkaError::ClientConfig(_, reason, key, _) => match config::of_java(&key) {
                Some(instead) => Self::OfJava { key, instead },
                None => Self::One {
                    key,
                    reason: hide_values(properties, &reason),
                },
            },
            KafkaError::ClientCreation(reason) => Self::Together {
                keys: named_in(properties.clone(), &reason),
                reason: hide_values(properties, &reason),
            },
            other => Self::NotStarted(other),
        }
    }

    /// Which properties it is about, as far as that is known.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Unreadable { key, .. } => vec![key],
            Self::Kerberos { .. } => vec!["sasl.mechanism"],
            Self::Tokens { key, .. } => vec![key],
            Self::OfJava { key, .. } | Self::One { key, .. } => vec![key],
            Self::Together { keys, .. } => keys.iter().map(String::as_str).collect(),
            Self::NotStarted(_) => Vec::new(),
        }
    }

    /// Why, and what helps; the caller says where the property was set.
    pub fn why(&self) -> String {
        match self {
            Self::Unreadable { source, .. } => {
                format!("the file that it names cannot be read: {source}")
            }
            Self::OfJava { instead, .. } => format!("it is for Java clients only: {instead}"),
            Self::Kerberos { asked } => {
                let begin = match asked {
                    true => "asks for GSSAPI (Kerberos), which",
                    false => "is not set, and its default, GSSAPI (Kerberos),",
                };
                format!(
                    "{begin} is not built in: set it to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
                )
            }
            Self::Tokens { why, .. } => why.clone(),
            Self::One { reason, .. } => format!("librdkafka refuses it: {reason}"),
            Self::Together { reason, .. } => format!("librdkafka refuses the settings: {reason}"),
            Self::NotStarted(error) => format!("librdkafka did not start: {error}"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::NotStarted(_) => "[kafka]".to_owned(),
            _ => place(&self.keys()),
        };
        write!(f, "{place}: {}", self.why())
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::NotStarted(error) => Some(error),
            Self::OfJava { .. }
            | Self::Kerberos { .. }
            | Self::Tokens { .. }
            | Self::One { .. }
            | Self::Together { .. } => None,
        }
    }
}

impl Blamed for Refused {
    fn blame(&self) -> Blame {
        match self {
            Self::NotStarted(_) => Blame::Machine,
            Self::Unreadable { .. }
            | Self::OfJava { .. }
            | Self::Kerberos { .. }
            | Self::Tokens { .. }
            | Self::One { .. }
            | Self::Together { .. } => Blame::Operator,
        }
    }
}

/// Takes what is about tokens out of a client's properties, and makes sure that they can be asked for. The rest is what
/// librdkafka gets.
///
/// # Errors
/// The property that is wrong, and why.
pub fn tokens(config: &ClientConfig) -> Result<(ClientConfig, Option<Settings>), Refused> {
    let (rest, settings) = settings::split(config).map_err(|fault| Refused::Tokens {
        key: fault.key,
        why: fault.to_string(),
    })?;
    if let Some(settings) = &settings {
        Endpoint::new(settings.clone()).map_err(|failed| Refused::Tokens {
            key: "https.ca.location",
            why: failed.to_string(),
        })?;
    }
    Ok((rest, settings))
}

/// Looks for what librdkafka would refuse in words of its build, or without saying which property it is: a login by
/// Kerberos, a file that cannot be read.
///
/// # Errors
/// The first of them.
pub fn usable<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<(), Refused> {
    let protocol = get("security.protocol").unwrap_or_default();
    if protocol.trim().to_ascii_lowercase().starts_with("sasl_") {
        let asked = get("sasl.mechanism").or_else(|| get("sasl.mechanisms"));
        if asked.is_none_or(|mechanism| mechanism.trim() == "GSSAPI") {
            let asked = asked.is_some();
            return Err(Refused::Kerberos { asked });
        }
    }
    readable(get)
}

fn readable<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<(), Refused> {
    if way::in_clear(get("security.protocol")) {
        return Ok(());
    }
    for key in FILES {
        // "probe" has librdkafka look for the machine's own.
        let Some(file) = get(key).filter(|file| !file.is_empty() && *file != "probe") else {
            continue;
        };
        std::fs::File::open(file).map_err(|source| Refused::Unreadable { key, source })?;
    }
    Ok(())
}

/// Where these properties are in the configuration.
pub fn place(keys: &[&str]) -> String {
    let named: Vec<String> = keys.iter().map(|key| format!("key {key:?}")).collect();
    match named.is_empty() {
        true => "[kafka.properties]".to_owned(),
        false => format!("kafka.properties, {}", named.join(" and ")),
    }
}

/// The properties that a text of librdkafka speaks of.
pub fn named_in<'a>(
    properties: impl Iterator<Item = (&'a str, &'a str)>,
    text: &str,
) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = text
        .split(|c| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
        .collect();
    properties
        .map(|(name, _)| name)
        .filter(|name| words.contains(name))
        .map(str::to_owned)
        .collect()
}

/// A text of librdkafka without the values that the operator has set: it repeats what it refuses, whole or an item of it in
/// quotes.
pub fn hide_values<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>, text: &str) -> String {
    let mut values: Vec<&str> = properties
        .map(|(_, value)| value.trim())
        .filter(|value| !matches!(*value, "true" | "false"))
        .collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let hidden = values
        .iter()
        .filter(|value| value.len() >= SHORTEST_HIDDEN)
        .fold(text.to_owned(), |text, value| text.replace(value, "…"));
    let parts = hidden.split('"').enumerate().map(|(at, part)| {
        let quoted = at % 2 == 1 && !part.is_empty();
        match quoted && values.iter().any(|value| value.contains(part)) {
            true => "…",
            false => part,
        }
    });
    parts.collect::<Vec<_>>().join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_by_kerberos_is_refused_whether_it_is_asked_for_or_the_default() {
        let said = |pairs: &[(&str, &'static str)]| {
            let get = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
            usable(get).err().map(|refused| refused.to_string())
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[("sasl.mechanism", "GSSAPI")]), None);
        let protocol = ("security.protocol", "SASL_PLAINTEXT");
        assert_eq!(said(&[protocol, ("sasl.mechanisms", "PLAIN")]), None);
        for (pairs, words) in [
            (&[protocol][..], "is not set, and its default, GSSAPI"),
            (&[protocol, ("sasl.mechanism", "GSSAPI")], "asks for GSSAPI"),
        ] {
            let said = said(pairs).unwrap();
            assert!(said.starts_with("kafka.properties, key \"sasl.mechanism\": "));
            assert!(said.contains(words) && said.contains("set it to PLAIN"));
        }
    }

    #[test]
    fn a_value_is_hidden_whole_and_an_item_of_it_in_quotes() {
        let properties = [("a", "hunter2"), ("b", "hunter2,other"), ("c", "true")];
        for (text, hidden) in [
            ("a is hunter2", "a is …"),
            ("b is hunter2,other.", "b is …."),
            ("item \"other\" is unknown", "item \"…\" is unknown"),
            ("\"c\" is true", "\"c\" is true"),
        ] {
            assert_eq!(hide_values(properties.into_iter(), text), hidden);
        }
    }

    #[test]
    fn properties_are_found_by_their_whole_names() {
        let properties = [("max.in.flight", "9"), ("acks", "1"), ("in.flight", "1")];
        let text = "`max.in.flight` must be set <= 5 when `enable.idempotence` is true.";
        assert_eq!(named_in(properties.into_iter(), text), ["max.in.flight"]);
    }
}
