//! Large messages as objects: in a directory and in S3, with the real binary.
//!
//! Records go to the in-process broker, and to librdkafka's mock cluster where ringpost is killed.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use ring::digest::{SHA256, digest};
use support::engine;
use support::ringpost::{Client, Ringpost, promised};
use support::s3;
use support::topic::{Received, read_topic};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

const LARGEST: usize = 64 << 20;

/// A configuration with objects above 64 KiB at this address.
fn configuration(url: &str, lines: &str) -> String {
    format!(
        "[server]\nworkers = 2\n[limits]\nmessage_size = \"64MiB\"\n[objects]\nurl = \"{url}\"\nabove = \"64KiB\"\n\
         timeout = \"10s\"\n{lines}\n"
    )
}

fn options(port: u16, secret: &str) -> String {
    format!(
        "[objects.options]\naccess_key_id = \"{}\"\nsecret_access_key = \"{secret}\"\nregion = \"us-east-1\"\n\
         endpoint = \"http://127.0.0.1:{port}\"\nallow_http = true\n",
        s3::ACCESS_KEY
    )
}

fn url_of(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// A message of this many bytes with a header section, in lines, some of which begin with dots.
fn message(octets: usize) -> Vec<u8> {
    let mut message = format!("Subject: {octets} bytes\r\nX-Test: 1\r\n\r\n").into_bytes();
    let mut at = 0_usize;
    while message.len() < octets {
        at += 1;
        message.extend_from_slice(format!(".{at:076}\r\n").as_bytes());
    }
    message
}

/// Every file beneath a folder that is no object of a probe.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !name.starts_with("ringpost-probe-") {
            found.push(path);
        }
    }
    found
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The record of this id, with its object, which is in `root`, as its value.
fn whole(mut records: Vec<Received>, id: &str, url: &str, root: &Path) -> Received {
    let at = records.iter().position(|record| record.id() == id);
    let mut record = records.swap_remove(at.unwrap_or_else(|| panic!("no record of {id}")));
    let beneath = record
        .header("ce_dataref")
        .strip_prefix(url)
        .expect("beneath objects.url")
        .to_owned();
    assert!(beneath.ends_with(&format!("/{id}.eml")), "{beneath}");
    let object = fs::read(root.join(&beneath[1..])).expect("its object");
    let sha256 = digest(&SHA256, &object);
    let hash: String = sha256.as_ref().iter().map(|o| format!("{o:02x}")).collect();
    assert_eq!(record.header("ce_smtpsha256"), hash);
    assert!(object.starts_with(&record.value), "the front of it");
    assert!(
        record.value.ends_with(b"X-Test: 1\r\n\r\n"),
        "its header section"
    );
    record.value = object;
    record
}

/// Messages of several sizes, by DATA and by BDAT, through a store whose objects are in `root`.
fn messages_go_through(text: &str, url: &str, root: &Path) -> Ringpost {
    let ringpost = Ringpost::configured(text, &[]);
    let mut client = Client::connect(&ringpost.smtp).unwrap();
    client.write(b"EHLO client.example\r\n").unwrap();
    let mut sent = Vec::new();
    assert!(client.reply().unwrap().starts_with("250"));
    for octets in [100, 70_000, 1 << 20, 20 << 20] {
        let message = message(octets);
        let id = client.deliver(&message).unwrap();
        sent.push((id, message));
    }
    let large = message(18 << 20);
    client.say("MAIL FROM:<a@client.example>").unwrap();
    client.say("RCPT TO:<b@mx.example>").unwrap();
    let (last, chunks) = (large.len() - 1, large.chunks(9_000_001));
    for chunk in chunks {
        let is_last = std::ptr::eq(&chunk[chunk.len() - 1], &large[last]);
        let word = if is_last { " LAST" } else { "" };
        client
            .write(format!("BDAT {}{word}\r\n", chunk.len()).as_bytes())
            .unwrap();
        client.write(chunk).unwrap();
        let reply = client.reply().unwrap();
        assert!(reply.starts_with("250"), "{reply}");
        if is_last {
            let id = promised(&reply).expect("the id of the message");
            sent.push((id, large.clone()));
        }
    }
    assert_eq!(sent.len(), 5);
    for (id, message) in &sent {
        let records = read_topic(&ringpost.kafka, "mail");
        if message.len() <= 65_536 {
            let record = records.iter().find(|record| record.id() == id).unwrap();
            assert_eq!(record.message(), message);
            assert!(record.attributes().dataref.is_none());
            continue;
        }
        let record = whole(records, id, url, root);
        assert!(record.message() == message, "{} bytes", message.len());
    }
    assert_eq!(files(root).len(), 4, "nothing else is there");
    assert_eq!(ringpost.metric("ringpost_objects_stored_total"), 4.0);
    assert_eq!(ringpost.metric("ringpost_object_uploads"), 0.0);
    assert_eq!(ringpost.metric("ringpost_in_flight_bytes"), 0.0);
    ringpost
}

