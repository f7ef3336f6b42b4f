//! Parsers of mail in five languages read the value of a record as the sender meant his mail, with one Received field of ours in
//! front that no sender can change: not by what the message begins with, and not by a name or a recipient.
//!
//! A language that is not installed, or whose parser cannot be fetched, is skipped with its reason.

#[path = "parsers/cases.rs"]
mod cases;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cases::{Case, Mail, cases};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;
use support::ringpost::{Client, Ringpost, promised};
use support::topic::read_topic;
use support::{mails, tools};

/// How much of a body is compared.
const BODY_OCTETS: usize = 40;

/// A mail that has been sent one way, and the record's value.
struct Sent {
    case: Case,
    way: &'static str,
    id: String,
    value: Vec<u8>,
}

/// Sends the mail; the id that its 250 names.
fn deliver(smtp: &str, case: &Case, way: &str) -> String {
    let mut client = Client::connect(smtp).unwrap();
    let mut say = |line: String, code: &str| {
        let reply = client.say(&line).unwrap();
        assert!(reply.starts_with(code), "{line:?}: {reply}");
    };
    say(format!("EHLO {}", case.greeting), "250");
    let parameters = match (case.parameters, way) {
        ("", "BDAT") => " BODY=BINARYMIME",
        (given, _) => given,
    };
    say(format!("MAIL FROM:<a@client.example>{parameters}"), "250");
    say(format!("RCPT TO:<{}>", case.recipient), "250");
    let wire = if way == "DATA" {
        say("DATA".to_owned(), "354");
        let stuffed = || mails::stuffed(&case.message);
        case.wire.map_or_else(stuffed, <[u8]>::to_vec)
    } else {
        let command = format!("BDAT {} LAST\r\n", case.message.len());
        [command.as_bytes(), &case.message].concat()
    };
    client.write(&wire).unwrap();
    let reply = client.reply().unwrap();
    promised(&reply).unwrap_or_else(|| panic!("{} by {way}: {reply}", case.name))
}

/// Whether it can be sent by DATA, which has whole lines and no bare newline.
fn fits_data(message: &[u8]) -> bool {
    let text = message.escape_ascii().to_string();
    let bare = text.replace("\\r\\n", "");
    (message.is_empty() || message.ends_with(b"\r\n"))
        && !bare.contains("\\r")
        && !bare.contains("\\n")
}

/// Sends every mail by DATA, where it can be, and by BDAT, and reads the records.
fn send_all(ringpost: &Ringpost) -> Vec<Sent> {
    let mut sent = Vec::new();
    for case in cases() {
        let by_data = fits_data(&case.message).then_some("DATA");
        for way in by_data.into_iter().chain(["BDAT"]) {
            let id = deliver(&ringpost.smtp, &case, way);
            let (case, value) = (case.clone(), Vec::new());
            sent.push(Sent {
                case,
                way,
                id,
                value,
            });
        }
    }
    let records = read_topic(&ringpost.kafka, "mail");
    assert_eq!(records.len(), sent.len());
    for mail in &mut sent {
        let mut named = records.iter().filter(|record| record.id() == mail.id);
        mail.value = named.next().expect("a record of this id").value.clone();
    }
    sent
}

/// What was sent once for all parsers, after a look at the fields without any of them.
fn with_trace() -> &'static [Sent] {
    static SENT: OnceLock<Vec<Sent>> = OnceLock::new();
    SENT.get_or_init(|| {
        let before = Timestamp::now().as_second();
        let sent = send_all(&Ringpost::start(&[]));
        for mail in &sent {
            let date = date(mail);
            let now = Timestamp::now().as_second();
            assert!((before..=now).contains(&date), "{}: {date}", mail.case.name);
        }
        sent
    })
}

/// The date in our field, which precedes the message as it was sent.
fn date(mail: &Sent) -> i64 {
    let field = mail.value.strip_suffix(&mail.case.message[..]);
    let field = std::str::from_utf8(field.expect("the message is the end of the value")).unwrap();
    assert!(field.starts_with("Received: from "), "{field}");
    let ascii = mail.case.parameters.is_empty();
    assert!(field.is_ascii() || !ascii, "{field}");
    let (clauses, date) = field.rsplit_once(';').unwrap();
    assert!(!clauses.contains(';'), "{field}");
    rfc2822::parse(date.trim()).unwrap().timestamp().as_second()
}

/// What a parser found.
#[derive(Debug, Deserialize)]
struct Reading {
    /// Why it did not take the mail.
    error: Option<String>,
    /// The number of Received fields.
    #[serde(default)]
    received: usize,
    /// The date of the first one, in seconds since the epoch.
    date: Option<i64>,
    subject: Option<String>,
    from: Option<String>,
    /// The beginning of the body in base64.
    #[serde(default)]
    body: String,
}

