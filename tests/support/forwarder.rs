//! `ringpost forward` as a process, and the records that it is given.
//!
//! Owns: records as ringpost writes them, and the process's life. Must not know: receivers.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// A record to produce.
#[derive(Clone)]
pub struct Record {
    /// Its key.
    pub key: Option<String>,
    /// Its partition.
    pub partition: i32,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its value.
    pub value: Vec<u8>,
}

/// The record of a mail, as ringpost writes it.
pub fn mail(id: &str, from: &str, to: &[&str], message: &[u8]) -> Record {
    let to = serde_json::to_string(to).unwrap();
    Record {
        key: None,
        partition: 0,
        headers: vec![
            ("content-type", "message/rfc822".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", id.to_owned()),
            ("ce_source", "//mx.example".to_owned()),
            ("ce_type", "io.ringpost.mail.received.v1".to_owned()),
            ("ce_time", "2026-11-28T12:00:00.000Z".to_owned()),
            ("ce_smtpfrom", from.to_owned()),
            ("ce_smtpto", to),
            ("ce_smtpsize", message.len().to_string()),
        ],
        value: message.to_vec(),
    }
}

/// Writes records.
pub fn produce(brokers: &str, topic: &str, records: impl IntoIterator<Item = Record>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
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
        let mut sent = BaseRecord::<str, [u8]>::to(topic)
            .partition(record.partition)
            .payload(&record.value)
            .headers(headers);
        if let Some(key) = &record.key {
            sent = sent.key(key.as_str());
        }
        while let Err((_, back)) = producer.send(sent) {
            producer.poll(LOOK);
            sent = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}

/// The sum of a group's offsets in these partitions.
pub fn committed(brokers: &str, topic: &str, group: &str, partitions: i32) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partitions - 1);
    let offsets = consumer.committed_offsets(asked, PATIENCE).unwrap();
    let elements = offsets.elements();
    let offsets = elements.iter().map(|element| match element.offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    });
    offsets.sum()
}

/// A running forwarder.
pub struct Forwarder {
    /// Its process.
    pub child: Child,
    /// Where its pages are, if there are any.
    pub admin: String,
}

/// What a run came to.
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard error.
    pub said: String,
}

fn command(brokers: &str, topic: &str, to: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command
        .args([
            "forward",
            "--brokers",
            brokers,
            "--topic",
            topic,
            "--to",
            to,
        ])
        .args(flags);
    if !flags.contains(&"--group") {
        command.args(["--group", &format!("forward-{topic}")]);
    }
    command
}

/// Runs until everything is forwarded.
pub fn run(brokers: &str, topic: &str, to: &str, flags: &[&str]) -> Ended {
    let mut command = command(brokers, topic, to, flags);
    command.arg("--until-end");
    let output = command.output().unwrap();
    Ended {
        status: output.status,
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Forwarder {
    /// Starts it and waits for its line.
    pub fn start(brokers: &str, topic: &str, to: &str, flags: &[&str]) -> Self {
        let mut command = command(brokers, topic, to, flags);
        command.args(["--admin", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("ready to="), "{line:?}");
        let admin = line.split_whitespace();
        let admin = admin.filter_map(|word| word.strip_prefix("admin=")).next();
        Self {
            admin: admin.expect(&line).to_owned(),
            child,
        }
    }

    /// A page of its admin listener: the status and the text.
    pub fn page(&self, path: &str) -> (u16, String) {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.admin).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// A metric.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, page) = self.page("/metrics");
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {name}: {page}"))
            .parse()
            .unwrap()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end.
    pub fn stop(mut self) -> ExitStatus {
        super::tools::signal(self.child.id(), "TERM");
        self.child.wait().unwrap()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(LOOK);
    }
}
