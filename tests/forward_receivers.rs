//! `ringpost forward` into receivers that other people wrote, through kills of it and a restart of the broker: each mail arrives
//! as it is with its envelope, and none is lost.
//!
//! The usual run has few mails. `benches/forward` runs 10,000.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use support::forwarder::{self, Forwarder, Record, committed, mail, produce, wait_until};
use support::kafka;
use support::mailboxes::{Dovecot, Kept, Sink};
use support::topic::read_topic;

const PARTITIONS: i32 = 4;

/// Mails of a run: `RINGPOST_FORWARD_MAILS`, or few.
fn total() -> usize {
    let given = std::env::var("RINGPOST_FORWARD_MAILS").ok();
    given.map_or(400, |text| text.parse().expect("a number of mails"))
}

/// About 4 KiB, with lines that begin with dots and bytes of UTF-8.
fn message(number: usize) -> Vec<u8> {
    let mut text = format!("Received: from x\r\n\tby y\r\nSubject: mail {number} \r\n\r\n");
    for line in 0..60 {
        let begin = ["", ".", "..", "\u{e4}"][(number + line) % 4];
        text.push_str(&format!(
            "{begin}line {line} of mail {number} {}\r\n",
            "x".repeat(40)
        ));
    }
    text.into_bytes()
}

fn envelope(number: usize) -> (String, Vec<String>) {
    let from = match number % 10 {
        0 => String::new(),
        _ => format!("sender{number}@client.example"),
    };
    let to = (0..1 + number % 2).map(|at| format!("user{}@mx.example", (number + at) % 20));
    (from, to.collect())
}

fn record(number: usize) -> Record {
    let (from, to) = envelope(number);
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut record = mail(&format!("ID{number}"), &from, &to, &message(number));
    record.partition = (number % PARTITIONS as usize) as i32;
    record
}

