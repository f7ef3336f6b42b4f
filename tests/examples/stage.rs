//! The topic that every example reads: mails through a real ringpost, and records that a consumer has to expect beside them.
//!
//! Owns: the mails, what every example has to print of them, and how far a group is. Must not know: the examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::json;
use tempfile::TempDir;

use super::support::kafka::{self, Cluster};
use super::support::ringpost::{Client, Ringpost, promised};
use super::support::topic::{Received, read_topic};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);
const TOPIC: &str = "mail";
const PARTITIONS: i32 = 2;

/// What the examples read, and what they have to make of it.
pub struct Stage {
    /// The brokers.
    pub brokers: String,
    /// The line of each mail.
    pub facts: Vec<String>,
    /// Mails per domain and minute.
    pub counts: BTreeMap<(String, String), u64>,
    /// Records that are to be passed over.
    pub not_mails: usize,
    /// Where the message is that no example can read.
    pub elsewhere: &'static str,
    /// The end of each partition.
    ends: Vec<i64>,
    /// The objects of large mails.
    _objects: TempDir,
}

/// A mail to send, and its line.
struct Mail {
    sender: &'static str,
    recipients: Vec<&'static str>,
    parameters: &'static str,
    message: Vec<u8>,
    line: String,
}

/// The topic, filled once for all tests; none where Kafka cannot run.
pub fn stage() -> Option<&'static Stage> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    static STAGE: OnceLock<Stage> = OnceLock::new();
    let cluster = kafka::shared_or_skip(&CLUSTER, "")?;
    Some(STAGE.get_or_init(|| Stage::fill(cluster)))
}

impl Stage {
    fn fill(cluster: &Cluster) -> Self {
        cluster.create_topic(TOPIC, PARTITIONS, 1, &[("max.message.bytes", "4194304")]);
        let objects = tempfile::tempdir().unwrap();
        let brokers = cluster.bootstrap();
        let mails = mails();
        let ringpost = start(&brokers, objects.path());
        for mail in &mails {
            deliver(&ringpost.smtp, mail);
        }
        drop(ringpost);
        let records = read_topic(&brokers, TOPIC);
        assert_eq!(records.len(), mails.len());
        let objects_used = records.iter().filter(|record| is_claim_check(record));
        assert_eq!(objects_used.count(), 1, "the largest mail is an object");
        let mut facts: Vec<String> = mails.into_iter().map(|mail| mail.line).collect();
        let mut counts = counts(&records);
        let elsewhere = "s3://bucket/mail/X.eml";
        let others = [
            other("future", Some("future"), None),
            other("elsewhere", Some("elsewhere"), Some(elsewhere)),
            other("silent", None, None),
        ];
        for other in &others {
            facts.push(other.line.clone());
            let minute = "2026-11-28T03:12:00Z".to_owned();
            counts.insert((other.domain.clone(), minute), 1);
        }
        let not_mails = produce(&brokers, &others);
        Self {
            ends: ends(&brokers),
            brokers,
            facts,
            counts,
            not_mails,
            elsewhere,
            _objects: objects,
        }
    }

    /// Whether the group of an example has committed all of the topic.
    pub fn is_committed(&self, group: &str) -> bool {
        let consumer = consumer(&self.brokers, group);
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition(TOPIC, partition);
        }
        let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
        let committed = committed.elements();
        let mut pairs = committed.iter().zip(&self.ends);
        pairs.all(|(partition, &end)| end == 0 || partition.offset() == Offset::Offset(end))
    }
}

fn consumer(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()
        .unwrap()
}

fn ends(brokers: &str) -> Vec<i64> {
    let consumer = consumer(brokers, "ends");
    let end = |partition| consumer.fetch_watermarks(TOPIC, partition, PATIENCE);
    (0..PARTITIONS)
        .map(|partition| end(partition).unwrap().1)
        .collect()
}

