//! What the real binary writes to its log: one line for each message, each refusal and each client that left in the middle, and
//! those that say what runs. `telemetry::vocabulary` names the fields; tests here hold it against what is written.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringpost::telemetry::vocabulary;
use serde_json::{Value, json};
use support::logged::Server;
use support::ringpost::Ringpost;

const EVERYTHING: &str = r#"
[server]
listen_tls = ["127.0.0.1:0"]
listen_proxy = ["127.0.0.1:0"]
proxy_networks = ["127.0.0.1"]
[limits]
message_size = "2KiB"
[recipients]
domains = ["mx.example", "other.example"]
lists = { "mx.example" = "FOLDER/list.txt" }
[tls]
certificate = "FOLDER/mx.pem"
key = "FOLDER/mx.key"
"#;

const MAIL: &str = "MAIL FROM:<a@client.example>";

/// What a client says, for which reason the last of it is refused, and what the line has beside client, HELO and TLS.
type Case = (&'static [&'static str], &'static str, Value);

fn commands() -> Vec<Case> {
    vec![
        (
            &[MAIL, "RCPT TO:<x@relay.example>"],
            "relay_denied",
            json!({"from": "a@client.example", "to": ["x@relay.example"], "recipients": 1,
                "command": "RCPT TO:<x@relay.example>", "reply": "550 5.7.1 Relaying denied: not a domain we accept mail for"}),
        ),
        (
            &[
                "MAIL FROM:<>",
                "RCPT TO:<b@mx.example>",
                "RCPT TO:<nobody@mx.example>",
            ],
            "unknown_recipient",
            json!({"from": "", "to": ["nobody@mx.example"], "recipients": 1}),
        ),
        (
            &["MAIL FROM:<a@client.example> SIZE=999999"],
            "announced_too_big",
            json!({"from": "a@client.example", "command": "MAIL FROM:<a@client.example> SIZE=999999", "to": null}),
        ),
        (
            &[MAIL, "RCPT TO:<b@@mx.example>"],
            "forward_path_syntax",
            json!({"from": "a@client.example", "command": "RCPT TO:<b@@mx.example>", "to": null}),
        ),
        (
            &[MAIL, "DATA"],
            "need_recipient",
            json!({"from": "a@client.example", "command": "DATA"}),
        ),
        (
            &["\u{1b}[2J\"\u{2028}\u{202e} forged level=ERROR"],
            "unknown_command",
            json!({"command": "\u{1b}[2J\"\u{2028}\u{202e} forged level=ERROR", "from": null, "size": null}),
        ),
        (
            &["NOOP \rMAIL FROM:<>"],
            "bare_newline",
            json!({"command": "NOOP \rMAIL FROM:<>"}),
        ),
        (
            &["AUTH PLAIN AGFkbWluAHNlY3JldA=="],
            "not_implemented",
            json!({"command": "AUTH"}),
        ),
        (
            &["GET / HTTP/1.1"],
            "not_smtp",
            json!({"command": "GET / HTTP/1.1"}),
        ),
    ]
}

/// Asserts that a line has these fields; `null` is a field that it does not have.
fn assert_has(line: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(
            line.get(name).unwrap_or(&Value::Null),
            value,
            "{name} in {line}"
        );
    }
}

#[test]
fn every_refused_command_leaves_one_line_with_who_what_and_why() {
    let mut server = Server::discarding(EVERYTHING);
    for (said, reason, fields) in commands() {
        let (mut client, own) = server.client();
        for line in said {
            client.say(line).unwrap();
        }
        let line = server.refused(reason);
        assert_has(
            &line,
            &json!({"client": own, "helo": "client.example", "tls": "none", "level": "INFO"}),
        );
        assert_has(&line, &fields);
        drop(client);
    }
    let lines = server.stop();
    let refused = lines.iter().filter(|line| line["message"] == "refused");
    assert_eq!(
        refused.count(),
        commands().len(),
        "one line each: {lines:#?}"
    );
    let secret = lines
        .iter()
        .any(|line| line.to_string().contains("AGFkbWlu"));
    assert!(!secret, "what follows AUTH is not logged");
}

