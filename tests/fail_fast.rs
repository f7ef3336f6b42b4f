//! Senders are refused before they send while Kafka is away, and mail flows by itself when it is back: with librdkafka's mock
//! cluster, and with real Apache Kafka that is killed, frozen and cut down to one broker of three.

mod support;

use std::io::BufReader;
use std::net::TcpStream;
use std::ops::Deref;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use support::ringpost::{Client, Ringpost, promised};
use support::topic::read_topic;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

const MAIL: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

/// A server that fails fast after a second.
struct Server(support::server::Server);

impl Deref for Server {
    type Target = support::server::Server;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Server {
    fn start(brokers: &str, lines: &str) -> Self {
        let text = format!(
            "[server]\nworkers = 2\n[kafka]\nbrokers = \"{brokers}\"\nfail_fast_after = \"1s\"\n{lines}\n"
        );
        Self(support::server::Server::configured(&text))
    }

    /// The lines of the log that are about the storage, or about mail that it did not take.
    fn told(&self) -> Vec<String> {
        let log = self.log();
        let about = |line: &&str| line.contains("storage") || line.contains("kafka_");
        log.lines().filter(about).map(str::to_owned).collect()
    }

    fn fails_fast(&self) -> bool {
        self.ringpost.metric("ringpost_storage_fails_fast") == 1.0
    }

    /// What a client gets in place of the banner, and whether the connection ends with it.
    fn banner(&self) -> (String, bool) {
        let stream = TcpStream::connect(&self.ringpost.smtp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        let banner = client.reply().unwrap();
        let ends = banner.starts_with("421") && client.reply().is_err();
        (banner, ends)
    }

    /// Looks until it is so.
    fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !so() {
            let waited = start.elapsed();
            assert!(waited < PATIENCE, "waited for {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Connects until a mail is stored; its id. Whatever is said before that keeps the mail with its sender.
    fn stored_in_the_end(&self) -> String {
        let mut id = None;
        self.until("a mail to be stored", || {
            let stream = TcpStream::connect(&self.ringpost.smtp).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut client = Client(BufReader::new(stream));
            if !client.reply().unwrap().starts_with("220") {
                return false;
            }
            client.say("EHLO client.example").unwrap();
            let reply = client.say("MAIL FROM:<a@client.example>").unwrap();
            if reply.starts_with("451 4.3.2") {
                return false;
            }
            client.say("RCPT TO:<b@mx.example>").unwrap();
            client.say("DATA").unwrap();
            client.write(MAIL).unwrap();
            client.write(b".\r\n").unwrap();
            let reply = client.reply().unwrap();
            id = promised(&reply);
            assert!(id.is_some() || reply.starts_with("451"), "{reply}");
            id.is_some()
        });
        id.unwrap()
    }

    /// What clients are told while nothing is taken: `open` was connected before.
    fn refuses(&self, open: &mut Client) {
        self.until("senders to be refused", || self.fails_fast());
        let (banner, ends) = self.banner();
        assert!(banner.starts_with("421 4.3.2 "), "{banner}");
        assert!(ends, "the connection ends with it");
        assert!(open.say("NOOP").unwrap().starts_with("250"));
        for _ in 0..2 {
            let reply = open.say("MAIL FROM:<a@client.example>").unwrap();
            assert!(reply.starts_with("451 4.3.2 "), "{reply}");
        }
        let reply = open.say("DATA").unwrap();
        assert!(reply.starts_with("503 5.5.1"), "no transaction: {reply}");
        assert!(!self.readiness().0);
        let refused = |of: &str| {
            self.ringpost
                .metric(&format!("ringpost_refusals_total{{reason=\"{of}\"}}"))
        };
        assert!(refused("storage_closed") >= 1.0 && refused("storage_away") >= 2.0);
        assert_eq!(self.ringpost.metric("ringpost_storage_away"), 1.0);
    }

    /// The log has the story, and little else, however many clients there were.
    fn tells_it_once(&self) {
        self.until("the end to be told", || {
            self.log().contains("storage back after")
        });
        let lines = self.told();
        let with = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
        assert_eq!(
            (with("storage away since"), with("storage back after")),
            (1, 1),
            "{lines:#?}"
        );
        assert!(lines.len() < 10, "{lines:#?}");
        let away = lines
            .iter()
            .find(|line| line.contains("away since"))
            .unwrap();
        assert!(
            away.contains("421 and 451 4.3.2 before they send"),
            "{away}"
        );
    }
}

#[test]
fn a_broker_that_is_away_closes_the_door_and_its_return_opens_it() {
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
    mock.create_topic("mail", 2, 1).unwrap();
    let server = Server::start(&mock.bootstrap_servers(), "");
    let mut open = server.ringpost.client().unwrap();
    let before = open.deliver(MAIL).unwrap();
    assert!(
        server
            .ringpost
            .metric("ringpost_last_stored_timestamp_seconds")
            >= 0.0
    );
    mock.broker_down(-1).unwrap();
    server.refuses(&mut open);
    for _ in 0..500 {
        assert!(server.banner().0.starts_with("421 4.3.2 "));
    }
    mock.broker_up(-1).unwrap();
    let after = server.stored_in_the_end();
    let last = open.deliver(MAIL).unwrap();
    server.tells_it_once();
    let stored = read_topic(&mock.bootstrap_servers(), "mail");
    for id in [before, after, last] {
        assert!(stored.iter().any(|record| record.id() == id), "{id}");
    }
    server.until("the last mail to be shown", || {
        server
            .ringpost
            .metric("ringpost_last_stored_timestamp_seconds")
            > 1.0e9
            && server.ringpost.metric("ringpost_storage_probes_total") >= 2.0
    });
}

#[test]
fn with_zero_every_mail_is_read_and_waits_for_its_outcome() {
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
    mock.create_topic("mail", 2, 1).unwrap();
    let text = "[kafka]\nfail_fast_after = \"0s\"\ndelivery_timeout = \"500ms\"\n";
    let ringpost = Ringpost::configured(text, &["--brokers", &mock.bootstrap_servers()]);
    mock.broker_down(-1).unwrap();
    // Longer than any that refuses at once: a round of questions and more.
    for _ in 0..8 {
        let mut client = ringpost.client().unwrap();
        let reply = client.send(&[MAIL, b".\r\n"]).unwrap();
        assert!(reply.starts_with("451 4.4."), "{reply}");
    }
}

#[test]
fn without_brokers_at_the_start_senders_are_refused_until_they_are_there() {
    let Some(mut cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 4, 1, &[]);
    cluster.kill_broker(0);
    let server = Server::start(&cluster.bootstrap(), "");
    server.until("senders to be refused", || server.fails_fast());
    assert!(server.banner().0.starts_with("421 4.3.2 "));
    cluster.start_broker(0);
    server.stored_in_the_end();
    server.tells_it_once();
}

#[test]
fn a_cluster_that_is_killed_and_then_frozen_is_away_each_time() {
    let Some(mut cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 4, 1, &[]);
    let server = Server::start(&cluster.bootstrap(), "");
    let mut open = server.ringpost.client().unwrap();
    let mut promised = vec![open.deliver(MAIL).unwrap()];
    cluster.kill_broker(0);
    server.refuses(&mut open);
    cluster.start_broker(0);
    promised.push(server.stored_in_the_end());
    promised.push(open.deliver(MAIL).unwrap());
    server.tells_it_once();
    cluster.pause_broker(0);
    server.refuses(&mut open);
    cluster.resume_broker(0);
    promised.push(server.stored_in_the_end());
    promised.push(open.deliver(MAIL).unwrap());
    let stored = read_topic(&cluster.bootstrap(), "mail");
    for id in promised {
        assert!(stored.iter().any(|record| record.id() == id), "{id}");
    }
}

#[test]
fn brokers_that_answer_and_store_nothing_are_away_once_mail_shows_it() {
    let Some(mut cluster) = support::kafka::start_or_skip(3) else {
        return;
    };
    let configs = [("min.insync.replicas", "2")];
    cluster.create_topic("mail", 6, 3, &configs);
    let server = Server::start(&cluster.bootstrap(), "delivery_timeout = \"20s\"");
    let mut open = server.ringpost.client().unwrap();
    open.deliver(MAIL).unwrap();
    // Without a majority of controllers, the third goes on naming their partitions' leaders.
    cluster.pause_broker(0);
    cluster.pause_broker(1);
    let mut waits = server.ringpost.client().ok();
    if let Some(client) = &mut waits {
        // It may be known already that they are away.
        if client
            .say("MAIL FROM:<a@client.example>")
            .unwrap()
            .starts_with("250")
        {
            client.say("RCPT TO:<b@mx.example>").unwrap();
            client.say("DATA").unwrap();
            client.write(MAIL).unwrap();
            client.write(b".\r\n").unwrap();
        }
    }
    server.refuses(&mut open);
    cluster.resume_broker(0);
    cluster.resume_broker(1);
    server.stored_in_the_end();
}

/// Mails of which each waits for its reply, one to each of these recipients.
fn waiting(server: &Server, recipients: impl Iterator<Item = String>) -> Vec<Client> {
    let begin = |recipient: String| {
        let mut client = server.ringpost.client().unwrap();
        client.say("MAIL FROM:<a@client.example>").unwrap();
        client.say(&format!("RCPT TO:<{recipient}>")).unwrap();
        client.say("DATA").unwrap();
        client.write(MAIL).unwrap();
        client.write(b".\r\n").unwrap();
        client
    };
    recipients.map(begin).collect()
}

#[test]
fn brokers_that_others_could_stand_in_for_refuse_nobody_though_all_mail_waits_for_them() {
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(3).unwrap();
    mock.create_topic("mail", 3, 1).unwrap();
    for partition in 0..3 {
        mock.partition_leader("mail", partition, Some(partition + 1))
            .unwrap();
    }
    let lines = "key = \"recipient\"\ndelivery_timeout = \"8s\"";
    let server = Server::start(&mock.bootstrap_servers(), lines);
    // Who is sent to a broker that is silent, the third.
    let recipients = |number: i32| format!("r{number}@mx.example");
    let led_by_third = (0..).map(recipients).find(|recipient| {
        mock.broker_round_trip_time(3, Duration::from_secs(60))
            .unwrap();
        let mut client = waiting(&server, [recipient.clone()].into_iter()).remove(0);
        client
            .0
            .get_ref()
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        client.reply().is_err()
    });
    let stuck = led_by_third.unwrap();
    let mut clients = waiting(&server, std::iter::repeat_n(stuck, 5));
    for client in &mut clients {
        client
            .0
            .get_ref()
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        loop {
            assert!(
                !server.fails_fast(),
                "two leaders would take mail:\n{}",
                server.log()
            );
            if client
                .reply()
                .is_ok_and(|reply| reply.starts_with("451 4.4"))
            {
                break;
            }
        }
    }
    let free = (0..).map(recipients).find(|recipient| {
        let mut client = waiting(&server, [recipient.clone()].into_iter()).remove(0);
        client
            .0
            .get_ref()
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        client.reply().is_ok_and(|reply| promised(&reply).is_some())
    });
    assert!(free.is_some());
}

#[test]
fn a_broker_that_answers_and_refuses_all_mail_is_away_until_it_stores_again() {
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    let mock: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
    mock.create_topic("mail", 2, 1).unwrap();
    let server = Server::start(&mock.bootstrap_servers(), "delivery_timeout = \"20s\"");
    let mut open = server.ringpost.client().unwrap();
    open.deliver(MAIL).unwrap();
    let full = RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR;
    mock.request_errors(RDKafkaApiKey::Produce, &[full; 1000]);
    let recipients = (0..3).map(|number| format!("r{number}@mx.example"));
    let mut clients = waiting(&server, recipients);
    server.refuses(&mut open);
    let lines = server.told();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("no record is confirmed by 127.0.0.1:")),
        "{lines:#?}"
    );
    mock.clear_request_errors(RDKafkaApiKey::Produce);
    for client in &mut clients {
        let reply = client.reply().unwrap();
        assert!(promised(&reply).is_some(), "{reply}");
    }
    server.stored_in_the_end();
    server.tells_it_once();
}

/// The final reply to a mail to this recipient.
fn send_to(server: &Server, recipient: &str) -> String {
    let mut client = server.ringpost.client().unwrap();
    for line in [
        "MAIL FROM:<a@client.example>",
        &format!("RCPT TO:<{recipient}>"),
    ] {
        let reply = client.say(line).unwrap();
        assert!(reply.starts_with("250"), "{line}: {reply}");
    }
    assert!(client.say("DATA").unwrap().starts_with("354"));
    client.write(MAIL).unwrap();
    client.write(b".\r\n").unwrap();
    client.reply().unwrap()
}

#[test]
fn a_topic_that_is_gone_refuses_its_own_mail_and_all_of_them_close_the_door() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    let (usual, routed) = ("b@mx.example", "b@tenant.example");
    for topic in ["mail", "mail.tenant"] {
        cluster.create_topic(topic, 2, 1, &[]);
    }
    let route = "[[routes]]\nrecipients = [\"tenant.example\"]\ntopic = \"mail.tenant\"\n";
    let server = Server::start(&cluster.bootstrap(), route);
    for recipient in [usual, routed] {
        let reply = send_to(&server, recipient);
        assert!(promised(&reply).is_some(), "{reply}");
    }
    cluster.delete_topic("mail.tenant");
    server.until("the topic to be missed", || {
        server.log().contains("topic \"mail.tenant\" away since")
    });
    let reply = send_to(&server, routed);
    assert!(reply.starts_with("451 4.4.1 "), "{reply}");
    let reply = send_to(&server, usual);
    assert!(promised(&reply).is_some(), "{reply}");
    assert!(server.readiness().0 && !server.fails_fast());
    let mut open = server.ringpost.client().unwrap();
    cluster.delete_topic("mail");
    server.refuses(&mut open);
    for topic in ["mail", "mail.tenant"] {
        cluster.create_topic(topic, 2, 1, &[]);
    }
    server.until("mail to be taken again", || !server.fails_fast());
    for (recipient, topic) in [(usual, "mail"), (routed, "mail.tenant")] {
        server.until("the topic to be found", || {
            promised(&send_to(&server, recipient)).is_some()
        });
        assert!(!read_topic(&cluster.bootstrap(), topic).is_empty());
    }
    server.until("the end to be told", || {
        let log = server.log();
        log.contains("storage back after") && log.contains("topic \"mail.tenant\" back after")
    });
}
