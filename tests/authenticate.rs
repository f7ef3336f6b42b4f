//! `ringpost authenticate` as a process against real Apache Kafka and a DNS resolver of the test's own: what is written, what waits
//! while the resolver is away, and that a kill loses nothing.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ring::digest::{SHA256, digest};
use ringpost::authenticate::dns::{Answer, Kind, Question};
use ringpost::authenticate::resolver::{Resolver, Settings};
use support::forwarder::wait_until;
use support::kafka::{self, Cluster};
use support::names::Names;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);
const HOST: &str = "mx.example";
const PARTITIONS: i32 = 2;

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, "")
}

/// A time stamp that is not that of writing, and that no retention is over for.
fn an_hour_ago() -> i64 {
    static TIME: LazyLock<i64> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap() - 3_600_000
    });
    *TIME
}

/// A record as it is written to the first topic, or was read from the second.
#[derive(Debug, Clone, Default)]
struct Record {
    key: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Vec<(String, String)>,
    value: Vec<u8>,
}

impl Record {
    /// A mail of ringpost's with a trace field in front.
    fn mail(id: &str, client: &str, sender: &str, message: &str) -> Self {
        let message = message.replace('\n', "\r\n");
        let headers = [
            ("content-type", "message/rfc822"),
            ("ce_specversion", "1.0"),
            ("ce_id", id),
            ("ce_type", "io.ringpost.mail.received.v1"),
            ("ce_smtpfrom", sender),
            ("ce_smtphelo", "mail.good.example"),
            ("ce_smtpclient", client),
            ("ce_smtpsize", &message.len().to_string()),
        ];
        Self {
            key: Some(id.as_bytes().to_vec()),
            timestamp: Some(an_hour_ago()),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            value: format!("Received: from x\r\n\tby {HOST}; date\r\n{message}").into_bytes(),
        }
    }

    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map_or("", |(_, value)| value);
        assert!(found.next().is_none(), "{name} is there once");
        value
    }

    fn words(&self) -> [&str; 5] {
        [
            "ce_authspf",
            "ce_authdkim",
            "ce_authdmarc",
            "ce_autharc",
            "ce_authiprev",
        ]
        .map(|name| self.header(name))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

fn produce(brokers: &str, topic: &str, records: &[Record]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("message.max.bytes", "10000000")
        .create()
        .unwrap();
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut sent = BaseRecord::<[u8], [u8]>::to(topic)
            .payload(&record.value)
            .headers(headers);
        if let Some(key) = &record.key {
            sent = sent.key(key);
        }
        if let Some(timestamp) = record.timestamp {
            sent = sent.timestamp(timestamp);
        }
        producer.send(sent).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Everything that the topic holds up to its ends now, by `ce_id`; repeats in a list.
fn read(brokers: &str, topic: &str) -> BTreeMap<String, Vec<Record>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader-of-the-test")
        .set("fetch.message.max.bytes", "10000000")
        .create()
        .unwrap();
    let mut assigned = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..PARTITIONS {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition, PATIENCE)
            .unwrap();
        left += high - low;
        assigned
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assigned).unwrap();
    let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    while left > 0 {
        let Some(message) = consumer.poll(PATIENCE) else {
            panic!("{left} records of {topic} do not come");
        };
        let message = message.unwrap();
        let headers = message.headers().unwrap().iter();
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        let record = Record {
            key: message.key().map(<[u8]>::to_vec),
            timestamp: message.timestamp().to_millis(),
            headers: headers
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
            value: message.payload().unwrap().to_vec(),
        };
        records
            .entry(record.header("ce_id").to_owned())
            .or_default()
            .push(record);
        left -= 1;
    }
    records
}