#[test]
fn a_message_that_is_refused_at_its_end_leaves_its_recipients_and_its_size() {
    let mut server = Server::discarding(EVERYTHING);
    let big = "x".repeat(70) + "\r\n";
    for (data, reason, reply) in [
        (big.repeat(40), "too_big", "552 5.3.4 "),
        (
            "bare\nline\r\n".to_owned(),
            "bare_newline_in_data",
            "550 5.6.0 ",
        ),
    ] {
        let (mut client, own) = server.client();
        client.say("MAIL FROM:<a@client.example>").unwrap();
        for name in ["b", "c", "d", "e", "f", "g"] {
            client.say(&format!("RCPT TO:<{name}@mx.example>")).unwrap();
        }
        client.say("DATA").unwrap();
        let said = client.say(&format!("{data}.")).unwrap();
        let line = server.refused(reason);
        assert_has(
            &line,
            &json!({"client": own, "from": "a@client.example", "recipients": 6, "size": data.len(), "command": null,
                "to": ["b@mx.example", "c@mx.example", "d@mx.example", "e@mx.example", "f@mx.example"]}),
        );
        assert!(said.starts_with(reply), "{said}");
        assert_eq!(line["reply"], said.as_str());
    }
    let (mut client, _) = server.client();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    client.say("RCPT TO:<b@mx.example>").unwrap();
    client.write(b"BDAT 9999999 LAST\r\n").unwrap();
    let line = server.refused("too_big");
    assert_has(
        &line,
        &json!({"to": ["b@mx.example"], "command": "BDAT 9999999 LAST"}),
    );
    drop(client);
    let lines = server.stop();
    assert!(
        lines.iter().all(|line| line["message"] != "message"),
        "not logged twice"
    );
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_a_line_and_one_that_leaves_between_does_not() {
    let mut server = Server::discarding(EVERYTHING);
    let open: &[&str] = &["MAIL FROM:<a@client.example>", "RCPT TO:<b@mx.example>"];
    for (said, sent, fields) in [
        (
            [open, &["DATA"]].concat(),
            "Subject: x\r\n",
            json!({"from": "a@client.example", "to": ["b@mx.example"], "recipients": 1, "size": 12}),
        ),
        (
            open.to_vec(),
            "",
            json!({"to": ["b@mx.example"], "size": null}),
        ),
        (
            vec![],
            "MAIL FR",
            json!({"from": null, "helo": "client.example"}),
        ),
    ] {
        let (mut client, own) = server.client();
        for line in said {
            client.say(line).unwrap();
        }
        client.write(sent.as_bytes()).unwrap();
        drop(client);
        let line = server.line("gone", |line| line["client"] == own);
        assert_eq!(line["reason"], "closed_by_client");
        assert_has(&line, &fields);
    }
    let (client, own) = server.client();
    drop(client);
    let (mut client, quits) = server.client();
    client.say(open[0]).unwrap();
    client.say("QUIT").unwrap();
    let lines = server.stop();
    let told = |own: &str| lines.iter().any(|line| line["client"] == own);
    assert!(!told(&own) && !told(&quits), "{lines:#?}");
}

#[test]
fn a_handshake_that_fails_behind_starttls_is_one_line_that_names_its_client() {
    let mut server = Server::discarding(EVERYTHING);
    let (mut client, own) = server.client();
    assert!(client.say("STARTTLS").unwrap().starts_with("220"));
    client.write(b"this is no handshake at all\r\n").unwrap();
    let line = server.refused("tls_handshake_failed");
    assert_eq!(
        (&line["client"], &line["helo"]),
        (&own.as_str().into(), &"client.example".into())
    );
    let gone = |line: &&Value| line["message"] == "gone" && line["client"] == own.as_str();
    assert_eq!(
        server.stop().iter().filter(gone).count(),
        0,
        "it is logged once"
    );
}

#[test]
fn connections_that_are_turned_away_leave_a_line() {
    let mut server = Server::discarding(EVERYTHING);
    let addresses = server.addresses();
    // A handshake on the plain port, something else on the TLS port, no header on the proxy's port.
    for (address, sent, reason, replies) in [
        (
            &addresses[0],
            &b"\x16\x03\x01\x02\x00\x01\x00"[..],
            "not_smtp",
            true,
        ),
        (
            &addresses[1],
            b"EHLO client.example\r\n",
            "tls_handshake_failed",
            false,
        ),
        (
            &addresses[2],
            b"EHLO client.example\r\n",
            "proxy_header",
            false,
        ),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        let own = stream.local_addr().unwrap().to_string();
        if replies {
            stream.read_exact(&mut [0; 4]).unwrap();
        }
        stream.write_all(sent).unwrap();
        let line = server.refused(reason);
        assert_has(&line, &json!({"client": own, "tls": "none", "helo": null}));
        assert_eq!(line.get("reply").is_some(), replies, "{line}");
        assert_eq!(line.get("error").is_some(), !replies, "{line}");
    }
    for (text, reason, reply) in [
        (
            "[access]\ndeny = [\"127.0.0.0/8\"]\n",
            "access_denied",
            "554 5.7.1 ",
        ),
        (
            "[server]\ngreeting_delay = \"200ms\"\n",
            "early_talker",
            "554 5.5.1 ",
        ),
    ] {
        let mut server = Server::discarding(text);
        let mut stream = TcpStream::connect(&server.addresses()[0]).unwrap();
        let own = stream.local_addr().unwrap().to_string();
        // A reset may follow the refusal of a client that spoke too early; the line is there anyway.
        let _ = stream.write_all(b"EHLO client.example\r\n");
        let line = server.refused(reason);
        assert_has(&line, &json!({"client": own}));
        assert!(line["reply"].as_str().unwrap().starts_with(reply), "{line}");
    }
    let mut server = Server::discarding("[limits]\nconnections_per_ip = 1\n");
    let (first, _) = server.client();
    let second = TcpStream::connect(&server.addresses()[0]).unwrap();
    let line = server.refused("too_many_connections_from_client");
    let own = second.local_addr().unwrap().to_string();
    assert_has(&line, &json!({"client": own}));
    drop(first);
}

#[test]
fn a_session_that_is_ended_leaves_a_line() {
    let mut server = Server::discarding("[limits]\nerrors = 2\ndata_timeout = \"50ms\"\n");
    let (mut client, own) = server.client();
    client.write(b"FOO\r\nBAR\r\n").unwrap();
    for command in ["FOO", "BAR"] {
        let line = server.refused("unknown_command");
        assert_has(&line, &json!({"client": own, "command": command}));
    }
    let line = server.refused("too_many_errors");
    assert_eq!(
        line["reply"],
        "421 4.7.0 Too many errors; closing the connection"
    );
    let (mut client, own) = server.client();
    // In one packet: no time runs out before the data is awaited.
    client
        .write(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\nhalf\r\n")
        .unwrap();
    let line = server.line("refused", |line| line["client"] == own);
    assert_has(
        &line,
        &json!({"reason": "timed_out", "from": "a@client.example", "to": ["b@mx.example"], "size": 6}),
    );
}

#[test]
fn a_flood_is_gathered_and_nothing_is_left_out_of_the_count() {
    let server = Server::discarding(
        "[recipients]\ndomains = [\"mx.example\"]\n[limits]\nunknown_recipients = 10000\n[server]\nworkers = 1\n",
    );
    let (mut client, _) = server.client();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    for number in 0..500 {
        let said = client
            .say(&format!("RCPT TO:<r{number}@relay.example>"))
            .unwrap();
        assert!(said.starts_with("550 "), "{said}");
    }
    client.say("QUIT").unwrap();
    let lines = server.stop();
    let refused = lines
        .iter()
        .filter(|line| line["message"] == "refused")
        .count() as u64;
    let counts = lines.iter().filter(|line| line.get("count").is_some());
    let mut counted = 0;
    for line in counts {
        assert_has(
            line,
            &json!({"reason": "relay_denied", "network": "127.0.0.0/24", "level": "INFO"}),
        );
        let (count, seconds) = (line["count"].as_u64().unwrap(), &line["seconds"]);
        let message = format!("{count} more refused in the last {seconds} seconds");
        assert_eq!(line["message"], message.as_str());
        counted += count;
    }
    assert_eq!(refused + counted, 500, "{lines:#?}");
    assert!((20..100).contains(&refused), "{refused} lines");
}

#[test]
fn a_message_names_its_recipients_its_tls_and_that_nothing_was_stored() {
    let mut server = Server::discarding(EVERYTHING);
    let (mut client, own) = server.client();
    client.deliver(b"Subject: x\r\n").unwrap();
    let line = server.line("message", |_| true);
    assert_has(
        &line,
        &json!({"client": own, "to": ["b@mx.example", "c@mx.example"], "recipients": 2, "tls": "none",
            "outcome": "discarded", "size": 12, "from": "a@client.example"}),
    );
    let lines = server.stop();
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap();
        assert_eq!(
            (time.len(), &time[19..20], &time[23..]),
            (24, ".", "Z"),
            "{line}"
        );
    }
}

#[test]
fn without_lines_of_messages_there_are_none_of_refusals() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command
        .stderr(Stdio::piped())
        .env("RINGPOST_LOG_MESSAGES", "false");
    let mut ringpost =
        Ringpost::launch_heard(command, &["--brokers", "discard", "--domain", "mx.example"]);
    let mut client = ringpost.client().unwrap();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    client.say("RCPT TO:<x@relay.example>").unwrap();
    client.0.get_ref().shutdown(Shutdown::Both).unwrap();
    ringpost.signal("TERM");
    let mut text = String::new();
    ringpost
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("stopped"), "{text}");
    assert!(
        !text.contains("INFO refused") && !text.contains("INFO gone"),
        "{text}"
    );
}

