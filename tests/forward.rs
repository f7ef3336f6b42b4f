//! `ringpost forward` as a process, against real Apache Kafka and receivers that do what a test says: whatever ends it, each mail
//! reaches its receiver as it is, or is in the dead-letter topic.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::forwarder::{self, Forwarder, committed, mail, produce, wait_until};
use support::kafka::{self, Cluster};
use support::receiver::{Mail, Manner, Receiver};
use support::ringpost::Ringpost;
use support::topic::read_topic;

/// One broker for all tests of this file, each with its own topics.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, "")
}

/// The brokers, and a topic of this name with so many partitions.
fn topic(name: &str, partitions: i32) -> Option<String> {
    let cluster = cluster()?;
    cluster.create_topic(name, partitions, 1, &[]);
    Some(cluster.bootstrap())
}

/// A mail with a number, by which tests recognize it.
fn numbered(number: usize) -> Vec<u8> {
    let size = if number.is_multiple_of(97) {
        200_000
    } else {
        number % 3000
    };
    let body = ["x", ".", "\r\n.", "\r\n..\r\n"][number % 4].repeat(size / 2);
    format!("Received: from x\r\n\tby y\r\nSubject: mail {number} \r\n\r\n{body}\r\n").into_bytes()
}

fn number(message: &[u8]) -> usize {
    let text = String::from_utf8_lossy(message);
    let (_, rest) = text.split_once("Subject: mail ").expect("a number");
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn numbers(mails: &[Mail]) -> BTreeMap<usize, usize> {
    let mut numbers = BTreeMap::new();
    for mail in mails {
        *numbers.entry(number(&mail.message)).or_default() += 1;
    }
    numbers
}

#[test]
fn a_mail_arrives_as_it_is_with_its_envelope() {
    let Some(brokers) = topic("whole", 1) else {
        return;
    };
    let dots = b".\r\n..\r\nSubject: x\r\n\r\n.\r\nbody\r\n.".to_vec();
    let mut global = mail(
        "ID2",
        "j\u{f6}rg@b\u{fc}cher.example",
        &["\u{fc}@x.example"],
        "Subject: \u{fc}\r\n\r\n\u{e4}\r\n".as_bytes(),
    );
    global.headers[0].1 = "message/global".to_owned();
    let records = [
        mail(
            "ID0",
            "",
            &["a@x.example", "\"b c\"@x.example", "d@[192.0.2.1]"],
            &dots,
        ),
        mail(
            "ID1",
            "a@x.example",
            &["b@x.example"],
            "Subject: x\r\n\r\n\u{e4}\r\n".as_bytes(),
        ),
        global,
        mail("ID3", "a@x.example", &["b@x.example"], &vec![b'x'; 500_000]),
    ];
    produce(&brokers, "whole", records.clone());
    let receiver = Receiver::start(Manner::default());
    let ended = forwarder::run(&brokers, "whole", &receiver.url, &[]);
    assert!(ended.status.success(), "{}", ended.said);
    let mut mails = receiver.mails();
    mails.sort_by_key(|mail| (mail.message.len(), mail.from.clone()));
    let of = |at: usize| &mails[at];
    assert_eq!(mails.len(), 4);
    let first = mails.iter().find(|mail| mail.from.is_empty()).unwrap();
    assert_eq!(
        first.to,
        ["a@x.example", "\"b c\"@x.example", "d@[192.0.2.1]"]
    );
    // A message without a line end at its end gets one.
    assert_eq!(first.message, [&dots[..], b"\r\n"].concat());
    let parameters = |from: &str| {
        let found = mails
            .iter()
            .find(|mail| mail.from.starts_with(from) && mail.message.len() < 100);
        found.unwrap().parameters.clone()
    };
    assert_eq!(parameters("a@"), " SIZE=18 BODY=8BITMIME");
    assert_eq!(parameters("j"), " SIZE=19 BODY=8BITMIME SMTPUTF8");
    assert_eq!(of(3).message.len(), 500_002);
    assert_eq!(committed(&brokers, "whole", "forward-whole", 1), 4);
    // Nothing is left for another run.
    let again = forwarder::run(&brokers, "whole", &receiver.url, &[]);
    assert!(again.status.success());
    assert_eq!(receiver.mails().len(), 4);
}

#[test]
fn who_is_refused_is_in_a_dead_letter_and_the_others_have_the_mail() {
    let Some(brokers) = topic("refused", 1) else {
        return;
    };
    cluster().unwrap().create_topic("refused.dead", 1, 1, &[]);
    let message = b"Subject: x\r\n\r\nbody\r\n";
    let mut foreign = mail("ID3", "a@x.example", &["ok@x.example"], message);
    foreign.headers.retain(|(name, _)| *name != "ce_type");
    let mut smuggler = mail("ID4", "a@x.example", &["ok@x.example"], message);
    smuggler.headers[6].1 = "a@x>\r\nRCPT TO:<victim@x.example".to_owned();
    let records = [
        mail(
            "ID0",
            "a@x.example",
            &["ok@x.example", "no@x.example", "ok2@x.example"],
            message,
        ),
        mail("ID1", "a@x.example", &["no@x.example"], message),
        mail(
            "ID2",
            "a@x.example",
            &["ok@x.example"],
            b"Subject: reject me\r\n\r\n\r\n",
        ),
        foreign,
        smuggler,
    ];
    produce(&brokers, "refused", records);
    let receiver = Receiver::start(Manner {
        recipient: Box::new(|recipient| match recipient.starts_with("no") {
            true => "550 5.1.1 User unknown".to_owned(),
            false => "250 2.1.5 Ok".to_owned(),
        }),
        message: Box::new(|_, message| match message.starts_with(b"Subject: reject") {
            true => "554 5.7.1 Spam".to_owned(),
            false => "250 2.0.0 Ok".to_owned(),
        }),
        ..Manner::default()
    });
    let flags = ["--dead-letter", "refused.dead"];
    let ended = forwarder::run(&brokers, "refused", &receiver.url, &flags);
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["ok@x.example", "ok2@x.example"]);
    let letters: BTreeMap<String, (String, String)> = read_topic(&brokers, "refused.dead")
        .iter()
        .map(|letter| {
            let header = |name: &str| letter.header(name).to_owned();
            (
                header("ce_id"),
                (header("ce_smtpto"), header("ce_forwarderror")),
            )
        })
        .collect();
    let is = |id: &str, to: &str, why: &str| {
        assert_eq!(letters[id], (to.to_owned(), why.to_owned()), "{id}");
    };
    is("ID0", r#"["no@x.example"]"#, "550 5.1.1 User unknown");
    is("ID1", r#"["no@x.example"]"#, "550 5.1.1 User unknown");
    is("ID2", r#"["ok@x.example"]"#, "554 5.7.1 Spam");
    assert!(
        letters["ID4"].1.starts_with("5.1.7 The sender"),
        "{letters:?}"
    );
    assert_eq!(letters.len(), 4);
    assert_eq!(committed(&brokers, "refused", "forward-refused", 1), 5);
    // Anybody can read them.
    let read = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["consume", "--brokers", &brokers, "--topic", "refused.dead"])
        .args(["--until-end", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap().lines().count(), 4);
}

#[test]
fn without_a_topic_for_it_a_refusal_ends_the_program() {
    let Some(brokers) = topic("stops", 1) else {
        return;
    };
    let message = b"Subject: x\r\n\r\nbody\r\n";
    let to = |at: usize| {
        if at == 3 {
            "no@x.example"
        } else {
            "ok@x.example"
        }
    };
    let records = (0..6).map(|at| mail(&format!("ID{at}"), "a@x.example", &[to(at)], message));
    produce(&brokers, "stops", records);
    let refusing = Receiver::start(Manner {
        recipient: Box::new(|recipient| match recipient.starts_with("no") {
            true => "550 5.1.1 User unknown".to_owned(),
            false => "250 2.1.5 Ok".to_owned(),
        }),
        ..Manner::default()
    });
    let ended = forwarder::run(&brokers, "stops", &refusing.url, &["--order", "partition"]);
    assert_eq!(ended.status.code(), Some(1));
    for part in [
        "ID3",
        "offset 3",
        "no@x.example",
        "550 5.1.1 User unknown",
        "--dead-letter",
    ] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
    assert_eq!(committed(&brokers, "stops", "forward-stops", 1), 3);
    let taking = Receiver::start(Manner::default());
    let ended = forwarder::run(&brokers, "stops", &taking.url, &[]);
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(taking.mails().len(), 3);
}

#[test]
fn what_is_not_taken_now_is_tried_again_and_holds_nothing_else_up() {
    let Some(brokers) = topic("later", 1) else {
        return;
    };
    let records = (0..30).map(|at| {
        mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        )
    });
    produce(&brokers, "later", records);
    let open = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&open);
    let receiver = Receiver::start(Manner {
        message: Box::new(move |_, message| {
            let taken = number(message) != 0 || asked.load(Ordering::SeqCst);
            let reply = if taken {
                "250 2.0.0 Ok"
            } else {
                "451 4.7.1 Greylisted"
            };
            reply.to_owned()
        }),
        ..Manner::default()
    });
    let forwarder = Forwarder::start(&brokers, "later", &receiver.url, &["--longest-pause", "1s"]);
    receiver.wait(|mails| mails.len() == 29);
    wait_until("it waits", || {
        forwarder.metric("ringpost_forward_retries_waiting") == 1.0
    });
    wait_until("it alone is held", || {
        forwarder.metric("ringpost_pipeline_records_held") == 1.0
    });
    // Nothing is committed: the first mail of the partition is not done with.
    assert_eq!(committed(&brokers, "later", "forward-later", 1), 0);
    open.store(true, Ordering::SeqCst);
    receiver.wait(|mails| mails.len() == 30);
    wait_until("it is committed", || {
        committed(&brokers, "later", "forward-later", 1) == 30
    });
    assert!(forwarder.metric("ringpost_forward_attempts_total{answer=\"later\"}") >= 1.0);
    assert!(forwarder.stop().success());
}

#[test]
fn a_receiver_that_is_away_gets_everything_once_it_is_there() {
    let Some(brokers) = topic("away", 1) else {
        return;
    };
    let records = (0..50).map(|at| {
        mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        )
    });
    produce(&brokers, "away", records);
    // A port on which nobody listens yet.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let url = format!("smtp://{address}");
    let forwarder = Forwarder::start(&brokers, "away", &url, &["--longest-pause", "1s"]);
    wait_until("it is unready", || {
        let (status, text) = forwarder.page("/readyz");
        status == 503 && text.contains("cannot be reached")
    });
    assert_eq!(forwarder.metric("ringpost_forward_receiver_away"), 1.0);
    let listener = std::net::TcpListener::bind(address).unwrap();
    let receiver = Receiver::on(listener, &address.to_string(), Manner::default());
    receiver.wait(|mails| numbers(mails).len() == 50);
    wait_until("it is ready", || forwarder.page("/readyz").0 == 200);
    assert_eq!(forwarder.page("/healthz").0, 200);
    assert!(forwarder.stop().success());
    assert_eq!(committed(&brokers, "away", "forward-away", 1), 50);
}

