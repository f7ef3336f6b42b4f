//! MX 10 on one cluster and MX 20 on another: Postfix as the sender goes to the second while the first cluster is away.

mod support;

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use support::postfix::Postfix;
use support::ringpost::Ringpost;
use support::topic::{Received, read_topic};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of the cluster with these brokers.
fn serving(brokers: &str) -> Ringpost {
    let text = "[kafka]\nfail_fast_after = \"1s\"\ndelivery_timeout = \"5s\"\n";
    Ringpost::configured(text, &["--brokers", brokers])
}

fn accepted(ringpost: &Ringpost) -> f64 {
    ringpost.metric("ringpost_messages_total{outcome=\"accepted\"}")
}

/// The number in a mail's subject.
fn number(record: &Received) -> u32 {
    let text = String::from_utf8_lossy(record.message()).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.expect("it has one").trim().parse().expect("a number")
}

#[test]
fn postfix_goes_to_the_second_mx_while_the_first_cluster_is_away() {
    if !Postfix::can_run_or_skip() {
        return;
    }
    let Some(mut first) = support::kafka::start_or_skip(1) else {
        return;
    };
    let Some(second) = support::kafka::start_or_skip(1) else {
        return;
    };
    for cluster in [&first, &second] {
        cluster.create_topic("mail", 4, 1, &[]);
    }
    let (ten, twenty) = (serving(&first.bootstrap()), serving(&second.bootstrap()));
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let port = |of: &Ringpost| of.smtp.rsplit_once(':').unwrap().1.to_owned();
    let relay = format!("[127.0.0.1]:{}, [127.0.0.1]:{}", port(&ten), port(&twenty));
    let postfix = Postfix::start(folder.path(), &relay, "none");
    let mut sent = 0;
    let mut send = || {
        let text = format!("Subject: {sent}\n\nbody\n");
        postfix.send("a@client.example", &["b@mx.example"], text.as_bytes());
        sent += 1;
        Instant::now()
    };
    for _ in 0..5 {
        send();
    }
    let until = |what: &str, so: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !so() {
            let waited = start.elapsed();
            assert!(waited < PATIENCE, "waited for {what}:\n{}", postfix.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("the first to take mail", &|| accepted(&ten) >= 5.0);
    assert_eq!(accepted(&twenty), 0.0);
    first.kill_broker(0);
    // One that may be under way when the cluster goes, and others at once and after it is known to be away.
    let mut times = Vec::new();
    for _ in 0..3 {
        let (before, began) = (accepted(&twenty), send());
        until("the second to take mail", &|| accepted(&twenty) > before);
        times.push(began.elapsed());
    }
    until("the first to fail fast", &|| {
        ten.metric("ringpost_storage_fails_fast") == 1.0
    });
    for _ in 0..5 {
        let (before, began) = (accepted(&twenty), send());
        until("the second to take mail", &|| accepted(&twenty) > before);
        times.push(began.elapsed());
    }
    println!("from the queue of Postfix to the second cluster: {times:?}");
    first.start_broker(0);
    until("the first to take mail again", &|| {
        ten.metric("ringpost_storage_fails_fast") == 0.0
    });
    let before = accepted(&ten);
    send();
    until("the first to have it", &|| accepted(&ten) > before);
    drop(postfix);
    let mut copies: HashMap<u32, u32> = HashMap::new();
    for cluster in [&first, &second] {
        for record in read_topic(&cluster.bootstrap(), "mail") {
            *copies.entry(number(&record)).or_default() += 1;
        }
    }
    let lost = (0..sent)
        .filter(|number| !copies.contains_key(number))
        .count();
    let twice = copies.values().filter(|count| **count > 1).count();
    println!("{sent} mails, {lost} lost, {twice} more than once");
    assert_eq!(lost, 0);
}