/// What a parser gives as the body.
#[derive(Clone, Copy)]
enum Body {
    /// Its bytes.
    Octets,
    /// Text that was decoded, with other ends of lines.
    Text,
}

impl Body {
    /// The beginning of a body in a form that can be compared.
    fn beginning(self, octets: &[u8]) -> Vec<u8> {
        let cut = |octets: &[u8]| octets[..octets.len().min(BODY_OCTETS)].to_vec();
        match self {
            Self::Octets => cut(octets),
            Self::Text => {
                let text = String::from_utf8_lossy(octets).replace("\r\n", "\n");
                // A decoder of UTF-8 may drop the mark.
                let text = text.trim_start_matches('\u{feff}');
                let cut = cut(text.as_bytes());
                cut.strip_suffix(b"\n").map_or(cut.clone(), <[u8]>::to_vec)
            }
        }
    }
}

/// Every reading is the one of its mail.
fn compare(parser: &str, body: Body, readings: &[Reading]) {
    let sent = with_trace();
    assert_eq!(readings.len(), sent.len(), "{parser}");
    let mut wrong = String::new();
    for (mail, reading) in sent.iter().zip(readings) {
        let own = mail.case.own.iter().find(|(name, _)| *name == parser);
        let expected: &Mail = own.map_or(&mail.case.mail, |(_, own)| own);
        let found = STANDARD.decode(&reading.body).unwrap();
        let same = reading.error.is_none()
            && reading.received == 1
            && reading.date == Some(date(mail))
            && reading.subject.as_deref() == expected.subject
            && reading.from.as_deref() == expected.from
            && body.beginning(&found) == body.beginning(&expected.body);
        if !same {
            let (name, way, found) = (&mail.case.name, mail.way, found.escape_ascii());
            wrong += &format!("{name} by {way}: {reading:?} {found}\nexpected {expected:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{parser} reads\n{wrong}");
    println!("{parser}: {} mails", sent.len());
}

/// Every value as a file.
fn files(folder: &Path) -> Vec<PathBuf> {
    let file = |(index, mail): (usize, &Sent)| {
        let path = folder.join(format!("{index}.eml"));
        std::fs::write(&path, &mail.value).unwrap();
        path
    };
    with_trace().iter().enumerate().map(file).collect()
}

/// Runs a parser, which prints one line of JSON for each file. One that does not even start without files is skipped.
fn read_with(parser: &str, body: Body, command: impl Fn() -> Command) {
    if let Err(reason) = try_to(&mut command()) {
        return tools::say_skipped(&format!("{parser} cannot be run: {reason}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = tools::run(command().args(files(folder.path())), b"");
    let lines = String::from_utf8(output.stdout).unwrap();
    let readings = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect(line));
    compare(parser, body, &readings.collect::<Vec<Reading>>());
}

/// Runs it to its end; an error is the beginning of what it said.
fn try_to(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    Err(lines.take(3).collect::<Vec<_>>().join(" | "))
}

/// A helper program of these tests.
fn helper(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parsers")
        .join(name)
}

#[test]
fn python_reads_every_mail() {
    let Some(python) = tools::find_or_skip("python3") else {
        return;
    };
    for policy in ["compat32", "default"] {
        read_with(&format!("python {policy}"), Body::Octets, || {
            let mut command = Command::new(&python);
            command.arg(helper("parse.py")).arg(policy);
            command
        });
    }
}

#[test]
fn node_reads_every_mail() {
    let (Some(node), Some(npm)) = (tools::find_or_say("node"), tools::find_or_say("npm")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut fetch = Command::new(npm);
    fetch
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .args(["--fetch-retries=0", "--prefix"])
        .arg(folder.path())
        .args(["mailparser@3.14.2", "postal-mime@4.0.0"]);
    if let Err(reason) = try_to(&mut fetch) {
        return tools::say_skipped(&format!("npm did not install the parsers: {reason}"));
    }
    for package in ["mailparser", "postal-mime"] {
        read_with(package, Body::Text, || {
            let mut command = Command::new(&node);
            command.arg(helper("parse.mjs")).arg(package);
            command.current_dir(folder.path());
            command
        });
    }
}

#[test]
fn go_reads_every_mail() {
    let Some(go) = tools::find_or_say("go") else {
        return;
    };
    read_with("go", Body::Octets, || {
        let mut command = Command::new(&go);
        // No other release of Go is fetched for this.
        command.env("GOTOOLCHAIN", "local");
        command.arg("run").arg(helper("parse.go"));
        command
    });
}

#[test]
fn java_reads_every_mail() {
    let (Some(java), Some(maven)) = (tools::find_or_say("java"), tools::find_or_say("mvn")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let jars = folder.path().display();
    let mut fetch = Command::new(maven);
    fetch
        .args(["-q", "-B", "-Dstyle.color=never", "-f"])
        .arg(helper("pom.xml"))
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={jars}"));
    if let Err(reason) = try_to(&mut fetch) {
        return tools::say_skipped(&format!("Maven did not fetch the parser: {reason}"));
    }
    read_with("java", Body::Octets, || {
        let mut command = Command::new(&java);
        command
            .args(["-cp", &format!("{jars}/*")])
            .arg(helper("Parse.java"));
        command
    });
}

#[test]
fn rust_reads_every_mail() {
    let readings: Vec<Reading> = with_trace().iter().map(read_with_mail_parser).collect();
    compare("rust", Body::Octets, &readings);
}

/// mail-parser reads the clauses of the field too.
fn read_with_mail_parser(mail: &Sent) -> Reading {
    let message = mail_parser::MessageParser::default();
    let message = message.parse(&mail.value).expect("a mail");
    let all: Vec<_> = message.received_all().collect();
    let ours = all.first().expect("a Received field");
    assert_eq!(ours.id(), Some(&*mail.id), "{}", mail.case.name);
    let by = mail_parser::Host::Name("mx.example".into());
    assert_eq!(ours.by(), Some(&by), "{}", mail.case.name);
    let from = message.from().and_then(|from| from.first());
    let body = &mail.value[message.root_part().raw_body_offset() as usize..];
    Reading {
        error: None,
        received: all.len(),
        date: ours.date().map(|date| date.to_timestamp()),
        subject: message.subject().map(str::to_owned),
        from: from.and_then(|from| from.address()).map(str::to_owned),
        body: STANDARD.encode(&body[..body.len().min(BODY_OCTETS)]),
    }
}

/// Runs `ringpost consume` over the whole topic.
fn consume(ringpost: &Ringpost, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command
        .args(["consume", "--until-end", "--brokers", &ringpost.kafka])
        .args(arguments);
    String::from_utf8(tools::run(&mut command, b"").stdout).unwrap()
}

#[test]
fn consume_gives_every_mail_and_its_subject() {
    let ringpost = Ringpost::start(&[]);
    let sent = send_all(&ringpost);
    let folder = tempfile::tempdir().unwrap();
    let [raw, whole] = ["raw", "whole"].map(|name| folder.path().join(name));
    let flags = ["--format", "eml", "--output"];
    consume(
        &ringpost,
        &[&flags, &[raw.to_str().unwrap(), "--raw"][..]].concat(),
    );
    consume(
        &ringpost,
        &[&flags, &[whole.to_str().unwrap()][..]].concat(),
    );
    let summary = consume(&ringpost, &["--format", "summary"]);
    let lines = consume(&ringpost, &["--format", "json"]);
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = line["headers"]["ce_id"].as_str().unwrap();
        let mail = sent
            .iter()
            .find(|mail| mail.id == id)
            .expect("one that was sent");
        let value = STANDARD.decode(line["message_base64"].as_str().unwrap());
        assert!(value.unwrap() == mail.value, "{}", mail.case.name);
        let file = |folder: &Path| std::fs::read(folder.join(format!("{id}.eml"))).unwrap();
        assert!(file(&raw) == mail.value, "{}", mail.case.name);
        let front = file(&whole);
        let front = front
            .strip_suffix(&*mail.value)
            .expect("the message is the end");
        assert!(front.starts_with(b"Return-Path: <"), "{}", mail.case.name);
        let place = format!("{}:{} ", line["partition"], line["offset"]);
        let told = summary
            .lines()
            .find(|line| line.starts_with(&place))
            .expect(&place);
        let (_, told) = told.split_once(" \u{2192} ").expect(told);
        let (_, subject) = told.split_once(' ').expect(told);
        let expected = mail.case.mail.subject.unwrap_or("-");
        assert_eq!(subject.trim_start(), expected, "{}", mail.case.name);
    }
    assert_eq!(lines.lines().count(), sent.len());
}

#[test]
fn without_trace_the_value_is_what_was_sent() {
    let ringpost = Ringpost::configured("[server]\ntrace = false\n", &[]);
    for mail in send_all(&ringpost) {
        assert_eq!(
            mail.value.escape_ascii().to_string(),
            mail.case.message.escape_ascii().to_string(),
            "{} by {}",
            mail.case.name,
            mail.way
        );
    }
}
