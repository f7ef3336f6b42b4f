//! Where a real cluster has the records of mail that is routed, divided and large: each in its topic, with its own recipients alone.

mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::kafka::{self, Cluster};
use support::ringpost::{Client, Ringpost, promised};
use support::topic::{Received, read_topic};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

const BROKER: &str = "auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true";

/// One broker for all tests of this file.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, BROKER)
}

/// Topics of this test, and a server that is configured by these lines after those of `[kafka]`.
fn start(cluster: &Cluster, topics: &[&str], lines: &str) -> Ringpost {
    for topic in topics {
        cluster.create_topic(topic, 2, 1, &[]);
    }
    let (brokers, topic) = (cluster.bootstrap(), topics[0]);
    let text = format!(
        "[server]\nworkers = 1\n[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\n{lines}"
    );
    let server = Ringpost::configured(&text, &[]);
    first_delivered(&server.smtp, &["first@nowhere.example"]);
    server
}

/// The id of a mail that is sent until it is stored: a topic that was created just now has no leader at first.
fn first_delivered(smtp: &str, to: &[&str]) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = send(smtp, to, b"x\r\n");
        if let Some(id) = promised(&reply) {
            return id;
        }
        assert!(
            Instant::now() < end,
            "the first mail is not stored: {reply}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The final reply to a mail for these recipients.
fn send(smtp: &str, to: &[&str], message: &[u8]) -> String {
    let mut client = Client::connect(smtp).unwrap();
    client.say("EHLO client.example").unwrap();
    assert!(
        client
            .say("MAIL FROM:<s@client.example>")
            .unwrap()
            .starts_with("250")
    );
    for recipient in to {
        let reply = client.say(&format!("RCPT TO:<{recipient}>")).unwrap();
        assert!(reply.starts_with("250"), "{recipient}: {reply}");
    }
    assert!(client.say("DATA").unwrap().starts_with("354"));
    client.write(&support::mails::stuffed(message)).unwrap();
    client.reply().unwrap()
}

fn deliver(smtp: &str, to: &[&str], message: &[u8]) -> String {
    let reply = send(smtp, to, message);
    promised(&reply).unwrap_or_else(|| panic!("{to:?}: {reply}"))
}

/// The records of a topic that belong to a mail.
fn of_mail(cluster: &Cluster, topic: &str, id: &str) -> Vec<Received> {
    let all = read_topic(&cluster.bootstrap(), topic);
    all.into_iter()
        .filter(|record| record.mail_id() == id)
        .collect()
}

/// The recipients of each record of a mail, in each topic.
fn placed(cluster: &Cluster, topics: &[&str], id: &str) -> BTreeMap<String, Vec<String>> {
    let mut placed = BTreeMap::new();
    for topic in topics {
        let records = of_mail(cluster, topic, id);
        let of =
            |record: &Received| format!("{} {}", suffix(record), record.recipients().join(" "));
        let mut records: Vec<String> = records.iter().map(of).collect();
        records.sort();
        if !records.is_empty() {
            placed.insert((*topic).to_owned(), records);
        }
    }
    placed
}

/// What follows the mail's id in a record's: its number, or `-`.
fn suffix(record: &Received) -> &str {
    record
        .id()
        .split_once('.')
        .map_or("-", |(_, number)| number)
}

fn expected(records: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let of = |(topic, records): &(&str, &[&str])| {
        let records = records.iter().map(|text| (*text).to_owned());
        ((*topic).to_owned(), records.collect())
    };
    records.iter().map(of).collect()
}

#[test]
fn the_first_route_that_matches_decides() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r1.mail", "r1.exact", "r1.below", "r1.inside", "r1.late"];
    let server = start(
        cluster,
        &topics,
        "[[routes]]\nrecipients = [\"x.a.example\"]\ntopic = \"r1.exact\"\n\
         [[routes]]\nrecipients = [\"*.a.example\"]\ntopic = \"r1.below\"\n\
         [[routes]]\nrecipients = [\"x.a.example\", \"late.example\"]\ntopic = \"r1.late\"\n\
         [[routes]]\nlisten = [\"127.0.0.1:0\"]\nrecipients = [\"in.example\"]\ntopic = \"r1.inside\"\n",
    );
    for (to, topic) in [
        ("joe@x.a.example", "r1.exact"),
        ("joe@X.A.Example.", "r1.exact"),
        ("joe@y.x.a.example", "r1.below"),
        ("joe@a.example", "r1.mail"),
        ("joe@late.example", "r1.late"),
        ("joe@in.example", "r1.inside"),
        ("postmaster", "r1.mail"),
    ] {
        let id = deliver(&server.smtp, &[to], b"Subject: x\r\n\r\nx\r\n");
        let alone = format!("- {to}");
        assert_eq!(
            placed(cluster, &topics, &id),
            expected(&[(topic, &[&alone])]),
            "{to}"
        );
    }
    let id = deliver(
        &server.smtp,
        &[
            "a@x.a.example",
            "b@other.example",
            "c@x.a.example",
            "d@late.example",
        ],
        b"x\r\n",
    );
    assert_eq!(
        placed(cluster, &topics, &id),
        expected(&[
            ("r1.exact", &["1 a@x.a.example c@x.a.example"]),
            ("r1.late", &["3 d@late.example"]),
            ("r1.mail", &["2 b@other.example"]),
        ])
    );
    let counted = server.metric("ringpost_topic_records_total{topic=\"r1.exact\"}");
    assert_eq!(counted, 3.0);
}

