//! An operator's mistakes: one clear error that names what and where, exit code 2 or 1, no panic. And `ringpost check`,
//! which finds them before mail does.

mod support;

use std::process::{Command, Output};

/// Runs the binary to its end.
fn ringpost(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary starts")
}

/// A folder with a certificate, its key, another key, and a configuration file per text.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let (key, other) = (
            rcgen::KeyPair::generate().unwrap(),
            rcgen::KeyPair::generate().unwrap(),
        );
        let parameters = rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        folder.write("mx.pem", &parameters.self_signed(&key).unwrap().pem());
        folder.write("mx.key", &key.serialize_pem());
        folder.write("other.key", &other.serialize_pem());
        folder
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn every_mistake_gets_one_line_that_names_it_and_its_exit_code() {
    let folder = Folder::new();
    let [pem, key, other, absent] =
        ["mx.pem", "mx.key", "other.key", "absent.pem"].map(|name| folder.path(name));
    let unknown = folder.write("unknown.toml", "[server]\nlistn = [\"127.0.0.1:0\"]\n");
    let range = folder.write("range.toml", "[limits]\nrecipients = 0\n");
    let section = folder.write("section.toml", "[servr]\n");
    let syntax = folder.write("syntax.toml", "[server\n");
    let property = folder.write(
        "property.toml",
        "[kafka.properties]\n\"linger.mss\" = \"1\"\n",
    );
    let value = folder.write(
        "value.toml",
        "[kafka.properties]\nsecurity.protocol = \"ssl\"\nlinger.ms = \"hunter2\"\n",
    );
    let together = folder.write(
        "together.toml",
        "[kafka.properties]\nsecurity.protocol = \"ssl\"\nssl.ca.location = \"/no/hunter2\"\n",
    );
    let ours = folder.write(
        "ours.toml",
        "[kafka.properties]\n\"allow.auto.create.topics\" = true\n",
    );
    let empty = folder.write("empty.toml", "");
    let comments = folder.write("comments.toml", "# nothing = 1\n[server]\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = &taken.local_addr().unwrap().to_string()[..];
    let cases: &[(&[&str], i32, &[&str])] = &[
        (
            &["--listen", "localhost:2525"],
            2,
            &["--listen", "localhost:2525"],
        ),
        (
            &["--listen", "127.0.0.1:99999"],
            2,
            &["--listen", "127.0.0.1:99999", "ports end at 65535"],
        ),
        (&["--admin", "9925"], 2, &["--admin", "9925"]),
        (
            &["--listen", "::1:2525"],
            2,
            &["--listen", "write [::1]:2525"],
        ),
        (&["--topic", "a b"], 2, &["--topic", "a b"]),
        (&["--config", &absent], 2, &["--config", &absent]),
        (
            &["--config", &empty],
            2,
            &["empty.toml: sets nothing", "leave --config out"],
        ),
        (
            &["check", "--config", &comments, "--topic", "mail"],
            2,
            &["comments.toml: sets nothing", "kafka.brokers"],
        ),
        (
            &["--config", &unknown],
            2,
            &["unknown.toml:2:1", "listn", "listen"],
        ),
        (
            &["--config", &range],
            2,
            &["range.toml:2:14", "limits.recipients", "1 to 10000"],
        ),
        (
            &["--config", &section],
            2,
            &["section.toml:1", "servr", "server"],
        ),
        (&["--config", &syntax], 2, &["syntax.toml:1"]),
        (
            &["--config", &property],
            2,
            &["property.toml:2:1", "linger.mss", "linger.ms?"],
        ),
        (
            &["check", "--config", &property],
            2,
            &["property.toml:2:1", "linger.mss"],
        ),
        (
            &["--config", &value],
            2,
            &["value.toml:3:", "linger.ms", "a number"],
        ),
        (
            &["--config", &together, "--brokers", "127.0.0.1:1"],
            2,
            &["ssl.ca.location"],
        ),
        (&["check", "--config", &together], 2, &["ssl.ca.location"]),
        (
            &["--config", &ours],
            2,
            &["ours.toml:2:1", "allow.auto.create.topics"],
        ),
        (&["--tls-cert", &pem], 2, &["tls.key"]),
        (
            &["--tls-cert", &absent, "--tls-key", &key],
            2,
            &["tls.certificate", &absent, "No such file"],
        ),
        (
            &["--tls-cert", &key, "--tls-key", &key],
            2,
            &["tls.certificate", &key, "no certificate"],
        ),
        (
            &["--tls-cert", &pem, "--tls-key", &pem],
            2,
            &["tls.key", &pem, "no private key"],
        ),
        (
            &["--tls-cert", &pem, "--tls-key", &other],
            2,
            &["tls.key", &other, &pem, "does not belong"],
        ),
        (
            &["--brokers", "no-such-host.invalid:9092"],
            1,
            &["kafka.brokers", "no-such-host.invalid", "resolve"],
        ),
        (
            &["--listen", taken, "--admin", "127.0.0.1:0"],
            1,
            &["server.listen", taken, "in use", "ss -ltnp"],
        ),
        (
            &["--listen", "127.0.0.1:0", "--admin", taken],
            1,
            &["admin.listen", taken, "in use", "ss -ltnp"],
        ),
        (
            &["--listen", "192.0.2.1:2525", "--admin", "127.0.0.1:0"],
            1,
            &["server.listen", "192.0.2.1:2525", "no such address"],
        ),
        (&["--no-such-flag"], 2, &["--no-such-flag"]),
        (&["consume", "--brokers", ""], 2, &["--brokers"]),
        (&["consume", "--format", "pdf"], 2, &["--format", "pdf"]),
    ];
    for (arguments, code, words) in cases {
        let output = ringpost(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {error}");
        for word in *words {
            assert!(
                error.contains(word),
                "{arguments:?} does not name {word}: {error}"
            );
        }
        for word in ["panicked", "backtrace", "unwrap", "hunter2"] {
            assert!(!error.contains(word), "{arguments:?}: {error}");
        }
        // clap explains usage in several lines; everything else is one.
        let told = error
            .lines()
            .filter(|line| line.starts_with("ringpost:") || line.starts_with("ringpost consume:"));
        assert!(
            error.starts_with("error: ") || told.count() == 1,
            "{arguments:?}: {error}"
        );
        assert!(
            output.stdout.is_empty(),
            "standard output is for the line ready"
        );
    }
}

/// The verdict and the text of a check.
fn line<'a>(output: &'a str, name: &str) -> (&'a str, &'a str) {
    let found = output.lines().find_map(|line| {
        let (verdict, rest) = line.split_once(' ')?;
        Some((verdict, rest.trim_start().strip_prefix(name)?.trim()))
    });
    found.unwrap_or_else(|| panic!("no line {name} in:\n{output}"))
}

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let arguments: Vec<&str> = ["check"].iter().chain(arguments).copied().collect();
    let output = ringpost(&arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    let closing = error.strip_prefix("ringpost check: ").expect(&error);
    let counts_failures = closing.contains("failure") && closing.contains("would not be stored");
    assert_eq!(
        counts_failures,
        output.status.code() == Some(1),
        "{closing}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn a_check_has_a_line_for_everything_and_says_what_fails() {
    let folder = Folder::new();
    let [pem, key, other] = ["mx.pem", "mx.key", "other.key"].map(|name| folder.path(name));
    let flags = ["--tls-cert", &pem, "--tls-key", &key];
    let name = ["--hostname", "mx.example", "--domain", "example.com"];
    let (code, output) = check(&[&flags[..], &name].concat());
    assert_eq!(code, Some(0), "{output}");
    for (name, verdict) in [
        ("config", "ok"),
        ("certificate", "ok"),
        ("hostname", "ok"),
        ("domains", "ok"),
        ("brokers", "warning"),
        ("size", "warning"),
    ] {
        assert_eq!(line(&output, name).0, verdict, "{output}");
    }
    // As the machine is: whether it allows io_uring, and how many open files.
    for name in ["io", "open files"] {
        let verdict = line(&output, name).0;
        assert!(["ok", "warning"].contains(&verdict), "{output}");
    }
    // What works, and not as it should: no failure, but a line that says how it should be.
    let (code, output) = check(&[&flags[..], &["--hostname", "localhost"]].concat());
    assert_eq!(code, Some(0), "{output}");
    for (name, words) in [
        ("hostname", "the full name that the MX record points to"),
        ("domains", "mail is taken for every domain"),
    ] {
        let (verdict, text) = line(&output, name);
        assert!(verdict == "warning" && text.contains(words), "{output}");
    }
    let not_named = "is for mx.example, not for server.hostname = \"localhost\"";
    assert!(output.contains(not_named), "{output}");
    let (code, output) = check(&[
        "--tls-cert",
        &pem,
        "--tls-key",
        &other,
        "--brokers",
        "no-such-host.invalid",
    ]);
    assert_eq!(code, Some(1), "{output}");
    for name in ["certificate", "brokers"] {
        assert_eq!(line(&output, name).0, "failed", "{output}");
    }
    assert_eq!(line(&output, "topic").0, "skipped", "{output}");
    let wrong = ringpost(&["check", "--topic", "a b"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("--topic"));
}

#[test]
fn a_check_of_a_real_cluster_judges_the_topic_and_its_sizes() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    let brokers = cluster.bootstrap();
    let enough = (25 * 1024 * 1024 + ringpost::limits::RECORD_OVERHEAD_OCTETS).to_string();
    cluster.create_topic("large", 3, 1, &[("max.message.bytes", &enough)]);
    cluster.create_topic("small", 1, 1, &[("max.message.bytes", "200000")]);
    cluster.create_topic("alone", 1, 1, &[("min.insync.replicas", "2")]);
    let ask = |topic| check(&["--brokers", &brokers, "--topic", topic]);

    let (code, output) = ask("large");
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(line(&output, "brokers").0, "ok");
    assert!(
        line(&output, "topic").1.contains("3 partitions"),
        "{output}"
    );
    assert_eq!(line(&output, "size").0, "ok", "{output}");

    let (code, output) = ask("small");
    assert_eq!(code, Some(0), "{output}");
    let command = format!("--alter --topic small --add-config max.message.bytes={enough}");
    let (verdict, text) = line(&output, "size");
    assert!(verdict == "warning" && text.contains(&command), "{output}");

    let (code, output) = ask("alone");
    assert_eq!(code, Some(1), "{output}");
    let (verdict, text) = line(&output, "topic");
    assert!(
        verdict == "failed" && text.contains("min.insync.replicas = 2"),
        "{output}"
    );

    let (code, output) = ask("absent");
    assert_eq!(code, Some(1), "{output}");
    assert_eq!(line(&output, "brokers").0, "ok", "{output}");
    let (verdict, text) = line(&output, "topic");
    assert!(verdict == "failed" && text.contains("--create"), "{output}");
    for part in [
        "--replication-factor 1 ".to_owned(),
        "min.insync.replicas=1 ".to_owned(),
        format!("max.message.bytes={enough} "),
    ] {
        assert!(text.contains(&part), "{output}");
    }

    cluster.create_topic("newest", 1, 1, &[("cleanup.policy", "compact,delete")]);
    let (code, output) = ask("newest");
    assert_eq!(code, Some(1), "{output}");
    let (verdict, text) = line(&output, "cleanup");
    assert!(
        verdict == "failed" && text.contains("cleanup.policy=delete"),
        "{output}"
    );
    assert_eq!(line(&output, "write").0, "ok", "{output}");
}

#[test]
fn properties_in_the_environment_are_checked_as_those_of_the_file_are() {
    for command in ["serve", "check"] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .arg(command)
            .env_clear()
            .env(
                "RINGPOST_KAFKA_PROPERTIES",
                "linger.ms=5;sasl.pasword=hunter2",
            )
            .output()
            .expect("the binary starts");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.contains("RINGPOST_KAFKA_PROPERTIES"), "{error}");
        assert!(error.contains("sasl.pasword"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// Each line of a check begins with its verdict; the closing line, on standard error, counts them.
#[test]
fn a_check_closes_with_what_the_answers_come_to() {
    let broken = |verdict: &str| !["ok", "warning", "failed", "skipped"].contains(&verdict);
    for (flags, closing) in [
        (
            &["--brokers", "embedded"][..],
            "mail would be stored, in memory only",
        ),
        (&["--brokers", "discard"], "mail would be taken and lost"),
        (
            &["--brokers", "no-such-host.invalid"],
            "mail would not be stored",
        ),
    ] {
        let free = ["check", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let output = ringpost(&[&free, flags].concat());
        let lines = String::from_utf8(output.stdout).unwrap();
        let count = |verdict: &str| {
            lines
                .lines()
                .filter(|line| line.starts_with(verdict))
                .count()
        };
        let wrong = lines
            .lines()
            .find(|line| line.split(' ').next().is_none_or(broken));
        assert_eq!(wrong, None, "{lines}");
        let failures = match count("failed") {
            0 => "",
            1 => "1 failure, ",
            _ => panic!("{lines}"),
        };
        let warnings = count("warning");
        let plural = if warnings == 1 { "" } else { "s" };
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!("ringpost check: {failures}{warnings} warning{plural}: {closing}\n")
        );
    }
}

#[test]
fn a_check_tries_every_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = &taken.local_addr().unwrap().to_string()[..];
    let free = "127.0.0.1:0";
    for (listen, admin, code, verdict, words) in [
        (
            free,
            free,
            0,
            "ok",
            "server.listen: 127.0.0.1:0 can be listened on",
        ),
        (
            taken,
            free,
            0,
            "warning",
            "if it is a running ringpost, that is fine",
        ),
        (
            free,
            taken,
            0,
            "warning",
            "if it is a running ringpost, that is fine",
        ),
        (
            "192.0.2.1:0",
            free,
            1,
            "failed",
            "this machine has no such address",
        ),
        (
            free,
            "192.0.2.1:0",
            1,
            "failed",
            "admin.listen: 192.0.2.1:0: cannot listen there",
        ),
    ] {
        let (found, output) = check(&["--listen", listen, "--admin", admin]);
        assert_eq!(found, Some(code), "{output}");
        let mut lines = output.lines().filter(|line| line.contains(" addresses "));
        assert_eq!(lines.clone().count(), 2, "{output}");
        let told = lines.any(|line| line.starts_with(verdict) && line.contains(words));
        assert!(told, "{words}: {output}");
    }
}

/// Standard output and standard error that take nothing: a pipe without a reader, and a disk that is full.
#[test]
fn a_closed_or_full_output_is_no_panic() {
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        std::process::Stdio::from(writer)
    };
    let full = || {
        let file = std::fs::File::options().write(true).open("/dev/full");
        std::process::Stdio::from(file.unwrap())
    };
    let check = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.arg("check").args(flags).env_clear();
        command
    };
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let bad: &[&str] = &["--brokers", "no-such-host.invalid"];
    for (flags, code) in [(&[][..], 0), (bad, 1)] {
        let output = check(flags).stdout(gone()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(
            said(&output).starts_with("ringpost check: "),
            "{}",
            said(&output)
        );
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
        let output = check(flags).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let last = said(&output);
        assert_eq!(last.lines().count(), 1, "{last}");
        assert!(
            last.starts_with("ringpost: check: standard output: No space left"),
            "{last}"
        );
        for silent in [gone(), full()] {
            let output = check(flags).stderr(silent).output().unwrap();
            assert_eq!(output.status.code(), Some(code));
        }
    }
    for silent in [gone(), full()] {
        let status = check(&["--topic", "a b"]).stderr(silent).status().unwrap();
        assert_eq!(status.code(), Some(2));
    }
}

/// With log.format = "json" every line after the start of the log is JSON, the error that ends the process as well.
#[test]
fn a_fatal_error_is_a_line_of_the_log_where_that_is_json() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, code, words) in [
        (["--listen", &taken], 1, "server.listen"),
        (["--admin", &taken], 1, "admin.listen"),
        (["--brokers", "no-such-host.invalid"], 1, "kafka.brokers"),
    ] {
        let free = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let kept = free.chunks(2).filter(|pair| pair[0] != flags[0]).flatten();
        for format in ["json", "text"] {
            let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
                .args(kept.clone())
                .args(flags)
                .env_clear()
                .env("RINGPOST_LOG_FORMAT", format)
                .output()
                .expect("the binary starts");
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{error}");
            let last = error.lines().last().unwrap();
            if format == "text" {
                assert!(
                    last.starts_with("ringpost: ") && last.contains(words),
                    "{error}"
                );
                continue;
            }
            let lines = error.lines().map(serde_json::from_str::<serde_json::Value>);
            let lines: Vec<_> = lines.collect::<Result<_, _>>().expect(&error);
            let told = lines.iter().filter(|line| line["level"] == "ERROR");
            let told: Vec<_> = told.map(|line| line["message"].as_str().unwrap()).collect();
            assert!(told.len() == 1 && told[0].contains(words), "{error}");
        }
    }
}

