//! Where `ringpost consume` begins, against real Apache Kafka: times, offsets and partitions of a topic with transaction markers,
//! aborted records and a beginning that retention has moved.

mod support;

use std::process::{Command, Output};
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use support::kafka::{self, Cluster};

/// Ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// One broker for all tests of this file, each with its own topic.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, "")
}

/// A mail, by its id and how many minutes ago it was stamped.
struct Mail {
    id: &'static str,
    partition: i32,
    minutes_ago: i64,
    aborted: bool,
}

fn mail(id: &'static str, partition: i32, minutes_ago: i64) -> Mail {
    Mail {
        id,
        partition,
        minutes_ago,
        aborted: false,
    }
}

/// Writes each mail in its own transaction, so that a marker, which no consumer sees, takes the offset after it.
fn produce(brokers: &str, topic: &str, mails: &[Mail]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", topic)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for mail in mails {
        let time = Timestamp::now().checked_sub(mail.minutes_ago.minutes());
        let header = |key, value| Header {
            key,
            value: Some(value),
        };
        let headers = OwnedHeaders::new()
            .insert(header("ce_id", mail.id))
            .insert(header("ce_type", "io.ringpost.mail.received.v1"));
        let record = BaseRecord::<str, str>::to(topic)
            .partition(mail.partition)
            .timestamp(time.unwrap().as_millisecond())
            .payload("Subject: x\r\n\r\n")
            .headers(headers);
        producer.begin_transaction().unwrap();
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
        if mail.aborted {
            producer.abort_transaction(PATIENCE).unwrap();
        } else {
            producer.commit_transaction(PATIENCE).unwrap();
        }
    }
}

fn consume(brokers: &str, topic: &str, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["consume", "--brokers", brokers, "--topic", topic])
        .args(["--until-end", "--format", "json"])
        .args(flags)
        .env_clear()
        .output()
        .expect("the binary starts")
}

/// The ids that were printed, sorted.
fn ids(brokers: &str, topic: &str, flags: &[&str]) -> Vec<String> {
    let output = consume(brokers, topic, flags);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{flags:?}: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut ids: Vec<String> = lines
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn times_offsets_and_partitions_of_a_topic_with_gaps() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (cluster.bootstrap(), "gaps");
    cluster.create_topic(topic, 2, 1, &[]);
    let aborted = Mail {
        aborted: true,
        ..mail("never", 0, 2)
    };
    let mails = [
        mail("a", 0, 180),
        mail("b", 0, 30),
        mail("c", 0, 1),
        aborted,
        mail("x", 1, 90),
        mail("y", 1, 10),
    ];
    produce(&brokers, topic, &mails);
    // The offsets of a record, its marker, the record after that, and the marker of the transaction that was aborted.
    let cases: [(&[&str], &str); 15] = [
        (&[], "a b c x y"),
        (&["--since", "1h"], "b c y"),
        (&["--since", "2h"], "b c x y"),
        (&["--since", "7d"], "a b c x y"),
        (&["--since", "0s"], ""),
        (&["--since", "2999-01-01"], ""),
        (&["--since", "1h", "--partition", "1"], "y"),
        (&["--partition", "0"], "a b c"),
        (
            &["--partition", "0", "--partition", "1", "--since", "45min"],
            "b c y",
        ),
        (&["--partition", "0", "--offset", "0"], "a b c"),
        (&["--partition", "0", "--offset", "1"], "b c"),
        (&["--partition", "0", "--offset", "2"], "b c"),
        (&["--partition", "0", "--offset", "5"], ""),
        (&["--partition", "0", "--offset", "6"], ""),
        (&["--partition", "0", "--offset", "8"], ""),
    ];
    // Several at once: a topic that ends with a marker is waited for.
    for cases in cases.chunks(5) {
        std::thread::scope(|scope| {
            for (flags, expected) in cases {
                let brokers = &brokers;
                scope.spawn(move || {
                    assert_eq!(ids(brokers, topic, flags).join(" "), *expected, "{flags:?}");
                });
            }
        });
    }
    for (offset, range) in [("9", "0 to 8"), ("9223372036854775807", "0 to 8")] {
        let output = consume(&brokers, topic, &["--partition", "0", "--offset", offset]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{range} is allowed")), "{said}");
    }
    let ids = |flags: &[&str]| ids(&brokers, topic, flags).join(" ");
    let group = ["--group", "g", "--since", "1h"];
    assert_eq!(ids(&group), "b c y");
    assert_eq!(ids(&group), "", "the group has its offsets");
}

#[test]
fn a_beginning_that_was_moved_is_the_lowest_offset_and_time() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (cluster.bootstrap(), "moved");
    cluster.create_topic(topic, 1, 1, &[]);
    produce(
        &brokers,
        topic,
        &[mail("a", 0, 180), mail("b", 0, 120), mail("c", 0, 60)],
    );
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut before = TopicPartitionList::new();
    before
        .add_partition_offset(topic, 0, Offset::Offset(2))
        .unwrap();
    runtime
        .block_on(admin.delete_records(&before, &AdminOptions::new()))
        .unwrap();
    let read = |flags: &[&str]| ids(&brokers, topic, flags).join(" ");
    assert_eq!(read(&[]), "b c");
    assert_eq!(read(&["--since", "7d"]), "b c");
    assert_eq!(read(&["--partition", "0", "--offset", "beginning"]), "b c");
    assert_eq!(read(&["--partition", "0", "--offset", "2"]), "b c");
    let output = consume(&brokers, topic, &["--partition", "0", "--offset", "1"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("has no offset 1: 2 to 6 is allowed"),
        "{said}"
    );
}
