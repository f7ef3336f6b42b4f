//! The real binary, driven over TCP and read back through Kafka's protocol: the in-process broker, and real Apache Kafka
//! where there is a JVM and Maven.

mod support;

use std::collections::HashMap;
use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::engine;
use support::ringpost::{Client, Ringpost, promised};
use support::topic::{each_record, read_topic};

#[test]
fn what_goes_in_comes_out_octet_by_octet_wherever_it_is_cut() {
    let ringpost = Ringpost::configured("[server]\nbare_newlines = \"accept\"\n", &[]);
    let mut client = ringpost.client().unwrap();
    let mut long = b"Subject: long\r\n\r\n".to_vec();
    long.extend(std::iter::repeat_n(&b"a line of some length\r\n..\r\n"[..], 40_000).flatten());
    long.extend_from_slice(b".\r\n");
    let inputs: Vec<Vec<u8>> = [
        &b".\r\n"[..],
        b"..\r\n.\r\n",
        b"a\r\n.\r\r\nb\r\n.\r\n",
        b"x\n.\nMAIL FROM:<s@x>\n.\r\ny\r\n.\r\n",
        b"x\r\r\n.\r\r\ny\r\n\0.\r\n\r\n.\r\n",
    ]
    .iter()
    .map(|input| input.to_vec())
    .chain([long])
    .collect();
    let mut expected = Vec::new();
    for input in &inputs {
        let (message, _) = ringpost_proto::smtp::data::oracle(input).unwrap();
        let middle = input.len() / 2;
        for pieces in [vec![&input[..]], vec![&input[..middle], &input[middle..]]] {
            let reply = client.send(&pieces).unwrap();
            let id = promised(&reply).unwrap_or_else(|| panic!("{reply}"));
            expected.push((id, message.clone()));
        }
    }
    assert!(client.say("QUIT").unwrap().starts_with("221"));
    let received = read_topic(&ringpost.kafka, "mail");
    assert_eq!(received.len(), expected.len());
    for (id, message) in expected {
        let record = received
            .iter()
            .find(|record| record.id() == id)
            .expect("the id of the 250 is in the topic");
        assert_eq!(record.recipients(), ["b@mx.example", "c@mx.example"]);
        assert!(
            record.message() == message,
            "{}",
            message[..message.len().min(40)].escape_ascii()
        );
    }
}

#[test]
fn too_big_a_message_is_refused_at_its_end_and_the_session_goes_on() {
    let ringpost = Ringpost::start(&[]);
    let mut client = ringpost.client().unwrap();
    assert!(
        client
            .say("MAIL FROM:<> SIZE=99999999999")
            .unwrap()
            .starts_with("552")
    );
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let mut big = line.repeat(27_000);
    big.extend_from_slice(b".\r\n");
    assert!(client.send(&[&big]).unwrap().starts_with("552 5.3.4"));
    assert!(
        client
            .send(&[b"small\r\n.\r\n"])
            .unwrap()
            .starts_with("250")
    );
}

#[test]
fn every_250_survives_kill_9_on_real_kafka() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 4, 1, &[]);
    let brokers = cluster.bootstrap();
    let mut promised: HashMap<String, Vec<u8>> = HashMap::new();
    for round in 0..10 {
        let mut ringpost = Ringpost::start(&["--brokers", &brokers]);
        let (stop, stored) = (AtomicBool::new(false), AtomicUsize::new(0));
        let sent = std::thread::scope(|scope| {
            let (ringpost, stop, stored) = (&ringpost, &stop, &stored);
            let senders: Vec<_> = (0..4)
                .map(|sender| {
                    let name = format!("round {round}, sender {sender}");
                    scope.spawn(move || send_until_it_breaks(&ringpost.smtp, &name, stop, stored))
                })
                .collect();
            let end = Instant::now() + Duration::from_secs(60);
            while stored.load(Ordering::Relaxed) == 0 && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            // The time of the kill is the only thing here that has to differ from round to round.
            std::thread::sleep(Duration::from_millis(40 * round));
            ringpost.signal("KILL");
            stop.store(true, Ordering::Relaxed);
            senders
                .into_iter()
                .flat_map(|sender| sender.join().unwrap())
                .collect::<Vec<_>>()
        });
        let _ = ringpost.child.wait();
        assert!(!sent.is_empty(), "round {round} sent nothing");
        promised.extend(sent);
    }
    let count = promised.len();
    each_record(&brokers, "mail", |record| {
        // A record without a promise is a mail whose 250 was never read: its sender sends it again.
        if let Some(message) = promised.remove(record.id()) {
            assert!(record.message() == message, "{} differs", record.id());
            assert_eq!(record.header("ce_smtpfrom"), "a@client.example");
            assert_eq!(record.recipients(), ["b@mx.example"]);
        }
    });
    let lost: Vec<_> = promised.keys().collect();
    assert!(
        lost.is_empty(),
        "{} of {count} promised mails are lost: {lost:?}",
        lost.len()
    );
    println!("{count} promised mails, all in the topic as they were sent");
}