#[test]
fn kills_lose_nothing_and_repeat_what_was_not_committed() {
    let Some(brokers) = topic("killed", 4) else {
        return;
    };
    let total = 2_000;
    let records = (0..total).map(|at| {
        let mut record = mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        );
        record.partition = (at % 4) as i32;
        record
    });
    produce(&brokers, "killed", records);
    let receiver = Receiver::start(Manner::default());
    for part in 1..=3 {
        let forwarder = Forwarder::start(
            &brokers,
            "killed",
            &receiver.url,
            &["--commit-every", "200ms"],
        );
        let enough = total * part / 4;
        receiver.wait(|mails| numbers(mails).len() >= enough);
        forwarder.kill();
    }
    let ended = forwarder::run(&brokers, "killed", &receiver.url, &[]);
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    let numbers = numbers(&mails);
    assert_eq!(numbers.len(), total);
    for mail in &mails {
        assert_eq!(mail.message, numbered(number(&mail.message)));
        assert_eq!(
            (mail.from.as_str(), &mail.to[..]),
            ("a@x.example", &["b@x.example".to_owned()][..])
        );
    }
    // Four lives, none of which gave a mail twice.
    assert!(numbers.values().all(|&times| times <= 4), "{numbers:?}");
}

#[test]
fn a_partition_keeps_its_order_where_it_is_asked_to() {
    let Some(brokers) = topic("ordered", 2) else {
        return;
    };
    let total = 200;
    let records = (0..total).map(|at| {
        let mut record = mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        );
        record.partition = (at % 2) as i32;
        record
    });
    produce(&brokers, "ordered", records);
    let failures = AtomicUsize::new(0);
    let receiver = Receiver::start(Manner {
        // Every seventh attempt fails.
        message: Box::new(
            move |_, _| match failures.fetch_add(1, Ordering::SeqCst) % 7 {
                6 => "451 4.3.0 Again".to_owned(),
                _ => "250 2.0.0 Ok".to_owned(),
            },
        ),
        ..Manner::default()
    });
    let flags = ["--order", "partition", "--longest-pause", "1s"];
    // The first pause is a second; so few of them are waited for.
    let ended = forwarder::run(&brokers, "ordered", &receiver.url, &flags);
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    let order: Vec<usize> = mails.iter().map(|mail| number(&mail.message)).collect();
    for partition in 0..2 {
        let of_it: Vec<usize> = order
            .iter()
            .copied()
            .filter(|number| number % 2 == partition)
            .collect();
        assert!(of_it.is_sorted(), "{of_it:?}");
        assert_eq!(of_it.len(), total / 2);
    }
}

