//! What a 250 is worth: what `check` and the start say of a real cluster, what an operator can require, and what survives.
//!
//! Each command that is printed is run as it is printed, by Kafka's own tools.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::kafka::{self, Cluster};
use support::ringpost::promised;
use support::server::{Server, check, line, run};
use support::topic::read_topic;

const BROKER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true";

/// One broker, for the tests that leave it alone.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, BROKER)
}

/// Within this, a change of a topic has to be noticed.
const NOTICED: Duration = Duration::from_secs(20);

/// The command between backticks in a line of a check.
fn command(text: &str) -> &str {
    let (_, rest) = text
        .split_once('`')
        .unwrap_or_else(|| panic!("no command in {text}"));
    rest.split_once('`').expect("a command ends").0
}

/// The verdict of a question.
fn verdict<'a>(output: &'a str, name: &str) -> &'a str {
    let words = output
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = words
        .filter(|words| words.get(1) == Some(&name))
        .map(|words| words[0]);
    let all: Vec<&str> = found.collect();
    assert_eq!(all.len(), 1, "one line about {name}:\n{output}");
    all[0]
}

/// Checks until a change that was made a moment ago is seen.
fn until(cluster: &Cluster, topic: &str, name: &str, wanted: &str) -> String {
    let end = Instant::now() + NOTICED;
    loop {
        let (_, output) = check(cluster, topic);
        if verdict(&output, name) == wanted {
            return output;
        }
        assert!(Instant::now() < end, "{name} is not {wanted}:\n{output}");
    }
}

/// Runs the command that a warning prints; then it is answered well.
fn mend(cluster: &Cluster, topic: &str, name: &str) -> String {
    let output = until(cluster, topic, name, "warning");
    let text = line(&output, "warning", name);
    cluster.shell(command(text));
    until(cluster, topic, name, "ok")
}

#[test]
fn one_broker_is_told_what_it_is_worth_and_what_it_cannot_have() {
    let Some(cluster) = cluster() else { return };
    let topic = "alone";
    cluster.create_topic(topic, 2, 1, &[("unclean.leader.election.enable", "true")]);
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(0), "{output}");
    for (name, words) in [
        (
            "replicas",
            "a cluster of one broker cannot have a second copy",
        ),
        ("in_sync", "one broker alone confirms each mail"),
        ("election", "mail is lost after its 250"),
        ("retention", "for 168 hours (retention.ms = 604800000)"),
    ] {
        let text = line(&output, "warning", name);
        assert!(text.contains(words), "{text}");
    }
    for name in ["replicas", "in_sync"] {
        // No command could mend it.
        assert!(!line(&output, "warning", name).contains('`'), "{output}");
    }
    for name in ["topic", "cleanup", "flush", "write", "size", "idempotence"] {
        assert_eq!(verdict(&output, name), "ok", "{output}");
    }
    let flags = [
        "check",
        "--strict",
        "--brokers",
        &cluster.bootstrap(),
        "--topic",
        topic,
    ];
    let (code, strict) = run(&flags);
    assert_eq!(code, Some(1), "{strict}");
    assert!(!strict.contains("warning  "), "{strict}");
    line(&strict, "failed", "retention");
    let sum = strict
        .lines()
        .find(|line| line.starts_with("ringpost check: "));
    assert!(
        sum.is_some_and(|sum| sum.ends_with("failures with --strict: mail would be stored")),
        "{strict}"
    );

    // At the start each is one line, the same as in `check`.
    let server = Server::start(
        cluster,
        topic,
        "[kafka.properties]\nenable.idempotence = true",
    );
    server.wait(true);
    server.stored(10);
    let log = server.log_once(|log| log.contains("retention.ms = 604800000"));
    for name in ["replicas", "in_sync", "election", "retention"] {
        let text = line(&output, "warning", name);
        let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(text)).collect();
        assert!(
            lines.len() == 1 && lines[0].contains("WARN"),
            "{name}: {log}"
        );
    }
    assert_eq!(log.matches("enable.idempotence").count(), 1, "{log}");

    mend(cluster, topic, "election");
    mend(cluster, topic, "retention");
    cluster.set_config(topic, "retention.bytes", "1000000");
    let output = mend(cluster, topic, "retention");
    cluster.set_config(topic, "flush.messages", "1");
    until(cluster, topic, "flush", "ok");
    assert_eq!(verdict(&output, "election"), "ok", "{output}");
}

