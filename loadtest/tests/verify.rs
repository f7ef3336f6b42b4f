//! `--verify` against a server that keeps what it takes in Kafka (librdkafka's mock cluster), and one that cheats.

mod support;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use support::{Behaviour, Server, number, report, run};

const TOPIC: &str = "mail";

fn cluster() -> (MockCluster<'static, DefaultProducerContext>, String) {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic(TOPIC, 4, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    (cluster, brokers)
}

/// How often and how changed a message is kept, by its count.
type Fate = fn(u64) -> (usize, bool);

fn server(brokers: &str, fate: Fate) -> Server {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "0")
        .create()
        .expect("a producer");
    let keep = move |count: u64, body: &[u8]| {
        let (copies, altered) = fate(count);
        let mut value = [b"Received: by mx.example; now\r\n", body].concat();
        if altered {
            *value.last_mut().expect("not empty") ^= 1;
        }
        for copy in 0..copies {
            // Copies of even messages have the same id, as after a produce retry.
            let id = format!("{count}-{}", copy as u64 * (count % 2));
            let header = |key, value| Header {
                key,
                value: Some(value),
            };
            let headers = OwnedHeaders::new()
                .insert(header("ce_id", id.as_str()))
                .insert(header("ce_smtpfrom", "a@x.example"))
                .insert(header("ce_smtpto", r#"["b@x.example","b+2@x.example"]"#));
            let record = BaseRecord::<(), [u8]>::to(TOPIC)
                .payload(&value)
                .headers(headers);
            producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("room in the queue");
        }
        producer
            .flush(Duration::from_secs(20))
            .expect("acknowledged");
    };
    Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        keep: Some(Arc::new(keep)),
        ..Behaviour::default()
    })
}

const WORDS: [&str; 14] = [
    "--messages",
    "100",
    "--connections",
    "4",
    "--from",
    "a@x.example",
    "--to",
    "b@x.example",
    "--recipients",
    "2",
    "--verify",
    "--topic",
    TOPIC,
    "--brokers",
];

#[test]
fn an_honest_server_loses_nothing() {
    let (_cluster, brokers) = cluster();
    let server = server(&brokers, |_| (1, false));
    for _ in 0..2 {
        let words = WORDS.iter().copied().chain([
            &brokers[..],
            "--assert",
            "lost=0,duplicated=0,altered=0",
        ]);
        let report = report(server.address, &words.collect::<Vec<_>>());
        assert_eq!(report["passed"], true, "{report}");
        assert_eq!(
            number(&report, "/verify/records"),
            100,
            "only this run's: {report}"
        );
        assert_eq!(number(&report, "/verify/envelope_differs"), 0);
        assert_eq!(number(&report, "/verify/foreign"), 0);
        assert_eq!(number(&report, "/verify/readable_microseconds/count"), 100);
    }
}

#[test]
fn a_server_that_cheats_is_told() {
    let (_cluster, brokers) = cluster();
    let server = server(&brokers, |count| match count {
        _ if count % 10 == 0 => (0, false),
        _ if count % 25 == 1 => (3, false),
        _ if count % 25 == 2 => (2, false),
        _ if count % 25 == 3 => (1, true),
        _ => (1, false),
    });
    let words = WORDS
        .iter()
        .copied()
        .chain([&brokers[..], "--verify-wait", "2s"]);
    let report = report(server.address, &words.collect::<Vec<_>>());
    let verify = |name: &str| number(&report, &format!("/verify/{name}"));
    assert_eq!(number(&report, "/messages/accepted"), 100);
    assert_eq!(verify("lost"), 10, "{report}");
    assert_eq!(
        report["verify"]["lost_message_ids"]
            .as_array()
            .map(Vec::len),
        Some(10)
    );
    // 1, 26, 51, 76 thrice, 2, 27, 52, 77 twice; even ones under one id.
    assert_eq!(verify("duplicated"), 8 + 4, "{report}");
    assert_eq!(verify("duplicated_same_id"), 4 + 2, "{report}");
    assert_eq!(verify("altered"), 4, "{report}");
    assert_eq!(report["verify"]["complete"], true);
    assert_eq!(report["passed"], false);
}

#[test]
fn a_run_against_nobody_ends_with_one_line_also_when_it_is_to_be_verified() {
    let (_cluster, brokers) = cluster();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string();
    let words = [&nobody[..], "--duration", "1h", "--rate", "10"];
    let verify = ["--verify", "--topic", TOPIC, "--brokers", &brokers];
    let output = run(&[&words[..], &verify].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "ringpost-loadtest: connection refused by {nobody}: nobody listens there; is the server running?\n"
        )
    );
}

#[test]
fn what_cannot_be_looked_up_is_unknown_and_not_lost() {
    let (cluster, brokers) = cluster();
    let (half, is_half) = std::sync::mpsc::sync_channel(0);
    let (gone, is_gone) = std::sync::mpsc::sync_channel(0);
    let is_gone = std::sync::Mutex::new(is_gone);
    // The brokers go before the last message is accepted.
    let keep = move |count: u64, _: &[u8]| {
        if count == 50 {
            half.send(()).expect("the test waits");
            let is_gone = is_gone.lock().expect("no panic");
            is_gone.recv().expect("the test says so");
        }
    };
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        keep: Some(Arc::new(keep)),
        ..Behaviour::default()
    });
    let words = [&WORDS[..], &[&brokers, "--verify-wait", "1s"]].concat();
    let with_bound = [&words[..], &["--assert", "lost=0"]].concat();
    let target = server.address.to_string();
    let output = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&[&[&target[..], "--json"], &with_bound[..]].concat()));
        is_half.recv().expect("messages come");
        drop(cluster);
        gone.send(()).expect("the server waits");
        running.join().expect("it ran")
    });
    let text = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!(report["verify"]["complete"], false, "{report}");
    assert!(report["verify"]["lost"].is_null(), "{report}");
    assert_eq!(number(&report, "/verify/not_found"), 100, "{report}");
    assert_eq!(report["assertions"][0]["holds"], false, "{report}");
}