#[test]
fn in_lmtp_each_recipient_has_its_own_answer() {
    let Some(brokers) = topic("lmtp", 1) else {
        return;
    };
    cluster().unwrap().create_topic("lmtp.dead", 1, 1, &[]);
    let to = [
        "a@x.example",
        "full@x.example",
        "b@x.example",
        "slow@x.example",
    ];
    produce(
        &brokers,
        "lmtp",
        [mail("ID0", "s@x.example", &to, &numbered(1))],
    );
    let tries = AtomicUsize::new(0);
    let receiver = Receiver::on_socket(Manner {
        lmtp: true,
        message: Box::new(move |recipient, _| match recipient {
            "full@x.example" => "552 5.2.2 Mailbox full".to_owned(),
            "slow@x.example" if tries.fetch_add(1, Ordering::SeqCst) == 0 => {
                "451 4.3.0 Again".to_owned()
            }
            _ => "250 2.0.0 Ok".to_owned(),
        }),
        ..Manner::default()
    });
    let ended = forwarder::run(
        &brokers,
        "lmtp",
        &receiver.url,
        &["--dead-letter", "lmtp.dead"],
    );
    assert!(ended.status.success(), "{}", ended.said);
    let to: Vec<Vec<String>> = receiver.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(
        to,
        [vec!["a@x.example", "b@x.example"], vec!["slow@x.example"]]
    );
    let letters = read_topic(&brokers, "lmtp.dead");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].header("ce_smtpto"), r#"["full@x.example"]"#);
    assert_eq!(
        letters[0].header("ce_forwarderror"),
        "552 5.2.2 Mailbox full"
    );
}

