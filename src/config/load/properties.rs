//! What the file of `kafka.properties_file` sets: properties that no other source has set.
//!
//! Owns: their precedence, and the problems of their lines. Must not know: the syntax of the file.
//!
//! Invariants: `[kafka.properties]` and the environment beat the file; no value gets into a problem.

use std::collections::BTreeMap;
use std::path::Path;

use super::Draft;
use crate::config::error::{Place, Problem};
use crate::config::properties_file::{self, Property};
use crate::config::reason::Reason;
use crate::config::value;

impl Draft {
    pub(super) fn apply_properties_file(&mut self) {
        let Some(path) = self.config.kafka.properties_file.clone() else {
            return;
        };
        let file = match properties_file::read(&path) {
            Ok(file) => file,
            Err((line, fault)) => return self.refuse_properties(&path, line, None, fault.into()),
        };
        if file.exposed {
            let path = path.display();
            self.warnings.push(format!(
                "kafka.properties_file: {path} can be read by every user of this machine, and it is where passwords of Kafka are: \
                 chmod o-r {path}, and change them"
            ));
        }
        let mut texts = BTreeMap::new();
        for Property { line, name, value } in file.properties {
            let checked = value::property_name(&name).and_then(|checked| {
                value::property_value(&checked, &value)?;
                match texts.contains_key(&checked) {
                    true => Err(Reason::SetTwice),
                    false => Ok(checked),
                }
            });
            match checked {
                Ok(checked) => drop(texts.insert(checked, (line, value))),
                Err(reason) => self.refuse_properties(&path, Some(line), Some(name), reason),
            }
        }
        let properties = &mut self.config.kafka.properties;
        for (name, (line, value)) in texts {
            if properties.contains_key(&name) {
                continue;
            }
            let place = Place::File {
                path: path.clone(),
                position: Some((line, 1)),
            };
            self.origins
                .note_entry("kafka.properties", name.clone(), place);
            properties.insert(name, value);
        }
    }

    fn refuse_properties(
        &mut self,
        path: &Path,
        line: Option<usize>,
        key: Option<String>,
        reason: Reason,
    ) {
        let place = Place::File {
            path: path.to_owned(),
            position: line.map(|line| (line, 1)),
        };
        self.problems.push(Problem {
            place,
            key,
            value: None,
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::tests::from_environment;
    use crate::config::Loaded;

    /// A folder with this file of properties.
    fn file(text: &str) -> (tempfile::TempDir, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.properties");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    fn properties(loaded: &Loaded) -> Vec<(&str, &str)> {
        let properties = loaded.config.kafka.properties.iter();
        properties
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    #[test]
    fn the_toml_beats_the_file_and_the_environment_beats_both() {
        let text = "client.id=file\nclient.rack=file\nlinger.ms=1\nsasl.mechanisms=PLAIN\n";
        let (folder, path) = file(text);
        let toml = folder.path().join("ringpost.toml");
        let text = format!(
            "[kafka]\nproperties_file = {path:?}\n[kafka.properties]\nclient.rack = \"toml\"\nlinger.ms = 2\nsasl.mechanism = \"SCRAM-SHA-256\"\n"
        );
        std::fs::write(&toml, text).unwrap();
        let variables = [("RINGPOST_KAFKA_PROPERTIES", "linger.ms=3")];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let loaded = load(Some(&toml), variables, &[]).unwrap();
        assert_eq!(
            properties(&loaded),
            [
                ("client.id", "file"),
                ("client.rack", "toml"),
                ("linger.ms", "3"),
                ("sasl.mechanism", "SCRAM-SHA-256"),
            ]
        );
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_mistake_names_file_line_and_name_and_never_the_value() {
        for (text, expected) in [
            (
                "\nsasl.pasword=hunter2\n",
                ":2:1: sasl.pasword: is not a property of librdkafka: did you mean sasl.password?",
            ),
            (
                "linger.ms=hunter2",
                ":1:1: linger.ms: has a value that librdkafka does not take: a number is expected",
            ),
            (
                "bootstrap.servers=hunter2:9092",
                ":1:1: bootstrap.servers: is not for kafka.properties: set kafka.brokers",
            ),
            (
                "sasl.jaas.config=org.apache Plain password=\"hunter2\";",
                ":1:1: sasl.jaas.config: is for Java clients only: use sasl.mechanism, sasl.username and sasl.password",
            ),
            (
                "sasl.mechanism = GSSAPI\nsasl.password=hunter2",
                ":1:1: sasl.mechanism: asks for GSSAPI (Kerberos), which is not built in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and \
                 OAUTHBEARER are",
            ),
            (
                "sasl.mechanism=PLAIN\nsasl.mechanisms=PLAIN",
                ":2:1: sasl.mechanisms: is set twice, written in two ways: remove one",
            ),
            ("hunter2", ":1:1: has no =: write name=value"),
            (
                "a=hunter2\na=hunter3",
                ":2:1: is set on line 1 already: remove one of the two",
            ),
        ] {
            let (_folder, path) = file(text);
            let error = from_environment(&[("RINGPOST_KAFKA_PROPERTIES_FILE", &path)]).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(&format!("{path}{expected}")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(!said.contains("hunter") && !format!("{error:?}").contains("hunter"));
        }
        let absent = [("RINGPOST_KAFKA_PROPERTIES_FILE", "/no/where")];
        let said = from_environment(&absent).unwrap_err().to_string();
        assert!(said.starts_with("/no/where: cannot be read: No such file"));
    }

    #[test]
    fn a_file_that_everybody_may_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path) = file("sasl.password=hunter2");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let loaded = from_environment(&[("RINGPOST_KAFKA_PROPERTIES_FILE", &path)]).unwrap();
        let [warning] = &loaded.warnings[..] else {
            panic!("{:?}", loaded.warnings);
        };
        assert!(warning.contains("chmod o-r") && !warning.contains("hunter2"));
    }
}
