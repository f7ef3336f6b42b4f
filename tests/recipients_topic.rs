//! Recipients that a topic names, with the real binary and real Kafka: known before "ready", changed while mail flows, and kept
//! while Kafka is away; and `ringpost recipients`, which writes the topic.

mod support;

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use support::engine;
use support::kafka::{self, Cluster};
use support::ringpost::Client;
use support::tools;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

const COMPACT: &[(&str, &str)] = &[("cleanup.policy", "compact")];

/// One broker for the tests that leave it alone. It has an authorizer.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    let lines = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 allow.everyone.if.no.acl.found=true";
    kafka::shared_or_skip(&CLUSTER, lines)
}

/// A server of `example.com` and `*.example.org`, at its own address, with its log in a file.
struct Server {
    child: Child,
    address: Ipv4Addr,
    folder: tempfile::TempDir,
    output: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts it and does not wait until it is ready.
    fn begin(brokers: &str, topic: &str) -> Self {
        let random = RandomState::new().hash_one(topic).to_be_bytes();
        let address = Ipv4Addr::new(127, random[0].max(1), random[1], random[2].clamp(1, 254));
        let folder = tempfile::tempdir().expect("a folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let mut child = engine::ringpost()
            .args(["--listen", &format!("{address}:2525")])
            .args(["--admin", &format!("{address}:9925")])
            .args(["--hostname", "mx.example", "--brokers", brokers])
            .args(["--domain", "example.com", "--domain", "*.example.org"])
            .args(["--domain", "b\u{fc}cher.example"])
            .args(["--recipients-topic", topic])
            .env("RINGPOST_SERVER_WORKERS", "2")
            .env("RINGPOST_LOG_MESSAGES", "false")
            // The recipients are asked about, whether mail could be stored or not.
            .env("RINGPOST_KAFKA_FAIL_FAST_AFTER", "0s")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self {
            child,
            address,
            folder,
            output,
        }
    }

    fn start(brokers: &str, topic: &str) -> Self {
        let mut server = Self::begin(brokers, topic);
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(line.starts_with("ready "), "{line:?}: {}", self.log());
        line
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }

    fn log_lines(&self, part: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(part))
            .count()
    }

    /// Waits for a line of the log, of which there is to be one.
    fn has_one_line(&self, part: &str) {
        wait_until(part, || self.log_lines(part) > 0);
        assert_eq!(self.log_lines(part), 1, "{part}: {}", self.log());
    }

    /// A client inside a transaction.
    fn client(&self) -> Client {
        let mut client = Client::connect(&format!("{}:2525", self.address)).expect("a banner");
        client.say("EHLO client.example").expect("a reply");
        client
            .say("MAIL FROM:<a@client.example> SMTPUTF8")
            .expect("a reply");
        client
    }

    /// The code of the reply to RCPT.
    fn rcpt(&self, recipient: &str) -> String {
        rcpt(&mut self.client(), recipient)
    }

    fn wait_for(&self, recipient: &str, code: &str) {
        wait_until(&format!("{code} for {recipient}"), || {
            self.rcpt(recipient) == code
        });
    }

    /// Status and text of a page of the admin listener; none while nothing listens.
    fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect((self.address, 9925)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.page("/metrics").expect("an answer");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("/metrics has no series {name}"))
    }

    /// Stops it.
    fn stop(mut self) -> ExitStatus {
        tools::signal(self.child.id(), "TERM");
        self.child.wait().expect("a child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rcpt(client: &mut Client, recipient: &str) -> String {
    let reply = client
        .say(&format!("RCPT TO:<{recipient}>"))
        .expect("a reply");
    reply[..3].to_owned()
}

/// Looks until it is so.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what}, in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `ringpost recipients`, with this on its standard input.
fn run(brokers: &str, topic: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .arg("recipients")
        .args(arguments)
        .args(["--brokers", brokers, "--topic", topic])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    // It may end before it has read all.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("a child")
}

/// The same, which has to succeed; what it says.
fn done(brokers: &str, topic: &str, arguments: &[&str], input: &str) -> (String, String) {
    let output = run(brokers, topic, arguments, input);
    let text = |octets| String::from_utf8(octets).expect("text");
    let (said, complained) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{arguments:?}: {complained}");
    (said, complained)
}

/// A record of another program: its partition, its key as it is, and its value, if it has one.
type Foreign<'a> = (Option<i32>, &'a [u8], Option<&'a [u8]>);

/// Writes records as another program would.
fn produce(brokers: &str, topic: &str, records: &[Foreign<'_>]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .expect("a producer");
    for &(partition, key, value) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).key(key);
        record.partition = partition;
        record.payload = value;
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room");
        producer.flush(PATIENCE).expect("stored");
    }
}

