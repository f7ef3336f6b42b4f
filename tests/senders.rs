//! The real binary takes mail over TLS, and behind a proxy, from programs that other people wrote: openssl, swaks, Python's
//! smtplib, Postfix's posttls-finger, Postfix and Exim as sending MTAs, haproxy.

mod support;

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use support::postfix::Postfix;
use support::ringpost::{Client, Ringpost};
use support::tools;
use support::topic::{Received, read_topic};

/// A server with a certificate, and a folder for whatever the sender needs.
struct Server {
    ringpost: Ringpost,
    /// Where SMTP begins in clear.
    clear: String,
    /// Where it begins with a handshake.
    implicit: String,
    /// Where it begins with a PROXY header.
    proxied: String,
    folder: tempfile::TempDir,
}

fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    // Daemons that have to read their configuration here run as their own users.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("mx.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("mx.pem"), certificate.pem()).unwrap();
    let path = folder.path().display();
    let text = format!(
        "[server]\nlisten_tls = [\"127.0.0.1:0\"]\nlisten_proxy = [\"127.0.0.1:0\"]\nproxy_networks = [\"127.0.0.1\"]\n\
         [tls]\ncertificate = \"{path}/mx.pem\"\nkey = \"{path}/mx.key\"\n"
    );
    let ringpost = Ringpost::configured(&text, &[]);
    let mut listening = ringpost.smtp.split(',').map(str::to_owned);
    let mut next = || listening.next().unwrap();
    let (clear, implicit, proxied) = (next(), next(), next());
    Server {
        ringpost,
        clear,
        implicit,
        proxied,
        folder,
    }
}

impl Server {
    /// The records of all mails so far.
    fn records(&self) -> Vec<Received> {
        read_topic(&self.ringpost.kafka, "mail")
    }

    /// Waits until this many mails have their 250.
    fn until_accepted(&self, mails: f64) {
        let accepted = "ringpost_messages_total{outcome=\"accepted\"}";
        until("the mails to arrive", || {
            self.ringpost.metric(accepted) >= mails
        });
    }
}

/// Looks until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// Asserts of every record that it came encrypted and holds this message.
fn assert_encrypted(records: &[Received], mails: usize, message: &[u8]) {
    assert_eq!(records.len(), mails);
    for record in records {
        assert!(record.header("ce_smtptls").starts_with("TLSv1."));
        assert_eq!(record.header("ce_smtpprotocol"), "ESMTPS");
        assert_eq!(
            record.message().escape_ascii().to_string(),
            message.escape_ascii().to_string()
        );
    }
}

#[test]
fn openssl_delivers_by_starttls_and_by_implicit_tls() {
    let Some(program) = tools::find_or_skip("openssl") else {
        return;
    };
    let server = server();
    let dialogue = "EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n\
                    DATA\r\nSubject: o\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
    for (address, flags, version) in [
        (&server.clear, &["-starttls", "smtp"][..], "-tls1_2"),
        (&server.clear, &["-starttls", "smtp"], "-tls1_3"),
        (&server.implicit, &[], "-tls1_2"),
        (&server.implicit, &[], "-tls1_3"),
    ] {
        let mut command = Command::new(&program);
        command
            .args([
                "s_client", "-quiet", version, "-connect", address, "-CAfile",
            ])
            .arg(server.folder.path().join("mx.pem"))
            .args(["-verify_return_error", "-servername", "mx.example"])
            .args(flags);
        let output = tools::run(&mut command, dialogue.as_bytes());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with("221 2.0.0 Bye\r\n"), "{said}");
    }
    assert_encrypted(&server.records(), 4, b"Subject: o\r\n\r\n.dot\r\n");
}

#[test]
fn swaks_delivers_by_starttls_and_by_implicit_tls() {
    let Some(program) = tools::find_or_skip("swaks") else {
        return;
    };
    let perl = Command::new("perl").args(["-MNet::SSLeay", "-e1"]).output();
    if !perl.is_ok_and(|output| output.status.success()) {
        return tools::skip("perl has no Net::SSLeay, which swaks speaks TLS by");
    }
    let server = server();
    for (flag, address) in [
        ("--tls", &server.clear),
        ("--tls-on-connect", &server.implicit),
    ] {
        let mut command = Command::new(&program);
        command
            .args(["--server", "127.0.0.1", "--port", port(address), flag])
            .args(["--helo", "client.example", "--from", "a@client.example"])
            .args(["--to", "b@mx.example", "--data", "Subject: s\\n\\n.dot\\n"]);
        tools::run(&mut command, b"");
    }
    // swaks ends its input with an empty line.
    assert_encrypted(&server.records(), 2, b"Subject: s\r\n\r\n.dot\r\n\r\n");
}

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
clear, implicit, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.check_hostname = False
message = b"Subject: p\r\n\r\n" + b".dot\r\n" * 100000
with smtplib.SMTP("127.0.0.1", int(clear), local_hostname="client.example") as smtp:
    smtp.starttls(context=context)
    smtp.ehlo()
    assert not smtp.has_extn("starttls")
    assert smtp.sendmail("a@client.example", ["b@mx.example"], message) == {}
    assert smtp.sendmail("a@client.example", ["b@mx.example"], message) == {}
with smtplib.SMTP_SSL("127.0.0.1", int(implicit), local_hostname="client.example", context=context) as smtp:
    assert smtp.sendmail("a@client.example", ["b@mx.example"], message) == {}
"#;