#[test]
fn the_log_says_what_starts_where_it_listens_and_how_it_stopped() {
    let server = Server::discarding(EVERYTHING);
    let ready = server.ringpost.ready.clone();
    let addresses = server.addresses();
    let lines = server.stop();
    let one = |message: &str| {
        let found: Vec<&Value> = lines
            .iter()
            .filter(|line| line["message"] == message)
            .collect();
        assert_eq!(found.len(), 1, "{message}: {lines:#?}");
        found[0].clone()
    };
    let starting = one("starting");
    assert_has(
        &starting,
        &json!({"version": env!("CARGO_PKG_VERSION"), "hostname": "mx.example", "brokers": "discard", "topic": "mail",
            "domains": "mx.example, other.example", "admin": "127.0.0.1:0",
            "smtp": "127.0.0.1:0 clear+STARTTLS, 127.0.0.1:0 TLS, 127.0.0.1:0 PROXY+clear+STARTTLS", "limit_message_size": 2048,
            "limit_recipients": 100, "limit_connections": 50000, "limit_connections_per_ip": 0, "limit_in_flight_bytes": 1 << 30}),
    );
    assert!(starting["workers"].as_u64().unwrap() > 0);
    let [clear, tls, proxy] = addresses.try_into().unwrap();
    assert_eq!(
        one("ready")["smtp"],
        format!("{clear} clear+STARTTLS, {tls} TLS, {proxy} PROXY+clear+STARTTLS")
    );
    assert!(ready.ends_with(&format!(" smtps={tls}\n")), "{ready}");
    let stopped = one("stopped");
    assert_has(
        &stopped,
        &json!({"connections": 0, "messages_accepted": 0, "messages_refused": 0, "exit_code": 0, "reason": "SIGTERM",
            "connections_cut_off": 0, "records_cut_off": 0, "level": "INFO"}),
    );
    assert!(stopped["drain_milliseconds"].is_f64(), "{stopped}");
    assert!(stopped["uptime_seconds"].is_u64(), "{stopped}");
    assert_eq!(lines.last().unwrap(), &stopped);
}