#[test]
fn a_listener_has_its_route() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r2.mail", "r2.second"];
    for topic in topics {
        cluster.create_topic(topic, 2, 1, &[]);
    }
    let text = format!(
        "[server]\nworkers = 2\nlisten_proxy = [\"127.0.0.2:0\"]\n[kafka]\nbrokers = \"{}\"\ntopic = \"r2.mail\"\n\
         [[routes]]\nlisten = [\"127.0.0.2:0\"]\ntopic = \"r2.second\"\n",
        cluster.bootstrap()
    );
    let server = Ringpost::configured(&text, &[]);
    let (first, second) = server.smtp.split_once(',').expect("two listeners");
    let id = first_delivered(first, &["a@b.example"]);
    assert_eq!(
        placed(cluster, &topics, &id),
        expected(&[("r2.mail", &["- a@b.example"])])
    );
    let mut client = std::net::TcpStream::connect(second).unwrap();
    let script = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n";
    std::io::Write::write_all(&mut client, script.as_bytes()).unwrap();
    let mut client = Client(std::io::BufReader::new(client));
    client.reply().unwrap();
    client.say("EHLO client.example").unwrap();
    let reply = client.send(&[b"x\r\n.\r\n"]).unwrap();
    let id = promised(&reply).unwrap_or_else(|| panic!("{reply}"));
    let both = "- b@mx.example c@mx.example";
    assert_eq!(
        placed(cluster, &topics, &id),
        expected(&[("r2.second", &[both])])
    );
}

