//! From a topic to an application, by the real binary.
//!
//! Brokers are librdkafka's mock cluster, which the test keeps while the forwarder is killed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use ringpost_proto::mail::decode::Attributes;

use super::receiver::{Post, Receiver, Reply};
use super::support::mails::stuffed;
use super::support::ringpost::{Client, Ringpost, promised};
use super::support::topic::{Received, read_topic};

type Mock = MockCluster<'static, DefaultProducerContext>;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(180);

/// What signs.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Envelopes that mails take in turn: the sender and the recipients.
const ENVELOPES: [(&str, &[&str]); 4] = [
    ("<a@client.example>", &["<b@mx.example>", "<c@mx.example>"]),
    ("<>", &["<\"b \\\"c\\\" 100%\"@mx.example>"]),
    (
        "<j\u{f6}rg@client.example> SMTPUTF8",
        &["<j\u{f6}rg@b\u{fc}cher.example>", "<b@mx.example>"],
    ),
    ("<a@client.example>", &["<b@mx.example>"]),
];

/// A cluster with the topics that are written to.
fn cluster() -> Mock {
    let mock: Mock = MockCluster::new(1).unwrap();
    mock.create_topic("mail", 4, 1).unwrap();
    mock.create_topic("refused", 1, 1).unwrap();
    mock
}

/// Puts this many mails into the topic; what it has then, by id.
fn fill(mock: &Mock, mails: usize) -> BTreeMap<String, Received> {
    let server = Ringpost::start(&["--brokers", &mock.bootstrap_servers(), "--topic", "mail"]);
    let mut client = server.client().unwrap();
    for number in 0..mails {
        let (sender, recipients) = ENVELOPES[number % ENVELOPES.len()];
        let mut say = |line: &str| client.say(line).unwrap();
        assert!(say(&format!("MAIL FROM:{sender}")).starts_with("250"));
        for recipient in recipients {
            assert!(say(&format!("RCPT TO:{recipient}")).starts_with("250"));
        }
        send(&mut client, number);
    }
    let records = read_topic(&mock.bootstrap_servers(), "mail");
    assert_eq!(records.len(), mails);
    let by_id = records
        .into_iter()
        .map(|record| (record.id().to_owned(), record));
    by_id.collect()
}

fn send(client: &mut Client, number: usize) {
    let mut message = format!("Subject: mail {number}\r\n\r\n.dot\r\n\u{fffd}").into_bytes();
    message.extend((0..number % 997).map(|at| b'a' + (at % 26) as u8));
    message.extend_from_slice(b"\xff\r\n");
    assert!(client.say("DATA").unwrap().starts_with("354"));
    client.write(&stuffed(&message)).unwrap();
    let reply = client.reply().unwrap();
    assert!(promised(&reply).is_some(), "{reply}");
}

/// A forwarder, which ends with the value.
struct Forwarder(Child);