#[test]
fn a_drain_that_ends_too_early_says_what_it_cut_off() {
    let text = "[kafka]\ndelivery_timeout = \"100ms\"\n[server]\ndrain_timeout = \"1200ms\"\n";
    let server = Server::discarding(text);
    let (mut client, _) = server.client();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    let lines = server.stop();
    let stopped = lines.last().unwrap();
    assert!(
        stopped["message"]
            .as_str()
            .unwrap()
            .starts_with("stopped; "),
        "{stopped}"
    );
    assert_has(
        stopped,
        &json!({"connections": 1, "connections_cut_off": 1, "records_cut_off": 0, "level": "WARN", "exit_code": 0}),
    );
}

#[test]
fn a_reload_names_the_options_that_need_a_restart() {
    let mut server = Server::discarding(
        "[server]\nworkers = 1\n[kafka.properties]\n\"sasl.password\" = \"hunter2\"\n",
    );
    server
        .configure("[server]\nworkers = 2\n[kafka.properties]\n\"sasl.password\" = \"hunter3\"\n");
    server.ringpost.signal("HUP");
    server.line("reloaded", |_| true);
    let said = server
        .read
        .iter()
        .map(|line| line["message"].as_str().unwrap());
    let said: Vec<&str> = said
        .filter(|message| message.contains("need a restart"))
        .collect();
    let [said] = *said else { panic!("{said:?}") };
    assert!(said.contains("server.workers from 1 to 2"), "{said}");
    assert!(
        said.contains("kafka.properties (sasl.password changed)"),
        "{said}"
    );
    let secret = server
        .read
        .iter()
        .any(|line| line.to_string().contains("hunter"));
    assert!(!secret, "no secret is shown");
}