/// `ringpost consume` of all that is there, as JSON lines.
fn consume(ringpost: &Ringpost, more: &[&str]) -> (Vec<serde_json::Value>, Output) {
    let output = engine::ringpost()
        .args(["consume", "--brokers", &ringpost.kafka, "--until-end"])
        .args(["--format", "json"])
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), output)
}

fn body_of(line: &serde_json::Value) -> Vec<u8> {
    use base64::Engine as _;
    let text = line["message_base64"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

#[test]
fn a_large_message_is_a_file_and_its_record_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_of(folder.path());
    let ringpost = messages_go_through(&configuration(&url, ""), &url, folder.path());
    // The size that EHLO names is the configured one, although the broker takes less.
    let mut client = Client::connect(&ringpost.smtp).unwrap();
    client.write(b"EHLO client.example\r\n").unwrap();
    let mut heard = String::new();
    while !heard.contains("250 ") {
        let mut octets = [0; 1024];
        let read = client.0.get_mut().read(&mut octets).unwrap();
        heard.push_str(std::str::from_utf8(&octets[..read]).unwrap());
    }
    assert!(heard.contains(&format!("SIZE {LARGEST}\r\n")), "{heard}");

    let (lines, output) = consume(&ringpost, &[]);
    assert!(output.status.success(), "{output:?}");
    let mut sizes: Vec<usize> = lines.iter().map(|line| body_of(line).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes.len(), 5);
    assert!(sizes[4] > 20 << 20 && sizes[1] > 70_000, "{sizes:?}");
    let (alone, _) = consume(&ringpost, &["--no-objects"]);
    assert!(alone.iter().all(|line| body_of(line).len() < 1000));

    // One that is gone is named and skipped, and the others are given on.
    let one = files(folder.path()).pop().unwrap();
    fs::remove_file(&one).unwrap();
    let (lines, output) = consume(&ringpost, &["--objects", &url]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && lines.len() == 4, "{said}");
    assert!(
        said.contains("does not exist") && said.contains("1 record skipped"),
        "{said}"
    );
    let elsewhere = url_of(&folder.path().join("elsewhere"));
    let (lines, output) = consume(&ringpost, &["--objects", &elsewhere]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(lines.len() == 1 && said.contains("not beneath"), "{said}");
}

fn gateway_url() -> String {
    format!("s3://{}/mail/in", s3::BUCKET)
}

#[test]
fn a_large_message_is_an_object_in_s3() {
    let Some(gateway) = s3::start_or_skip() else {
        return;
    };
    let url = gateway_url();
    let text = configuration(&url, &options(gateway.port, s3::SECRET_KEY));
    let root = gateway.bucket().join("mail/in");
    let ringpost = messages_go_through(&text, &url, &root);
    let environment = [
        ("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        (
            "AWS_ENDPOINT_URL",
            format!("http://127.0.0.1:{}", gateway.port),
        ),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    let output = engine::ringpost()
        .args(["consume", "--brokers", &ringpost.kafka, "--until-end"])
        .args(["--format", "summary"])
        .envs(environment)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.lines().count() == 5,
        "{text}{said}"
    );
    assert!(
        text.contains("20971520 bytes"),
        "the subject of the largest: {text}"
    );
}

#[test]
fn what_a_client_gives_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_of(folder.path());
    let ringpost = Ringpost::configured(&configuration(&url, ""), &[]);
    let begun = |client: &mut Client| {
        client
            .say("MAIL FROM:<a@client.example> SIZE=40000000")
            .unwrap();
        client.say("RCPT TO:<b@mx.example>").unwrap();
    };
    let mut resetting = ringpost.client().unwrap();
    begun(&mut resetting);
    resetting.write(b"BDAT 20000000\r\n").unwrap();
    resetting.write(&vec![b'x'; 20_000_000]).unwrap();
    assert!(resetting.reply().unwrap().starts_with("250"));
    assert!(ringpost.metric("ringpost_object_uploads") == 1.0);
    assert!(resetting.say("RSET").unwrap().starts_with("250"));
    let mut leaving = ringpost.client().unwrap();
    begun(&mut leaving);
    leaving.say("DATA").unwrap();
    leaving.write(&b"0123456789\r\n".repeat(1_500_000)).unwrap();
    drop(leaving);
    // A message that turns out to be refused.
    let mut wrong = ringpost.client().unwrap();
    begun(&mut wrong);
    wrong.say("DATA").unwrap();
    wrong.write(&b"0123456789\r\n".repeat(1_500_000)).unwrap();
    wrong.write(b"a bare\nnewline\r\n.\r\n").unwrap();
    let reply = wrong.reply().unwrap();
    assert!(reply.starts_with("550"), "{reply}");
    wait_until("nothing is left", || {
        files(folder.path()).is_empty()
            && ringpost.metric("ringpost_object_uploads") == 0.0
            && ringpost.metric("ringpost_in_flight_bytes") == 0.0
    });
    assert!(read_topic(&ringpost.kafka, "mail").is_empty());
    let (id, large) = (
        resetting.deliver(&message(100_000)).unwrap(),
        message(100_000),
    );
    let record = whole(
        read_topic(&ringpost.kafka, "mail"),
        &id,
        &url,
        folder.path(),
    );
    assert_eq!(record.message(), large);
}

/// Text of /readyz, which is 200.
fn ready(ringpost: &Ringpost) -> String {
    let mut stream = TcpStream::connect(&ringpost.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: ringpost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// A server whose standard error goes to a file.
fn heard(folder: &Path, text: &str) -> Ringpost {
    let path = folder.join("ringpost.toml");
    fs::write(&path, text).unwrap();
    let mut command = engine::ringpost();
    command
        .env("RINGPOST_LOG_MESSAGES", "false")
        .stderr(fs::File::create(folder.join("log")).unwrap());
    Ringpost::launch_heard(command, &["--config", path.to_str().unwrap()])
}

#[test]
fn while_the_store_is_away_small_mail_flows_and_large_mail_follows_its_return() {
    let Some(mut gateway) = s3::start_or_skip() else {
        return;
    };
    let (folder, url) = (tempfile::tempdir().unwrap(), gateway_url());
    let text = configuration(&url, &options(gateway.port, s3::SECRET_KEY));
    let ringpost = heard(folder.path(), &text);
    let root = gateway.bucket().join("mail/in");
    let (mut client, large) = (ringpost.client().unwrap(), message(10 << 20));
    let mut stored = vec![client.deliver(&large).unwrap()];
    gateway.stop();
    let wire = support::mails::stuffed(&large);
    let reply = client.send(&[&wire]).unwrap();
    assert!(reply.starts_with("451 4."), "{reply}");
    wait_until("/readyz says it", || {
        ready(&ringpost).contains("but messages of more than 65536")
    });
    let small = client.deliver(b"Subject: small\r\n\r\nx\r\n").unwrap();
    // Known to be away: refused before its first byte.
    client
        .say("MAIL FROM:<a@client.example> SIZE=10000000")
        .unwrap();
    client.say("RCPT TO:<b@mx.example>").unwrap();
    let reply = client.say("DATA").unwrap();
    assert!(reply.starts_with("451 4.4.1"), "{reply}");
    gateway.start().unwrap();
    wait_until("it is back", || !ready(&ringpost).contains("but"));
    stored.push(client.deliver(&large).unwrap());
    let records = || read_topic(&ringpost.kafka, "mail");
    assert_eq!(records().len(), 3);
    for id in &stored {
        assert!(whole(records(), id, &url, &root).message() == large);
    }
    assert!(records().iter().any(|record| record.id() == small));
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let about = log
        .lines()
        .filter(|line| line.contains("store of large messages"));
    let lines: Vec<&str> = about.collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].contains("away since") && lines[1].contains("back after"),
        "{log}"
    );
    let failures: f64 = ["unavailable", "timed_out"]
        .iter()
        .map(|label| {
            ringpost.metric(&format!(
                "ringpost_object_failures_total{{failure=\"{label}\"}}"
            ))
        })
        .sum();
    assert!(failures >= 1.0);
}

/// The line of `ringpost check` about objects, and the exit code.
fn check(text: &str) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringpost.toml");
    fs::write(&path, format!("{text}\n[kafka]\nbrokers = \"discard\"\n")).unwrap();
    let output = engine::ringpost()
        .args([
            "check",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--config",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for stream in [&text, &String::from_utf8_lossy(&output.stderr).into_owned()] {
        assert!(!stream.contains("hunter2"), "{stream}");
    }
    let line = text.lines().find(|line| line[9..].starts_with("objects "));
    let line = line.unwrap_or_else(|| panic!("no line about objects: {text}"));
    (line.to_owned(), output.status.code())
}

#[test]
fn check_says_whether_a_directory_takes_objects() {
    let folder = tempfile::tempdir().unwrap();
    let (line, _) = check(&configuration(&url_of(folder.path()), ""));
    assert!(
        line.starts_with("ok") && line.contains("written, read and deleted"),
        "{line}"
    );
    assert!(
        fs::read_dir(folder.path()).unwrap().next().is_none(),
        "nothing is left"
    );
    let (line, _) = check(&configuration(&url_of(folder.path()), "fsync = false"));
    assert!(
        line.starts_with("warning") && line.contains("power cut"),
        "{line}"
    );
    let nowhere = url_of(&folder.path().join("nowhere"));
    let (line, code) = check(&configuration(&nowhere, ""));
    assert!(
        line.starts_with("failed") && line.contains("create the directory"),
        "{line}"
    );
    assert_eq!(code, Some(1));
    // The start says the same.
    let path = folder.path().join("ringpost.toml");
    fs::write(&path, configuration(&nowhere, "")).unwrap();
    let output = engine::ringpost()
        .args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--config",
        ])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("create the directory"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn check_says_what_s3_refuses_without_a_secret() {
    let Some(gateway) = s3::start_or_skip() else {
        return;
    };
    let url = gateway_url();
    let (line, _) = check(&configuration(&url, &options(gateway.port, s3::SECRET_KEY)));
    assert!(line.starts_with("ok"), "{line}");
    let (line, code) = check(&configuration(&url, &options(gateway.port, "hunter2wrong")));
    assert!(
        line.starts_with("failed") && line.contains("SignatureDoesNotMatch"),
        "{line}"
    );
    assert!(line.contains("objects.options"), "{line}");
    assert_eq!(code, Some(1));
    let (line, _) = check(&configuration(
        "s3://nobucket",
        &options(gateway.port, s3::SECRET_KEY),
    ));
    assert!(
        line.starts_with("failed") && line.contains("create the bucket"),
        "{line}"
    );
    let port = gateway.port;
    drop(gateway);
    let (line, _) = check(&configuration(&url, &options(port, s3::SECRET_KEY)));
    assert!(
        line.starts_with("failed") && line.contains("cannot be reached"),
        "{line}"
    );
}

/// A directory without space: a file system of 1 MiB of its own, if this machine lets us have one.
#[test]
fn a_full_disk_is_451_and_small_mail_flows() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "/bin/sh", "-c", script])
        .arg(folder.path());
    let tried = command.arg("/bin/true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        support::skips::say("no file system of its own can be mounted");
        return;
    }
    let file = folder.path().with_extension("toml");
    fs::write(&file, configuration(&url_of(folder.path()), "")).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "/bin/sh", "-c", script])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_ringpost"));
    let ringpost = Ringpost::launch(command, &["--config", file.to_str().unwrap()]);
    let mut client = ringpost.client().unwrap();
    let wire = support::mails::stuffed(&message(2 << 20));
    let reply = client.send(&[&wire]).unwrap();
    assert!(reply.starts_with("451 4.3.5"), "{reply}");
    client.deliver(b"Subject: small\r\n\r\nx\r\n").unwrap();
    client.deliver(&message(100_000)).unwrap();
    let full = ringpost.metric("ringpost_object_failures_total{failure=\"full\"}");
    assert_eq!(full, 1.0);
    fs::remove_file(file).unwrap();
}

