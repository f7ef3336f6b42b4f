//! The trace of one client in the log of the real binary (`log.trace_networks`).

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;
use support::logged::Server;
use support::tools;

const TRACED: &str = r#"
[server]
workers = 1
listen_tls = ["127.0.0.1:0"]
listen_proxy = ["127.0.0.1:0"]
proxy_networks = ["127.0.0.1"]
[recipients]
domains = ["mx.example"]
[tls]
certificate = "FOLDER/mx.pem"
key = "FOLDER/mx.key"
[log]
messages = false
trace_networks = ["127.0.0.0/8", "192.0.2.0/24"]
"#;

/// A line of a trace in short: what happened, and its one value.
fn short(line: &Value) -> String {
    let value = |name: &str| line[name].as_str().map(str::to_owned);
    let said = match line["message"].as_str().unwrap() {
        "trace opened" => value("listener").unwrap(),
        "trace tls" => value("tls").unwrap(),
        "trace command" => value("command").unwrap_or_default(),
        "trace data" => line["size"].to_string(),
        "trace reply" => value("reply").unwrap(),
        "trace ended" => value("reason").unwrap(),
        other => panic!("{other}"),
    };
    let left_out = value("left_out").map_or(String::new(), |what| format!(" ({what})"));
    let message = line["message"].as_str().unwrap();
    format!("{}: {said}{left_out}", &message["trace ".len()..])
}

/// The lines of this client's trace, up to its end.
fn trace(server: &mut Server, client: &str) -> Vec<Value> {
    server.line("trace ended", |line| line["client"] == client);
    let of_client = |line: &&Value| line["client"] == client;
    server.read.iter().filter(of_client).cloned().collect()
}

fn shorts(lines: &[Value]) -> Vec<String> {
    lines.iter().map(short).collect()
}