#[test]
fn all_is_known_before_ready_and_a_change_is_in_force_everywhere() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "everywhere");
    cluster.create_topic(topic, 3, 1, COMPACT);
    // Without it /readyz is 503.
    cluster.create_topic("mail", 1, 1, &[]);
    let many: String = (0..5_000)
        .map(|number| format!("u{number}@example.com\n"))
        .collect();
    let (_, said) = done(brokers, topic, &["import", "-"], &many);
    assert!(
        said.contains("5000 recipients added to topic everywhere"),
        "{said}"
    );
    done(
        brokers,
        topic,
        &["add", "Joe@Example.com", "gone@example.com"],
        "",
    );
    done(brokers, topic, &["remove", "GONE@example.com"], "");
    let servers = [Server::start(brokers, topic), Server::start(brokers, topic)];
    for server in &servers {
        for known in [
            "joe@example.com",
            "JOE+tag@example.com",
            "u0@example.com",
            "u4999@example.com",
        ] {
            assert_eq!(server.rcpt(known), "250", "{known}");
        }
        for unknown in [
            "gone@example.com",
            "ann@example.com",
            "u5000@example.com",
            "joe@other.example",
        ] {
            assert_eq!(server.rcpt(unknown), "550", "{unknown}");
        }
        assert_eq!(server.metric("ringpost_recipients_topic_entries"), 5_001.0);
        assert_eq!(server.page("/readyz").expect("an answer").0, 200);
    }
    // Also inside of transactions that are open.
    let mut clients = [servers[0].client(), servers[1].client()];
    assert!(
        clients
            .iter_mut()
            .all(|client| rcpt(client, "joe@example.com") == "250")
    );
    done(brokers, topic, &["add", "ann@example.com"], "");
    done(brokers, topic, &["remove", "joe@example.com"], "");
    for (server, client) in servers.iter().zip(&mut clients) {
        server.wait_for("ann@example.com", "250");
        server.wait_for("joe@example.com", "550");
        assert_eq!(rcpt(client, "Ann@example.com"), "250");
        assert_eq!(rcpt(client, "joe@example.com"), "550");
        assert_eq!(server.metric("ringpost_recipients_topic_entries"), 5_001.0);
        assert_eq!(
            server.metric("ringpost_recipients_topic_changes_total"),
            2.0
        );
        server.has_one_line("recipients read");
    }
    for server in servers {
        assert!(server.stop().success());
    }
}