#[test]
fn a_topic_gets_the_replicas_and_the_confirmations_that_three_brokers_can_give() {
    let Some(cluster) = kafka::start_or_skip(3) else {
        return;
    };
    let topic = "mail";
    cluster.create_topic(topic, 4, 1, &[("min.insync.replicas", "1")]);
    let server = Server::start(&cluster, topic, "require_in_sync = 2");
    assert!(
        server.ringpost.ready.starts_with("ready "),
        "{}",
        server.ringpost.ready
    );
    let (ready, text) = server.readiness();
    assert!(
        !ready && text.contains("kafka.require_in_sync = 2"),
        "{text}"
    );
    assert!(text.contains("give the topic 3 first"), "{text}");
    server.refused("451 4.3.5 ");

    let (code, output) = check(&cluster, topic);
    assert_eq!(code, Some(0), "{output}");
    let few = line(&output, "warning", "in_sync");
    assert!(few.contains("give the topic 3 replicas first"), "{few}");
    let replicas = mend(&cluster, topic, "replicas");
    let text = line(&replicas, "ok", "replicas");
    assert!(text.contains("3 replicas"), "{text}");
    cluster.wait_in_sync(topic);
    server.refused("451 4.3.5 ");

    let output = until(&cluster, topic, "in_sync", "warning");
    let raise = command(line(&output, "warning", "in_sync")).to_owned();
    assert!(raise.contains("min.insync.replicas=2"), "{raise}");
    let begun = Instant::now();
    cluster.shell(&raise);
    server.wait(true);
    server.stored(10);
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    until(&cluster, topic, "in_sync", "ok");

    // And back.
    let begun = Instant::now();
    cluster.set_config(topic, "min.insync.replicas", "1");
    let text = server.wait(false);
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    assert!(
        text.contains("--add-config min.insync.replicas=2`"),
        "{text}"
    );
    server.refused("451 4.3.5 ");
    cluster.set_config(topic, "min.insync.replicas", "3");
    server.wait(true);
    server.stored(10);
    let output = mend(&cluster, topic, "in_sync");
    assert!(
        line(&output, "ok", "in_sync").contains("min.insync.replicas = 2"),
        "{output}"
    );
    let (away, back) = server.lines();
    assert_eq!((away.len(), back.len()), (2, 2), "{}", server.log());
    assert_eq!(read_topic(&cluster.bootstrap(), topic).len(), 2);
}

#[test]
fn what_is_required_and_cannot_be_read_is_not_promised() {
    let Some(cluster) = cluster() else { return };
    let topic = "secret";
    cluster.create_topic(topic, 1, 1, &[]);
    cluster.deny_describing_configs(topic);
    let flags = |required: usize| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ringpost.toml");
        let brokers = cluster.bootstrap();
        let text = format!(
            "[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\nrequire_in_sync = {required}\n"
        );
        std::fs::write(&path, text).unwrap();
        let answer = run(&["check", "--config", path.to_str().unwrap()]);
        drop(folder);
        answer
    };
    let end = Instant::now() + NOTICED;
    let output = loop {
        let (code, output) = flags(1);
        assert_eq!(code, Some(0), "{output}");
        if verdict(&output, "in_sync") == "skipped" {
            break output;
        }
        assert!(Instant::now() < end, "{output}");
    };
    assert!(
        line(&output, "warning", "cleanup").contains("DescribeConfigs"),
        "{output}"
    );
    let (code, output) = flags(2);
    assert_eq!(code, Some(1), "{output}");
    let why = line(&output, "failed", "in_sync");
    assert!(why.contains("--operation DescribeConfigs"), "{why}");
    let usual = Server::start(cluster, topic, "");
    usual.wait(true);
    usual.stored(10);
    let server = Server::start(cluster, topic, "require_in_sync = 2");
    assert_eq!(server.readiness(), (false, why.to_owned()));
    server.refused("451 4.3.5 ");
    // With the right, it is the number that is missing.
    cluster.allow_describing_configs(topic);
    let end = Instant::now() + NOTICED;
    while !server
        .readiness()
        .1
        .contains("is lower than kafka.require_in_sync = 2")
    {
        assert!(Instant::now() < end, "{:?}", server.readiness());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.refused("451 4.3.5 ");
    // One replica cannot be two.
    cluster.set_config(topic, "min.insync.replicas", "2");
    server.refused("451 ");
    assert_eq!(read_topic(&cluster.bootstrap(), topic).len(), 1);
}

