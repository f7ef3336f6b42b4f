//! What a real cluster's state means for mail: a topic that is missing, compacted, or not to be written to. `check`, the log
//! and /readyz say the same, and mail flows again by itself.
//!
//! The brokers create topics that are asked for, as Kafka's default is, so that a request of ours that could create one
//! would. They have an authorizer.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::kafka::{self, Cluster};
use support::ringpost::promised;
use support::server::{Server, check, line, run};
use support::topic::read_topic;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

const BROKER: &str = "auto.create.topics.enable=true
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true";

/// One broker for all tests of this file.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, BROKER)
}

fn assert_absent(cluster: &Cluster, topic: &str, who: &str) {
    let topics = cluster.topics();
    assert!(
        !topics.iter().any(|name| name == topic),
        "{who}: {topics:?}"
    );
}

const MIB: usize = 1 << 20;

#[test]
fn nothing_of_ours_creates_a_topic_and_mail_flows_once_somebody_has() {
    let Some(cluster) = cluster() else { return };
    let (topic, brokers) = ("typo", cluster.bootstrap());
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(1), "{output}");
    let missing = line(&output, "failed", "topic");
    assert!(missing.contains("kafka-topics.sh --create"), "{missing}");
    assert_absent(cluster, topic, "check");
    for group in [&[][..], &["--group", "g"]] {
        let flags = [
            "consume",
            "--brokers",
            &brokers,
            "--topic",
            topic,
            "--until-end",
        ];
        let (code, output) = run(&[&flags, group].concat());
        assert_eq!(code, Some(1), "{output}");
        assert_absent(cluster, topic, "consume");
    }
    let server = Server::start(cluster, topic, "");
    assert_eq!(server.readiness(), (false, missing.to_owned()));
    for _ in 0..3 {
        server.refused("451 4.4.1 ");
    }
    // Asked for all the time, by each producer.
    server.send(MIB);
    let rounds = Instant::now() + Duration::from_secs(5);
    while Instant::now() < rounds {
        server.refused("451 4.4.1 ");
    }
    assert_absent(cluster, topic, "serve");
    cluster.create_topic(topic, 2, 1, &[]);
    server.wait(true);
    server.stored(10);
    server.stored(MIB);
    assert_eq!(read_topic(&brokers, topic).len(), 2);
    let (away, back) = server.lines();
    assert_eq!((away.len(), back.len()), (1, 1), "{}", server.log());
    assert!(
        away[0].contains("ERROR") && away[0].ends_with(missing),
        "{away:?}"
    );
}

#[test]
fn a_topic_that_is_deleted_is_not_made_again_by_us() {
    let Some(cluster) = cluster() else { return };
    let topic = "fleeting";
    cluster.create_topic(topic, 2, 1, &[]);
    let server = Server::start(cluster, topic, "delivery_timeout = \"3s\"");
    server.wait(true);
    server.stored(10);
    server.stored(MIB);
    cluster.delete_topic(topic);
    let text = server.wait(false);
    server.refused("451 ");
    server.send(MIB);
    let rounds = Instant::now() + Duration::from_secs(5);
    while Instant::now() < rounds {
        server.refused("451 4.4.1 ");
    }
    assert!(!text.is_empty());
    let (_, text) = server.readiness();
    assert!(text.contains("does not exist"), "{text}");
    assert_absent(cluster, topic, "serve");
    cluster.create_topic(topic, 3, 1, &[]);
    server.wait(true);
    server.stored(10);
    server.stored(MIB);
    assert_eq!(read_topic(&cluster.bootstrap(), topic).len(), 2);
}

#[test]
fn a_compacted_topic_takes_no_mail_until_it_is_changed() {
    let Some(cluster) = cluster() else { return };
    let topic = "newest";
    cluster.create_topic(topic, 1, 1, &[("cleanup.policy", "compact")]);
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(1), "{output}");
    let why = line(&output, "failed", "cleanup");
    assert!(why.contains("refuses every record without a key"), "{why}");
    let server = Server::start(cluster, topic, "");
    assert_eq!(server.readiness(), (false, why.to_owned()));
    server.log_once(|log| log.contains("storage away since"));
    let (away, _) = server.lines();
    assert!(
        away[0].contains("ERROR") && away[0].ends_with(why),
        "{away:?}"
    );
    server.refused("451 4.3.5 ");
    cluster.set_config(topic, "cleanup.policy", "delete");
    server.wait(true);
    server.stored(10);
    cluster.set_config(topic, "cleanup.policy", "compact,delete");
    let text = server.wait(false);
    assert!(text.contains("compact,delete"), "{text}");
    server.refused("451 4.3.5 ");
    let (away, back) = server.lines();
    assert_eq!((away.len(), back.len()), (2, 1), "{}", server.log());
    assert!(away[1].ends_with(&text), "{away:?}\n{text}");
}

