//! Brokers that are down, slow, refusing or full: nothing is promised that is not stored, and mail flows again by itself.
//!
//! Most tests use librdkafka's mock cluster, in the test's own process, so that the server reaches it over the network
//! as it does a real one, and so that a test can make it fail. One uses real Apache Kafka.

mod support;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use support::ringpost::{Client, Ringpost, promised};
use support::topic::read_topic;

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("mail", 2, 1).unwrap();
    mock
}

/// A server that gives its broker this long, and the lines of `[kafka.properties]`.
fn serving(brokers: &str, delivery_timeout: &str, properties: &str) -> Ringpost {
    let text = format!(
        "[server]\nworkers = 2\n[kafka]\nfail_fast_after = \"0s\"\ndelivery_timeout = \"{delivery_timeout}\"\n[kafka.properties]\n{properties}"
    );
    Ringpost::configured(&text, &["--brokers", brokers])
}

const MAIL: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

fn send(client: &mut Client) -> String {
    client.send(&[MAIL, b".\r\n"]).unwrap()
}

/// The topic has the promised mails, and no other.
fn assert_stored(brokers: &str, mut promised: Vec<String>) {
    let mut stored: Vec<String> = read_topic(brokers, "mail")
        .iter()
        .map(|record| {
            assert_eq!(record.message(), MAIL);
            record.id().to_owned()
        })
        .collect();
    stored.sort();
    promised.sort();
    assert_eq!(stored, promised);
}

#[test]
fn a_broker_that_is_down_gives_451_and_mail_flows_when_it_is_back() {
    let mock = mock();
    let ringpost = serving(&mock.bootstrap_servers(), "1s", "");
    let mut client = ringpost.client().unwrap();
    let before = promised(&send(&mut client)).expect("stored");
    mock.broker_down(-1).unwrap();
    for _ in 0..3 {
        let reply = send(&mut client);
        assert!(reply.starts_with("451 4.4."), "{reply}");
    }
    let refused = ringpost.metric("ringpost_messages_total{outcome=\"tempfailed\"}");
    assert_eq!(refused, 3.0);
    mock.broker_up(-1).unwrap();
    let after = loop {
        let reply = send(&mut client);
        if let Some(id) = promised(&reply) {
            break id;
        }
        assert!(reply.starts_with("451 4.4."), "{reply}");
    };
    assert_stored(&ringpost.kafka, vec![before, after]);
}

#[test]
fn a_broker_slower_than_the_deadline_gives_451_and_a_late_report_confuses_nobody() {
    let mock = mock();
    // The mock delays every answer, those to a connection's first requests too, so it is made slow afterwards.
    let ringpost = serving(&mock.bootstrap_servers(), "1s", "");
    let mut client = ringpost.client().unwrap();
    let mut all = vec![promised(&send(&mut client)).expect("stored")];
    mock.broker_round_trip_time(-1, Duration::from_secs(3))
        .unwrap();
    for _ in 0..2 {
        let reply = send(&mut client);
        assert!(reply.starts_with("451 4.4."), "{reply}");
    }
    mock.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    while all.len() < 5 {
        // The answers that are under way are still late.
        all.extend(promised(&send(&mut client)));
    }
    let stored = read_topic(&ringpost.kafka, "mail");
    for id in all {
        let copies = stored.iter().filter(|record| record.id() == id).count();
        assert_eq!(copies, 1, "{id}");
    }
    // What was refused may be stored: the broker took it and said so too late. Its sender sends it again.
    assert!(stored.iter().all(|record| record.message() == MAIL));
}