/// As a key should be: nobody else's.
fn private(file: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// certbot's cert.pem in place of its fullchain.pem is served with a warning; with the chain there is none.
#[test]
fn a_certificate_without_its_chain_is_warned_of() {
    let folder = Folder::new();
    let key = || rcgen::KeyPair::generate().unwrap();
    let parameters = || rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
    let (mut of_issuer, issuer_key, own_key) = (parameters(), key(), key());
    of_issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_pem = of_issuer.self_signed(&issuer_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(of_issuer, issuer_key);
    let own = parameters().signed_by(&own_key, &issuer).unwrap().pem();
    let stranger = parameters().self_signed(&key()).unwrap().pem();
    let key_file = folder.write("own.key", &own_key.serialize_pem());
    private(&key_file);
    for (text, words) in [
        (own.clone(), "certificate alone, and it is not self-signed"),
        (
            own.clone() + &stranger,
            "number 2 of the certificates in the file did not issue number 1",
        ),
        (own + &issuer_pem, ""),
    ] {
        let file = folder.write("own.pem", &text);
        let (code, output) = check(&[
            "--tls-cert",
            &file,
            "--tls-key",
            &key_file,
            "--hostname",
            "mx.example",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ]);
        assert_eq!(code, Some(0), "{output}");
        let lines: Vec<&str> = output
            .lines()
            .filter(|line| line.contains(" certificate "))
            .collect();
        assert!(lines[0].starts_with("ok "), "{output}");
        match words {
            "" => assert_eq!(lines.len(), 1, "{output}"),
            _ => {
                assert_eq!(lines.len(), 2, "{output}");
                assert!(
                    lines[1].starts_with("warning ") && lines[1].contains(words),
                    "{output}"
                );
                assert!(lines[1].contains("fullchain.pem"), "{output}");
            }
        }
    }
}