#[test]
fn a_topic_has_nothing_of_the_recipients_of_another() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r3.mail", "r3.a", "r3.b"];
    let server = start(
        cluster,
        &topics,
        "key = \"recipient\"\nsplit = \"domain\"\n\
         [[routes]]\nrecipients = [\"*.a.example\", \"a.example\"]\ntopic = \"r3.a\"\n\
         [[routes]]\nrecipients = [\"b.example\"]\ntopic = \"r3.b\"\n",
    );
    let to = [
        "one@a.example",
        "two@b.example",
        "three@A.Example",
        "four@x.a.example",
        "five@c.example",
        "six@d.example",
    ];
    let message = b"From: s@client.example\r\nSubject: x\r\n\r\nx\r\n";
    let id = deliver(&server.smtp, &to, message);
    assert_eq!(
        placed(cluster, &topics, &id),
        expected(&[
            (
                "r3.a",
                &["1 one@a.example three@A.Example", "3 four@x.a.example"]
            ),
            ("r3.b", &["2 two@b.example"]),
            ("r3.mail", &["4 five@c.example", "5 six@d.example"]),
        ])
    );
    for (topic, others) in [
        (
            "r3.a",
            &[
                "two@",
                "five@",
                "six@",
                "b.example",
                "c.example",
                "d.example",
            ][..],
        ),
        (
            "r3.b",
            &[
                "one@",
                "three@",
                "four@",
                "a.example",
                "five@",
                "six@",
                "c.example",
            ],
        ),
    ] {
        for record in of_mail(cluster, topic, &id) {
            let value = String::from_utf8_lossy(&record.value);
            let said = format!("{}\n{value}", record.everything()).replace("client.example", "");
            for other in others {
                assert!(!said.contains(other), "{topic} says {other}: {said}");
            }
            assert_eq!(record.message(), message);
        }
    }
}

#[test]
fn each_recipient_has_a_record_and_ids_begin_with_the_mails() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r4.mail"];
    let server = start(cluster, &topics, "split = \"recipient\"\n");
    let to: Vec<String> = (0..100)
        .map(|number| format!("r{number}@a.example"))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let message = b"Subject: many\r\n\r\n".repeat(500);
    let id = deliver(&server.smtp, &to, &message);
    let records = of_mail(cluster, "r4.mail", &id);
    let mut ids: Vec<String> = records
        .iter()
        .map(|record| record.id().to_owned())
        .collect();
    for (record, id_of_part) in records.iter().zip(&ids) {
        let number: usize = suffix(record).parse().unwrap();
        assert_eq!(*id_of_part, format!("{id}.{number}"));
        assert_eq!(record.recipients(), [to[number - 1]]);
        assert!(record.message() == message, "{id_of_part}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert_eq!(server.metric("ringpost_in_flight_bytes"), 0.0);
    assert_eq!(server.metric("ringpost_in_flight_messages"), 0.0);
}

#[test]
fn large_records_have_their_topic_unless_a_route_says_otherwise() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r5.mail", "r5.large", "r5.a", "r5.b", "r5.b.large"];
    let server = start(
        cluster,
        &topics,
        "large_topic = \"r5.large\"\nlarge_size = \"64KiB\"\n\
         [[routes]]\nrecipients = [\"a.example\"]\ntopic = \"r5.a\"\n\
         [[routes]]\nrecipients = [\"b.example\"]\ntopic = \"r5.b\"\nlarge_topic = \"r5.b.large\"\n",
    );
    let large = b"0123456789\r\n".repeat(6000);
    for (to, message, topic) in [
        ("x@c.example", &b"x\r\n"[..], "r5.mail"),
        ("x@c.example", &large, "r5.large"),
        ("x@a.example", &large, "r5.a"),
        ("x@b.example", b"x\r\n", "r5.b"),
        ("x@b.example", &large, "r5.b.large"),
    ] {
        let id = deliver(&server.smtp, &[to], message);
        let alone = format!("- {to}");
        assert_eq!(
            placed(cluster, &topics, &id),
            expected(&[(topic, &[&alone])]),
            "{to}"
        );
        assert!(of_mail(cluster, topic, &id)[0].message() == message);
    }
}

