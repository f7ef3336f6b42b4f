//! `ringpost consume` as a process against librdkafka's mock cluster: what it says, what it reads its settings from, what it
//! makes of records that ringpost did not write.

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use serde_json::Value;

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster with a topic of one partition: two mails of ringpost's, a tombstone, and a record of another program.
fn records() -> Mock {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("mail", 1, 1).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", mock.bootstrap_servers())
        .create()
        .unwrap();
    let ours = |id: &str| {
        OwnedHeaders::new()
            .insert(Header {
                key: "ce_id",
                value: Some(id),
            })
            .insert(Header {
                key: "ce_type",
                value: Some("io.ringpost.mail.received.v1"),
            })
    };
    let record = || BaseRecord::<[u8], str>::to("mail").partition(0);
    for record in [
        record()
            .payload("Subject: one\r\n\r\nbody\r\n")
            .headers(ours("A")),
        record().key(b"\xff").headers(ours("B")),
        record().key(b"\xfe").payload("foreign"),
        record().payload("").headers(ours("C")),
    ] {
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    mock
}

fn consume(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .arg("consume")
        .args(flags)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary starts")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The objects that were printed.
fn objects(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn tombstones_and_foreign_records_are_named_and_counted() {
    let mock = records();
    let brokers = mock.bootstrap_servers();
    let read = |more: &[&str]| {
        let flags = ["--brokers", &brokers, "--until-end", "--format", "json"];
        let output = consume(&[&flags, more].concat(), &[]);
        (objects(&output), said(&output))
    };
    let offsets = |objects: &[Value]| -> Vec<i64> {
        let offsets = objects.iter().map(|object| object["offset"].as_i64());
        offsets.map(Option::unwrap).collect()
    };
    let (skipped, said) = read(&[]);
    assert_eq!(offsets(&skipped), [0, 3]);
    assert_eq!(skipped[0]["id"], "A");
    assert_eq!(skipped[1]["size"], 0);
    for part in [
        "partition 0, offset 1: a record without a value (a tombstone) is no mail and is skipped",
        "partition 0, offset 2: not written by ringpost (no ce_type io.ringpost.mail.…); it is skipped, and so are others",
        "1 record without a value skipped",
        "1 record skipped that ringpost did not write",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (kept, said) = read(&["--foreign"]);
    assert_eq!(offsets(&kept), [0, 2, 3]);
    assert_eq!(kept[1]["key_base64"], "/g==");
    for part in [
        "it is kept as it is",
        "1 record kept that ringpost did not write",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_filter_a_partition_and_an_offset_leave_what_was_asked_for() {
    let mock = records();
    let brokers = mock.bootstrap_servers();
    let ids = |more: &[&str]| -> Vec<String> {
        let flags = ["--brokers", &brokers, "--until-end", "--format", "json"];
        let output = consume(&[&flags, more].concat(), &[]);
        let ids = objects(&output);
        ids.iter().map(|object| object["id"].to_string()).collect()
    };
    let partition = ["--partition", "0", "--offset"];
    assert_eq!(ids(&["--filter", "id != a"]), ["\"C\""]);
    assert_eq!(
        ids(&["--filter", "id = *", "--filter", "id = A, B"]),
        ["\"A\""]
    );
    assert_eq!(ids(&[&partition[..], &["1"]].concat()), ["\"C\""]);
    assert_eq!(
        ids(&[&partition[..], &["beginning"]].concat()),
        ["\"A\"", "\"C\""]
    );
    assert!(ids(&[&partition[..], &["end"]].concat()).is_empty());
    assert!(ids(&[&partition[..], &["4"]].concat()).is_empty());
    assert_eq!(ids(&["--since", "1h"]), ["\"A\"", "\"C\""]);
    let since = ["--brokers", &brokers, "--until-end", "--since", "1h"];
    let caveat = "the in-process broker of the quick start does not look for times";
    assert_eq!(said(&consume(&since, &[])).matches(caveat).count(), 1);
    for (more, part) in [
        (
            &["--partition", "0", "--offset", "5"][..],
            "partition 0 of topic \"mail\" has no offset 5: 0 to 4 is allowed",
        ),
        (
            &["--partition", "7"],
            "topic \"mail\" has no partition 7: 0 to 0 is allowed",
        ),
    ] {
        let flags = ["--brokers", &brokers, "--until-end"];
        let output = consume(&[&flags, more].concat(), &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.lines().count() == 1 && said.contains(part), "{said}");
    }
}

#[test]
fn a_tombstone_is_committed_and_a_count_is_one_of_mails() {
    let mock = records();
    let folder = tempfile::tempdir().unwrap();
    let brokers = mock.bootstrap_servers();
    let run = |flags: &[&str]| {
        let path = folder.path().to_str().unwrap();
        let mut all = vec![
            "--brokers",
            &brokers,
            "--group",
            "g",
            "--format",
            "eml",
            "--output",
            path,
        ];
        all.extend(["--property", "session.timeout.ms=6000"]);
        all.extend(flags);
        let output = consume(&all, &[]);
        assert!(output.status.success(), "{}", said(&output));
    };
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    run(&["--count", "1"]);
    assert_eq!(names(), ["A.eml"]);
    run(&["--count", "1", "--foreign"]);
    assert_eq!(names(), ["A.eml", "mail-0-2.eml"]);
    run(&["--until-end"]);
    assert_eq!(names(), ["A.eml", "C.eml", "mail-0-2.eml"]);
}

/// Writes a configuration and gives its path.
fn configuration(folder: &Path, text: &str) -> String {
    let path = folder.join("ringpost.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_configuration_of_serve_is_read_from_flag_and_environment() {
    let mock = records();
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[kafka]\nbrokers = \"{}\"\ntopic = \"mail\"\n[kafka.properties]\n\
         \"linger.ms\" = \"7\"\n",
        mock.bootstrap_servers()
    );
    let path = configuration(folder.path(), &text);
    let flags = ["--until-end", "--format", "json"];
    let by_flag = consume(&[&flags[..], &["--config", &path]].concat(), &[]);
    assert_eq!(objects(&by_flag).len(), 2);
    let by_variable = consume(&flags, &[("RINGPOST_CONFIG", &path)]);
    assert_eq!(objects(&by_variable).len(), 2);
    let flag_wins = consume(
        &[&flags[..], &["--config", &path]].concat(),
        &[("RINGPOST_CONFIG", "/no/such/file")],
    );
    assert_eq!(objects(&flag_wins).len(), 2);
    let variable_beats_file = consume(
        &flags,
        &[
            ("RINGPOST_CONFIG", &path),
            ("RINGPOST_KAFKA_TOPIC", "absent"),
        ],
    );
    assert_eq!(variable_beats_file.status.code(), Some(1));
    assert!(said(&variable_beats_file).contains("\"absent\" does not exist"));
}

#[test]
fn every_command_obeys_the_variable_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = configuration(folder.path(), "[limits]\nrecipients = 0\n");
    for command in ["serve", "check", "consume"] {
        for (value, parts) in [
            (path.as_str(), ["ringpost.toml:2:14", "limits.recipients"]),
            ("/no/such/file", ["/no/such/file", "RINGPOST_CONFIG"]),
            ("", ["RINGPOST_CONFIG", "is empty"]),
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
                .arg(command)
                .env_clear()
                .env("RINGPOST_CONFIG", value)
                .output()
                .unwrap();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert_eq!(said.lines().count(), 1, "{command}: {said}");
            assert!(
                parts.iter().all(|part| said.contains(part)),
                "{command}: {said}"
            );
        }
    }
    use std::os::unix::ffi::OsStrExt as _;
    let no_text = std::ffi::OsStr::from_bytes(b"/tmp/\xff.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .env_clear()
        .env("RINGPOST_CONFIG", no_text)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let path = configuration(folder.path(), "[kafka]\nbrokers = \"discard\"\n");
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .arg("check")
        .env_clear()
        .env("RINGPOST_CONFIG", &path)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&format!("{path} is valid")), "{printed}");
}

#[test]
fn wrong_usage_is_one_line_exit_code_2_and_no_secret() {
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case] = &[
        (&["--property", "hunter2"], &[], "NAME=VALUE"),
        (&["--property", "group.id=hunter2"], &[], "--group"),
        (&["--property", "sasl.pasword=hunter2"], &[], "sasl.pasword"),
        (
            &["--property", "security.protocol=hunter2"],
            &[],
            "security.protocol",
        ),
        (&["--property", "debug=cgrp,hunter2"], &[], "debug"),
        (
            &[
                "--property",
                "security.protocol=ssl",
                "--property",
                "ssl.ca.location=/hunter2",
            ],
            &[],
            "ssl.ca.location",
        ),
        (
            &[],
            &[("RINGPOST_KAFKA_PROPERTIES", "sasl.pasword=hunter2")],
            "sasl.pasword",
        ),
        (
            &[],
            &[("RINGPOST_KAFKA_PROPERTIES", "a=b;hunter2")],
            "RINGPOST_KAFKA_PROPERTIES",
        ),
        (
            &[],
            &[("RINGPOST_KAFKA_BROKERS", "embedded")],
            "kafka.brokers is embedded",
        ),
        (&["--brokers", "a b"], &[], "--brokers"),
        (&["--config", "/no/such/file"], &[], "--config"),
        (&["--group", ""], &[], "--group"),
        (&["--since", "hunter"], &[], "--since"),
        (&["--group", "g", "--partition", "1"], &[], "--partition"),
    ];
    for (flags, variables, part) in cases {
        let output = consume(flags, variables);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{flags:?}: {said}");
        assert!(
            said.contains(part) && !said.contains("hunter2"),
            "{flags:?}: {said}"
        );
    }
}

#[test]
fn an_output_of_another_format_or_of_another_process_is_one_error() {
    let mock = records();
    let brokers = mock.bootstrap_servers();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let path = path.to_str().unwrap();
    let flags = |format| {
        let group = [
            "--brokers",
            &brokers,
            "--group",
            "g",
            "--until-end",
            "--output",
            path,
            "--format",
        ];
        [&group[..], &[format]].concat()
    };
    assert!(consume(&flags("json"), &[]).status.success());
    let other = consume(&flags("mbox"), &[]);
    assert_eq!(other.status.code(), Some(2), "{}", said(&other));
    assert!(
        said(&other).contains("holds --format json"),
        "{}",
        said(&other)
    );
    let held = std::fs::File::open(path).unwrap();
    held.try_lock().unwrap();
    let second = consume(&flags("json"), &[]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("another ringpost consume"),
        "{}",
        said(&second)
    );
    assert_eq!(said(&second).lines().count(), 1);
}

#[test]
fn brokers_that_do_not_answer_are_spoken_of_while_they_are_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["consume", "--brokers", &address, "--until-end"])
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    // It comes while the process is still waiting, which it does for seconds more.
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(child.try_wait().unwrap().is_none(), "{said}");
    for part in [
        &address,
        "have not answered yet",
        "takes the connection and does not answer",
    ] {
        assert!(said.contains(part), "{said}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A port that is bound without a listener: no other process can take it, and it refuses connections.
fn refusing() -> (socket2::Socket, String) {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    held.bind(&any.into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    (held, address.to_string())
}

#[test]
fn brokers_that_cannot_be_reached_are_one_line_in_the_words_of_check() {
    // It answers a client that sends a line, as a web server does.
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in web.incoming() {
            std::thread::spawn(move || {
                use std::io::{Read, Write};
                let (mut stream, mut octets) = (stream.unwrap(), [0; 512]);
                while let Ok(count @ 1..) = stream.read(&mut octets) {
                    if octets[..count].contains(&b'\n') {
                        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                        return;
                    }
                }
            });
        }
    });
    let (_held, refused) = refusing();
    for (brokers, words) in [
        (address.as_str(), "answers something that is not Kafka"),
        (&refused, "refuses the connection (Connection refused)"),
        ("no-such-host.invalid:9092", "does not resolve"),
    ] {
        let output = consume(&["--brokers", brokers, "--until-end"], &[]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(words) && text.contains(brokers), "{text}");
        for no in [
            "state CONNECT",
            "suppressed",
            "receive.message.max.bytes",
            "within",
        ] {
            assert!(!text.contains(no), "{text}");
        }
        let check = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["check", "--brokers", brokers])
            .env_clear()
            .output()
            .unwrap();
        let check = String::from_utf8(check.stdout).unwrap();
        // `check` looks for itself at a list of which no name resolves.
        if !words.contains("resolve") {
            assert!(check.contains(words), "{check}");
        }
    }
}

#[test]
fn a_terminal_has_a_heading_above_the_summary_and_a_pipe_has_none() {
    let mock = records();
    let flags = ["--brokers", &mock.bootstrap_servers(), "--until-end"];
    let piped = String::from_utf8(consume(&flags, &[]).stdout).unwrap();
    assert!(
        piped.starts_with("0:0 ") && piped.lines().count() == 2,
        "{piped}"
    );
    let Some(script) = support::tools::find_or_say("script") else {
        return;
    };
    let command = format!("\"$RINGPOST\" consume {}", flags.join(" "));
    let output = Command::new(script)
        .args(["-qec", &command, "/dev/null"])
        .env("RINGPOST", env!("CARGO_BIN_EXE_ringpost"))
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| !line.starts_with("ringpost"))
        .collect();
    assert!(
        shown[0].starts_with("place      time ") && shown.len() == 3,
        "{shown:?}"
    );
}
