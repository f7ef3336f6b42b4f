//! The loop, the reader and the client below it, against librdkafka's mock cluster.

use std::io;

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use super::*;
use crate::consume::format;
use crate::consume::mark::Marks;
use crate::consume::plan::{BROKER_WAIT, Properties, Start};
use crate::consume::stop::Stop;

const TO_THE_END: Until = Until {
    end: true,
    count: None,
};

fn quiet(_line: &str) {}

fn plan(brokers: String) -> Plan {
    Plan {
        brokers,
        topic: "mail".into(),
        group: None,
        partitions: Vec::new(),
        start: Start::Beginning,
        foreign: false,
        properties: Properties::default(),
        note: quiet,
        broker_wait: BROKER_WAIT,
        stop: Stop::default(),
        say: quiet,
    }
}

fn plan_of_a_group(brokers: String) -> Plan {
    Plan {
        group: Some("readers".into()),
        // With the default session of 45 s the mock broker lets the next member in late: a test then takes 94 s.
        properties: Properties(vec![
            ("session.timeout.ms".into(), "6000".into()),
            ("heartbeat.interval.ms".into(), "500".into()),
        ]),
        ..plan(brokers)
    }
}

fn produce(brokers: &str, values: &[&str]) {
    produce_to(brokers, values, 2);
}

fn produce_to(brokers: &str, values: &[&str], partitions: usize) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    for (at, value) in values.iter().enumerate() {
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "ce_type",
                value: Some("io.ringpost.mail.received.v1"),
            })
            .insert(Header {
                key: "ce_smtpfrom",
                value: Some("a@example.net"),
            })
            .insert(Header {
                key: "ce_smtpto",
                value: Some(r#"["b@example.com","c@example.com"]"#),
            })
            .insert(Header::<&str> {
                key: "empty",
                value: None,
            });
        let record = BaseRecord::<str, str>::to("mail")
            .partition(i32::try_from(at % partitions).unwrap())
            .payload(value)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(BROKER_WAIT).unwrap();
}

fn copy_until(plan: &Plan, until: Until, output: &mut Output<'_>) -> Result<Outcome, CopyError> {
    let steps = Steps {
        filter: &Filter::default(),
        objects: &mut Objects::ignored(quiet),
    };
    copy(plan, until, steps, output)
}

fn copied(plan: &Plan, output: &mut Output<'_>) -> Result<Outcome, CopyError> {
    copy_until(plan, TO_THE_END, output)
}

fn read_json(plan: &Plan) -> Vec<Value> {
    read_until(plan, TO_THE_END)
}

fn read_until(plan: &Plan, until: Until) -> Vec<Value> {
    let mut out = Vec::new();
    let records = {
        let mut output = Output::stream(format::json, &mut out);
        copy_until(plan, until, &mut output).unwrap().mails
    };
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, records);
    lines
}

fn bodies(lines: &[Value]) -> Vec<&str> {
    let mut bodies: Vec<&str> = lines
        .iter()
        .map(|line| line["message_base64"].as_str().unwrap())
        .collect();
    bodies.sort_unstable();
    bodies
}

#[test]
fn reads_every_partition_to_its_end() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 3, 1).unwrap();
    let plan = plan(cluster.bootstrap_servers());
    assert!(read_json(&plan).is_empty());
    produce(&plan.brokers, &["one", "two", "three"]);
    let lines = read_json(&plan);
    assert_eq!(bodies(&lines), ["b25l", "dGhyZWU=", "dHdv"]);
    for line in &lines {
        assert_eq!(line["topic"], "mail");
        assert_eq!(line["mail_from"], "a@example.net");
        assert_eq!(
            line["rcpt_to"],
            serde_json::json!(["b@example.com", "c@example.com"])
        );
        assert_eq!(line["headers"]["empty"], "");
        assert!(line["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
    }
    let counted = Until {
        end: false,
        count: Some(2),
    };
    assert_eq!(read_until(&plan, counted).len(), 2);
    let from_end = Plan {
        start: Start::End,
        ..plan
    };
    assert!(read_json(&from_end).is_empty());
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 2, 1).unwrap();
    let plan = plan_of_a_group(cluster.bootstrap_servers());
    produce(&plan.brokers, &["one", "two", "three"]);
    let two = Until {
        count: Some(2),
        ..TO_THE_END
    };
    let first = read_until(&plan, two);
    let second = read_json(&plan);
    assert_eq!((first.len(), second.len()), (2, 1));
    let all: Vec<Value> = first.into_iter().chain(second).collect();
    assert_eq!(bodies(&all), ["b25l", "dGhyZWU=", "dHdv"]);
    assert!(read_json(&plan).is_empty());
}

