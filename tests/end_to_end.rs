//! The real binary, driven over TCP and read back through Kafka's protocol: the in-process broker, and real Apache Kafka
//! where there is a JVM and Maven.

mod support;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

struct Ringpost {
    child: Child,
    smtp: String,
    kafka: String,
}

impl Ringpost {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--hostname",
                "mx.example",
            ])
            .args(flags)
            .env("RINGPOST_LOG_MESSAGES", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let value = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .map(str::to_owned)
        };
        let (smtp, kafka) = (value("smtp="), value("kafka="));
        Self {
            child,
            smtp: smtp.expect("ready names smtp"),
            kafka: kafka.expect("ready names kafka"),
        }
    }

    fn client(&self) -> std::io::Result<Client> {
        let stream = TcpStream::connect(&self.smtp)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Client(BufReader::new(stream));
        client.reply()?;
        client.say("EHLO client.example")?;
        Ok(client)
    }
}

impl Drop for Ringpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    fn say(&mut self, line: &str) -> std::io::Result<String> {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends a message that is stuffed already and ends itself, in pieces; the final reply.
    fn send(&mut self, pieces: &[&[u8]]) -> std::io::Result<String> {
        assert!(self.say("MAIL FROM:<a@client.example>")?.starts_with("250"));
        assert!(self.say("RCPT TO:<b@mx.example>")?.starts_with("250"));
        assert!(self.say("RCPT TO:<c@mx.example>")?.starts_with("250"));
        assert!(self.say("DATA")?.starts_with("354"));
        for piece in pieces {
            self.0.get_mut().write_all(piece)?;
        }
        self.reply()
    }
}

struct Received {
    id: String,
    recipients: Vec<String>,
    message: Vec<u8>,
}

/// All records of the topic, read until a second look at the ends of its partitions finds nothing new.
fn read_topic(brokers: &str, topic: &str) -> Vec<Received> {
    let config = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .clone();
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(20))
        .unwrap();
    let partitions: Vec<i32> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|partition| partition.id())
        .collect();
    let mut list = TopicPartitionList::new();
    for &partition in &partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let ends = || -> i64 {
        let end = |&p: &i32| {
            consumer
                .fetch_watermarks(topic, p, Duration::from_secs(20))
                .unwrap()
                .1
        };
        partitions.iter().map(end).sum()
    };
    let (mut received, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(120));
    while (received.len() as i64) < ends() {
        while let Some(record) = consumer.poll(Duration::from_millis(500)) {
            received.push(decode(&record.unwrap()));
        }
        assert!(
            Instant::now() < deadline,
            "the topic could not be read to its end"
        );
    }
    received
}

fn decode(record: &rdkafka::message::BorrowedMessage<'_>) -> Received {
    let (mut id, mut recipients) = (String::new(), Vec::new());
    for header in record.headers().unwrap().iter() {
        let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
        match header.key {
            "ce_id" => id = value,
            "smtp_to" => recipients.push(value),
            _ => {}
        }
    }
    Received {
        id,
        recipients,
        message: record.payload().unwrap().to_vec(),
    }
}

/// The message behind its Received field: four lines, as two recipients have no `for` one.
fn without_trace(message: &[u8]) -> &[u8] {
    assert!(message.starts_with(b"Received: from client.example "));
    let end = message
        .windows(2)
        .enumerate()
        .filter(|(_, two)| two == b"\r\n")
        .nth(2)
        .unwrap()
        .0;
    &message[end + 2..]
}