/// A process that ends with the test, and the lines that it says.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(brokers: &str, topic: &str, names: &Names, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([
                "authenticate",
                "--brokers",
                brokers,
                "--topic",
                topic,
                "--group",
                topic,
            ])
            .args([
                "--to-topic",
                &format!("{topic}-checked"),
                "--hostname",
                HOST,
            ])
            .args(["--resolver", &names.address().to_string()])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let error = Box::new(child.stderr.take().unwrap());
        for stream in [out, error] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    fn wait_for(&mut self, part: &str) -> String {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
        panic!("{part:?} was not said, but {:?}", self.said);
    }

    /// Waits for its end: the exit code, and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        let status = self.child.wait().unwrap();
        (status.code(), self.said.join("\n"))
    }
}

fn topics(cluster: &Cluster, topic: &str, settings: &[(&str, &str)]) {
    cluster.create_topic(topic, PARTITIONS, 1, settings);
    cluster.create_topic(&format!("{topic}-checked"), PARTITIONS, 1, settings);
}

/// The key of RFC 8463 appendix A.
const BRISBANE: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// The message of RFC 8463 appendix A, with its signature by that key.
const SIGNED: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

fn names() -> Names {
    let names = Names::start();
    names
        .txt("good.example", "v=spf1 mx -all")
        .mx("good.example", "mail.good.example")
        .a("mail.good.example", [192, 0, 2, 1])
        .ptr("1.2.0.192.in-addr.arpa", "mail.good.example")
        .txt("_dmarc.good.example", "v=DMARC1; p=reject")
        .txt("brisbane._domainkey.football.example.com", BRISBANE)
        .txt("_dmarc.example.com", "v=DMARC1; p=quarantine")
        .broken("broken.example");
    names
}

/// A mail that nobody signed.
const PLAIN: &str = "From: a@good.example\nSubject: x\n\nbody\n";

/// A mail with fields in our name and one of another host.
fn forged() -> String {
    format!(
        "Authentication-Results: {HOST}; spf=pass smtp.mailfrom=bank.example\nauthentication-results : MX.Example 1;\n dkim=pass\n\
         Authentication-Results: other.example; none\n{PLAIN}"
    )
}

/// A record of a large message, whose object in this folder holds the whole of it, and one whose object is lost.
fn large(folder: &Path) -> (Record, Record) {
    let path = folder.join("large.eml");
    let mut large = Record::mail("large", "192.0.2.1:25", "a@good.example", SIGNED);
    std::fs::write(&path, &large.value).unwrap();
    let hash = digest(&SHA256, &large.value);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let object = format!("file://{}", path.display());
    large.headers.push(("ce_dataref".to_owned(), object));
    large.headers.push(("ce_smtpsha256".to_owned(), hash));
    let section = large.text().find("\r\n\r\n").unwrap() + 4;
    large.value.truncate(section);
    let mut lost = large.clone();
    lost.key = Some(b"lost".to_vec());
    for (name, value) in &mut lost.headers {
        match name.as_str() {
            "ce_id" => "lost".clone_into(value),
            "ce_dataref" => *value = value.replace("large.eml", "lost.eml"),
            _ => {}
        }
    }
    (large, lost)
}

/// Mails of every kind, and a record that is none.
fn mails(large: Record, lost: Record) -> Vec<Record> {
    let changed = SIGNED.replace("hungry", "thirsty");
    let mut foreign = Record::mail("foreign", "192.0.2.1:25", "a@good.example", PLAIN);
    foreign.headers.retain(|(name, _)| name != "ce_smtpclient");
    let broken = "From: a@broken.example\n\n";
    vec![
        Record::mail("good", "192.0.2.1:25", "a@good.example", PLAIN),
        Record::mail("other", "[2001:db8::1]:25", "a@good.example", PLAIN),
        Record::mail("signed", "192.0.2.9:25", "", SIGNED),
        Record::mail("changed", "192.0.2.9:25", "", &changed),
        Record::mail("forged", "192.0.2.9:25", "a@good.example", &forged()),
        Record::mail("broken", "192.0.2.1:25", "a@broken.example", broken),
        foreign,
        large,
        lost,
    ]
}

