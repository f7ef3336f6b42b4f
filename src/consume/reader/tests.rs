//! The reading loop and the client below it, against librdkafka's mock cluster.

use std::io;

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use super::super::cluster::{BROKER_WAIT, Properties};
use super::super::format;
use super::super::stop::Stop;
use super::*;

fn plan(brokers: String) -> Plan {
    Plan {
        brokers,
        topic: "mail".into(),
        group: None,
        from_beginning: true,
        until_end: true,
        count: None,
        properties: Properties::default(),
        broker_wait: BROKER_WAIT,
        stop: Stop::default(),
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
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    for (at, value) in values.iter().enumerate() {
        let headers = OwnedHeaders::new()
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
            .partition(i32::try_from(at % 2).unwrap())
            .payload(value)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(BROKER_WAIT).unwrap();
}

fn read_json(plan: &Plan) -> Vec<Value> {
    let mut out = Vec::new();
    let records = {
        let mut output = Output::stream(format::json, &mut out);
        read(plan, &mut output).unwrap().mails
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
    let counted = Plan {
        count: Some(2),
        until_end: false,
        ..plan.clone()
    };
    assert_eq!(read_json(&counted).len(), 2);
    let from_end = Plan {
        from_beginning: false,
        ..plan
    };
    assert!(read_json(&from_end).is_empty());
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 2, 1).unwrap();
    let mut plan = plan_of_a_group(cluster.bootstrap_servers());
    produce(&plan.brokers, &["one", "two", "three"]);
    plan.count = Some(2);
    let first = read_json(&plan);
    plan.count = None;
    let second = read_json(&plan);
    assert_eq!((first.len(), second.len()), (2, 1));
    let all: Vec<Value> = first.into_iter().chain(second).collect();
    assert_eq!(bodies(&all), ["b25l", "dGhyZWU=", "dHdv"]);
    assert!(read_json(&plan).is_empty());
}

/// An output that takes nothing.
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
    let failed = read(&plan, &mut Output::stream(format::json, Full));
    assert!(matches!(failed, Err(Failure::Output(_))), "{failed:?}");
    assert_eq!(read_json(&plan).len(), 2);
}

#[test]
fn a_missing_topic_and_a_missing_broker_are_told_apart() {
    let cluster = MockCluster::new(1).unwrap();
    let mut plan = plan(cluster.bootstrap_servers());
    let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
    let Err(Failure::Kafka(text)) = failure else {
        panic!("{failure:?}")
    };
    assert!(text.contains("\"mail\" does not exist"), "{text}");

    // Bound and not listening: nobody else can take the port, and it refuses connections.
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    held.bind(&any.into()).unwrap();
    let port = held.local_addr().unwrap().as_socket().unwrap().port();
    plan.brokers = format!("127.0.0.1:{port}");
    plan.broker_wait = Duration::from_secs(2);
    let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
    let Err(Failure::Kafka(text)) = failure else {
        panic!("{failure:?}")
    };
    assert!(
        text.contains(&plan.brokers) && text.contains("refused"),
        "{text}"
    );
}

#[test]
fn a_property_that_librdkafka_refuses_is_wrong_usage() {
    let mut plan = plan("127.0.0.1:1".into());
    plan.properties = Properties(vec![("no.such.property".into(), "1".into())]);
    let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
    let Err(Failure::Property(text)) = failure else {
        panic!("{failure:?}")
    };
    assert!(text.contains("no.such.property"), "{text}");
    for (properties, words) in [
        (
            &[("sasl.jaas.config", "password=hunter2")][..],
            "of Java clients only: use sasl.mechanism",
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
        let failure = read(&plan, &mut Output::stream(format::json, io::sink()));
        let Err(Failure::Property(text)) = failure else {
            panic!("{failure:?}")
        };
        assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
    }
}