#[test]
fn a_brokers_refusal_is_told_apart_and_ends_with_it() {
    use RDKafkaRespErr::*;
    let mock = mock();
    let ringpost = serving(&mock.bootstrap_servers(), "30s", "");
    let mut client = ringpost.client().unwrap();
    let cases = [
        (RD_KAFKA_RESP_ERR_INVALID_RECORD, "451 4.3.5"),
        (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "451 4.3.5"),
        (RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "451 4.3.5"),
    ];
    let (mut all, mut again) = (Vec::new(), 0);
    for (error, expected) in cases {
        mock.request_errors(RDKafkaApiKey::Produce, &[error]);
        let reply = send(&mut client);
        assert!(reply.starts_with(expected), "{error:?}: {reply}");
        // librdkafka may hold a verdict of authorization against the topic until it has asked for metadata again.
        let next = loop {
            let reply = send(&mut client);
            if let Some(id) = promised(&reply) {
                break id;
            }
            assert!(reply.starts_with(expected), "after {error:?}: {reply}");
            again += 1;
            assert!(again < 1_000_000, "{error:?} is never forgotten");
        };
        all.push(next);
    }
    // A condition that passes is tried again, and the sender never learns of it.
    for error in [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ] {
        mock.request_errors(RDKafkaApiKey::Produce, &[error]);
        all.push(promised(&send(&mut client)).unwrap_or_else(|| panic!("{error:?}")));
    }
    let refused =
        |reason: &str| ringpost.metric(&format!("ringpost_refusals_total{{reason=\"{reason}\"}}"));
    let all_refused = refused("kafka_refused") + refused("kafka_too_big");
    assert_eq!(all_refused, (cases.len() + again) as f64);
    println!("{again} further refusals before the verdict was forgotten");
    assert_stored(&ringpost.kafka, all);
}