#[test]
fn each_mail_is_written_with_its_verdicts() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic, names) = (cluster.bootstrap(), "verdicts", names());
    topics(cluster, topic, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (large, lost) = large(folder.path());
    produce(&brokers, topic, &mails(large.clone(), lost));
    let run = Running::start(
        &brokers,
        topic,
        &names,
        &["--until-end", "--patience", "0s"],
    );
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 record passed over"), "{said}");
    let stopped = said.lines().find(|line| line.contains(" INFO stopped "));
    let stopped = stopped.unwrap_or_else(|| panic!("{said}"));
    assert!(
        stopped.contains(" reason=\"end of the topic\" exit_code=0 "),
        "{stopped}"
    );
    assert!(stopped.ends_with(" mails=8 passed_over=1"), "{stopped}");
    assert!(
        said.contains("does not exist; its signatures are not verified"),
        "{said}"
    );
    let written = read(&brokers, &format!("{topic}-checked"));
    let one = |id: &str| {
        let records = &written[id];
        assert_eq!(records.len(), 1, "{id}");
        records[0].clone()
    };
    assert_eq!(written.len(), 8, "{:?}", written.keys());
    for (id, words) in [
        ("good", ["pass", "none", "pass", "none", "pass"]),
        ("other", ["fail", "none", "fail", "none", "permerror"]),
        ("signed", ["none", "pass", "pass", "none", "permerror"]),
        ("changed", ["none", "fail", "fail", "none", "permerror"]),
        ("forged", ["fail", "none", "fail", "none", "permerror"]),
        ("broken", ["temperror", "none", "none", "none", "pass"]),
        ("large", ["pass", "pass", "pass", "none", "pass"]),
        ("lost", ["pass", "temperror", "temperror", "none", "pass"]),
    ] {
        let record = one(id);
        assert_eq!(record.words(), words, "{id}: {}", record.text());
        assert_eq!(record.key.as_deref(), Some(id.as_bytes()));
        assert_eq!(record.timestamp, Some(an_hour_ago()));
        assert_eq!(record.header("ce_type"), "io.ringpost.mail.received.v1");
        assert!(
            record
                .text()
                .starts_with(&format!("Authentication-Results: {HOST};\r\n\tspf=")),
            "{id}"
        );
    }
    the_rest_is_as_it_was(&one("good"), &one("forged"), &one("large"), &large);
}

/// Message, size and object of a record, beside its field on top.
fn the_rest_is_as_it_was(good: &Record, forged: &Record, large: &Record, before: &Record) {
    let plain = PLAIN.replace('\n', "\r\n");
    let tail = |record: &Record| {
        let size: usize = record.header("ce_smtpsize").parse().unwrap();
        String::from_utf8(record.value[record.value.len() - size..].to_vec()).unwrap()
    };
    assert_eq!(tail(good), plain);
    assert_eq!(
        tail(forged),
        format!(
            "X-Untrusted-Authentication-Results: {HOST}; spf=pass smtp.mailfrom=bank.example\r\nX-Untrusted-authentication-results : \
             MX.Example 1;\r\n dkim=pass\r\nAuthentication-Results: other.example; none\r\n{plain}"
        )
    );
    for name in ["ce_dataref", "ce_smtpsha256", "ce_smtpsize"] {
        assert_eq!(large.header(name), before.header(name));
    }
    assert!(large.value.ends_with(&before.value));
}