#[test]
fn a_receiver_without_an_extension_refuses_what_needs_it() {
    let Some(brokers) = topic("plain", 1) else {
        return;
    };
    cluster().unwrap().create_topic("plain.dead", 1, 1, &[]);
    let mut binary = mail("ID1", "a@x.example", &["b@x.example"], b"a\nb\x00\r\n");
    binary
        .headers
        .push(("ce_smtpbody", "BINARYMIME".to_owned()));
    let records = [
        mail(
            "ID0",
            "a@x.example",
            &["\u{fc}@x.example", "b@x.example"],
            &numbered(0),
        ),
        binary,
        mail("ID2", "a@x.example", &["b@x.example"], &vec![b'x'; 300_000]),
    ];
    produce(&brokers, "plain", records);
    let receiver = Receiver::start(Manner {
        offers: &["SIZE 250000"],
        ..Manner::default()
    });
    let ended = forwarder::run(
        &brokers,
        "plain",
        &receiver.url,
        &["--dead-letter", "plain.dead"],
    );
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["b@x.example"]);
    let whys: BTreeSet<String> = read_topic(&brokers, "plain.dead")
        .iter()
        .map(|letter| {
            let why = letter.header("ce_forwarderror");
            format!(
                "{} {}",
                letter.header("ce_id"),
                why.split(' ').next().unwrap()
            )
        })
        .collect();
    let expected = ["ID0 5.6.7", "ID1 5.6.3", "ID2 5.3.4"];
    assert_eq!(whys, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn a_connection_is_used_again_and_one_that_was_closed_costs_nothing() {
    let Some(brokers) = topic("reused", 1) else {
        return;
    };
    let records = (0..100).map(|at| {
        mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        )
    });
    produce(&brokers, "reused", records);
    let receiver = Receiver::start(Manner::default());
    let ended = forwarder::run(&brokers, "reused", &receiver.url, &["--concurrency", "3"]);
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(
        (receiver.mails().len(), receiver.transactions()),
        (100, 100)
    );
    assert!(receiver.connections() <= 3, "{}", receiver.connections());
}