/// A server that keeps what is larger than the topic takes as an object.
fn start(brokers: &str, objects: &Path) -> Ringpost {
    let text = format!(
        "[server]\nworkers = 1\n[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{TOPIC}\"\n\
         [objects]\nurl = \"file://{}\"\n",
        objects.display()
    );
    Ringpost::configured(&text, &[])
}

/// Sends a mail until it is stored: a topic that was created just now has no leader at first.
fn deliver(smtp: &str, mail: &Mail) {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = send(smtp, mail);
        if promised(&reply).is_some() {
            return;
        }
        assert!(
            reply.starts_with("451") && Instant::now() < end,
            "not stored: {reply}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The final reply to a mail.
fn send(smtp: &str, mail: &Mail) -> String {
    let mut client = Client::connect(smtp).unwrap();
    let mut say = |line: String, code: &str| {
        let reply = client.say(&line).unwrap();
        assert!(reply.starts_with(code), "{line:?}: {reply}");
    };
    say("EHLO client.example".to_owned(), "250");
    say(
        format!("MAIL FROM:<{}>{}", mail.sender, mail.parameters),
        "250",
    );
    for recipient in &mail.recipients {
        say(format!("RCPT TO:<{recipient}>"), "250");
    }
    let size = mail.message.len();
    client
        .write(format!("BDAT {size} LAST\r\n").as_bytes())
        .unwrap();
    client.write(&mail.message).unwrap();
    client.reply().unwrap()
}

/// A message with one attachment: a header section, and the fields that name the attachment.
fn message(head: &str, attachment: &str, content: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "From: a@client.example\r\n{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee the attachment.\r\n\
         --b\r\n{attachment}Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let encoded = STANDARD.encode(content);
    for line in encoded.as_bytes().chunks(76) {
        text += std::str::from_utf8(line).expect("base64 is ASCII");
        text += "\r\n";
    }
    text += "--b--\r\n";
    text.into_bytes()
}

fn line(mail: (&str, &[&str], Option<&str>), attachments: serde_json::Value) -> String {
    let (sender, recipients, subject) = mail;
    json!({"sender": sender, "recipients": recipients, "subject": subject, "attachments": attachments}).to_string()
}

fn mails() -> Vec<Mail> {
    vec![bounce(), in_utf8(), large()]
}

/// No sender, three recipients of which one is in UTF-8, and 2 MiB; its texts are in ASCII as MIME encodes them.
fn bounce() -> Mail {
    let recipients = [
        "joe@one.example",
        "j\u{f6}rg@b\u{fc}cher.example",
        "Ann.Lee@ONE.example",
    ];
    let size = 2 << 20;
    let content: Vec<u8> = (0..size).map(|at: u32| (at / 3) as u8).collect();
    let attached =
        json!([{"name": "\u{dc}bersicht 2026.pdf", "type": "application/pdf", "size": size}]);
    Mail {
        sender: "",
        parameters: " SMTPUTF8",
        message: message(
            "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?4pyT?= and more\r\n",
            "Content-Type: application/pdf\r\n\
             Content-Disposition: attachment;\r\n filename*=UTF-8''%C3%9Cbersicht%202026.pdf\r\n",
            &content,
        ),
        line: line(
            ("", &recipients, Some("Gr\u{fc}\u{df}e\u{2713} and more")),
            attached,
        ),
        recipients: recipients.to_vec(),
    }
}

/// UTF-8 in every place that SMTPUTF8 allows.
fn in_utf8() -> Mail {
    let recipients = ["s\u{f8}ren@example.org"];
    let sender = "j\u{f6}rg@b\u{fc}cher.example";
    let attached = json!([{"name": "\u{7f6e}.bin", "type": "application/octet-stream", "size": 6}]);
    Mail {
        sender,
        parameters: " SMTPUTF8 BODY=8BITMIME",
        message: message(
            "Subject: Gr\u{fc}\u{df}e \u{2713}\r\n",
            "Content-Type: application/octet-stream\r\n\
             Content-Disposition: attachment; filename=\"\u{7f6e}.bin\"\r\n",
            b"\0\r\n\xff.\n",
        ),
        line: line(
            (sender, &recipients, Some("Gr\u{fc}\u{df}e \u{2713}")),
            attached,
        ),
        recipients: recipients.to_vec(),
    }
}

/// More than the topic takes, so that its message is an object.
fn large() -> Mail {
    let recipients = ["joe@one.example"];
    let size = 4 << 20;
    let attached = json!([{"name": "large.bin", "type": "application/octet-stream", "size": size}]);
    Mail {
        sender: "ann@client.example",
        parameters: "",
        message: message(
            "Subject: large\r\n",
            "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=large.bin\r\n",
            &vec![0x5a; size],
        ),
        line: line(("ann@client.example", &recipients, Some("large")), attached),
        recipients: recipients.to_vec(),
    }
}

fn is_claim_check(record: &Received) -> bool {
    record.attributes().dataref.is_some()
}

/// How many mails each domain has in each minute.
fn counts(records: &[Received]) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for record in records {
        let time = record.header("ce_time");
        let minute = format!("{}:00Z", &time[.."2026-11-28T03:12".len()]);
        let recipients = record.recipients();
        let domains: BTreeSet<String> = recipients
            .iter()
            .map(|recipient| recipient.rsplit_once('@').expect("a mailbox").1)
            .map(|domain| {
                domain
                    .to_lowercase()
                    .replace("b\u{fc}cher", "xn--bcher-kva")
            })
            .collect();
        for domain in domains {
            *counts.entry((domain, minute.clone())).or_default() += 1;
        }
    }
    counts
}

/// A mail that this file writes into the topic by itself.
struct Other {
    headers: Vec<(&'static str, String)>,
    value: String,
    domain: String,
    line: String,
}

/// With an attribute of a later version, with a message that is elsewhere, or without a subject.
fn other(name: &str, subject: Option<&str>, elsewhere: Option<&str>) -> Other {
    let domain = format!("{name}.example");
    let recipient = format!("joe@{domain}");
    let field = subject.map_or_else(String::new, |subject| format!("Subject: {subject}\r\n"));
    let value = format!("From: ann@client.example\r\n{field}\r\n");
    let mut headers = vec![
        ("content-type", "message/rfc822".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("01M8G26T9MWMDJH9X80000000T.{name}")),
        ("ce_source", "//mx.example".to_owned()),
        ("ce_type", ringpost_proto::mail::record::CE_TYPE.to_owned()),
        ("ce_time", "2026-11-28T03:12:01.123Z".to_owned()),
        ("ce_smtpfrom", "ann@client.example".to_owned()),
        ("ce_smtpto", format!("[\"{recipient}\"]")),
        ("ce_smtpsize", value.len().to_string()),
        ("ce_smtpfuture", "1".to_owned()),
    ];
    headers.extend(elsewhere.map(|url| ("ce_dataref", url.to_owned())));
    Other {
        headers,
        value,
        line: line(("ann@client.example", &[&recipient], subject), json!([])),
        domain,
    }
}

/// Writes these mails, a record without a value and one of another program; how many of them are no mails.
fn produce(brokers: &str, others: &[Other]) -> usize {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let send = |headers: &[(&str, String)], value: Option<&str>| {
        let mut owned = OwnedHeaders::new();
        for (key, value) in headers {
            let value = Some(value.as_str());
            owned = owned.insert(Header { key, value });
        }
        let mut record = BaseRecord::<(), str>::to(TOPIC).headers(owned);
        record.payload = value;
        producer.send(record).expect("a record in the queue");
    };
    for other in others {
        send(&other.headers, Some(&other.value));
    }
    send(&others[0].headers, None);
    send(&[], Some("{\"order\":4711}"));
    producer.flush(PATIENCE).expect("all records are written");
    2
}