#[test]
fn a_compacted_topic_takes_mail_with_keys_where_the_operator_wants_it() {
    let Some(cluster) = cluster() else { return };
    let topic = "wanted";
    cluster.create_topic(topic, 1, 1, &[("cleanup.policy", "compact")]);
    for (lines, takes) in [
        ("key = \"recipient\"", false),
        ("allow_compacted = true", false),
        ("key = \"recipient\"\nallow_compacted = true", true),
    ] {
        let server = Server::start(cluster, topic, lines);
        if takes {
            server.wait(true);
            server.stored(10);
        } else {
            server.refused("451 4.3.5 ");
        }
        assert_eq!(server.readiness().0, takes, "{lines}: {}", server.log());
    }
}

#[test]
fn a_right_that_is_missing_is_said_when_it_goes_and_when_it_is_back() {
    let Some(cluster) = cluster() else { return };
    let topic = "guarded";
    cluster.create_topic(topic, 1, 1, &[]);
    let (_, output) = check(cluster, topic);
    line(&output, "ok", "write");
    let server = Server::start(cluster, topic, "");
    server.wait(true);
    server.stored(10);
    cluster.deny_writing(topic);
    while promised(&server.send(10)).is_some() {}
    server.refused("451 4.3.5 ");
    let text = server.wait(false);
    assert!(text.contains("TOPIC_AUTHORIZATION_FAILED"), "{text}");
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(1), "{output}");
    let why = line(&output, "failed", "write");
    assert!(why.contains("operation Write is missing"), "{why}");
    assert!(why.contains("kafka-acls.sh"), "{why}");
    cluster.allow_writing(topic);
    server.wait(true);
    server.stored(10);
    let (away, back) = server.lines();
    assert_eq!((away.len(), back.len()), (1, 1), "{}", server.log());
    assert!(away[0].ends_with(why), "{away:?}");
}

/// The most that a topic has to hold for a message of this size.
fn limit(message: usize) -> String {
    (message + 64 * 1024).to_string()
}

#[test]
fn a_topic_that_is_too_small_for_any_mail_keeps_all_mail_at_its_senders() {
    let Some(cluster) = cluster() else { return };
    let topic = "tiny";
    let below = (128 * 1024 - 1).to_string();
    cluster.create_topic(topic, 1, 1, &[("max.message.bytes", &below)]);
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(1), "{output}");
    let why = line(&output, "failed", "size");
    assert!(why.contains("kafka-configs.sh"), "{why}");
    let server = Server::start(cluster, topic, "");
    assert_eq!(server.readiness(), (false, why.to_owned()));
    server.log_once(|log| log.contains("storage away since"));
    let (away, _) = server.lines();
    assert!(away[0].ends_with(why), "{away:?}");
    assert_eq!(server.advertised(), 25 << 20);
    server.refused("451 4.3.5 ");
    cluster.set_config(topic, "max.message.bytes", &limit(25 * MIB));
    server.wait(true);
    server.stored(10);
    server.stored(MIB);
    cluster.set_config(topic, "max.message.bytes", "1000");
    server.wait(false);
    server.refused("451 4.3.5 ");
    let (away, back) = server.lines();
    assert_eq!((away.len(), back.len()), (2, 1), "{}", server.log());
    assert!(back[0].contains("INFO"), "{back:?}");
    // At the floor SIZE is lower, and mail flows.
    cluster.set_config(topic, "max.message.bytes", &limit(64 * 1024));
    let server = Server::start(cluster, topic, "");
    server.wait(true);
    assert_eq!(server.advertised(), 64 * 1024);
    server.stored(10);
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(0), "{output}");
    line(&output, "warning", "size");
}