/// Sends large messages until the server is gone; the ids that got a 250.
fn send_until_gone(smtp: &str, octets: usize, is_over: &AtomicBool) -> Vec<String> {
    let wire = support::mails::stuffed(&message(octets));
    let mut stored = Vec::new();
    let Ok(mut client) = Client::connect(smtp) else {
        return stored;
    };
    let _ = client.say("EHLO client.example");
    while !is_over.load(Ordering::Relaxed) {
        match client
            .open_data()
            .and_then(|()| client.write(&wire))
            .and_then(|()| client.reply())
        {
            Ok(reply) => stored.extend(promised(&reply)),
            Err(_) => break,
        }
    }
    stored
}

#[test]
fn what_got_a_250_survives_kill_9() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mail", 2, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let folder = tempfile::tempdir().unwrap();
    let url = url_of(folder.path());
    let sizes = [70_000, 300_000, 9 << 20];
    for _ in 0..2 {
        let mut ringpost = Ringpost::configured(&configuration(&url, ""), &["--brokers", &brokers]);
        let (smtp, is_over) = (ringpost.smtp.clone(), AtomicBool::new(false));
        let stored: Vec<(usize, Vec<String>)> = std::thread::scope(|scope| {
            let senders: Vec<_> = sizes
                .iter()
                .map(|&octets| {
                    let (smtp, is_over) = (&smtp, &is_over);
                    scope.spawn(move || (octets, send_until_gone(smtp, octets, is_over)))
                })
                .collect();
            wait_until("some are stored", || {
                ringpost.metric("ringpost_objects_stored_total") >= 12.0
            });
            ringpost.child.kill().unwrap();
            ringpost.child.wait().unwrap();
            is_over.store(true, Ordering::Relaxed);
            senders
                .into_iter()
                .map(|sender| sender.join().unwrap())
                .collect()
        });
        let records = read_topic(&brokers, "mail");
        let promised: usize = stored.iter().map(|(_, ids)| ids.len()).sum();
        assert!(promised >= 3, "{promised}");
        for (octets, ids) in &stored {
            let expected = message(*octets);
            for id in ids {
                let record = records.iter().find(|record| record.id() == id);
                let record = record.unwrap_or_else(|| panic!("{id} is lost"));
                let path = record.header("ce_dataref").strip_prefix("file://").unwrap();
                let object = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(object.ends_with(&expected), "{id} is another message");
            }
        }
    }
}