/// The lines of the vocabulary that `serve` writes, by their message: each field, and whether it is always there. Those of `forward`
/// and `authenticate` are last, and have some of the same messages.
fn vocabulary() -> BTreeMap<&'static str, BTreeMap<&'static str, bool>> {
    let mut lines = BTreeMap::new();
    for line in vocabulary::lines::lines() {
        let fields = line.fields.iter();
        let fields = fields.map(|&(name, when)| (name, when == vocabulary::lines::ALWAYS));
        lines
            .entry(line.message)
            .or_insert_with(|| fields.collect());
    }
    lines
}

/// Asserts that lines have what the vocabulary says, no more and no less; which fields of which lines were there.
fn compare(lines: &[Value]) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let vocabulary = vocabulary();
    let mut seen = BTreeMap::<_, BTreeSet<_>>::new();
    for line in lines {
        let message = line["message"].as_str().unwrap();
        let counted = message.contains(" more ") && line.get("network").is_some();
        let kind = match message.split_once("; ") {
            _ if counted => "N more …",
            Some(("stopped", _)) => "stopped",
            _ => message,
        };
        let Some((kind, fields)) = vocabulary.get_key_value(kind) else {
            continue;
        };
        let names = line.as_object().unwrap().keys();
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        for name in names.difference(&BTreeSet::from(["timestamp", "level", "message"])) {
            let (name, _) = fields
                .get_key_value(*name)
                .unwrap_or_else(|| panic!("the vocabulary lacks {name}: {line}"));
            seen.entry(*kind).or_default().insert(*name);
        }
        for (name, _) in fields.iter().filter(|(_, always)| **always) {
            assert!(names.contains(*name), "{name} is always there: {line}");
        }
    }
    seen
}