fn number(text: &[u8]) -> usize {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once("Subject: mail ").expect("a number");
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// Kills the forwarder three times, restarts the broker, and forwards the rest.
fn through_everything(name: &str, url: &str, count: &dyn Fn() -> usize, deliveries: usize) -> bool {
    let Some(mut cluster) = kafka::start_or_skip(1) else {
        return false;
    };
    cluster.create_topic(name, PARTITIONS, 1, &[]);
    let brokers = cluster.bootstrap();
    produce(&brokers, name, (0..total()).map(record));
    for part in 1..=3 {
        let forwarder = Forwarder::start(&brokers, name, url, &[]);
        if part == 2 {
            wait_until("it has begun", || count() > deliveries / 4);
            cluster.stop_broker(0);
            cluster.start_broker(0);
        }
        wait_until("a part is delivered", || count() >= deliveries * part / 4);
        forwarder.kill();
    }
    let group = format!("forward-{name}");
    let forwarder = Forwarder::start(&brokers, name, url, &[]);
    let all = total() as i64;
    wait_until("all is committed", || {
        committed(&brokers, name, &group, PARTITIONS) == all
    });
    assert!(forwarder.stop().success());
    true
}

/// Where the message begins that was sent, after the fields of the receiver; none where it did not come so far.
fn begin(text: &[u8], newline: &str) -> Option<usize> {
    let first = format!("Received: from x{newline}\tby y{newline}");
    let mut windows = text.windows(first.len());
    windows.position(|window| window == first.as_bytes())
}

/// Each delivery at least once; how many there were more, and how many a kill broke off. `end` is what the receiver adds.
fn repeats(kept: &[Kept], newline: &str, end: &str) -> (usize, usize) {
    let mut times: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let mut broken_off = 0;
    for mail in kept {
        let body = begin(&mail.text, newline).map_or(&b""[..], |at| &mail.text[at..]);
        let known = String::from_utf8_lossy(body).contains("Subject: mail ");
        let whole = |number| {
            let message = String::from_utf8(message(number)).unwrap();
            message.replace("\r\n", newline) + end
        };
        let is_whole = known && body == whole(number(body)).as_bytes();
        if !is_whole {
            let begins = !known || whole(number(body)).as_bytes().starts_with(body);
            assert!(begins, "{}", body.escape_ascii());
            broken_off += 1;
            continue;
        }
        let number = number(body);
        let (from, to) = envelope(number);
        assert_eq!(mail.from, from, "mail {number}");
        for name in &mail.to {
            assert!(to.contains(name), "mail {number}: {name}");
            *times.entry((number, name.clone())).or_default() += 1;
        }
    }
    for number in 0..total() {
        for name in envelope(number).1 {
            let key = (number, name);
            assert!(times.contains_key(&key), "lost: {key:?}");
        }
    }
    (times.values().map(|times| times - 1).sum(), broken_off)
}

#[test]
fn smtp_sink_gets_each_mail_through_kills_and_a_restart_of_the_broker() {
    let Some(sink) = Sink::start_or_skip(&[]) else {
        return;
    };
    if !through_everything("sink", &sink.url(), &|| sink.count(), total()) {
        return;
    }
    let mails = sink.mails();
    let (repeats, broken_off) = repeats(&mails, "\n", "\n");
    println!(
        "smtp-sink: {} mails, {repeats} recipients again, {broken_off} broken off, none lost",
        total()
    );
}

#[test]
fn dovecot_gets_each_mail_through_kills_and_a_restart_of_the_broker() {
    let Some(dovecot) = Dovecot::start_or_skip() else {
        return;
    };
    let deliveries = (0..total()).map(|number| envelope(number).1.len()).sum();
    if !through_everything("dovecot", &dovecot.url(), &|| dovecot.count(), deliveries) {
        return;
    }
    let mails = dovecot.mails();
    let (repeats, broken_off) = repeats(&mails, "\r\n", "");
    assert_eq!(broken_off, 0, "Dovecot delivers what is whole");
    assert!(mails.len() >= deliveries);
    println!(
        "Dovecot: {} mails, {deliveries} deliveries, {repeats} repeats, none lost",
        total()
    );
}

#[test]
fn smtp_sink_that_refuses_for_a_while_gets_them_afterwards() {
    let Some(mut sink) = Sink::start_or_skip(&["-r", "data"]) else {
        return;
    };
    let Some(cluster) = kafka::start_or_skip(1) else {
        return;
    };
    cluster.create_topic("later", PARTITIONS, 1, &[]);
    cluster.create_topic("later.dead", 1, 1, &[]);
    let brokers = cluster.bootstrap();
    produce(&brokers, "later", (0..total()).map(record));
    let while_it_refuses = match total() {
        0..=1_000 => Duration::from_secs(3),
        _ => Duration::from_secs(60),
    };
    let flags = ["--dead-letter", "later.dead", "--longest-pause", "10s"];
    let forwarder = Forwarder::start(&brokers, "later", &sink.url(), &flags);
    let begun = Instant::now();
    wait_until("it is refused for a while", || {
        begun.elapsed() > while_it_refuses
            && forwarder.metric("ringpost_forward_attempts_total{answer=\"later\"}") > 0.0
    });
    assert_eq!(committed(&brokers, "later", "forward-later", PARTITIONS), 0);
    sink.restart(&[]);
    let all = total() as i64;
    wait_until("all is committed", || {
        committed(&brokers, "later", "forward-later", PARTITIONS) == all
    });
    assert!(forwarder.stop().success());
    println!(
        "after 4xx: {:?} again, broken off",
        repeats(&sink.mails(), "\n", "\n")
    );
    assert_eq!(read_topic(&brokers, "later.dead").len(), 0);
    // And one that refuses for good.
    sink.restart(&["-f", "data"]);
    let flags = ["--group", "refused", "--dead-letter", "later.dead"];
    let ended = forwarder::run(&brokers, "later", &sink.url(), &flags);
    assert!(ended.status.success(), "{}", ended.said);
    let letters = read_topic(&brokers, "later.dead");
    assert_eq!(letters.len(), total());
    for letter in letters {
        let number = number(&letter.value);
        assert_eq!(letter.value, message(number));
        assert_eq!(letter.recipients(), envelope(number).1);
        assert!(
            letter.header("ce_forwarderror").starts_with("500 "),
            "{}",
            letter.header("ce_forwarderror")
        );
    }
}