#[test]
fn a_traced_client_has_its_dialogue_in_the_log_without_its_message() {
    let mut server = Server::discarding(TRACED);
    let listening = server.addresses()[0].clone();
    let (mut client, own) = server.client();
    for command in [
        "AUTH PLAIN AGFkbWluAHNlY3JldA==",
        "c2VjcmV0",
        "MAIL FROM:<a@client.example>",
        "RCPT TO:<x@relay.example>",
        "RCPT TO:<\u{1b}[2J@mx.example>",
        "RCPT TO:<b@mx.example>",
        "DATA",
    ] {
        client.say(command).unwrap();
    }
    let said = client.say("Subject: private\r\n\r\n..secret\r\n.").unwrap();
    client.write(b"BDAT 5\r\nhelloNOOP\r\n").unwrap();
    client.say("QUIT").unwrap();
    let lines = trace(&mut server, &own);
    let dialogue = shorts(&lines);
    let expected = [
        format!("opened: {listening} clear+STARTTLS"),
        "reply: 220 mx.example ESMTP".to_owned(),
        "command: EHLO client.example".to_owned(),
        "reply: 250-mx.example".to_owned(),
    ];
    assert!(dialogue[1].starts_with(&expected[1]), "{dialogue:#?}");
    assert_eq!(
        [&dialogue[0], &dialogue[2], &dialogue[3]],
        [&expected[0], &expected[2], &expected[3]]
    );
    for line in [
        "command: AUTH (what may be a password)",
        "command:  (what may be a password)",
        "command: RCPT TO:<x@relay.example>",
        "reply: 550 5.7.1 Relaying denied: not a domain we accept mail for",
        "command: RCPT TO:<\u{1b}[2J@mx.example>",
        "command: DATA",
        "data: 33 (message content)",
        "command: QUIT",
    ] {
        assert_eq!(
            dialogue.iter().filter(|said| *said == line).count(),
            1,
            "{line}: {dialogue:#?}"
        );
    }
    assert!(
        dialogue.contains(&format!("reply: {said}")),
        "{dialogue:#?}"
    );
    assert_eq!(dialogue.last().unwrap(), "ended: quit");
    let all = Value::from(server.stop()).to_string();
    for secret in ["private", "secret", "AGFk", "c2Vj", "hello"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn each_line_is_in_its_place_and_a_message_that_breaks_off_is_counted() {
    let mut server = Server::discarding(TRACED);
    let (mut client, own) = server.client();
    client
        .write(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\nhalf\r\n")
        .unwrap();
    for _ in 0..3 {
        client.reply().unwrap();
    }
    drop(client);
    let lines = trace(&mut server, &own);
    let dialogue = shorts(&lines);
    let from = dialogue
        .iter()
        .position(|said| said.starts_with("command: MAIL"))
        .unwrap();
    let said: Vec<&str> = dialogue[from..]
        .iter()
        .map(|said| &said[..said.len().min(24)])
        .collect();
    assert_eq!(
        said,
        [
            "command: MAIL FROM:<a@cl",
            "command: RCPT TO:<b@mx.e",
            "command: DATA",
            "reply: 250 2.1.0 Ok",
            "reply: 250 2.1.5 Ok",
            "reply: 354 Start mail in",
            "data: 6 (message content",
            "ended: closed_by_client",
        ],
        "{dialogue:#?}"
    );
    assert!(lines.last().unwrap()["open_milliseconds"].is_f64());
}

#[test]
fn who_is_turned_away_is_traced_too_and_a_proxy_is_named() {
    let text = format!("{TRACED}[access]\ndeny = [\"127.0.0.0/8\"]\n");
    let mut server = Server::discarding(&text);
    let denied = TcpStream::connect(&server.addresses()[0]).unwrap();
    let own = denied.local_addr().unwrap().to_string();
    let lines = trace(&mut server, &own);
    let dialogue = shorts(&lines);
    assert_eq!(dialogue.len(), 3, "{dialogue:#?}");
    assert!(
        dialogue[1].starts_with("reply: 554 5.7.1 "),
        "{dialogue:#?}"
    );
    assert_eq!(dialogue[2], "ended: access_denied");
    let mut proxied = TcpStream::connect(&server.addresses()[2]).unwrap();
    let proxy = proxied.local_addr().unwrap().to_string();
    proxied
        .write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\nQUIT\r\n")
        .unwrap();
    proxied.read_to_end(&mut Vec::new()).unwrap();
    let lines = trace(&mut server, "192.0.2.7:4711");
    assert_eq!(lines[0]["proxy"], proxy.as_str());
    assert_eq!(shorts(&lines).last().unwrap(), "ended: quit");
}

#[test]
fn a_reload_begins_traces_of_new_connections_and_ends_all_of_them() {
    let untraced = TRACED.replace("\"127.0.0.0/8\", ", "");
    let mut server = Server::discarding(&untraced);
    let (mut before, own_before) = server.client();
    server.configure(TRACED);
    server.ringpost.signal("HUP");
    let reloaded = server.line("reloaded", |_| true);
    assert_eq!(reloaded["networks_traced"], 2);
    before.say("NOOP").unwrap();
    let (mut after, own) = server.client();
    after.say("NOOP").unwrap();
    server.line("trace command", |line| {
        line["client"] == own.as_str() && line["command"] == "NOOP"
    });
    server.configure(&untraced);
    server.ringpost.signal("HUP");
    server.line("reloaded", |_| true);
    after.say("NOOP").unwrap();
    let lines = trace(&mut server, &own);
    assert_eq!(shorts(&lines).last().unwrap(), "ended: no longer traced");
    after.say("QUIT").unwrap();
    before.say("QUIT").unwrap();
    let lines = server.stop();
    assert!(
        lines
            .iter()
            .all(|line| line["client"] != own_before.as_str())
    );
    let of_traced = lines.iter().filter(|line| line["client"] == own.as_str());
    let told: Vec<Value> = of_traced.cloned().collect();
    let noops = shorts(&told)
        .iter()
        .filter(|said| *said == "command: NOOP")
        .count();
    assert_eq!(noops, 1, "{told:#?}");
}

#[test]
fn swaks_is_traced_through_its_tls() {
    let Some(program) = tools::find_or_skip("swaks") else {
        return;
    };
    let perl = Command::new("perl").args(["-MNet::SSLeay", "-e1"]).output();
    if !perl.is_ok_and(|output| output.status.success()) {
        return tools::skip("perl has no Net::SSLeay, which swaks speaks TLS by");
    }
    let mut server = Server::discarding(TRACED);
    let addresses = server.addresses();
    for (flag, address, replies) in [
        ("--tls", &addresses[0], 1),
        ("--tls-on-connect", &addresses[1], 0),
    ] {
        let port = address.rsplit_once(':').unwrap().1;
        let mut command = Command::new(&program);
        command
            .args(["--server", "127.0.0.1", "--port", port, flag])
            .args(["--helo", "client.example", "--from", "a@client.example"])
            .args([
                "--to",
                "b@mx.example",
                "--data",
                "Subject: private\\n\\nsecret\\n",
            ]);
        tools::run(&mut command, b"");
        let opened = server.line("trace opened", |line| {
            line["listener"]
                .as_str()
                .unwrap()
                .starts_with(address.as_str())
        });
        let client = opened["client"].as_str().unwrap().to_owned();
        let lines = trace(&mut server, &client);
        let dialogue = shorts(&lines);
        let starttls = dialogue
            .iter()
            .filter(|said| *said == "reply: 220 2.0.0 Ready to start TLS");
        assert_eq!(starttls.count(), replies, "{dialogue:#?}");
        let secured = lines
            .iter()
            .find(|line| line["message"] == "trace tls")
            .unwrap();
        assert!(
            secured["tls"].as_str().unwrap().starts_with("TLSv1.3 "),
            "{secured}"
        );
        assert_eq!(secured["resumed"], "no");
        assert!(
            secured["tls_milliseconds"].as_f64().unwrap() > 0.0,
            "{secured}"
        );
        for part in [
            "command: MAIL FROM:<a@client.example>",
            "command: QUIT",
            "ended: quit",
        ] {
            assert!(
                dialogue.iter().any(|said| said == part),
                "{part}: {dialogue:#?}"
            );
        }
        let data = dialogue.iter().filter(|said| said.starts_with("data: "));
        assert_eq!(data.count(), 1, "{dialogue:#?}");
    }
    let all = Value::from(server.stop()).to_string();
    assert!(!all.contains("private") && !all.contains("secret"));
}

#[test]
fn lines_beyond_the_budget_are_counted_and_none_is_lost() {
    let text = format!("{TRACED}[limits]\nidle_commands = 1000000\n");
    let server = Server::discarding(&text);
    let (mut client, own) = server.client();
    let (times, batch) = (20, 1000);
    for _ in 0..times {
        client.write("NOOP\r\n".repeat(batch).as_bytes()).unwrap();
        for _ in 0..batch {
            client.reply().unwrap();
        }
    }
    client.say("QUIT").unwrap();
    let lines = server.stop();
    let written = lines
        .iter()
        .filter(|line| line["client"] == own.as_str())
        .count() as u64;
    let left_out = lines
        .iter()
        .filter(|line| line["message"] == "trace left out");
    let left_out: u64 = left_out.map(|line| line["count"].as_u64().unwrap()).sum();
    // Banner, EHLO with its reply of several lines, and QUIT are beside them, with the first line and the last.
    let noops = 2 * times * batch as u64;
    let others = written + left_out - noops;
    assert!(
        (6..20).contains(&others),
        "{written} + {left_out} for {noops}"
    );
    assert!(left_out > 0, "{written} lines");
}