/// Sends mails until the server is gone: the ids of the promised ones, and what was sent.
fn send_until_it_breaks(
    smtp: &str,
    name: &str,
    stop: &AtomicBool,
    stored: &AtomicUsize,
) -> Vec<(String, Vec<u8>)> {
    let mut sent = Vec::new();
    let _: std::io::Result<()> = (|| {
        let mut client = Client::connect(smtp)?;
        client.say("EHLO client.example")?;
        while !stop.load(Ordering::Relaxed) {
            let number = sent.len();
            let line = format!("{name}, mail {number}\r\n");
            let message = format!("Subject: {line}\r\n{}", line.repeat(number % 500));
            client.write(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n")?;
            for _ in 0..3 {
                client.reply()?;
            }
            client.write(format!("{message}.\r\n").as_bytes())?;
            if let Some(id) = promised(&client.reply()?) {
                sent.push((id, message.into_bytes()));
                stored.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    })();
    sent
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    let mut ringpost = Ringpost::start(&[]);
    let mut idle = ringpost.client().unwrap();
    ringpost.signal("TERM");
    let mut said = String::new();
    idle.0.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("421 4.3.2"), "{said}");
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
}

#[test]
fn stopping_the_quick_start_warns_of_nothing() {
    let mut command = engine::ringpost();
    command.stderr(Stdio::piped());
    let mut ringpost = Ringpost::launch_heard(command, &[]);
    ringpost.client().unwrap().deliver(b"small\r\n").unwrap();
    ringpost.signal("TERM");
    let mut said = String::new();
    let mut stderr = ringpost.child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
    let (_, behind) = said.split_once("draining").expect("the drain is logged");
    // The broker ends with the process; whoever stopped it knows that.
    assert!(
        !behind.contains("WARN") && !behind.contains("Disconnected"),
        "{behind}"
    );
}

#[test]
fn a_drain_ends_at_its_deadline_though_a_client_never_ends_its_data() {
    let text = "[server]\ndrain_timeout = \"1s\"\n[kafka]\ndelivery_timeout = \"500ms\"\n";
    let mut ringpost = Ringpost::configured(text, &[]);
    let mut client = ringpost.client().unwrap();
    for line in ["MAIL FROM:<>", "RCPT TO:<b@mx.example>", "DATA"] {
        assert!(
            matches!(&client.say(line).unwrap()[..1], "2" | "3"),
            "{line}"
        );
    }
    ringpost.signal("TERM");
    // Without the deadline this would hang until the data time-out of three minutes.
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
    assert!(client.reply().is_err(), "nothing was promised");
}

#[test]
fn a_small_budget_serves_everybody_in_turn() {
    let text = "[server]\nworkers = 1\n[limits]\nin_flight_messages = 2\n";
    let ringpost = Ringpost::configured(text, &[]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut client = ringpost.client().unwrap();
                for _ in 0..20 {
                    let reply = client.send(&[b"small\r\n.\r\n"]).unwrap();
                    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
                }
            });
        }
    });
    assert_eq!(read_topic(&ringpost.kafka, "mail").len(), 400);
}

#[test]
fn the_largest_message_fits_a_budget_that_is_smaller() {
    let text =
        "[server]\nworkers = 4\n[limits]\nmessage_size = \"2MiB\"\nin_flight_bytes = \"2MiB\"\n";
    let ringpost = Ringpost::configured(text, &[]);
    let mut client = ringpost.client().unwrap();
    let line = [&[b'x'; 1022][..], b"\r\n"].concat();
    let mut largest = line.repeat(2 * 1024);
    largest.extend_from_slice(b".\r\n");
    let reply = client.send(&[&largest]).unwrap();
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}

#[test]
fn size_is_never_above_what_the_topic_of_a_real_cluster_takes() {
    let Some(cluster) = support::kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("mail", 1, 1, &[("max.message.bytes", "200000")]);
    let ringpost = Ringpost::start(&["--brokers", &cluster.bootstrap()]);
    let mut client = ringpost.client().unwrap();
    let most = 200_000 - ringpost::limits::RECORD_OVERHEAD_OCTETS;
    assert!(
        client
            .say(&format!("MAIL FROM:<> SIZE={most}"))
            .unwrap()
            .starts_with("250")
    );
    assert!(client.say("RSET").unwrap().starts_with("250"));
    assert!(
        client
            .say(&format!("MAIL FROM:<> SIZE={}", most + 1))
            .unwrap()
            .starts_with("552")
    );
    let mut largest = b"Subject: x\r\n\r\n".to_vec();
    largest.resize(most - 2, b'x');
    largest.extend_from_slice(b"\r\n.\r\n");
    assert!(client.send(&[&largest]).unwrap().starts_with("250 2.0.0 "));
}

/// Bytes of memory that the process has.
fn resident(ringpost: &Ringpost) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", ringpost.child.id());
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

#[test]
fn a_client_whose_octets_are_dropped_holds_no_buffer() {
    const CLIENTS: u64 = 300;
    let ringpost = Ringpost::configured("[server]\nworkers = 1\n", &["--brokers", "discard"]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| ringpost.client().unwrap()).collect();
    let before = resident(&ringpost);
    for client in &mut clients {
        // Out of order, so refused; its bytes are read all the same (RFC 3030 2).
        assert!(client.say("BDAT 1000000").unwrap().starts_with("503"));
        client.write(&[b'x'; 20_000]).unwrap();
    }
    // One worker serves all in turn: what came before this has been read.
    for client in [
        &mut ringpost.client().unwrap(),
        &mut ringpost.client().unwrap(),
    ] {
        client.say("NOOP").unwrap();
    }
    let each = resident(&ringpost).saturating_sub(before) / CLIENTS;
    assert!(each < 4096, "{each} octets a client");
}