#[test]
fn a_filter_passes_the_others_over() {
    let Some(brokers) = topic("filtered", 1) else {
        return;
    };
    let to = |at: usize| {
        if at.is_multiple_of(2) {
            "a@even.example"
        } else {
            "a@odd.example"
        }
    };
    let records =
        (0..10).map(|at| mail(&format!("ID{at}"), "s@x.example", &[to(at)], &numbered(at)));
    produce(&brokers, "filtered", records);
    let receiver = Receiver::start(Manner::default());
    let flags = ["--filter", "domain = odd.example"];
    let ended = forwarder::run(&brokers, "filtered", &receiver.url, &flags);
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(receiver.mails().len(), 5);
    assert_eq!(committed(&brokers, "filtered", "forward-filtered", 1), 10);
}

#[test]
fn a_certificate_is_verified_unless_it_is_said_otherwise() {
    let Some(brokers) = topic("secured", 1) else {
        return;
    };
    let message = b"Subject: x\r\n\r\nbody\r\n";
    produce(
        &brokers,
        "secured",
        [mail("ID0", "a@x.example", &["b@x.example"], message)],
    );
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificate = certificate.to_str().unwrap();
    let flags = [
        "--tls-cert",
        certificate,
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let receiver = Ringpost::start(&[&flags[..], &["--domain", "x.example"]].concat());
    let port = receiver.smtp.rsplit_once(':').unwrap().1;
    // The name may have an address on which nobody listens.
    let url = |starttls: &str| format!("smtp://localhost:{port}?starttls={starttls}");
    let arrived = || read_topic(&receiver.kafka, "mail");
    for starttls in ["required", "offered"] {
        let flags = ["--group", starttls];
        let forwarder = Forwarder::start(&brokers, "secured", &url(starttls), &flags);
        wait_until("it does not trust", || {
            forwarder.metric("ringpost_forward_attempts_total{answer=\"none\"}") >= 3.0
        });
        let (_, why) = forwarder.page("/readyz");
        assert!(
            why.contains("TLS: ") && why.contains("certificate"),
            "{why}"
        );
        assert_eq!(arrived().len(), 0);
        assert!(forwarder.stop().success());
    }
    for (starttls, ca) in [("required", true), ("opportunistic", false)] {
        let group = format!("{starttls}-2");
        let trust = ["--group", &group, "--tls-ca", certificate];
        let flags = if ca { &trust[..] } else { &trust[..2] };
        let ended = forwarder::run(&brokers, "secured", &url(starttls), flags);
        assert!(ended.status.success(), "{}", ended.said);
    }
    let arrived = arrived();
    assert_eq!(arrived.len(), 2);
    for record in arrived {
        assert!(record.header("ce_smtptls").starts_with("TLSv1.3"));
        assert_eq!(record.message(), message);
    }
}

#[test]
fn a_password_goes_to_who_may_have_it() {
    let Some(brokers) = topic("login", 1) else {
        return;
    };
    produce(
        &brokers,
        "login",
        [mail("ID0", "a@x.example", &["b@x.example"], &numbered(1))],
    );
    let receiver = Receiver::start(Manner {
        offers: &["AUTH LOGIN PLAIN", "PIPELINING"],
        ..Manner::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    let url = receiver.url.replace("smtp://", "smtp://me%40x@");
    let flags = ["--password-file", file.to_str().unwrap()];
    let ended = forwarder::run(&brokers, "login", &url, &flags);
    assert!(ended.status.success(), "{}", ended.said);
    assert!(!ended.said.contains("hunter2"));
    // NUL, user, NUL, password in base64.
    assert_eq!(receiver.logins(), ["AUTH PLAIN AG1lQHgAaHVudGVyMg=="]);
    assert_eq!(receiver.mails().len(), 1);
}

#[test]
fn members_share_the_partitions_and_give_them_up_in_order() {
    let Some(brokers) = topic("shared", 4) else {
        return;
    };
    let total = 1_200;
    let records = (0..total).map(|at| {
        let mut record = mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        );
        record.partition = (at % 4) as i32;
        record
    });
    produce(&brokers, "shared", records);
    let receiver = Receiver::start(Manner::default());
    let flags = ["--rate", "100"];
    let first = Forwarder::start(&brokers, "shared", &receiver.url, &flags);
    receiver.wait(|mails| mails.len() > 100);
    let second = Forwarder::start(&brokers, "shared", &receiver.url, &flags);
    wait_until("both have partitions", || {
        [&first, &second]
            .iter()
            .all(|member| member.metric("ringpost_pipeline_partitions") == 2.0)
    });
    assert!(first.stop().success());
    receiver.wait(|mails| numbers(mails).len() == total);
    assert!(second.stop().success());
    // What was under way had its answer before its partition went.
    assert_eq!(receiver.mails().len(), total);
    assert_eq!(
        committed(&brokers, "shared", "forward-shared", 4),
        total as i64
    );
}

#[test]
fn a_member_that_was_full_reads_what_it_is_given_again() {
    let Some(brokers) = topic("full", 4) else {
        return;
    };
    let total = 120;
    let records = (0..total).map(|at| {
        let mut record = mail(
            &format!("ID{at}"),
            "a@x.example",
            &["b@x.example"],
            &numbered(at),
        );
        record.partition = (at % 4) as i32;
        record
    });
    produce(&brokers, "full", records);
    // A port on which nobody listens yet.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let url = format!("smtp://{address}");
    let flags = ["--held", "8", "--longest-pause", "1s", "--grace", "1s"];
    let first = Forwarder::start(&brokers, "full", &url, &flags);
    wait_until("it is full", || {
        first.metric("ringpost_pipeline_records_held") == 8.0
    });
    let has = |member: &Forwarder, partitions: f64| {
        member.metric("ringpost_pipeline_partitions") == partitions
    };
    let second = Forwarder::start(&brokers, "full", &url, &flags);
    wait_until("both have partitions", || {
        has(&first, 2.0) && has(&second, 2.0)
    });
    wait_until("both are full", || {
        [&first, &second]
            .iter()
            .all(|member| member.metric("ringpost_pipeline_records_held") == 8.0)
    });
    assert!(second.stop().success());
    wait_until("the first has them all", || has(&first, 4.0));
    let listener = std::net::TcpListener::bind(address).unwrap();
    let receiver = Receiver::on(listener, &address.to_string(), Manner::default());
    receiver.wait(|mails| numbers(mails).len() == total);
    assert!(first.stop().success());
    let done = committed(&brokers, "full", "forward-full", 4);
    assert_eq!(done, total as i64);
}

#[test]
fn a_topic_that_grows_while_its_partition_is_paused_is_seen() {
    let Some(brokers) = topic("grows", 1) else {
        return;
    };
    let batch = |from: usize| {
        let mail = |at| {
            mail(
                &format!("ID{at}"),
                "a@x.example",
                &["b@x.example"],
                &numbered(at),
            )
        };
        (from..from + 20).map(mail)
    };
    produce(&brokers, "grows", batch(0));
    // A port on which nobody listens.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", socket.local_addr().unwrap());
    drop(socket);
    let forwarder = Forwarder::start(&brokers, "grows", &url, &["--window", "10"]);
    wait_until("its window is full", || {
        forwarder.metric("ringpost_pipeline_partitions_waiting") == 1.0
    });
    for written in [20, 40, 60] {
        wait_until("all records count", || {
            forwarder.metric("ringpost_pipeline_lag_records") == written as f64
        });
        produce(&brokers, "grows", batch(written));
    }
    assert!(forwarder.stop().success());
}

#[test]
fn what_is_no_text_goes_out_in_chunks() {
    let Some(brokers) = topic("chunks", 1) else {
        return;
    };
    let message = b".\r\nbare\nlines\rand \x00 bytes\xff.\r\n.\r\n";
    let mut binary = mail(
        "ID0",
        "a@x.example",
        &["b@x.example", "c@x.example"],
        message,
    );
    binary
        .headers
        .push(("ce_smtpbody", "BINARYMIME".to_owned()));
    produce(&brokers, "chunks", [binary]);
    let receiver = Receiver::start(Manner {
        offers: &["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"],
        ..Manner::default()
    });
    let ended = forwarder::run(&brokers, "chunks", &receiver.url, &[]);
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    assert_eq!(
        (mails.len(), mails[0].message.as_slice()),
        (1, &message[..])
    );
    assert_eq!(mails[0].parameters, " BODY=BINARYMIME");
}

#[test]
fn the_object_of_a_large_mail_is_what_arrives() {
    let Some(brokers) = topic("objects", 1) else {
        return;
    };
    cluster().unwrap().create_topic("objects.dead", 1, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let whole = numbered(0);
    let end = whole
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let header = whole[..end].to_vec();
    let path = folder.path().join("large.eml");
    std::fs::write(&path, &whole).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, &whole);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let record = |id: &str, to: &str, name: &str| {
        let mut record = mail(id, "a@x.example", &[to], &whole);
        record.value = header.clone();
        let place = format!("file://{}/{name}", folder.path().display());
        record.headers.push(("ce_dataref", place));
        record.headers.push(("ce_smtpsha256", hash.clone()));
        record
    };
    let records = [
        record("ID0", "ok@x.example", "large.eml"),
        record("ID1", "no@x.example", "large.eml"),
        record("ID2", "ok@x.example", "gone.eml"),
    ];
    produce(&brokers, "objects", records);
    let receiver = Receiver::start(Manner {
        recipient: Box::new(|recipient| match recipient.starts_with("no") {
            true => "550 5.1.1 User unknown".to_owned(),
            false => "250 2.1.5 Ok".to_owned(),
        }),
        ..Manner::default()
    });
    let flags = ["--dead-letter", "objects.dead"];
    let ended = forwarder::run(&brokers, "objects", &receiver.url, &flags);
    assert!(ended.status.success(), "{}", ended.said);
    let mails = receiver.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].message == whole);
    let letters = read_topic(&brokers, "objects.dead");
    let ids: BTreeSet<&str> = letters
        .iter()
        .map(|letter| letter.header("ce_id"))
        .collect();
    assert_eq!(ids, BTreeSet::from(["ID1", "ID2"]));
    for letter in &letters {
        // The record's own value, not the object.
        assert!(letter.value == header);
        assert!(letter.header("ce_dataref").starts_with("file://"));
    }
}