#[test]
fn spellings_domains_and_odd_keys() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "spellings");
    cluster.create_topic(topic, 4, 1, COMPACT);
    let long = vec![b'x'; 5_000];
    produce(
        brokers,
        topic,
        &[
            (Some(0), b"EVE@Example.COM.", Some(b"")),
            (Some(1), b"\"bob\"@example.com", Some(b"{\"quota\": 7}")),
            (Some(2), b"Mallory@example.com", Some(b"{}")),
            (Some(3), b"mallory@EXAMPLE.com", None),
            (Some(3), "kurt@B\u{fc}cher.example".as_bytes(), Some(b"")),
            (Some(0), b"whole.example.org", Some(b"")),
            (Some(1), b"*.below.example.org", Some(b"")),
            (Some(2), b"joe@foreign.example", Some(b"")),
            (Some(0), b"\xff\xfe", Some(b"")),
            (Some(1), b"", Some(b"")),
            (Some(2), &long, Some(b"")),
            (Some(3), b"no address at all", Some(b"")),
            (Some(0), b"*", Some(b"")),
        ],
    );
    let server = Server::start(brokers, topic);
    for (recipient, code) in [
        ("eve@example.com", "250"),
        ("Bob@example.com", "250"),
        ("mallory@example.com", "550"),
        ("Kurt@xn--bcher-kva.example", "250"),
        ("kurt@B\u{dc}CHER.example", "250"),
        ("anybody@whole.example.org", "250"),
        ("anybody@a.below.example.org", "250"),
        ("anybody@below.example.org", "550"),
        ("joe@foreign.example", "550"),
        ("postmaster@example.com", "250"),
        ("ann@example.com", "550"),
    ] {
        assert_eq!(server.rcpt(recipient), code, "{recipient}");
    }
    assert_eq!(
        server.metric("ringpost_recipients_topic_invalid_keys_total"),
        5.0
    );
    assert_eq!(
        server.metric("ringpost_recipients_topic_foreign_keys_total"),
        1.0
    );
    server.has_one_line("the record is passed over");
    server.has_one_line("refused as relaying");
    // A removal in another spelling, in another partition.
    produce(brokers, topic, &[(Some(2), b"eve@example.com", None)]);
    server.wait_for("eve@example.com", "550");
    let (listed, said) = done(brokers, topic, &["list"], "");
    let expected = "*.below.example.org\nbob@example.com\njoe@foreign.example\nkurt@xn--bcher-kva.example\nwhole.example.org\n";
    assert_eq!(listed, expected);
    assert!(
        said.contains("5 records with a key that is no address"),
        "{said}"
    );
    // The command removes each spelling, also where it is not known.
    done(brokers, topic, &["remove", "BOB@example.com"], "");
    server.wait_for("bob@example.com", "550");
    let (listed, _) = done(
        brokers,
        topic,
        &["list", "--domain", "Whole.example.org"],
        "",
    );
    assert_eq!(listed, "whole.example.org\n");
}

#[test]
fn a_topic_that_cannot_be_read_bounces_nobody_and_ready_waits_for_it() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "late");
    let mut server = Server::begin(brokers, topic);
    wait_until("a reason", || {
        let page = server.page("/readyz");
        page.is_some_and(|(status, why)| status == 503 && why.contains("--create"))
    });
    let (_, why) = server.page("/readyz").expect("an answer");
    assert!(
        why.contains("\"late\"") && why.contains("cleanup.policy=compact"),
        "{why}"
    );
    assert_eq!(server.page("/healthz").expect("an answer").0, 200);
    assert_eq!(server.rcpt("joe@example.com"), "451");
    assert_eq!(server.rcpt("postmaster@example.com"), "250");
    assert_eq!(server.rcpt("joe@other.example"), "550");
    server.has_one_line("waiting for recipients.topic before ready");
    cluster.create_topic(topic, 1, 1, COMPACT);
    server.wait_until_ready();
    assert_eq!(server.rcpt("joe@example.com"), "550");
    server.has_one_line("names nobody");
    done(brokers, topic, &["add", "joe@example.com"], "");
    server.wait_for("joe@example.com", "250");
}

#[test]
fn a_signal_ends_a_server_that_waits() {
    let server = Server::begin("127.0.0.1:1", "recipients");
    wait_until("a reason", || {
        let page = server.page("/readyz");
        page.is_some_and(|(status, why)| status == 503 && why.contains("127.0.0.1:1"))
    });
    assert_eq!(server.rcpt("joe@example.com"), "451");
    assert!(server.stop().success());
}

