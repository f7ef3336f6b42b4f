//! Puts a configuration together: defaults, then the file, then the environment, then flags; each beats the one before.
//!
//! Owns the precedence, and collects every mistake of one pass, so that an operator corrects them all at once. Knows
//! nothing of single options; what they are is in the table.
//!
//! Invariant: no [`Loaded`] without every value in its range and every relation between values kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::{Error, Place, Problem};
use super::options::{self, SETTINGS};
use super::relation::RELATIONS;
use super::setting::{Fault, Setting};
use super::toml_file::{self, Content, Entry, Written};
use super::{Config, suggest, value};

/// A configuration that is fit for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What the operator should know of, a sentence each; nothing that keeps ringpost from working.
    pub warnings: Vec<String>,
}

/// Loads a configuration. `environment` may be the whole environment; what does not begin with `RINGPOST_` is passed over.
/// `flags` are keys of the table with the values given on the command line; one without values was not given.
///
/// # Errors
/// Every mistake of the file, the environment and the flags. All are the operator's.
///
/// # Panics
/// When `flags` names a key that is not in the table or has no flag there, which is a mistake of the caller.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&'static str, Vec<String>)],
) -> Result<Loaded, Error> {
    let mut draft = Draft::new();
    if let Some(path) = file {
        draft.apply_file(path);
    }
    draft.apply_environment(environment);
    draft.apply_flags(flags);
    draft.finish()
}