#[test]
fn a_mail_of_which_one_record_is_refused_gets_451_and_is_repeated_whole() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r6.mail", "r6.denied"];
    let server = start(
        cluster,
        &topics,
        "[[routes]]\nrecipients = [\"denied.example\"]\ntopic = \"r6.denied\"\n",
    );
    let to = ["a@mail.example", "b@denied.example"];
    let before = deliver(&server.smtp, &to, b"before\r\n");
    cluster.deny_writing("r6.denied");
    let end = Instant::now() + PATIENCE;
    // A broker takes note of a rule a moment later.
    let refused = loop {
        let reply = send(&server.smtp, &to, b"meanwhile\r\n");
        if !reply.starts_with("250") {
            break reply;
        }
        assert!(Instant::now() < end, "the rule is not in force");
    };
    assert!(refused.starts_with("451 4."), "{refused}");
    assert_eq!(server.metric("ringpost_in_flight_messages"), 0.0);
    cluster.allow_writing("r6.denied");
    let after = first_delivered(&server.smtp, &to);
    for id in [before, after] {
        assert_eq!(
            placed(cluster, &topics, &id),
            expected(&[
                ("r6.denied", &["2 b@denied.example"]),
                ("r6.mail", &["1 a@mail.example"])
            ])
        );
    }
}

#[test]
fn sixty_mails_to_mixed_recipients_arrive_byte_for_byte() {
    let Some(cluster) = cluster() else { return };
    let topics = ["r7.mail", "r7.a", "r7.b"];
    let server = start(
        cluster,
        &topics,
        "split = \"domain\"\n\
         [[routes]]\nrecipients = [\"a.example\"]\ntopic = \"r7.a\"\n\
         [[routes]]\nrecipients = [\"*.b.example\"]\ntopic = \"r7.b\"\n",
    );
    let domains = ["a.example", "x.b.example", "y.b.example", "c.example"];
    let mut sent = BTreeMap::new();
    for number in 0..60_usize {
        let to: Vec<String> = (0..=number % 5)
            .map(|place| {
                format!(
                    "r{place}@{}",
                    domains[(number * 7 + place * (1 + number % 3)) % 4]
                )
            })
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let message = format!(
            "Subject: {number}\r\n\r\n.{}\r\n",
            "x".repeat(number * 991 % 60_000)
        );
        let message = message.into_bytes();
        let id = deliver(&server.smtp, &to, &message);
        let to: Vec<String> = to.into_iter().map(str::to_owned).collect();
        sent.insert(id, (to, message));
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for topic in topics {
        for record in read_topic(&cluster.bootstrap(), topic) {
            let Some((_, message)) = sent.get(record.mail_id()) else {
                continue;
            };
            assert!(record.message() == message, "{}", record.id());
            let of_topic = |recipient: &String| match recipient.rsplit_once('@').unwrap().1 {
                "a.example" => topic == "r7.a",
                "c.example" => topic == "r7.mail",
                _ => topic == "r7.b",
            };
            assert!(
                record.recipients().iter().all(of_topic),
                "{topic}: {:?}",
                record.recipients()
            );
            seen.entry(record.mail_id().to_owned())
                .or_default()
                .extend(record.recipients());
        }
    }
    assert_eq!(seen.len(), 60);
    for (id, recipients) in &mut seen {
        let mut expected = sent[id].0.clone();
        recipients.sort();
        expected.sort();
        assert_eq!(
            *recipients, expected,
            "{id}: each recipient is in one record"
        );
    }
}

#[test]
fn check_says_where_an_address_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringpost.toml");
    let text = "[recipients]\ndomains = [\"*.example\"]\n[kafka]\nbrokers = \"127.0.0.1:1\"\n\
                [[routes]]\nrecipients = [\"a.example\"]\ntopic = \"a\"\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    for (address, expected) in [
        (
            "joe@a.example",
            format!(
                "ok       route        mail for joe@a.example goes to topic a: route 1, {path}:5:1\n"
            ),
        ),
        (
            "joe@b.example",
            "ok       route        mail for joe@b.example goes to topic mail: no route matches\n"
                .to_owned(),
        ),
        (
            "joe@a.test",
            "warning  route        mail for joe@a.test is refused: 550 5.7.1 ".to_owned(),
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["check", "--config", path, "--route", address])
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && said.starts_with(&expected),
            "{said}"
        );
    }
}