#[test]
fn the_right_to_read_is_named_where_it_is_missing() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "denied");
    cluster.create_topic(topic, 1, 1, COMPACT);
    cluster.deny_reading(topic);
    let server = Server::begin(brokers, topic);
    wait_until("a reason", || {
        let page = server.page("/readyz");
        page.is_some_and(|(status, why)| status == 503 && why.contains("--operation Read"))
    });
    assert_eq!(server.rcpt("joe@example.com"), "451");
    let output = run(brokers, topic, &["list"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the operation Read is missing"), "{said}");
}

#[test]
fn what_is_known_stays_in_force_while_the_broker_is_away() {
    let Some(mut cluster) = kafka::start_or_skip(1) else {
        return;
    };
    let (brokers, topic) = (&*cluster.bootstrap(), "recipients");
    cluster.create_topic(topic, 1, 1, COMPACT);
    cluster.create_topic("mail", 1, 1, &[]);
    done(brokers, topic, &["add", "joe@example.com"], "");
    let server = Server::start(brokers, topic);
    let mut client = server.client();
    assert_eq!(rcpt(&mut client, "joe@example.com"), "250");
    cluster.kill_broker(0);
    wait_until("an age", || {
        server.metric("ringpost_recipients_topic_behind_seconds") > 1.0
    });
    server.has_one_line("recipients.topic is away");
    // This transaction was open before.
    assert_eq!(rcpt(&mut client, "joe@example.com"), "250");
    assert_eq!(rcpt(&mut client, "ann@example.com"), "550");
    cluster.start_broker(0);
    done(brokers, topic, &["add", "ann@example.com"], "");
    server.wait_for("ann@example.com", "250");
    wait_until("no age", || {
        server.metric("ringpost_recipients_topic_behind_seconds") == 0.0
    });
    server.has_one_line("recipients.topic is back");
    assert_eq!(server.rcpt("joe@example.com"), "250");
}

#[test]
fn a_partition_that_is_added_is_read() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "growing");
    cluster.create_topic(topic, 1, 1, COMPACT);
    produce(brokers, topic, &[(Some(0), b"joe@example.com", Some(b""))]);
    let server = Server::start(brokers, topic);
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let more = [NewPartitions::new(topic, 3)];
    let made = admin.create_partitions(&more, &AdminOptions::new());
    let made = runtime
        .expect("a runtime")
        .block_on(made)
        .expect("an answer");
    made[0].as_ref().expect("more partitions");
    produce(brokers, topic, &[(Some(2), b"ann@example.com", Some(b""))]);
    server.wait_for("ann@example.com", "250");
    assert_eq!(server.rcpt("joe@example.com"), "250");
}

#[test]
fn import_replaces_what_a_file_does_not_name() {
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (&*cluster.bootstrap(), "imports");
    cluster.create_topic(topic, 2, 1, COMPACT);
    let list = || done(brokers, topic, &["list"], "").0;
    done(
        brokers,
        topic,
        &["import", "--domain", "example.com", "-"],
        "joe\nAnn # the boss\n\"a b\"\n@example.com\n",
    );
    done(
        brokers,
        topic,
        &["add", "eve@example.org", "*.example.net"],
        "",
    );
    assert_eq!(
        list(),
        "\"a b\"@example.com\n*.example.net\nann@example.com\neve@example.org\nexample.com\njoe@example.com\n"
    );
    // Of one domain alone.
    let replace = ["import", "--replace", "--domain", "example.com", "-"];
    let (_, said) = done(brokers, topic, &replace, "joe\nnew\n");
    assert!(
        said.contains("1 recipient added, 3 removed, 1 unchanged"),
        "{said}"
    );
    let all = "*.example.net\neve@example.org\njoe@example.com\nnew@example.com\n";
    assert_eq!(list(), all);
    // Of all, with what `list` prints as the file.
    let (_, said) = done(brokers, topic, &["import", "--replace", "-"], all);
    assert!(
        said.contains("0 recipients added, 0 removed, 4 unchanged"),
        "{said}"
    );
    let (_, said) = done(
        brokers,
        topic,
        &["import", "--replace", "--dry-run", "-"],
        "joe@example.com\n",
    );
    assert!(
        said.contains("nothing was written") && said.contains("3 removed"),
        "{said}"
    );
    // An empty file is rather a mistake.
    let output = run(brokers, topic, &["import", "--replace", "-"], "# nobody\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("remove 4 recipients") && said.contains("--allow-empty"),
        "{said}"
    );
    // Nothing is written where a line is wrong.
    let output = run(
        brokers,
        topic,
        &["import", "-"],
        "good@example.com\njoe\nann@exa mple.com\n",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("-:2: ") && said.contains("-:3: "), "{said}");
    assert_eq!(list(), all);
    done(
        brokers,
        topic,
        &["import", "--replace", "--allow-empty", "-"],
        "",
    );
    assert_eq!(list(), "");
}