/// A configuration in the making.
struct Draft {
    config: Config,
    /// Where each option that is set was set last.
    places: BTreeMap<&'static str, Place>,
    /// Options with a mistake, from whose value nothing is to be concluded.
    failed: BTreeSet<&'static str>,
    /// The file could not be read as a whole: what it sets is not known.
    incomplete: bool,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Draft {
    fn new() -> Self {
        let mut config = Config::default();
        config.server.hostname.clear();
        Self {
            config,
            places: BTreeMap::new(),
            failed: BTreeSet::new(),
            incomplete: false,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn apply_file(&mut self, path: &Path) {
        let text = match toml_file::read(path) {
            Ok(text) => text,
            Err(reason) => {
                let place = Place::File {
                    path: path.to_owned(),
                    position: None,
                };
                self.problems.push(Problem {
                    place,
                    key: None,
                    value: None,
                    reason,
                });
                self.incomplete = true;
                return;
            }
        };
        let place = |start| Place::File {
            path: path.to_owned(),
            position: Some(toml_file::position(&text, start)),
        };
        let contents = toml_file::parse(&text);
        self.incomplete = contents.broken;
        for mistake in contents.mistakes {
            let failed = mistake.key.as_deref().and_then(options::setting);
            self.failed.extend(failed.map(|setting| setting.key));
            let toml_file::Mistake {
                start,
                key,
                value,
                reason,
            } = mistake;
            self.problems.push(Problem {
                place: place(start),
                key,
                value,
                reason,
            });
        }
        for entry in contents.entries {
            self.apply_entry(entry, &place);
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
    }

    fn apply_entry(&mut self, entry: Entry<'_>, place: &dyn Fn(usize) -> Place) {
        let key = entry.setting.key;
        let (items, whole) = match entry.content {
            Content::One(written) => (Vec::new(), written),
            Content::List(items, whole) => (items, whole),
            Content::Table(pairs, start) => {
                let (_, at) = entry.setting.table().expect("a table has been read");
                at(&mut self.config).extend(pairs);
                self.places.insert(key, place(start));
                return;
            }
        };
        let is_list = entry.setting.is_list();
        let texts: Vec<&str> = match is_list {
            true => items.iter().map(|item| item.text.as_str()).collect(),
            false => vec![&whole.text],
        };
        let result = entry.setting.set(&mut self.config, &texts);
        let at =
            |item: Option<usize>| -> &Written<'_> { item.map_or(&whole, |index| &items[index]) };
        self.places.insert(key, place(whole.start));
        for Fault { item, reason } in self.faults(entry.setting, result) {
            let written = at(item);
            let value = Some(written.source.to_owned());
            self.problems.push(Problem {
                place: place(written.start),
                key: Some(key.to_owned()),
                value,
                reason,
            });
        }
    }

    /// The faults of setting an option; remembers whether there were any.
    fn faults(&mut self, setting: &'static Setting, result: Result<(), Vec<Fault>>) -> Vec<Fault> {
        let faults = result.err().unwrap_or_default();
        if !faults.is_empty() {
            self.failed.insert(setting.key);
        }
        faults
    }

    fn apply_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        // In the order of the names: what an environment's own order is, nobody chose.
        let ours = |(name, _): &(String, String)| name.starts_with("RINGPOST_");
        let variables: BTreeMap<String, String> = environment.into_iter().filter(ours).collect();
        let mut injected = Vec::new();
        for (name, text) in variables {
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => self.apply_variable(setting, &name, &text),
                None if is_service_link(&name) => injected.push(name),
                None => self.warnings.push(unknown_variable(&name)),
            }
        }
        if !injected.is_empty() {
            self.warnings.push(format!(
                "{}: not an option; Kubernetes sets such variables for a service of this name (enableServiceLinks: false \
                 in the pod keeps them away)",
                injected.join(", ")
            ));
        }
    }

    fn apply_variable(&mut self, setting: &'static Setting, name: &str, text: &str) {
        let texts = setting.texts(text);
        let result = setting.set(&mut self.config, &texts);
        let place = Place::Environment(name.to_owned());
        self.places.insert(setting.key, place.clone());
        for Fault { item, reason } in self.faults(setting, result) {
            let value =
                (!setting.is_secret()).then(|| item.map_or(text, |index| texts[index]).to_owned());
            let key = Some(setting.key.to_owned());
            self.problems.push(Problem {
                place: place.clone(),
                key,
                value,
                reason,
            });
        }
    }

    fn apply_flags(&mut self, flags: &[(&'static str, Vec<String>)]) {
        for (key, values) in flags.iter().filter(|(_, values)| !values.is_empty()) {
            let setting = options::setting(key)
                .unwrap_or_else(|| panic!("{key} is not an option of the table"));
            let flag = setting
                .flag
                .unwrap_or_else(|| panic!("{key} has no flag in the table"));
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let result = setting.set(&mut self.config, &texts);
            self.places.insert(setting.key, Place::Flag(flag));
            for Fault { item, reason } in self.faults(setting, result) {
                let value = match (item, texts.as_slice()) {
                    (Some(index), _) => Some(texts[index].to_owned()),
                    (None, [text]) => Some((*text).to_owned()),
                    (None, _) => None,
                };
                let key = Some(setting.key.to_owned());
                self.problems.push(Problem {
                    place: Place::Flag(flag),
                    key,
                    value,
                    reason,
                });
            }
        }
    }

    fn finish(mut self) -> Result<Loaded, Error> {
        if !self.incomplete {
            self.check_relations();
        }
        if !self.problems.is_empty() {
            return Err(Error::new(self.problems));
        }
        if self.config.server.hostname.is_empty() {
            let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
            self.config.server.hostname = self.usable_host_name(machine.as_deref());
        }
        Ok(Loaded {
            config: self.config,
            warnings: self.warnings,
        })
    }

    fn check_relations(&mut self) {
        for relation in &RELATIONS {
            if relation.keys.iter().any(|key| self.failed.contains(key)) {
                continue;
            }
            let Some(reason) = (relation.fault)(&self.config) else {
                continue;
            };
            let set = relation.keys.iter().find_map(|key| self.places.get(key));
            // Invariant of the tables: an option that nobody set has its default, and the defaults keep every relation.
            let place = set.expect("one of the options was set").clone();
            self.problems.push(Problem {
                place,
                key: None,
                value: None,
                reason,
            });
        }
    }

    /// The machine's host name, if SMTP can say it.
    fn usable_host_name(&mut self, machine: Option<&str>) -> String {
        let fallback = "localhost".to_owned();
        let machine = machine.unwrap_or_default().trim();
        match value::host_name(machine) {
            Ok(name) if !name.is_empty() => name,
            Ok(_) => fallback,
            Err(why) => {
                let warning = format!(
                    "the machine's host name {machine:?} {why}; localhost is used: set server.hostname"
                );
                self.warnings.push(warning);
                fallback
            }
        }
    }
}

fn unknown_variable(name: &str) -> String {
    let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let rest = name.strip_prefix("RINGPOST").unwrap_or(name);
    let whole_end = variables
        .iter()
        .find(|variable| variable.ends_with(rest))
        .map(String::as_str);
    // Names are compared without what all of them begin with, which would make every two of them similar.
    let ends = variables
        .iter()
        .filter_map(|variable| variable.strip_prefix("RINGPOST"));
    let near = whole_end
        .map(str::to_owned)
        .or_else(|| Some(format!("RINGPOST{}", suggest::nearest(rest, ends)?)));
    match near {
        Some(near) => format!("{name}: not an option, so it has no effect: did you mean {near}?"),
        None => format!("{name}: not an option, so it has no effect"),
    }
}

/// Whether a variable is one that Kubernetes sets in each pod for a service whose name begins with `ringpost`:
/// `RINGPOST_PORT`, `RINGPOST_SERVICE_HOST`, `RINGPOST_SMTP_PORT_25_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    if ends.iter().any(|end| name.ends_with(end)) || name.contains("_SERVICE_PORT_") {
        return true;
    }
    // RINGPOST_PORT_25_TCP, and with _PROTO, _PORT or _ADDR behind it.
    name.match_indices("_PORT_").any(|(at, found)| {
        let mut parts = name[at + found.len()..].split('_');
        let is_number = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        is_number && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Brokers, LogFormat, RecordKey};
    use super::*;

    /// A file of this text in a folder that is gone with the first value.
    fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ringpost.toml");
        std::fs::write(&path, text).expect("a written file");
        (folder, path)
    }

    fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn from_file(text: impl AsRef<[u8]>) -> Result<Loaded, Error> {
        let (_folder, path) = file(text);
        load(Some(&path), [], &[])
    }

    fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, Error> {
        load(None, pairs(variables), &[])
    }

    /// The problems of a file, a line each, without the path.
    fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
        let (_folder, path) = file(text);
        let error = load(Some(&path), [], &[]).expect_err("the file has a mistake");
        let begin = path.display().to_string();
        error
            .to_string()
            .lines()
            .map(|line| line.strip_prefix(&begin).unwrap_or(line).to_owned())
            .collect()
    }

    fn environment_problems(variables: &[(&str, &str)]) -> String {
        from_environment(variables)
            .expect_err("a variable has a mistake")
            .to_string()
    }

    #[test]
    fn lists_of_recipients_are_a_table_of_domains() {
        let text = "[recipients]\ndomains = [\"example.com\", \"*.Sub.example\"]\n\
                    lists = { \"Example.com.\" = \"a.txt\", \"*.sub.example\" = \"b.txt\" }\n\
                    [access]\nallow = [\"::1\"]\ndeny = [\"192.0.2.0/24\"]\n";
        let config = from_file(text).expect("no mistake").config;
        let lists: Vec<_> = config.recipients.lists.iter().collect();
        let pair = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        assert_eq!(
            lists
                .iter()
                .map(|(name, path)| pair(name, path))
                .collect::<Vec<_>>(),
            [pair("*.sub.example", "b.txt"), pair("example.com", "a.txt")]
        );
        assert_eq!(
            (config.access.allow.len(), config.access.deny.len()),
            (1, 1)
        );
        let variables = [
            ("RINGPOST_RECIPIENTS_DOMAINS", "a.example,b.example"),
            ("RINGPOST_RECIPIENTS_LISTS", "A.example=a b.txt"),
        ];
        let config = from_environment(&variables).expect("no mistake").config;
        assert_eq!(config.recipients.lists["a.example"], "a b.txt");
        for (text, problem) in [
            (
                "[recipients]\nlists = { \"a.example\" = \"a.txt\" }",
                ":2:1: recipients.lists has a list for a.example, which recipients.domains does not name: add it there, or \
                 remove the list",
            ),
            (
                "[recipients.lists]\n\"joe@a.example\" = \"a.txt\"",
                ":2:1: recipients.lists.joe@a.example: is a mailbox: a domain is expected, such as a.example",
            ),
            (
                "[recipients.lists]\n\"*\" = \"a\"\n\"*.\" = \"b\"",
                ":3:1: recipients.lists.*.: is set twice, written in two ways: remove one",
            ),
            (
                "[access]\ndeny = [\"192.0.2.1/24\"]",
                ":2:9: access.deny = \"192.0.2.1/24\": has bits set behind its prefix: write 192.0.2.0/24, or 192.0.2.1 for \
                 the one address",
            ),
        ] {
            assert_eq!(problems(text), [problem]);
        }
    }

    #[test]
    fn nothing_given_is_the_quick_start() {
        let loaded = load(None, [], &[]).expect("the defaults are fit for use");
        let mut expected = Config::default();
        expected
            .server
            .hostname
            .clone_from(&loaded.config.server.hostname);
        assert_eq!(loaded.config, expected);
        assert!(!loaded.config.server.hostname.is_empty());
    }

    #[test]
    fn a_file_sets_every_kind_of_option() {
        let text = r#"
            [server]
            hostname = "mx.example.net."
            listen = ["0.0.0.0:25", "[::]:25"]
            trace = false
            [limits]
            message_size = 0x10_0000
            recipients = 1_000
            in_flight_bytes = "1GB"
            command_timeout = "250ms"
            [recipients]
            domains = ["Example.com.", "*.sub.example"]
            [tls]
            certificate = "mx.pem"
            key = "mx.key"
            [kafka]
            brokers = "a:9092,b:9092"
            key = "client-ip"
            [log]
            format = "json"
        "#;
        let config = from_file(text).expect("no mistake").config;
        assert_eq!(config.server.hostname, "mx.example.net");
        assert_eq!(config.server.listen.len(), 2);
        assert!(!config.server.trace);
        assert_eq!(
            (config.limits.message_size, config.limits.recipients),
            (1 << 20, 1000)
        );
        assert_eq!(config.limits.in_flight_bytes, 1_000_000_000);
        assert_eq!(config.limits.command_timeout, Duration::from_millis(250));
        assert_eq!(config.recipients.domains, ["example.com", "*.sub.example"]);
        assert_eq!(config.tls.key, Some("mx.key".into()));
        assert_eq!(
            config.kafka.brokers,
            Brokers::List("a:9092,b:9092".to_owned())
        );
        assert_eq!(
            (config.kafka.key, config.log.format),
            (RecordKey::ClientIp, LogFormat::Json)
        );
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let (_folder, path) = file(
            "[kafka]\ntopic = \"file\"\nkey = \"sender\"\n[server]\nlisten = [\"[::1]:25\"]\n",
        );
        let environment = pairs(&[
            ("RINGPOST_KAFKA_TOPIC", "environment"),
            ("RINGPOST_SERVER_LISTEN", "[::1]:26,[::1]:27"),
        ]);
        let listen = vec!["[::1]:28".to_owned(), "[::1]:29".to_owned()];
        let flags = [
            ("server.listen", listen.clone()),
            ("kafka.topic", Vec::new()),
        ];
        let config = load(Some(&path), environment, &flags)
            .expect("no mistake")
            .config;
        assert_eq!(config.kafka.key, RecordKey::Sender);
        assert_eq!(config.kafka.topic, "environment");
        let listened: Vec<String> = config
            .server
            .listen
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(listened, listen);
    }

    #[test]
    fn every_option_has_its_variable() {
        for setting in &SETTINGS {
            let variables = [(setting.variable(), setting.default.to_owned())];
            let loaded = load(None, variables, &[]).expect(setting.key);
            assert_eq!(
                loaded.config,
                load(None, [], &[]).expect("the defaults").config,
                "{}",
                setting.key
            );
            let faulty = [(setting.variable(), "\u{7}=,".to_owned())];
            match setting.key {
                // A path may be anything.
                "tls.certificate" | "tls.key" => assert_eq!(
                    load(None, faulty, &[]).expect_err("alone").problems().len(),
                    1
                ),
                key => assert!(load(None, faulty, &[]).is_err(), "{key}"),
            }
        }
    }

    #[test]
    fn mistakes_of_a_file_name_place_key_value_and_remedy() {
        let cases: &[(&str, &str)] = &[
            (
                "[server]\nhostnme = \"x\"",
                ":2:1: unknown key server.hostnme: did you mean server.hostname?",
            ),
            (
                "[limits]\nmax_message_size = 1",
                ":2:1: unknown key limits.max_message_size: did you mean limits.message_size?",
            ),
            (
                "[limits]\ntopic = \"a\"",
                ":2:1: unknown key limits.topic: did you mean kafka.topic?",
            ),
            (
                "[admin]\nzzz = 1",
                ":2:1: unknown key admin.zzz: [admin] has listen",
            ),
            (
                "listen = []",
                ":1:1: unknown key listen outside of a section: did you mean server.listen, below a line [server]?",
            ),
            (
                "zzz = 1",
                ":1:1: unknown key zzz outside of a section: every key belongs below the line of its section, such as [server]",
            ),
            (
                "\n [limit]\nx = 1",
                ":2:3: unknown section [limit]: did you mean [limits]?",
            ),
            (
                "[zzz]",
                ":1:2: unknown section [zzz]: there are server, limits, recipients, access, tls, kafka, admin, log",
            ),
            (
                "log = 1",
                ":1:1: log: is of type integer, and a section is expected: begin it with a line [log]",
            ),
            (
                "[server]\nlisten = \"[::]:25\"",
                ":2:10: server.listen = \"[::]:25\": is of type string, and a list is expected: write [\"[::]:25\"]",
            ),
            (
                "[server]\nworkers = \"4\"",
                ":2:11: server.workers = \"4\": is of type string, and a whole number without quotes (0 to 1024) is expected",
            ),
            (
                "[server]\ntrace = 1",
                ":2:9: server.trace = 1: is of type integer, and true or false, without quotes, is expected",
            ),
            (
                "[limits]\ndata_timeout = 30",
                ":2:16: limits.data_timeout = 30: is of type integer, and a duration with its unit, in quotes, such as \"30s\", is \
                 expected",
            ),
            (
                "[limits]\nmessage_size = 1.5",
                ":2:16: limits.message_size = 1.5: is of type float, and a size such as \"25MiB\", or a number of octets, is expected",
            ),
            (
                "[kafka]\nbrokers = [\"a:1\"]",
                ":2:11: kafka.brokers = [\"a:1\"]: is of type array, and a text in quotes (`host:port`, several separated by commas; \
                 or `embedded`, or `discard`) is expected",
            ),
            (
                "[kafka]\nproperties = \"hunter2\"",
                ":2:14: kafka.properties: is of type string, and a section of its own, [kafka.properties], is expected",
            ),
            (
                "[limits]\nrecipients = 0",
                ":2:14: limits.recipients = 0: is out of range: 1 to 10000 is allowed, 100 is the default",
            ),
            (
                "[limits]\nrecipients = -1",
                ":2:14: limits.recipients = -1: is not a whole number: 1 to 10000 is allowed",
            ),
            (
                "[limits]\nmessage_size = \"2GiB\"",
                ":2:16: limits.message_size = \"2GiB\": is out of range: 1KiB to 1GiB is allowed, 25MiB is the default",
            ),
            (
                "[server]\n# é\nlisten = [\"0.0.0.0:25\", \"localhost:25\"]",
                ":3:25: server.listen = \"localhost:25\": is not an IP address with a port: write 127.0.0.1:25 (host names are not \
                 looked up)",
            ),
            (
                "[recipients]\ndomains = []",
                ":2:11: recipients.domains = []: is empty: a list of domain names (`example.com`), names below one \
                 (`*.example.com`), or `*` for all, at least one, is expected",
            ),
            (
                "[log]\nformat = \"xml\"",
                ":2:10: log.format = \"xml\": is none of `text`, `json`",
            ),
            (
                "[kafka.properties]\nacks = 1",
                ":2:1: kafka.properties.acks: is not for kafka.properties: it is always all, as a 250 promises that every \
                 in-sync replica has the message",
            ),
            (
                "[kafka.properties]\nbootstrap.servers = \"a:1\"",
                ":2:11: kafka.properties.bootstrap.servers: is not for kafka.properties: set kafka.brokers",
            ),
            (
                "[kafka.properties]\nsasl.password = [\"hunter2\"]",
                ":2:6: kafka.properties.sasl.password: is of type array, and a string, number or boolean is expected",
            ),
            (
                "[tls]\nkey = \"a\"",
                ":2:7: tls.key is set without tls.certificate: set both or neither",
            ),
            (
                "[server]\ndrain_timeout = \"30s\"",
                ":2:17: kafka.delivery_timeout (30s) is not less than server.drain_timeout (30s), so that a drain could end \
                 before a message has its reply: lower the first or raise the second",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(problems(text), [*expected], "{text}");
        }
    }

    #[test]
    fn broken_syntax_is_reported_with_its_line_and_alone() {
        let cases = [
            ("[server]\nhostname = \n", ":2:"),
            ("[server\nworkers = 1", ":1:"),
            ("[log]\n[log]", ":2:"),
            ("[log]\nlevel = \"info\"\nlevel = \"warn\"", ":3:"),
            ("[tls]\nkey = \"a\"\nlevel = \"unclosed", ":3:"),
        ];
        for (text, begin) in cases {
            let problems = problems(text);
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(
                problems[0].starts_with(begin) && problems[0].contains(": is not TOML: "),
                "{text}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("none.toml");
        let error = load(Some(&missing), [], &[])
            .expect_err("there is none")
            .to_string();
        assert!(
            error.starts_with(&format!(
                "{}: there is no such file: --config names it",
                missing.display()
            )),
            "{error}"
        );
        let error = load(Some(folder.path()), [], &[])
            .expect_err("a folder")
            .to_string();
        assert!(
            error.contains("is a folder: --config has to name a file"),
            "{error}"
        );
        assert!(problems([0xff, 0xfe])[0].starts_with(": is not text in UTF-8"));
    }

    #[test]
    fn a_file_may_be_empty_or_begin_with_a_byte_order_mark() {
        let defaults = load(None, [], &[]).expect("the defaults");
        for text in ["", "\u{feff}", "\u{feff}[log]\r\nlevel = \"info\"\r\n"] {
            assert_eq!(from_file(text).expect("no mistake"), defaults);
        }
    }

    #[test]
    fn every_mistake_is_found_in_one_pass_and_in_order() {
        let (_folder, path) = file(
            "[log]\nlevel = \"loud\"\nlevl = 1\n[admin]\nlisten = \"25\"\n[recipients]\ndomains = [\"a b\", 3, \"c\", \"d@e\", 4]\n",
        );
        let environment = pairs(&[
            ("RINGPOST_LIMITS_ERRORS", "0"),
            ("RINGPOST_KAFKA_TOPIC", "a b"),
            ("RINGPOST_LOG_FORMAT", "text"),
        ]);
        let flags = [
            ("tls.key", vec!["mx.key".to_owned()]),
            ("server.listen", vec!["a".to_owned(), "b".to_owned()]),
        ];
        let error = load(Some(&path), environment, &flags).expect_err("mistakes everywhere");
        let places: Vec<String> = error
            .problems()
            .iter()
            .map(|problem| problem.place.to_string())
            .collect();
        let begin = path.display();
        let expected = [
            format!("{begin}:2:9"),
            format!("{begin}:3:1"),
            format!("{begin}:5:10"),
            format!("{begin}:7:12"),
            format!("{begin}:7:19"),
            format!("{begin}:7:27"),
            format!("{begin}:7:34"),
            "RINGPOST_KAFKA_TOPIC".to_owned(),
            "RINGPOST_LIMITS_ERRORS".to_owned(),
            "--listen".to_owned(),
            "--listen".to_owned(),
            "--tls-key".to_owned(),
        ];
        let mut found = places.clone();
        let mut wanted = expected.to_vec();
        assert_eq!(found[..7], wanted[..7], "{error}");
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{error}");
    }

    #[test]
    fn nothing_is_concluded_from_a_value_with_a_mistake() {
        // The limit on memory is below the size that was meant, and below the default that stands in for it.
        let found = problems("[limits]\nmessage_size = \"1XB\"\nin_flight_bytes = \"1KiB\"\n");
        assert_eq!(found.len(), 1, "{found:?}");
        // The file may well set the certificate.
        let (_folder, path) = file("[tls]\ncertificate = \"a\"\n[log");
        let error =
            load(Some(&path), [], &[("tls.key", vec!["b".to_owned()])]).expect_err("broken syntax");
        assert_eq!(error.problems().len(), 1, "{error}");
    }

    #[test]
    fn mistakes_of_the_environment_name_variable_and_value() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "RINGPOST_LIMITS_RECIPIENTS",
                "1x",
                "RINGPOST_LIMITS_RECIPIENTS=1x: is not a whole number: 1 to 10000 is allowed",
            ),
            (
                "RINGPOST_SERVER_TRACE",
                "yes",
                "RINGPOST_SERVER_TRACE=yes: is neither true nor false",
            ),
            (
                "RINGPOST_SERVER_LISTEN",
                "[::]:25, :26",
                "RINGPOST_SERVER_LISTEN=:26: is not an IP address with a port: write 0.0.0.0:26 for every interface, or [::]:26",
            ),
            (
                "RINGPOST_KAFKA_PROPERTIES",
                "sasl.password=hunter2;acks=1",
                "RINGPOST_KAFKA_PROPERTIES: its entry \"acks\" is not for kafka.properties: it is always all, as a 250 promises \
                 that every in-sync replica has the message",
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(environment_problems(&[(name, text)]), *expected);
        }
        let empty = environment_problems(&[("RINGPOST_RECIPIENTS_DOMAINS", "")]);
        assert!(
            empty.starts_with("RINGPOST_RECIPIENTS_DOMAINS=: is empty: a list of"),
            "{empty}"
        );
    }

    #[test]
    fn mistakes_of_flags_name_flag_and_value() {
        let cases: &[(&'static str, &[&str], &str)] = &[
            (
                "kafka.topic",
                &["a b"],
                "--topic a b: is not a name that Kafka allows",
            ),
            (
                "kafka.topic",
                &["a", "b"],
                "--topic: is given 2 times: it takes one value",
            ),
            ("recipients.domains", &[], ""),
            (
                "recipients.domains",
                &["a", "b c"],
                "--domain b c: is not a domain name",
            ),
            (
                "tls.certificate",
                &["mx.pem"],
                "--tls-cert: tls.certificate is set without tls.key",
            ),
        ];
        for (key, values, begin) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            match load(None, [], &[(key, values)]) {
                Ok(_) => assert_eq!(*begin, ""),
                Err(error) => assert!(
                    error.to_string().starts_with(begin) && !begin.is_empty(),
                    "{error}"
                ),
            }
        }
    }

    #[test]
    fn unknown_variables_are_warned_of() {
        let cases = [
            (
                "RINGPOST_LISTEN",
                "RINGPOST_LISTEN: not an option, so it has no effect: did you mean RINGPOST_SERVER_LISTEN?",
            ),
            (
                "RINGPOST_LIMIT_MESSAGE_SIZE",
                "RINGPOST_LIMIT_MESSAGE_SIZE: not an option, so it has no effect: did you mean RINGPOST_LIMITS_MESSAGE_SIZE?",
            ),
            (
                "RINGPOST_ZZZ",
                "RINGPOST_ZZZ: not an option, so it has no effect",
            ),
            ("RINGPOST_", "RINGPOST_: not an option, so it has no effect"),
        ];
        for (name, warning) in cases {
            let loaded = from_environment(&[(name, "1"), ("HOME", "/"), ("XRINGPOST_A", "1")])
                .expect("no mistake");
            assert_eq!(loaded.warnings, [warning]);
        }
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_one_warning() {
        let names = [
            "RINGPOST_ADMIN_PORT",
            "RINGPOST_PORT",
            "RINGPOST_PORT_25_TCP",
            "RINGPOST_PORT_25_TCP_ADDR",
            "RINGPOST_PORT_25_TCP_PORT",
            "RINGPOST_PORT_25_TCP_PROTO",
            "RINGPOST_SERVICE_HOST",
            "RINGPOST_SERVICE_PORT",
            "RINGPOST_SERVICE_PORT_SMTP",
            "RINGPOST_SMTP_PORT_25_TCP_ADDR",
        ];
        let variables: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (*name, "tcp://192.0.2.1:25"))
            .collect();
        let loaded = from_environment(&variables).expect("no mistake");
        assert_eq!(loaded.warnings.len(), 1);
        assert!(
            loaded.warnings[0]
                .starts_with(&format!("{}: not an option; Kubernetes", names.join(", ")))
        );
        for setting in &SETTINGS {
            assert!(!is_service_link(&setting.variable()), "{}", setting.key);
        }
        assert!(!is_service_link("RINGPOST_PORT_X_TCP") && !is_service_link("RINGPOST_EXPORT"));
    }

    #[test]
    fn properties_are_texts_whatever_they_were() {
        let text = r#"
            [kafka.properties]
            linger.ms = 5
            "compression.type" = "zstd"
            queue.buffering.backpressure.threshold = 0.5
            enable.idempotence = true
            reconnect.backoff.ms = 0x10
            reconnect.backoff.max.ms = 500
        "#;
        let (_folder, path) = file(text);
        let environment = pairs(&[(
            "RINGPOST_KAFKA_PROPERTIES",
            r"linger.ms=7;sasl.password=a\;b",
        )]);
        let properties = load(Some(&path), environment, &[])
            .expect("no mistake")
            .config
            .kafka
            .properties;
        let expected = [
            ("compression.type", "zstd"),
            ("enable.idempotence", "true"),
            ("linger.ms", "7"),
            ("queue.buffering.backpressure.threshold", "0.5"),
            ("reconnect.backoff.max.ms", "500"),
            ("reconnect.backoff.ms", "16"),
            ("sasl.password", "a;b"),
        ];
        assert_eq!(properties.into_iter().collect::<Vec<_>>(), pairs(&expected));
    }

    #[test]
    fn a_property_in_two_spellings_is_a_mistake() {
        let found = problems("[kafka.properties]\nlinger.ms = 5\n\"linger.ms\" = 6\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].ends_with(
                "kafka.properties.linger.ms: is set twice, written in two ways: remove one"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn secrets_are_in_no_message() {
        let (_folder, path) =
            file("[kafka.properties]\nsasl.password = [\"hunter2\"]\nacks = \"hunter2\"\n");
        let environment = pairs(&[("RINGPOST_KAFKA_PROPERTIES", "sasl.password=x;hunter2")]);
        let error = load(Some(&path), environment, &[]).expect_err("three mistakes");
        assert_eq!(error.problems().len(), 3, "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let loaded = from_environment(&[("RINGPOST_KAFKA_PROPERTIES", "sasl.password=hunter2")])
            .expect("no mistake");
        assert!(!format!("{loaded:?}").contains("hunter2"));
    }

    #[test]
    fn a_host_name_that_smtp_cannot_say_is_replaced() {
        let cases = [
            (None, "localhost", false),
            (Some("\n"), "localhost", false),
            (Some("mx1\n"), "mx1", false),
            (Some("my_laptop\n"), "localhost", true),
        ];
        for (machine, name, warned) in cases {
            let mut draft = Draft::new();
            assert_eq!(draft.usable_host_name(machine), name);
            assert_eq!(!draft.warnings.is_empty(), warned, "{:?}", draft.warnings);
        }
    }
}