/// The names of fields that a source gives to `tracing`, with its macros.
fn given_to_tracing(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for level in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
        for (at, _) in source.match_indices(&format!("tracing::{level}")) {
            let arguments = &source[at + "tracing::".len() + level.len()..];
            let mut from = 0;
            let mut depth = 0;
            for (place, character) in arguments.char_indices() {
                let argument = arguments[from..place].trim();
                match character {
                    // The message: what follows are its values.
                    '"' if argument.is_empty() => break,
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' if depth > 0 => depth -= 1,
                    ')' => break,
                    ',' if depth == 0 => {
                        let name = argument.split_once('=').map_or(argument, |(name, _)| name);
                        let name = name.trim().trim_start_matches(['%', '?']);
                        if !argument.starts_with("target:") {
                            names.push(name.to_owned());
                        }
                        from = place + 1;
                    }
                    _ => {}
                }
            }
        }
    }
    names
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

/// Names that only lines at DEBUG and TRACE have, for those who know the code.
const OF_DEVELOPERS: [&str; 5] = ["code", "facility", "level", "lasted", "reason"];

#[test]
fn no_line_has_a_field_that_is_not_in_the_vocabulary() {
    let example = "tracing::info!(a, %b, c = f(1, 2), target: \"t\", ?d, \"x, {}\", y); tracing::warn!(\"{e}\")";
    assert_eq!(given_to_tracing(example), ["a", "b", "c", "d"]);
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let mut count = 0;
    for file in files
        .iter()
        .filter(|file| !file.ends_with("telemetry/log/tests.rs"))
    {
        let source = std::fs::read_to_string(file).unwrap();
        let (code, _) = source.split_once("#[cfg(test)]").unwrap_or((&source, ""));
        for name in given_to_tracing(code) {
            let known = vocabulary::field::rows().any(|row| row.name == name);
            let known = known || OF_DEVELOPERS.contains(&name.as_str());
            assert!(
                known,
                "{}: {name} is not in telemetry::vocabulary::field",
                file.display()
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count}: lines are found");
}

#[test]
fn the_vocabulary_names_the_fields_that_lines_have() {
    let mut lines = Vec::new();
    let mut server = Server::discarding(EVERYTHING);
    for (said, reason, _) in commands() {
        let (mut client, _) = server.client();
        for line in said {
            client.say(line).unwrap();
        }
        server.refused(reason);
    }
    let (mut client, _) = server.client();
    client.open_data().unwrap();
    client.write(b"half").unwrap();
    client.0.get_ref().shutdown(Shutdown::Write).unwrap();
    server.line("gone", |_| true);
    for _ in 0..2 {
        let (mut client, _) = server.client();
        for _ in 0..21 {
            client.write(b"FOO\r\n").unwrap();
        }
        server.refused("unknown_command");
    }
    let mut stream = TcpStream::connect(&server.addresses()[1]).unwrap();
    stream.write_all(b"EHLO client.example\r\n").unwrap();
    server.refused("tls_handshake_failed");
    let (mut client, _) = server.client();
    client.open_data().unwrap();
    client.say(&("x".repeat(3000) + "\r\n.")).unwrap();
    lines.extend(server.stop());
    // Nothing listens there: a message that is handed over gets 451.
    let kafka = "[kafka]\nbrokers = \"127.0.0.1:1\"\ndelivery_timeout = \"100ms\"\n";
    let mut server = Server::start(kafka, &[]);
    let (mut client, _) = server.client();
    let said = client.send(&[b"x\r\n.\r\n"]).unwrap();
    let line = server.line("message", |_| true);
    assert_eq!(line["reply"], said.as_str());
    lines.extend(server.stop());
    let seen = compare(&lines);
    let expected = vocabulary();
    // What needs TLS, a store of objects, a full budget or a reset is held elsewhere.
    let elsewhere = [
        ("message", "tls_milliseconds"),
        ("message", "room_milliseconds"),
        ("message", "object_milliseconds"),
        ("gone", "error"),
    ];
    for kind in [
        "message",
        "refused",
        "gone",
        "N more …",
        "starting",
        "ready",
        "stopped",
    ] {
        let names = expected[kind].keys().copied();
        let names: BTreeSet<&str> = names
            .filter(|name| !elsewhere.contains(&(kind, *name)))
            .collect();
        assert_eq!(seen[kind], names, "{kind}");
    }
}