#[test]
fn what_goes_in_comes_out_octet_by_octet_wherever_it_is_cut() {
    let (_folder, path) = configuration("[server]\nbare_newlines = \"accept\"\n");
    let ringpost = Ringpost::start(&["--config", &path]);
    let mut client = ringpost.client().unwrap();
    let mut long = b"Subject: long\r\n\r\n".to_vec();
    long.extend(std::iter::repeat_n(&b"a line of some length\r\n..\r\n"[..], 40_000).flatten());
    long.extend_from_slice(b".\r\n");
    let inputs: Vec<Vec<u8>> = [
        &b".\r\n"[..],
        b"..\r\n.\r\n",
        b"a\r\n.\r\r\nb\r\n.\r\n",
        b"x\n.\nMAIL FROM:<s@x>\n.\r\ny\r\n.\r\n",
        b"x\r\r\n.\r\r\ny\r\n\0.\r\n\r\n.\r\n",
    ]
    .iter()
    .map(|input| input.to_vec())
    .chain([long])
    .collect();
    let mut expected = Vec::new();
    for input in &inputs {
        let (message, _) = ringpost::smtp::data::oracle(input).unwrap();
        let middle = input.len() / 2;
        for pieces in [vec![&input[..]], vec![&input[..middle], &input[middle..]]] {
            let reply = client.send(&pieces).unwrap();
            let id = reply
                .strip_prefix("250 2.0.0 ")
                .unwrap_or_else(|| panic!("{reply}"));
            expected.push((id.to_owned(), message.clone()));
        }
    }
    assert!(client.say("QUIT").unwrap().starts_with("221"));
    let received = read_topic(&ringpost.kafka, "mail");
    assert_eq!(received.len(), expected.len());
    for (id, message) in expected {
        let record = received
            .iter()
            .find(|record| record.id == id)
            .expect("the id of the 250 is in the topic");
        assert_eq!(record.recipients, ["b@mx.example", "c@mx.example"]);
        assert!(
            without_trace(&record.message) == message,
            "{}",
            message[..message.len().min(40)].escape_ascii()
        );
    }
}

#[test]
fn too_big_a_message_is_refused_at_its_end_and_the_session_goes_on() {
    let ringpost = Ringpost::start(&[]);
    let mut client = ringpost.client().unwrap();
    assert!(
        client
            .say("MAIL FROM:<> SIZE=99999999999")
            .unwrap()
            .starts_with("552")
    );
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let mut big = line.repeat(27_000);
    big.extend_from_slice(b".\r\n");
    assert!(client.send(&[&big]).unwrap().starts_with("552 5.3.4"));
    assert!(
        client
            .send(&[b"small\r\n.\r\n"])
            .unwrap()
            .starts_with("250")
    );
}

#[test]
fn an_operators_mistakes_get_one_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, code, text) in [
        (vec!["--listen", "localhost:2525"], 2, "localhost:2525"),
        (
            vec!["--config", "/nowhere/ringpost.toml"],
            2,
            "/nowhere/ringpost.toml",
        ),
        (
            vec!["--brokers", "no-such-host.invalid:9092"],
            1,
            "no-such-host.invalid",
        ),
        (vec!["--tls-cert", "/nowhere.pem"], 2, "tls.key"),
        (
            vec!["--listen", &taken, "--admin", "127.0.0.1:0"],
            1,
            &taken,
        ),
    ] {
        let holder = std::net::TcpListener::bind(&taken);
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(&flags)
            .output()
            .unwrap();
        drop(holder);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {error}");
        assert!(
            error.contains(text) && !error.contains("panicked"),
            "{flags:?}: {error}"
        );
    }
}

#[test]
fn every_250_survives_kill_9_on_real_kafka() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 4, 1, &[]);
    let brokers = cluster.bootstrap();
    let mut promised: HashSet<String> = HashSet::new();
    for round in 0..10 {
        let mut ringpost = Ringpost::start(&["--brokers", &brokers]);
        let stop = AtomicBool::new(false);
        let ids = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| send_until_it_breaks(&ringpost.smtp, &stop)))
                .collect();
            // The time of the kill is the only thing here that has to differ from round to round.
            std::thread::sleep(Duration::from_millis(150 + 40 * round));
            let killed = Command::new("kill")
                .args(["-9", &ringpost.child.id().to_string()])
                .status();
            assert!(killed.unwrap().success());
            stop.store(true, Ordering::Relaxed);
            senders
                .into_iter()
                .flat_map(|sender| sender.join().unwrap())
                .collect::<Vec<_>>()
        });
        let _ = ringpost.child.wait();
        assert!(!ids.is_empty(), "round {round} sent nothing");
        promised.extend(ids);
    }
    let stored: HashSet<String> = read_topic(&brokers, "mail")
        .into_iter()
        .map(|record| record.id)
        .collect();
    let lost: Vec<_> = promised.difference(&stored).collect();
    assert!(
        lost.is_empty(),
        "{} of {} promised mails are lost: {lost:?}",
        lost.len(),
        promised.len()
    );
}