#[test]
fn a_topic_is_created_at_the_start_where_the_operator_wants_it_and_never_later() {
    let Some(cluster) = cluster() else { return };
    let (topic, brokers) = ("wanted", cluster.bootstrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringpost.toml");
    let text =
        format!("[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\ncreate_topic = true\n");
    std::fs::write(&path, text).unwrap();
    let (code, output) = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{output}");
    let would = line(&output, "ok", "topic");
    assert!(
        would.contains("would be created (kafka.create_topic): 12 partitions, 1 of each"),
        "{would}"
    );
    assert!(!cluster.topics().contains(&topic.to_owned()));

    let server = Server::start(
        cluster,
        topic,
        "create_topic = true\ndelivery_timeout = \"3s\"",
    );
    assert!(server.readiness().0, "{}", server.log());
    server.stored(10);
    let log = server.log_once(|log| log.contains("was created"));
    let created: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("was created"))
        .collect();
    assert!(created.len() == 1 && created[0].contains("INFO"), "{log}");
    assert!(created[0].contains("max.message.bytes = 26279936"), "{log}");
    let (code, output) = check(cluster, topic);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        line(&output, "ok", "topic").contains("12 partitions"),
        "{output}"
    );
    line(&output, "ok", "size");
    // There is nothing to create now.
    let second = Server::start(cluster, topic, "create_topic = true");
    second.stored(10);
    assert!(!second.log().contains("created"), "{}", second.log());

    cluster.delete_topic(topic);
    let text = server.wait(false);
    let end = Instant::now() + NOTICED;
    let mut text = text;
    while !text.contains("at its start only: restart it") {
        assert!(Instant::now() < end, "{text}");
        std::thread::sleep(Duration::from_millis(20));
        text = server.readiness().1;
    }
    let rounds = Instant::now() + Duration::from_secs(5);
    while Instant::now() < rounds {
        server.refused("451 ");
    }
    assert!(!cluster.topics().contains(&topic.to_owned()));
    // The command that it prints does what the start would do.
    cluster.shell(command(&text));
    server.wait(true);
    server.stored(10);
    assert_eq!(read_topic(&brokers, topic).len(), 1);
}

#[test]
fn a_topic_that_may_not_be_created_is_one_error_and_the_rest_is_as_without() {
    let Some(cluster) = cluster() else { return };
    let topic = "forbidden";
    cluster.deny_creating(topic);
    // A rule that was set a moment ago may not be in force.
    let end = Instant::now() + NOTICED;
    let (server, text) = loop {
        let server = Server::start(cluster, topic, "create_topic = true");
        let (ready, text) = server.readiness();
        if !ready {
            break (server, text);
        }
        assert!(Instant::now() < end, "{}", server.log());
        drop(server);
        cluster.delete_topic(topic);
    };
    assert!(text.contains("does not exist"), "{text}");
    server.refused("451 4.4.1 ");
    let log = server.log_once(|log| log.contains("--operation Create "));
    let denied: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("--operation Create "))
        .collect();
    assert!(denied.len() == 1 && denied[0].contains("ERROR"), "{log}");
    assert!(!cluster.topics().contains(&topic.to_owned()));
}