#[test]
fn a_resolver_that_is_away_delays_and_never_decides() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic, names) = (cluster.bootstrap(), "delay", names());
    topics(cluster, topic, &[]);
    names.silence(true);
    produce(
        &brokers,
        topic,
        &[Record::mail(
            "one",
            "192.0.2.1:25",
            "a@good.example",
            "From: a@good.example\n\n",
        )],
    );
    let flags = ["--patience", "0s", "--until-end", "--admin", "127.0.0.1:0"];
    let mut run = Running::start(&brokers, topic, &names, &flags);
    let ready = run.wait_for("ready to-topic=");
    let start = format!(
        "ready to-topic={topic}-checked kafka={brokers} topic={topic} group={topic} admin=127.0.0.1:"
    );
    assert!(ready.starts_with(&start), "{ready}");
    let (_, address) = ready.split_once("admin=").unwrap();
    run.wait_for("the DNS resolver does not answer");
    assert!(get(address, "/readyz").contains("the DNS resolver does not answer"));
    assert!(get(address, "/metrics").contains("ringpost_authenticate_resolver_down 1"));
    wait_until("the mail that waits counts", || {
        get(address, "/metrics").contains("\nringpost_pipeline_lag_records 1\n")
    });
    assert!(read(&brokers, &format!("{topic}-checked")).is_empty());
    names.silence(false);
    run.wait_for("the DNS resolver answers again");
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    let written = read(&brokers, &format!("{topic}-checked"));
    assert_eq!(
        written["one"][0].words(),
        ["pass", "none", "pass", "none", "pass"]
    );
}

/// The answer of an HTTP server.
fn get(address: &str, path: &str) -> String {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_stop_is_logged_as_json_where_the_configuration_says_so() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic, names) = (cluster.bootstrap(), "stopped", names());
    topics(cluster, topic, &[]);
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[log]\nformat = \"json\"\n").unwrap();
    let flags = ["--config", config.path().to_str().unwrap()];
    let mail = Record::mail("one", "192.0.2.1:25", "a@good.example", PLAIN);
    produce(&brokers, topic, &[mail]);
    let mut run = Running::start(&brokers, topic, &names, &flags);
    run.wait_for("ready to-topic=");
    let deadline = Instant::now() + PATIENCE;
    while read(&brokers, &format!("{topic}-checked")).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", run.said);
        std::thread::sleep(LOOK);
    }
    support::tools::signal(run.child.id(), "TERM");
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    let lines = said.lines().filter(|line| !line.starts_with("ready "));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let stopping = lines[lines.len() - 2]["message"].as_str().unwrap();
    assert!(stopping.starts_with("stopping, SIGTERM: "), "{stopping}");
    let last = &lines[lines.len() - 1];
    assert_eq!(last["message"], "stopped");
    assert_eq!(last["mails"], 1);
    assert_eq!(last["passed_over"], 0);
    assert_eq!(last["level"], "INFO");
}

#[test]
fn kills_lose_nothing() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic, names) = (cluster.bootstrap(), "kills", names());
    topics(cluster, topic, &[]);
    const MAILS: usize = 3_000;
    let message = "From: a@good.example\nSubject: x\n\nbody\n";
    let mail = |number: usize| {
        Record::mail(
            &format!("{number}"),
            "192.0.2.1:25",
            "a@good.example",
            message,
        )
    };
    let mails: Vec<Record> = (0..MAILS).map(mail).collect();
    produce(&brokers, topic, &mails);
    let checked = format!("{topic}-checked");
    let count = || {
        read(&brokers, &checked)
            .values()
            .map(Vec::len)
            .sum::<usize>()
    };
    // Each is killed once it has written some, which not all are committed.
    for _ in 0..3 {
        let before = count();
        let run = Running::start(
            &brokers,
            topic,
            &names,
            &["--property", "session.timeout.ms=6000"],
        );
        let deadline = Instant::now() + PATIENCE;
        while count() < (before + 300).min(MAILS) {
            assert!(Instant::now() < deadline, "{:?}", run.said);
            std::thread::sleep(LOOK);
        }
        drop(run);
    }
    let run = Running::start(&brokers, topic, &names, &["--until-end"]);
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    let written = read(&brokers, &checked);
    assert_eq!(written.len(), MAILS);
    for records in written.values().flatten() {
        assert_eq!(records.words(), ["pass", "none", "pass", "none", "pass"]);
    }
}