fn send_until_it_breaks(smtp: &str, stop: &AtomicBool) -> Vec<String> {
    let mut ids = Vec::new();
    let _: std::io::Result<()> = (|| {
        let mut client = Client(BufReader::new(TcpStream::connect(smtp)?));
        client.reply()?;
        client.say("EHLO client.example")?;
        while !stop.load(Ordering::Relaxed) {
            let envelope = b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n";
            client.0.get_mut().write_all(envelope)?;
            for _ in 0..3 {
                client.reply()?;
            }
            client
                .0
                .get_mut()
                .write_all(b"Subject: x\r\n\r\nbody\r\n.\r\n")?;
            if let Some(id) = client.reply()?.strip_prefix("250 2.0.0 ") {
                ids.push(id.to_owned());
            }
        }
        Ok(())
    })();
    ids
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    let mut ringpost = Ringpost::start(&[]);
    let mut idle = ringpost.client().unwrap();
    let killed = Command::new("kill")
        .args(["-TERM", &ringpost.child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let mut said = String::new();
    idle.0.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("421 4.3.2"), "{said}");
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
}

/// A configuration file in a folder of its own.
fn configuration(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringpost.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_drain_ends_at_its_deadline_though_a_client_never_ends_its_data() {
    let text = "[server]\ndrain_timeout = \"1s\"\n[kafka]\ndelivery_timeout = \"500ms\"\n";
    let (_folder, path) = configuration(text);
    let mut ringpost = Ringpost::start(&["--config", &path]);
    let mut client = ringpost.client().unwrap();
    for line in ["MAIL FROM:<>", "RCPT TO:<b@mx.example>", "DATA"] {
        assert!(
            matches!(&client.say(line).unwrap()[..1], "2" | "3"),
            "{line}"
        );
    }
    let killed = Command::new("kill")
        .args(["-TERM", &ringpost.child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    // Without the deadline this would hang until the data time-out of three minutes.
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
    assert!(client.reply().is_err(), "nothing was promised");
}

#[test]
fn a_small_budget_serves_everybody_in_turn() {
    let text = "[server]\nworkers = 1\n[limits]\nin_flight_messages = 2\n";
    let (_folder, path) = configuration(text);
    let ringpost = Ringpost::start(&["--config", &path]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut client = ringpost.client().unwrap();
                for _ in 0..20 {
                    let reply = client.send(&[b"small\r\n.\r\n"]).unwrap();
                    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
                }
            });
        }
    });
    assert_eq!(read_topic(&ringpost.kafka, "mail").len(), 400);
}

#[test]
fn the_largest_message_fits_a_budget_that_is_smaller() {
    let text =
        "[server]\nworkers = 4\n[limits]\nmessage_size = \"3MiB\"\nin_flight_bytes = \"3MiB\"\n";
    let (_folder, path) = configuration(text);
    let ringpost = Ringpost::start(&["--config", &path]);
    let mut client = ringpost.client().unwrap();
    let line = [&[b'x'; 1022][..], b"\r\n"].concat();
    let mut largest = line.repeat(3 * 1024);
    largest.extend_from_slice(b".\r\n");
    let reply = client.send(&[&largest]).unwrap();
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

#[test]
fn size_is_never_above_what_the_topic_of_a_real_cluster_takes() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 1, 1, &[("max.message.bytes", "200000")]);
    let ringpost = Ringpost::start(&["--brokers", &cluster.bootstrap()]);
    let mut client = ringpost.client().unwrap();
    let most = 200_000 - ringpost::limits::RECORD_OVERHEAD_OCTETS;
    assert!(
        client
            .say(&format!("MAIL FROM:<> SIZE={most}"))
            .unwrap()
            .starts_with("250")
    );
    assert!(client.say("RSET").unwrap().starts_with("250"));
    assert!(
        client
            .say(&format!("MAIL FROM:<> SIZE={}", most + 1))
            .unwrap()
            .starts_with("552")
    );
    let mut largest = b"Subject: x\r\n\r\n".to_vec();
    largest.resize(most - 2, b'x');
    largest.extend_from_slice(b"\r\n.\r\n");
    assert!(client.send(&[&largest]).unwrap().starts_with("250 2.0.0 "));
}