/// An output that accepts nothing.
struct Full;

impl io::Write for Full {
    fn write(&mut self, _octets: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_committed_when_the_output_fails() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 2, 1).unwrap();
    let plan = plan_of_a_group(cluster.bootstrap_servers());
    produce(&plan.brokers, &["one", "two"]);
    let failed = copied(&plan, &mut Output::stream(format::json, Full));
    assert!(matches!(failed, Err(CopyError::Output(_))), "{failed:?}");
    assert_eq!(read_json(&plan).len(), 2);
}

#[test]
fn a_missing_topic_and_a_missing_broker_are_told_apart() {
    let cluster = MockCluster::new(1).unwrap();
    let mut plan = plan(cluster.bootstrap_servers());
    let failure = copied(&plan, &mut Output::stream(format::json, io::sink()));
    let Err(CopyError::Read(error @ ReadError::NoTopic { .. })) = failure else {
        panic!("{failure:?}")
    };
    let text = error.to_string();
    assert!(text.contains("\"mail\" does not exist"), "{text}");

    // Bound and not listening: no other process can take the port, and it refuses connections.
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    held.bind(&any.into()).unwrap();
    let port = held.local_addr().unwrap().as_socket().unwrap().port();
    plan.brokers = format!("127.0.0.1:{port}");
    plan.broker_wait = Duration::from_secs(2);
    let failure = copied(&plan, &mut Output::stream(format::json, io::sink()));
    let Err(CopyError::Read(error @ ReadError::OutOfReach { .. })) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(error.blame(), Blame::Cluster);
    let text = error.to_string();
    assert!(
        text.contains(&plan.brokers) && text.contains("refused"),
        "{text}"
    );
}

fn refused(outcome: Result<Outcome, CopyError>) -> String {
    let Err(CopyError::Read(error @ ReadError::Properties(_))) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.blame(), Blame::Operator);
    error.to_string()
}

#[test]
fn a_property_that_librdkafka_refuses_is_wrong_usage() {
    let mut plan = plan("127.0.0.1:1".into());
    plan.properties = Properties(vec![("no.such.property".into(), "1".into())]);
    let failure = copied(&plan, &mut Output::stream(format::json, io::sink()));
    let text = refused(failure);
    assert!(text.contains("no.such.property"), "{text}");
    for (properties, words) in [
        (
            &[("sasl.jaas.config", "password=hunter2")][..],
            "for Java clients only: use sasl.mechanism",
        ),
        (
            &[
                ("security.protocol", "ssl"),
                ("ssl.ca.location", "/no/hunter2.pem"),
            ],
            "\"ssl.ca.location\"",
        ),
        (
            &[
                ("security.protocol", "ssl"),
                ("ssl.ca.location", "/no/hunter2.pem"),
            ],
            "cannot be read",
        ),
    ] {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        plan.properties = Properties(properties.iter().map(pair).collect());
        let failure = copied(&plan, &mut Output::stream(format::json, io::sink()));
        let text = refused(failure);
        assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
    }
}

/// What a second command needs: records with their positions, and a commit of a part of them.
#[test]
fn a_reader_commits_what_it_is_told() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 1, 1).unwrap();
    let plan = plan_of_a_group(cluster.bootstrap_servers());
    produce_to(&plan.brokers, &["one", "two", "three", "four"], 1);
    {
        let mut reader = Reader::open(&plan).unwrap();
        let mut read = 0;
        while read < 4 {
            match reader.poll(POLL_WAIT).unwrap() {
                Polled::Mail(_) => read += 1,
                Polled::NoMail { .. } | Polled::Passed | Polled::Nothing => {}
            }
            reader.follow_group(|_| Marks::new()).unwrap();
        }
        let mut marks = reader.uncommitted();
        let ends: Vec<i64> = marks.values().map(|mark| mark.next).collect();
        assert!(reader.settled().is_empty() && ends == [4], "{ends:?}");
        marks.values_mut().for_each(|mark| mark.next -= 3);
        assert_eq!(reader.commit(&marks).unwrap(), Committed::Kept);
        assert_eq!(reader.uncommitted()[&0].committed, Some(1));
    }
    let rest = read_json(&plan);
    assert_eq!(bodies(&rest), ["Zm91cg==", "dGhyZWU=", "dHdv"]);
}