#[test]
fn mistakes_are_named_before_anything_is_read() {
    let run = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["forward", "--brokers", "127.0.0.1:1"])
            .args(flags)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for (flags, part) in [
        (&["--group", "", "--to", "smtp://x"][..], "--group is empty"),
        (&["--group", "g", "--to", "ftp://x"], "begins with none of"),
        (
            &["--group", "g", "--to", "smtp://u:hunter2@x"],
            "--password-file",
        ),
        (
            &["--group", "g", "--to", "smtp://u@x"],
            "there is no password",
        ),
        (
            &["--group", "g", "--to", "smtp://x", "--filter", "domain = "],
            "--filter",
        ),
        (
            &[
                "--group",
                "g",
                "--to",
                "smtp://127.0.0.1",
                "--topic",
                "t",
                "--dead-letter",
                "t",
            ],
            "is the topic that is read",
        ),
        (
            &["--group", "g", "--to", "smtps://x", "--tls-ca", "/no/such"],
            "--tls-ca",
        ),
        (
            &["--group", "g", "--to", "smtp://x", "--secret-file", "/x"],
            "--secret-file is for http",
        ),
    ] {
        let (code, said) = run(flags);
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(
            said.contains(part) && !said.contains("hunter2"),
            "{flags:?}: {said}"
        );
    }
}