#[test]
fn a_record_that_is_too_large_stops_it_and_is_not_lost() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic, names) = (cluster.bootstrap(), "large", names());
    topics(cluster, topic, &[("max.message.bytes", "20000")]);
    let filler = "x".repeat(70) + "\n";
    let message = format!("From: a@good.example\n\n{}", filler.repeat(270));
    produce(
        &brokers,
        topic,
        &[Record::mail(
            "one",
            "192.0.2.1:25",
            "a@good.example",
            &message,
        )],
    );
    let (code, said) = Running::start(&brokers, topic, &names, &["--until-end"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("does not take a record of this size") && said.contains("offset 0"),
        "{said}"
    );
    cluster.set_config(&format!("{topic}-checked"), "max.message.bytes", "90000");
    let (code, said) = Running::start(&brokers, topic, &names, &["--until-end"]).end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(read(&brokers, &format!("{topic}-checked")).len(), 1);
}

#[test]
fn a_resolver_that_is_away_is_noticed_while_its_first_question_is_open() {
    fn quiet(_line: &str) {}
    let (names, down) = (names(), Arc::new(AtomicBool::new(false)));
    let settings = Settings {
        servers: vec![names.address()],
        patience: Duration::ZERO,
        // The question does not end within the test.
        timeout: PATIENCE * 10,
        down: Arc::clone(&down),
        say: quiet,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    names.silence(true);
    runtime.block_on(async {
        let resolver = Resolver::new(&settings, Arc::default()).unwrap();
        let question = Question::new("mail.good.example", Kind::A).unwrap();
        let noticed = async {
            while !down.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            answer = resolver.ask(&question) => panic!("{answer:?} of a resolver that is away"),
            () = noticed => {}
            () = tokio::time::sleep(PATIENCE) => panic!("it was not noticed"),
        }
    });
}

#[test]
fn answers_are_kept_while_they_are_valid_and_broken_names_do_not_block() {
    fn quiet(_line: &str) {}
    let names = names();
    let large = "x".repeat(3_000);
    names.txt("large.example", &large);
    let settings = Settings {
        servers: vec![names.address()],
        patience: Duration::ZERO,
        timeout: Duration::from_secs(10),
        down: Arc::default(),
        say: quiet,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let resolver = Resolver::new(&settings, Arc::default()).unwrap();
        let question = |name: &str, kind| Question::new(name, kind).unwrap();
        let ask =
            async |name: &str, kind| resolver.ask(&question(name, kind)).await.as_ref().clone();
        for (name, kind, answer) in [
            (
                "mail.good.example",
                Kind::A,
                Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]),
            ),
            (
                "MAIL.good.example",
                Kind::A,
                Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]),
            ),
            (
                "good.example",
                Kind::Mx,
                Answer::Mx(vec![(10, "mail.good.example".to_owned())]),
            ),
            (
                "1.2.0.192.in-addr.arpa",
                Kind::Ptr,
                Answer::Names(vec!["mail.good.example".to_owned()]),
            ),
            // Comes by TCP.
            (
                "large.example",
                Kind::Txt,
                Answer::Txt(vec![large.clone().into_bytes()]),
            ),
            ("mail.good.example", Kind::Txt, Answer::Empty),
            ("none.example", Kind::A, Answer::NoName),
            ("broken.example", Kind::A, Answer::Trouble),
        ] {
            assert_eq!(ask(name, kind).await, answer, "{name}");
            let asked = names.asked();
            assert_eq!(ask(name, kind).await, answer, "{name}");
            assert_eq!(names.asked(), asked, "{name} is known");
        }
        // Many at a time are one question.
        let (before, name) = (names.asked(), "many.example");
        let many = (0..50).map(|_| resolver.ask(Box::leak(Box::new(question(name, Kind::A)))));
        let many: Vec<_> = many.map(Box::pin).collect();
        for answer in many {
            assert_eq!(*answer.await, Answer::NoName);
        }
        assert_eq!(names.asked(), before + 1);
    });
}