#[test]
fn smtplib_delivers_by_starttls_and_by_implicit_tls() {
    let Some(program) = tools::find_or_skip("python3") else {
        return;
    };
    let server = server();
    let mut command = Command::new(program);
    command
        .args(["-", port(&server.clear), port(&server.implicit)])
        .arg(server.folder.path().join("mx.pem"));
    tools::run(&mut command, SMTPLIB.as_bytes());
    let mut message = b"Subject: p\r\n\r\n".to_vec();
    message.extend(b".dot\r\n".repeat(100_000));
    assert_encrypted(&server.records(), 3, &message);
}

#[test]
fn posttls_finger_finds_the_certificate_verified() {
    let Some(program) = tools::find_or_skip("posttls-finger") else {
        return;
    };
    let server = server();
    let mut command = tools::of_postfix(&program);
    command
        .args(["-c", "-l", "secure", "-L", "summary", "-F"])
        .arg(server.folder.path().join("mx.pem"))
        .arg(format!("[127.0.0.1]:{}", port(&server.clear)))
        .arg("mx.example");
    let output = tools::run(&mut command, b"");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("Verified TLS connection established"),
        "{said}"
    );
    assert!(said.contains("TLSv1.3 with cipher"), "{said}");
}

#[test]
fn postfix_relays_by_starttls() {
    if !Postfix::can_run_or_skip() {
        return;
    }
    let server = server();
    let relay = format!("[127.0.0.1]:{}", port(&server.clear));
    let postfix = Postfix::start(server.folder.path(), &relay, "encrypt");
    let body = format!("Subject: p\n\n.dot\n{}\ngr\u{fc}n\n", "x".repeat(900));
    postfix.send(
        "a@client.example",
        &["b@mx.example", "c@mx.example"],
        body.as_bytes(),
    );
    postfix.send("<>", &["b@mx.example"], body.as_bytes());
    server.until_accepted(2.0);
    drop(postfix);
    let records = server.records();
    assert_eq!(records.len(), 2);
    let expected = body.replace('\n', "\r\n");
    for record in &records {
        assert!(record.header("ce_smtptls").starts_with("TLSv1.3"));
        assert_eq!(record.header("ce_smtphelo"), "client.example");
        let message = record.message();
        // Postfix puts a trace field and a few more in front.
        let at = message
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let body = expected.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(&message[at + 4..], body.as_bytes());
    }
    let recipients = |from: &str| {
        let found = records
            .iter()
            .find(|record| record.header("ce_smtpfrom") == from);
        found.unwrap().recipients()
    };
    assert_eq!(
        recipients("a@client.example"),
        ["b@mx.example", "c@mx.example"]
    );
    assert_eq!(recipients(""), ["b@mx.example"]);
}

#[test]
fn exim_delivers_by_starttls_in_chunks() {
    // It conflicts with Postfix, so no machine has both.
    let Some(program) = tools::find_or_say("exim4") else {
        return;
    };
    let server = server();
    let spool = server.folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    std::fs::set_permissions(&spool, std::fs::Permissions::from_mode(0o777)).unwrap();
    let configuration = format!(
        "primary_hostname = client.example\nspool_directory = {spool}\nlog_file_path = {spool}/%slog\nkeep_environment =\n\
         tls_advertise_hosts =\nuntrusted_set_sender = *\nbegin routers\nall:\n  driver = manualroute\n  domains = *\n\
         \x20 route_list = * 127.0.0.1::{port}\n  self = send\n  transport = out\nbegin transports\nout:\n  driver = smtp\n\
         \x20 hosts_require_tls = *\n  tls_verify_hosts =\n  tls_try_verify_hosts =\n",
        spool = spool.display(),
        port = port(&server.clear)
    );
    let file = server.folder.path().join("exim.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program);
    command.arg("-C").arg(&file);
    command.args(["-odf", "-i", "-f", "a@client.example", "b@mx.example"]);
    tools::run(&mut command, b"Subject: e\n\n.dot\n");
    server.until_accepted(1.0);
    let records = server.records();
    assert!(records[0].header("ce_smtptls").starts_with("TLSv1."));
    // Exim adds fields before and after.
    let message = String::from_utf8(records[0].message().to_vec()).unwrap();
    assert!(message.contains("\r\nSubject: e\r\n"), "{message}");
    assert!(message.ends_with("\r\n\r\n.dot\r\n"), "{message}");
    let chunks = server
        .ringpost
        .metric("ringpost_commands_total{verb=\"bdat\"}");
    assert!(chunks >= 1.0, "Exim uses CHUNKING where it is offered");
}

/// A child that ends with its value.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_client_behind_haproxy_is_the_client() {
    let Some(program) = tools::find_or_skip("haproxy") else {
        return;
    };
    let server = server();
    for (number, how) in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c",
    ]
    .iter()
    .enumerate()
    {
        // haproxy cannot say which port it got; on this test's own address a chosen port is free.
        let process = std::process::id();
        let address = format!(
            "127.{}.{}.{}:2525",
            64 + number,
            process >> 8 & 255,
            process & 255
        );
        let configuration = format!(
            "defaults\n  mode tcp\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n\
             listen mail\n  bind {address}\n  server ringpost {} {how}\n",
            server.proxied
        );
        let file = server.folder.path().join("haproxy.cfg");
        std::fs::write(&file, configuration).unwrap();
        let haproxy = Command::new(&program)
            .args(["-db", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let _haproxy = Daemon(haproxy.unwrap());
        until("haproxy to listen", || TcpStream::connect(&address).is_ok());
        let mut client = Client::connect(&address).unwrap();
        client.say("EHLO client.example").unwrap();
        let own = client.0.get_ref().local_addr().unwrap().to_string();
        let id = client.deliver(b"Subject: h\r\n").unwrap();
        let records = server.records();
        let record = records.iter().find(|record| record.id() == id).unwrap();
        assert_eq!(record.header("ce_smtpclient"), own, "{how}");
    }
}