impl Forwarder {
    fn start(mock: &Mock, to: &str, secret: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command
            .args(["forward", "--group", "app", "--to", to, "--topic", "mail"])
            .args(["--brokers", &mock.bootstrap_servers()])
            .args([
                "--property",
                "session.timeout.ms=6000",
                "--commit-every",
                "100ms",
            ])
            .arg("--secret-file")
            .arg(secret)
            .args(flags)
            // Nobody listens there: mail that took this way would not arrive.
            .envs(
                ["http_proxy", "HTTP_PROXY", "all_proxy"].map(|name| (name, "http://127.0.0.1:9")),
            )
            .env("RINGPOST_LOG_MESSAGES", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self(command.spawn().expect("the binary starts"))
    }

    /// Waits for its end; its exit code and what it said.
    async fn end(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "the forwarder does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn secret() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SECRET).unwrap();
    file
}

/// The mail of a post is that of its record, byte for byte, with its envelope.
fn assert_same(post: &Post, record: &Received) {
    assert!(post.body == record.value, "{}", record.id());
    let decoded = |name: &str| {
        let value = percent_encoding::percent_decode_str(post.field(name));
        value.decode_utf8().unwrap().into_owned()
    };
    let names = [
        "id",
        "source",
        "type",
        "time",
        "smtpfrom",
        "smtpto",
        "smtphelo",
        "smtpclient",
        "smtpsize",
    ];
    for name in names {
        let expected = record.header(&format!("ce_{name}"));
        assert_eq!(decoded(&format!("ce-{name}")), expected, "{name}");
    }
    assert_eq!(post.field("content-type"), record.header("content-type"));
}

#[tokio::test]
async fn each_mail_arrives_through_kills_and_an_outage_of_the_brokers() {
    let mails = 400;
    let mock = cluster();
    let mut open = fill(&mock, mails);
    let (receiver, secret) = (Receiver::start(Reply::status(204)).await, secret());
    let start = || Forwarder::start(&mock, &receiver.url, secret.path(), &["--concurrency", "4"]);
    let mut forwarder = start();
    let (mut repeats, mut kills) = (0, 0);
    let mut arrived: BTreeMap<String, Received> = BTreeMap::new();
    while !open.is_empty() {
        let post = tokio::time::timeout(PATIENCE, receiver.next()).await;
        let post = post.expect("a post comes");
        let id = post.field("ce-id").to_owned();
        match open.remove(&id) {
            Some(record) => {
                assert_same(&post, &record);
                arrived.insert(id, record);
            }
            None => {
                assert_same(&post, &arrived[&id]);
                repeats += 1;
            }
        }
        if kills < 3 && arrived.len() >= (kills + 1) * mails / 5 {
            kills += 1;
            // SIGKILL.
            drop(forwarder);
            if kills == 2 {
                mock.broker_down(1).unwrap();
            }
            forwarder = start();
            if kills == 2 {
                mock.broker_up(1).unwrap();
            }
        }
    }
    assert_eq!((arrived.len(), kills), (mails, 3));
    drop(forwarder);
    // What was not committed comes once more, and then nothing.
    let last = || Forwarder::start(&mock, &receiver.url, secret.path(), &["--until-end"]);
    let (code, said) = last().end().await;
    assert_eq!(code, Some(0), "{said}");
    while let Some(post) = receiver.waiting().await {
        assert_same(&post, &arrived[post.field("ce-id")]);
        repeats += 1;
    }
    let (code, said) = last().end().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(receiver.waiting().await.is_none(), "all is committed");
    println!("{mails} mails, {repeats} repeats");
}

#[tokio::test]
async fn an_application_that_is_away_for_a_while_gets_all_mail_afterwards() {
    let mock = cluster();
    let mut open = fill(&mock, 20);
    let away = Reply::status(503).with_field("retry-after", "1");
    let (receiver, secret) = (Receiver::start(away).await, secret());
    let forwarder = Forwarder::start(&mock, &receiver.url, secret.path(), &["--until-end"]);
    // More than one attempt, all of which fail.
    for _ in 0..25 {
        let post = tokio::time::timeout(PATIENCE, receiver.next()).await;
        assert!(open.contains_key(post.expect("a post comes").field("ce-id")));
    }
    receiver.answer(Reply::status(200));
    let (code, said) = forwarder.end().await;
    assert_eq!(code, Some(0), "{said}");
    while let Some(post) = receiver.waiting().await {
        if let Some(record) = open.remove(post.field("ce-id")) {
            assert_same(&post, &record);
        }
    }
    assert_eq!(open.len(), 0);
    assert_eq!(read_topic(&mock.bootstrap_servers(), "refused").len(), 0);
}

#[tokio::test]
async fn what_an_application_refuses_is_in_the_dead_letter_topic() {
    let mock = cluster();
    let mut open = fill(&mock, 20);
    let refusal = Reply::status(400).with_body("no\r\nsuch list");
    let (receiver, secret) = (Receiver::start(refusal).await, secret());
    let flags = ["--until-end", "--dead-letter", "refused"];
    let forwarder = Forwarder::start(&mock, &receiver.url, secret.path(), &flags);
    let (code, said) = forwarder.end().await;
    assert_eq!(code, Some(0), "{said}");
    for letter in read_topic(&mock.bootstrap_servers(), "refused") {
        let record = open.remove(letter.id()).expect("each is there once");
        assert!(letter.value == record.value);
        let Attributes {
            mail_from, rcpt_to, ..
        } = letter.attributes();
        assert_eq!(mail_from, record.attributes().mail_from);
        assert_eq!(rcpt_to, record.attributes().rcpt_to);
        let error = letter.header("ce_forwarderror");
        assert_eq!(error, "400 Bad Request: no such list");
    }
    assert_eq!(open.len(), 0);
}

#[tokio::test]
async fn without_a_dead_letter_topic_a_refusal_ends_the_forwarder() {
    let mock = cluster();
    fill(&mock, 1);
    let (receiver, secret) = (Receiver::start(Reply::status(404)).await, secret());
    let url = format!("{}/in?key=hunter2", receiver.url);
    let forwarder = Forwarder::start(&mock, &url, secret.path(), &["--until-end"]);
    let (code, said) = forwarder.end().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("404") && said.contains("/in"), "{said}");
    assert!(
        !said.contains("hunter2") && !said.contains("MfKQ"),
        "{said}"
    );
}

#[tokio::test]
async fn a_mistake_of_the_operator_is_one_error_without_a_secret() {
    let mock = cluster();
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "hunter2").unwrap();
    let path = wrong.path().to_str().unwrap();
    let right = secret();
    for (to, secret, flags, words) in [
        (
            "https://u:hunter2@app.example/",
            right.path(),
            &[][..],
            "--header-file",
        ),
        ("https://app.example/#hunter2", right.path(), &[], "%23"),
        (
            "https://app.example/",
            wrong.path(),
            &[],
            "does not begin with whsec_",
        ),
        (
            "https://app.example/",
            right.path(),
            &["--header-file", path],
            "line 1",
        ),
        (
            "https://app.example/",
            right.path(),
            &["--tls-ca", path],
            "no certificate",
        ),
    ] {
        let (code, said) = Forwarder::start(&mock, to, secret, flags).end().await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
    }
}