/// Looks at a log until it holds, and gives it back.
fn wait_for_log(path: &std::path::Path, holds: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let log = std::fs::read_to_string(path).unwrap();
        if holds(&log) {
            return log;
        }
        assert!(Instant::now() < deadline, "waited in vain:\n{log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_outage_is_one_line_when_it_begins_and_one_when_it_ends() {
    let mock = mock();
    let folder = tempfile::tempdir().unwrap();
    let (path, config) = (
        folder.path().join("log"),
        folder.path().join("ringpost.toml"),
    );
    std::fs::write(
        &config,
        "[log]\nlevel = \"trace\"\n[kafka]\nfail_fast_after = \"0s\"\ndelivery_timeout = \"1s\"\n",
    )
    .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command.stderr(std::fs::File::create(&path).unwrap());
    let brokers = mock.bootstrap_servers();
    let flags = ["--config", config.to_str().unwrap(), "--brokers", &brokers];
    let ringpost = Ringpost::launch_heard(command, &flags);
    let mut client = ringpost.client().unwrap();
    assert!(promised(&send(&mut client)).is_some());
    let before = std::fs::read_to_string(&path).unwrap().len();
    mock.broker_down(-1).unwrap();
    wait_for_log(&path, |log| log.contains("storage away since"));
    for _ in 0..2 {
        let reply = send(&mut client);
        assert!(reply.starts_with("451 4.4."), "{reply}");
    }
    mock.broker_up(-1).unwrap();
    while promised(&send(&mut client)).is_none() {}
    let log = wait_for_log(&path, |log| log.contains("storage back after"));
    let loud: Vec<&str> = log[before..]
        .lines()
        .filter(|line| {
            line.contains(" ERROR ") || line.contains(" WARN ") || line.contains("storage ")
        })
        .collect();
    assert_eq!(loud.len(), 2, "{loud:?}");
    assert!(loud[0].contains("ERROR storage away since"), "{loud:?}");
    assert!(loud[0].contains("refuses the connection"), "{loud:?}");
    assert!(loud[1].contains("INFO storage back after"), "{loud:?}");
    // librdkafka is heard at this level, and the crate around it, which logs its pointers, at none.
    assert!(log.contains("Connection refused"), "{log}");
    assert!(!log.contains("Destroy") && !log.contains("0x"), "{log}");
}

#[test]
fn a_full_queue_refuses_the_next_mail_and_keeps_those_before_it() {
    let mock = mock();
    let ringpost = serving(
        &mock.bootstrap_servers(),
        "5s",
        "\"queue.buffering.max.messages\" = \"3\"\n",
    );
    // All connect first: a broker that is down does not prevent that.
    let mut clients: Vec<Client> = (0..4).map(|_| ringpost.client().unwrap()).collect();
    mock.broker_down(-1).unwrap();
    for client in &mut clients {
        client.open_data().unwrap();
        client.write(MAIL).unwrap();
        client.write(b".\r\n").unwrap();
    }
    let mut replies: Vec<String> = clients
        .iter_mut()
        .map(|client| client.reply().unwrap()[..9].to_owned())
        .collect();
    replies.sort();
    // Three wait in the queue until their time is over; for the fourth there is no room, whichever it was.
    assert_eq!(replies[0], "451 4.3.1", "{replies:?}");
    assert!(
        replies[1..]
            .iter()
            .all(|reply| reply.starts_with("451 4.4.")),
        "{replies:?}"
    );
    assert_eq!(
        ringpost.metric("ringpost_refusals_total{reason=\"kafka_queue_full\"}"),
        1.0
    );
    mock.broker_up(-1).unwrap();
    let mut stored = Vec::new();
    while stored.is_empty() {
        stored.extend(promised(&send(&mut clients[0])));
    }
    assert_stored(&ringpost.kafka, stored);
}

#[test]
fn real_kafka_stopped_and_started_again_loses_nothing_and_mail_flows_by_itself() {
    let Some(mut cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 4, 1, &[]);
    let ringpost = serving(&cluster.bootstrap(), "3s", "");
    let (stop, log) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let back = std::thread::scope(|scope| {
        for sender in 0..8 {
            let (ringpost, stop, log) = (&ringpost, &stop, &log);
            scope.spawn(move || send_until_stopped(ringpost, sender, stop, log));
        }
        wait_for(&log, |replies| replies.iter().any(Sent::stored));
        cluster.stop_broker(0);
        let down = Instant::now();
        wait_for(&log, |replies| {
            let refused = |sent: &&Sent| sent.began > down && sent.reply.starts_with("451 4.4.");
            replies.iter().filter(refused).count() >= 8
        });
        // Returns as soon as the broker answers a request for metadata, looked at every 20 ms.
        cluster.start_broker(0);
        let back = Instant::now();
        wait_for(&log, |replies| {
            replies
                .iter()
                .any(|sent| sent.stored() && sent.ended > back)
        });
        stop.store(true, Ordering::Relaxed);
        back
    });
    let log = log.into_inner().unwrap();
    let odd = log
        .iter()
        .find(|sent| !sent.stored() && !sent.reply.starts_with("451 4.4."));
    assert!(odd.is_none(), "{odd:?}");
    let slowest = log
        .iter()
        .filter(|sent| !sent.stored())
        .map(|sent| sent.ended - sent.began)
        .max();
    let first = log
        .iter()
        .filter(|sent| sent.stored() && sent.ended > back)
        .map(|sent| sent.ended - back)
        .min();
    println!(
        "the slowest 451 took {slowest:?}; the first 250 came {first:?} after the broker answered"
    );
    let mut expected: HashMap<String, Vec<u8>> = log
        .into_iter()
        .filter_map(|sent| Some((promised(&sent.reply)?, sent.message)))
        .collect();
    for record in read_topic(&ringpost.kafka, "mail") {
        if let Some(message) = expected.remove(record.id()) {
            assert_eq!(record.message(), message);
        }
    }
    assert!(
        expected.is_empty(),
        "{} promised mails are lost",
        expected.len()
    );
}

/// A mail and what became of it.
#[derive(Debug)]
struct Sent {
    message: Vec<u8>,
    reply: String,
    /// The end of its data was about to be written.
    began: Instant,
    /// Its reply was read.
    ended: Instant,
}

impl Sent {
    fn stored(&self) -> bool {
        self.reply.starts_with("250")
    }
}

fn send_until_stopped(
    ringpost: &Ringpost,
    sender: usize,
    stop: &AtomicBool,
    log: &Mutex<Vec<Sent>>,
) {
    let mut client = ringpost.client().unwrap();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let message = format!("Subject: {number} of {sender}\r\n\r\nbody\r\n").into_bytes();
        client.open_data().unwrap();
        client.write(&message).unwrap();
        let began = Instant::now();
        client.write(b".\r\n").unwrap();
        let reply = client.reply().unwrap();
        let ended = Instant::now();
        log.lock().unwrap().push(Sent {
            message,
            reply,
            began,
            ended,
        });
    }
}

/// Looks until it holds.
fn wait_for(log: &Mutex<Vec<Sent>>, holds: impl Fn(&[Sent]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds(&log.lock().unwrap()) {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
