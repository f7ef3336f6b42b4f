//! What the file sets.
//!
//! Owns how what `toml_file` found becomes values and problems with their lines and columns. Knows nothing of TOML itself.

use std::path::Path;

use super::{Draft, RouteSource};
use crate::config::error::{Place, Problem};
use crate::config::options::{self, Config, Route};
use crate::config::row::{Fault, Written};
use crate::config::toml_file::{self, Content, Entry, Named, RouteTable};

impl Draft {
    pub(super) fn apply_file(&mut self, path: &Path, named_by: &'static str) {
        let text = match toml_file::read(path, named_by) {
            Ok(text) => text,
            Err(fault) => {
                let place = Place::File {
                    path: path.to_owned(),
                    position: None,
                };
                self.problems.push(Problem {
                    place,
                    key: None,
                    value: None,
                    reason: fault.into(),
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
        if contents.is_empty() {
            self.sets_nothing = Some((path.to_owned(), named_by));
        }
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
            self.apply_entry(&entry, &place);
        }
        for route in contents.routes {
            self.apply_route(route, &place);
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
    }

    fn apply_entry(&mut self, entry: &Entry<'_, Config>, place: &dyn Fn(usize) -> Place) {
        let start = place(entry.content.start());
        let each = |index: usize| match &entry.content {
            Content::Table(entries, _) => place(entries[index].start),
            Content::One(_) | Content::List(..) => start.clone(),
        };
        let written = written(&entry.content);
        let faults = self.set(entry.setting, start.clone(), &each, &written);
        self.problems.extend(problems(entry, faults, place));
    }

    /// Adds a route, with what its entries set.
    fn apply_route(&mut self, table: RouteTable<'_>, place: &dyn Fn(usize) -> Place) {
        let (mut route, mut failed) = (Route::default(), table.faulty);
        let mut listen = Vec::new();
        for entry in &table.entries {
            let set = entry.setting.set(&mut route, &written(&entry.content));
            failed |= set.is_err();
            let faults = set.err().unwrap_or_default();
            self.problems.extend(problems(entry, faults, place));
            if let (Content::List(items, _), "listen") = (&entry.content, entry.setting.name()) {
                listen.extend(items.iter().map(|item| place(item.start)));
            }
        }
        self.config.routes.push(route);
        self.routes.push(RouteSource {
            place: place(table.start),
            listen,
            failed,
        });
    }
}

/// The value of an option, as a kind reads it.
fn written<'c>(content: &'c Content<'_>) -> Written<'c> {
    match content {
        Content::One(one) => Written::One(&one.text),
        Content::List(items, _) => {
            Written::List(items.iter().map(|item| item.text.as_str()).collect())
        }
        Content::Table(entries, _) => {
            let pairs = entries.iter().map(|entry| (&*entry.name, &*entry.text));
            Written::Table(pairs.collect())
        }
    }
}

/// What is wrong with the value of an option, and where.
fn problems<C>(
    entry: &Entry<'_, C>,
    faults: Vec<Fault>,
    place: &dyn Fn(usize) -> Place,
) -> Vec<Problem> {
    let key = entry.setting.key;
    let problem = |Fault { item, reason }| {
        let (start, key, value) = match (&entry.content, item) {
            (Content::Table(entries, _), Some(index)) => {
                let Named { name, start, .. } = &entries[index];
                (*start, format!("{key}.{name}"), None)
            }
            (Content::Table(_, start), None) => (*start, key.to_owned(), None),
            (Content::List(items, _), Some(index)) => items[index].shown(key),
            (Content::List(_, whole), None) | (Content::One(whole), _) => whole.shown(key),
        };
        Problem {
            place: place(start),
            key: Some(key),
            value,
            reason,
        }
    };
    faults.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::load;
    use super::super::tests::{from_environment, from_file, problems};
    use crate::config::{Brokers, LogFormat, RecordKey};

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
                ":2:9: access.deny = \"192.0.2.1/24\": has bits set after its prefix: write 192.0.2.0/24, or 192.0.2.1 for \
                 the one address",
            ),
        ] {
            assert_eq!(problems(text), [problem]);
        }
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

    /// Each file has one mistake, of which this is said.
    fn assert_each_is_told(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(problems(text), [*expected], "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_probably_meant() {
        assert_each_is_told(&[
            (
                "[server]\nhostnme = \"x\"",
                ":2:1: unknown key server.hostnme: did you mean server.hostname?",
            ),
            (
                "[limits]\nmax_message_size = 1",
                ":2:1: unknown key limits.max_message_size: did you mean limits.message_size?",
            ),
            (
                "[limits]\nbrokers = \"a\"",
                ":2:1: unknown key limits.brokers: did you mean kafka.brokers?",
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
                ":1:2: unknown section [zzz]: there are server, limits, recipients, access, tls, kafka, objects, admin, log, routes",
            ),
        ]);
    }

    #[test]
    fn a_value_of_another_type_is_told_with_what_is_expected() {
        assert_each_is_told(&[
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
                ":2:16: limits.message_size = 1.5: is of type float, and a size such as \"25MiB\", or a number of bytes, is expected",
            ),
            (
                "[kafka]\nbrokers = [\"a:1\"]",
                ":2:11: kafka.brokers = [\"a:1\"]: is of type array, and a text in quotes (`host:port`, several separated by commas; \
                 or `embedded`, or `discard`) is expected",
            ),
            (
                "[kafka]\nproperties = \"hunter2\"",
                ":2:14: kafka.properties: is of type string, and its own section, [kafka.properties], is expected",
            ),
            (
                "[kafka.properties]\nsasl.password = [\"hunter2\"]",
                ":2:6: kafka.properties.sasl.password: is of type array, and a string, number or boolean is expected",
            ),
        ]);
    }

    #[test]
    fn a_value_that_is_not_allowed_is_told_with_what_is() {
        assert_each_is_told(&[
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
        ]);
    }

    #[test]
    fn a_broken_relation_is_told_where_one_of_its_options_stands() {
        assert_each_is_told(&[
            (
                "[tls]\nkey = \"a\"",
                ":2:7: tls.key is set without tls.certificate: set both or neither",
            ),
            (
                "[server]\ndrain_timeout = \"30s\"",
                ":2:17: kafka.delivery_timeout (30s) is not less than server.drain_timeout (30s), so that a drain could end \
                 before a message has its reply: lower the first or raise the second",
            ),
        ]);
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
    fn a_file_may_begin_with_a_byte_order_mark() {
        let defaults = load(None, [], &[]).expect("the defaults").config;
        let loaded = from_file("\u{feff}[log]\r\nlevel = \"info\"\r\n").expect("no mistake");
        assert_eq!((loaded.config, loaded.warnings), (defaults, vec![]));
        assert!(problems("\u{feff}")[0].starts_with(": sets nothing: "));
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
}