#[test]
fn a_limit_that_is_lowered_while_mail_flows_bounces_no_mail() {
    let Some(cluster) = cluster() else { return };
    let topic = "shrunk";
    cluster.create_topic(topic, 1, 1, &[("max.message.bytes", &limit(2 * MIB))]);
    let server = Server::start(cluster, topic, "");
    assert_eq!(server.advertised(), 2 << 20);
    server.stored(3 * MIB / 2);
    cluster.set_config(topic, "max.message.bytes", &limit(MIB / 2));
    let end = Instant::now() + PATIENCE;
    // Until the broker goes by it.
    let reply = loop {
        let reply = server.send(3 * MIB / 2);
        if promised(&reply).is_none() {
            break reply;
        }
        assert!(Instant::now() < end, "{reply}");
    };
    assert!(reply.starts_with("451 4.3.5 "), "{reply}");
    server.stored(10);
    assert_eq!(server.advertised(), 2 << 20);
    let begun = "is too small for the SIZE = 2097152 that EHLO names";
    let over = "mail of any size that EHLO names is stored again";
    let count = |words: &str| {
        server
            .log()
            .lines()
            .filter(|line| line.contains(words))
            .count()
    };
    let wait = |words: &str| {
        while count(words) == 0 {
            assert!(Instant::now() < end, "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(begun);
    assert!(server.readiness().0, "smaller mail is stored");
    cluster.set_config(topic, "max.message.bytes", &limit(2 * MIB));
    wait(over);
    server.stored(3 * MIB / 2);
    assert_eq!((count(begun), count(over)), (1, 1), "{}", server.log());
    let log = server.log();
    assert!(!log.contains("SIZE is lowered to 524288"), "{log}");
}

/// What a consumer says that reads this topic to its end, with more flags; and its exit code.
fn consume(cluster: &Cluster, topic: &str, flags: &[&str]) -> (Option<i32>, String) {
    let brokers = cluster.bootstrap();
    let all = [
        "consume",
        "--brokers",
        &brokers,
        "--topic",
        topic,
        "--until-end",
    ];
    run(&[&all, flags].concat())
}

/// Asks until a rule that was set a moment ago is gone by.
fn until_denied(ask: impl Fn() -> (Option<i32>, String)) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let (code, text) = ask();
        if code == Some(1) {
            return text;
        }
        assert!(code == Some(0) && Instant::now() < end, "{code:?}: {text}");
    }
}

#[test]
fn a_consumer_needs_no_group_right_without_a_group_and_names_the_one_it_wants() {
    let Some(cluster) = cluster() else { return };
    let topic = "readable";
    cluster.create_topic(topic, 2, 1, &[]);
    let server = Server::start(cluster, topic, "");
    server.wait(true);
    server.stored(10);
    for group in ["ringpost-consume", "archive"] {
        cluster.deny_group(group);
    }
    let text = until_denied(|| consume(cluster, topic, &["--group", "archive"]));
    for part in [
        "group \"archive\": not authorized (GROUP_AUTHORIZATION_FAILED)",
        "kafka-acls.sh",
        "--operation Read --group archive`",
    ] {
        assert!(text.contains(part), "{text}");
    }
    until_denied(|| consume(cluster, topic, &["--group", "ringpost-consume"]));
    let (code, text) = consume(cluster, topic, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("AUTHORIZATION"), "{text}");
    cluster.deny_reading(topic);
    let text = until_denied(|| consume(cluster, topic, &[]));
    assert!(
        text.contains("--operation Read --topic readable`"),
        "{text}"
    );
}

#[test]
fn a_member_whose_topic_was_deleted_is_told_so() {
    use std::io::{BufRead, BufReader};
    let Some(cluster) = cluster() else { return };
    let topic = "gone";
    cluster.create_topic(topic, 2, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args([
            "consume",
            "--brokers",
            &cluster.bootstrap(),
            "--topic",
            topic,
        ])
        .args(["--group", "alone", "--format", "json", "--output"])
        .arg(folder.path().join("out"))
        .args(["--property", "topic.metadata.refresh.interval.ms=1000"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let server = Server::start(cluster, topic, "");
    server.wait(true);
    server.stored(10);
    let end = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(folder.path().join("out")).is_ok_and(|text| !text.is_empty()) {
        assert!(Instant::now() < end, "nothing is read");
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.delete_topic(topic);
    let told = lines
        .by_ref()
        .map(Result::unwrap)
        .inspect(|line| assert!(!line.contains("hold them all"), "{line}"))
        .find(|line| line.contains("no longer exists"));
    assert!(told.is_some(), "it ended without a word");
    let _ = child.kill();
    child.wait().unwrap();
}
