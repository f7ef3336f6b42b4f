//! What is in the topic is what was sent: Postfix's smtp-source by the thousand, CPython's own test mails, random bytes.
//!
//! The number of smtp-source's mails is small by default; RINGPOST_SMTP_SOURCE_MAILS=20000 is the full run.

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use support::kafka::{Cluster, Shared};
use support::ringpost::{Client, Ringpost};
use support::topic::{Received, each_record, read_topic};
use support::{mails, tools};

/// One broker for all tests of this file: none of them touches it, and each has its own topic.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: Shared = Shared::new();
    support::kafka::shared_or_skip(&CLUSTER, "")
}

/// smtp-source, for mails of this size to this address, 50 connections at once.
fn smtp_source(program: &Path, mails: usize, octets: usize, to: &str) -> Command {
    let mut command = tools::of_postfix(program);
    let sessions = mails.min(50);
    command
        .args(["-s", &sessions.to_string(), "-m", &mails.to_string()])
        .args(["-l", &octets.to_string()])
        .args(["-M", "client.example"])
        .args(["-f", "a@client.example", "-t", "b@mx.example"])
        .arg(to);
    command
}

/// The bytes that smtp-source sends as one message of this size, taken from its connection to our own listener
/// that knows nothing of ringpost.
fn template(program: &Path, octets: usize) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Dropped while it waits, if the client fails and this test with it.
    let taking = std::thread::spawn(move || take_one(listener.accept()?.0));
    tools::run(&mut smtp_source(program, 1, octets, &address), b"");
    taking.join().unwrap().unwrap()
}

/// Answers every command, and gives back the lines between DATA and the dot.
fn take_one(stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 sink\r\n")?;
    let (mut message, mut line, mut in_data) = (Vec::new(), Vec::new(), false);
    while stream.read_until(b'\n', &mut line)? > 0 {
        let reply: &[u8] = match (in_data, &line[..]) {
            (true, b".\r\n") => {
                in_data = false;
                b"250 taken\r\n"
            }
            (true, text) => {
                assert!(
                    !text.starts_with(b"."),
                    "no line of smtp-source's begins with a dot"
                );
                message.extend_from_slice(text);
                b""
            }
            (false, b"DATA\r\n") => {
                in_data = true;
                b"354 go on\r\n"
            }
            (false, b"QUIT\r\n") => {
                // It may close without reading this.
                let _ = stream.get_mut().write_all(b"221 bye\r\n");
                let _ = stream.read_until(b'\n', &mut line);
                break;
            }
            (false, _) => b"250 ok\r\n",
        };
        stream.get_mut().write_all(reply)?;
        line.clear();
    }
    Ok(message)
}

/// A message without the values of its two fields that differ from mail to mail, and these values.
fn split_fields(message: &[u8]) -> (Vec<u8>, String, String) {
    let mut rest = message.to_vec();
    let mut cut = |name: &str| {
        let start = rest
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap_or_else(|| panic!("no {name} in {}", rest[..200].escape_ascii()));
        let from = start + name.len();
        let length = rest[from..]
            .windows(2)
            .position(|two| two == b"\r\n")
            .unwrap();
        let value: Vec<u8> = rest.drain(from..from + length).collect();
        String::from_utf8(value).unwrap()
    };
    let (date, id) = (cut("\r\nDate: "), cut("\r\nMessage-Id: "));
    (rest, date, id)
}

/// The envelope of every mail of smtp-source's, as its flags have it.
fn assert_envelope(record: &Received) {
    assert_eq!(record.header("ce_smtpfrom"), "a@client.example");
    assert_eq!(record.recipients(), ["b@mx.example"]);
    assert_eq!(record.header("ce_smtphelo"), "client.example");
    assert!(record.header("ce_smtpclient").starts_with("127.0.0.1:"));
    assert!(["SMTP", "ESMTP"].contains(&record.header("ce_smtpprotocol")));
    assert_eq!(record.header("ce_smtpbody"), "7BIT");
    assert_eq!(record.header("content-type"), "message/rfc822");
}

/// What the records of one size add up to.
#[derive(Debug, Default)]
struct Tally {
    message_ids: HashSet<String>,
    octets: usize,
}