#[test]
fn each_topic_is_asked_about_created_and_counted_for_size() {
    let Some(cluster) = cluster() else { return };
    let five_mib = (5 << 20) + 64 * 1024;
    cluster.create_topic(
        "parcels",
        2,
        1,
        &[
            ("max.message.bytes", &five_mib.to_string()),
            ("unclean.leader.election.enable", "true"),
        ],
    );
    let lines = "large_topic = \"parcels\"\ncreate_topic = true\n\
                 [[routes]]\nrecipients = [\"tenant.example\"]\ntopic = \"tenant\"\nlarge_topic = \"parcels\"";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringpost.toml");
    let brokers = cluster.bootstrap();
    let text = format!("[kafka]\nbrokers = \"{brokers}\"\ntopic = \"letters\"\n{lines}\n");
    std::fs::write(&path, text).unwrap();
    let ask = || {
        let (code, output) = run(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{output}");
        output
    };
    let of = |output: &str, name: &str| -> Vec<String> {
        let named = |line: &&str| line.split_whitespace().nth(1) == Some(name);
        output.lines().filter(named).map(str::to_owned).collect()
    };
    let output = ask();
    let topics = of(&output, "topic").join("\n");
    assert_eq!(topics.matches("would be created").count(), 2, "{topics}");
    assert!(topics.contains("parcels: 2 partitions"), "{topics}");
    let election = of(&output, "election").join("\n");
    assert!(
        election.contains("warning  election     topic \"parcels\" at "),
        "{election}"
    );
    assert!(
        election.contains("letters, tenant: asked once the topic is there"),
        "{election}"
    );

    let server = Server::start(cluster, "letters", lines);
    server.wait(true);
    assert_eq!(server.advertised(), 5 << 20, "{}", server.log());
    let log = server.log_once(|log| log.contains("retention.ms"));
    assert_eq!(log.matches("was created").count(), 2, "{log}");
    // Letters are below kafka.large_size, so that their topic needs no more.
    assert_eq!(
        log.matches(", max.message.bytes = 1114112, cleanup")
            .count(),
        2,
        "{log}"
    );
    assert_eq!(log.matches("retention.ms = 604800000").count(), 1, "{log}");
    assert!(
        log.contains("`ringpost check` says the same of: parcels, tenant"),
        "{log}"
    );

    let output = ask();
    assert_eq!(of(&output, "topic").len(), 2, "{output}");
    let write = of(&output, "write");
    assert!(
        write.len() == 1 && write[0].contains("letters, parcels, tenant: ringpost may write"),
        "{output}"
    );
    let size = of(&output, "size");
    assert_eq!(size.len(), 2, "{output}");
    assert!(size[0].contains("letters, tenant: max.message.bytes = 1114112 holds a message of kafka.large_size = 1048576"), "{output}");
    assert!(
        size[1]
            .starts_with("warning  size         max.message.bytes = 5308416 of topic \"parcels\""),
        "{output}"
    );
}

#[test]
fn every_250_survives_the_loss_of_a_brokers_disk() {
    let Some(mut cluster) = kafka::start_or_skip(3) else {
        return;
    };
    let topic = "mail";
    cluster.create_topic(topic, 6, 3, &[("min.insync.replicas", "2")]);
    let server = Server::start(
        &cluster,
        topic,
        "require_in_sync = 2\ndelivery_timeout = \"20s\"",
    );
    server.wait(true);
    let mut promises = BTreeSet::new();
    let mut send = |server: &Server, count: usize| {
        let replies = (0..count).map(|_| server.send(1000));
        promises.extend(replies.filter_map(|reply| promised(&reply)));
        promises.len()
    };
    send(&server, 50);
    let lost = cluster.leader(topic, 0);
    cluster.kill_broker(lost);
    send(&server, 20);
    cluster.lose_disk(lost);
    let with_two = send(&server, 20);
    assert!(with_two > 70, "two of three brokers take mail: {with_two}");
    cluster.start_broker(lost);
    cluster.wait_in_sync(topic);
    // What it has now is what the others gave it; a second broker may go.
    let other = (lost + 1) % 3;
    cluster.kill_broker(other);
    send(&server, 20);
    // A reader that comes right after a failover may see a partition end early.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let records = read_topic(&cluster.bootstrap(), topic);
        let stored: BTreeSet<String> = records
            .iter()
            .map(|record| record.id().to_owned())
            .collect();
        let missing = promises.difference(&stored).count();
        if missing == 0 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{missing} of {} mails that got 250 are lost",
            promises.len()
        );
    }
}