#[test]
fn wrong_usage_is_2_and_a_cluster_that_cannot_do_it_is_1() {
    for (arguments, part) in [
        (&["add", "joe"][..], "has no domain"),
        (&["add", "joe@exa mple.com"], "names no domain"),
        (&["add", "*"], "has no domain"),
        (&["add", "--domain", "no domain", "joe"], "no domain name"),
        (&["import", "/no/such/file"], "/no/such/file"),
    ] {
        let output = run("127.0.0.1:1", "recipients", arguments, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    for arguments in [&["add", "joe@example.com"][..], &["list"]] {
        let output = run("127.0.0.1:1", "recipients", arguments, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("127.0.0.1:1"), "{arguments:?}: {said}");
    }
    let Some(cluster) = cluster() else { return };
    let brokers = &*cluster.bootstrap();
    let output = run(brokers, "missing", &["add", "joe@example.com"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("kafka-topics.sh --create"), "{said}");
    assert!(!cluster.topics().contains(&"missing".to_owned()));
    cluster.create_topic("readonly", 1, 1, COMPACT);
    cluster.deny_writing("readonly");
    let output = run(brokers, "readonly", &["add", "joe@example.com"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the operation Write is missing"), "{said}");
}

#[test]
fn check_reads_the_topic_and_names_what_would_lose_recipients() {
    let Some(cluster) = cluster() else { return };
    let brokers = &*cluster.bootstrap();
    let check = |topic: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["check", "--brokers", brokers, "--domain", "example.com"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--recipients-topic", topic])
            .output()
            .expect("the binary starts");
        let text = String::from_utf8(output.stdout).expect("text");
        let lines = text.lines().filter(|line| line.contains(" recipients "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    cluster.create_topic("checked", 2, 1, COMPACT);
    done(
        brokers,
        "checked",
        &[
            "add",
            "joe@example.com",
            "example.com",
            "ann@foreign.example",
        ],
        "",
    );
    let lines = check("checked");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("ok") && lines[0].contains("names 2 addresses and 1 domains"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("warning") && lines[1].contains("foreign.example"),
        "{lines:?}"
    );
    cluster.create_topic("deleted", 1, 1, &[("cleanup.policy", "delete")]);
    let lines = check("deleted");
    assert!(
        lines[0].starts_with("warning") && lines[0].contains("names nobody"),
        "{lines:?}"
    );
    let policy = lines.last().expect("a line");
    assert!(
        policy.starts_with("failed") && policy.contains("cleanup.policy=compact"),
        "{lines:?}"
    );
    let lines = check("nowhere");
    assert!(
        lines[0].starts_with("failed") && lines[0].contains("does not exist"),
        "{lines:?}"
    );
}

#[test]
fn the_broker_of_the_quick_start_has_the_topic() {
    let mut server = Server::begin("embedded", "recipients");
    let ready = server.wait_until_ready();
    let brokers = ready
        .split_whitespace()
        .find_map(|word| word.strip_prefix("kafka="));
    let brokers = brokers.expect("ready names it");
    assert_eq!(server.rcpt("joe@example.com"), "550");
    done(brokers, "recipients", &["add", "joe@example.com"], "");
    server.wait_for("joe@example.com", "250");
    done(brokers, "recipients", &["remove", "joe@example.com"], "");
    server.wait_for("joe@example.com", "550");
    assert_eq!(done(brokers, "recipients", &["list"], "").0, "");
}