#[test]
fn every_mail_of_smtp_source_is_in_real_kafka_as_it_was_sent() {
    let Some(program) = tools::find_or_skip("smtp-source") else {
        return;
    };
    let Some(cluster) = cluster() else { return };
    let mails: usize = std::env::var("RINGPOST_SMTP_SOURCE_MAILS").map_or(2_000, |text| {
        text.parse()
            .expect("RINGPOST_SMTP_SOURCE_MAILS is a number")
    });
    cluster.create_topic("source", 8, 1, &[]);
    let brokers = cluster.bootstrap();
    let ringpost = Ringpost::start(&["--brokers", &brokers, "--topic", "source"]);
    let sizes = [4096, 51_200];
    let mut templates = BTreeMap::new();
    for octets in sizes {
        let (message, ..) = split_fields(&template(&program, octets));
        tools::run(
            &mut smtp_source(&program, mails, octets, &ringpost.smtp),
            b"",
        );
        templates.insert(message.len(), (message, Tally::default()));
    }
    assert_eq!(templates.len(), sizes.len());
    let mut queue_ids = HashSet::new();
    each_record(&brokers, "source", |record| {
        assert_envelope(&record);
        let message = record.message();
        let (rest, date, message_id) = split_fields(message);
        let (expected, tally) = templates
            .get_mut(&rest.len())
            .expect("a length that was sent");
        assert!(rest == *expected, "{}", rest[..400].escape_ascii());
        assert!(
            date.ends_with(" +0000 (UTC)") || date.contains(':'),
            "{date}"
        );
        assert!(message_id.ends_with("@client.example>"), "{message_id}");
        assert!(
            tally.message_ids.insert(message_id),
            "a mail is there twice"
        );
        assert!(
            queue_ids.insert(record.id().to_owned()),
            "an id is there twice"
        );
        tally.octets += message.len();
    });
    let octets: usize = templates.values().map(|(_, tally)| tally.octets).sum();
    for (length, (_, tally)) in &templates {
        assert_eq!(tally.message_ids.len(), mails, "of {length} octets");
    }
    assert_counters(&ringpost, sizes.len() * mails, octets);
    println!(
        "{} records, {octets} octets, all as they were sent",
        sizes.len() * mails
    );
}

/// The counters agree with what was sent, exactly, once the sessions have ended.
fn assert_counters(ringpost: &Ringpost, messages: usize, octets: usize) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // smtp-source ends without waiting for the server to close.
    while ringpost.metric("ringpost_connections_open") > 0.0 {
        assert!(
            std::time::Instant::now() < deadline,
            "connections stay open"
        );
        std::thread::yield_now();
    }
    let metrics = ringpost.metrics();
    let value = |name: &str| metrics.get(name).copied().unwrap_or(0.0);
    let messages = messages as f64;
    for (name, expected) in [
        ("ringpost_messages_total{outcome=\"accepted\"}", messages),
        ("ringpost_messages_total{outcome=\"tempfailed\"}", 0.0),
        ("ringpost_messages_total{outcome=\"refused\"}", 0.0),
        ("ringpost_message_bytes_total", octets as f64),
        ("ringpost_message_size_bytes_count", messages),
        ("ringpost_message_size_bytes_sum", octets as f64),
        ("ringpost_receive_to_reply_seconds_count", messages),
        ("ringpost_produce_to_report_seconds_count", messages),
        ("ringpost_replies_total{code=\"354\"}", messages),
        ("ringpost_commands_total{verb=\"mail\"}", messages),
        ("ringpost_commands_total{verb=\"rcpt\"}", messages),
        ("ringpost_commands_total{verb=\"data\"}", messages),
        ("ringpost_in_flight_messages", 0.0),
        ("ringpost_in_flight_bytes", 0.0),
        ("ringpost_late_reports_total", 0.0),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
}

/// Sends messages over a few connections, reads the topic, and compares byte by byte by the ids that the 250s named.
fn round_trip(ringpost: &Ringpost, topic: &str, messages: &[Vec<u8>]) {
    let senders = 4;
    let mut expected: HashMap<String, &Vec<u8>> = std::thread::scope(|scope| {
        let shares = messages.chunks(messages.len().div_ceil(senders));
        let sending: Vec<_> = shares
            .map(|share| {
                scope.spawn(move || {
                    let mut client = ringpost.client().unwrap();
                    let mut sent = Vec::new();
                    for message in share {
                        sent.push((client.deliver(message).unwrap(), message));
                    }
                    sent
                })
            })
            .collect();
        let sent = sending.into_iter().map(|sender| sender.join().unwrap());
        sent.flatten().collect()
    });
    assert_eq!(expected.len(), messages.len(), "an id was named twice");
    for record in read_topic(&ringpost.kafka, topic) {
        let message = expected.remove(record.id()).expect("an id that was named");
        let same = record.message() == message;
        assert!(same, "{}", message[..message.len().min(200)].escape_ascii());
        assert_eq!(record.recipients(), ["b@mx.example", "c@mx.example"]);
    }
    assert!(expected.is_empty(), "{} are missing", expected.len());
}

fn corpus_or_skip() -> Option<Vec<Vec<u8>>> {
    match mails::cpython_corpus() {
        Ok(mails) => Some(mails.into_iter().map(|(_, mail)| mail).collect()),
        Err(reason) => {
            tools::skip(&reason);
            None
        }
    }
}

#[test]
fn the_mails_of_cpython_come_back_from_the_embedded_broker() {
    if let Some(mails) = corpus_or_skip() {
        round_trip(&Ringpost::start(&[]), "mail", &mails);
    }
}

#[test]
fn random_octets_come_back_from_the_embedded_broker() {
    let random = mails::random(mails::RANDOM_MESSAGES);
    round_trip(&Ringpost::start(&[]), "mail", &random);
}

/// A message of exactly this many bytes, unlike that of another number.
fn lines_of(number: usize, octets: usize) -> Vec<u8> {
    let line = format!("{number:06} {}\r\n", "x".repeat(70));
    let mut message = line.repeat(octets.div_ceil(line.len())).into_bytes();
    message.truncate(octets - 2);
    message.extend_from_slice(b"\r\n");
    message
}

/// The SIZE that EHLO says.
fn size_offered(ringpost: &Ringpost) -> usize {
    let mut client = Client::connect(&ringpost.smtp).unwrap();
    client.write(b"EHLO client.example\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    client.0.read_to_string(&mut said).unwrap();
    let offered = said
        .lines()
        .find_map(|line| line[4..].strip_prefix("SIZE "));
    offered.expect(&said).parse().unwrap()
}

/// More of the largest mails than there are partitions, small ones before, between and after them, and all are there.
#[test]
fn mails_of_the_size_that_the_quick_start_says_come_back_with_their_neighbours() {
    let ringpost = Ringpost::start(&[]);
    let size = size_offered(&ringpost);
    assert_eq!(size, ringpost::limits::EMBEDDED_MESSAGE_OCTETS);
    let mut messages: Vec<Vec<u8>> = (0..100).map(|number| lines_of(number, 2000)).collect();
    for number in 100..180 {
        messages.push(lines_of(number, size));
        messages.push(lines_of(1000 + number, 3000));
    }
    messages.extend((180..280).map(|number| lines_of(number, 4000)));
    round_trip(&ringpost, "mail", &messages);
    let mut client = ringpost.client().unwrap();
    let refused = client.send(&[&lines_of(0, size + 1), b".\r\n"]).unwrap();
    assert!(refused.starts_with("552 "), "{refused}");
}

#[test]
fn the_mails_of_cpython_and_random_octets_come_back_from_real_kafka() {
    let Some(cluster) = cluster() else { return };
    cluster.create_topic("corpus", 4, 1, &[]);
    let mut messages = corpus_or_skip().unwrap_or_default();
    messages.extend(mails::random(mails::RANDOM_MESSAGES));
    let brokers = cluster.bootstrap();
    let ringpost = Ringpost::start(&["--brokers", &brokers, "--topic", "corpus"]);
    round_trip(&ringpost, "corpus", &messages);
}
