//! Several workers: connections are spread evenly, those that one worker hands to another work like any other, and a stop loses
//! none.

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use ringpost::net::loads::most;
use support::ringpost::{Client, Ringpost, promised};

const WORKERS: usize = 4;
/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection, in clear or not.
trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}
type Lines = BufReader<Box<dyn Duplex>>;

/// How a client begins.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Clear,
    StartTls,
    Tls,
    Proxied,
}

struct Server {
    ringpost: Ringpost,
    /// Where clients of the listeners for clear text, TLS and a proxy connect.
    addresses: Vec<String>,
    tls: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
        let pair = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        std::fs::write(&certificate, own.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let text = format!(
            "[server]\nworkers = {WORKERS}\nlisten_tls = [\"127.0.0.1:0\"]\nlisten_proxy = [\"127.0.0.1:0\"]\n\
             [tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"
        );
        let ringpost = Ringpost::configured(&text, &["--brokers", "discard"]);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&certificate).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            addresses: ringpost.smtp.split(',').map(str::to_owned).collect(),
            ringpost,
            tls: Arc::new(tls),
            _folder: folder,
        }
    }

    /// A client that has said EHLO.
    fn client(&self, kind: Kind) -> Lines {
        let place = match kind {
            Kind::Clear | Kind::StartTls => 0,
            Kind::Tls => 1,
            Kind::Proxied => 2,
        };
        let mut stream = TcpStream::connect(&self.addresses[place]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines: Lines = match kind {
            Kind::Tls => BufReader::new(self.secured(stream)),
            Kind::Proxied => {
                let header = b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 25\r\n";
                stream.write_all(header).unwrap();
                BufReader::new(Box::new(stream))
            }
            Kind::Clear => BufReader::new(Box::new(stream)),
            Kind::StartTls => {
                let mut clear: Lines = BufReader::new(Box::new(stream.try_clone().unwrap()));
                assert!(reply(&mut clear).starts_with("220"));
                assert!(say(&mut clear, "EHLO client.example").starts_with("250"));
                assert!(say(&mut clear, "STARTTLS").starts_with("220"));
                BufReader::new(self.secured(stream))
            }
        };
        if !matches!(kind, Kind::StartTls) {
            assert!(reply(&mut lines).starts_with("220"), "{kind:?}");
        }
        assert!(say(&mut lines, "EHLO client.example").starts_with("250"));
        lines
    }

    fn secured(&self, stream: TcpStream) -> Box<dyn Duplex> {
        let name = ServerName::try_from("mx.example").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).unwrap();
        Box::new(StreamOwned::new(connection, stream))
    }
}

fn reply(lines: &mut Lines) -> String {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "a reply is due");
        if line.as_bytes()[3] == b' ' {
            return line.trim_end().to_owned();
        }
    }
}

fn say(lines: &mut Lines, line: &str) -> String {
    let line = format!("{line}\r\n");
    lines.get_mut().write_all(line.as_bytes()).unwrap();
    reply(lines)
}

fn deliver(lines: &mut Lines) {
    for line in ["MAIL FROM:<>", "RCPT TO:<b@mx.example>", "DATA"] {
        let said = say(lines, line);
        assert!(matches!(&said[..1], "2" | "3"), "{line}: {said}");
    }
    let said = say(lines, "Subject: one\r\n\r\ntext\r\n.");
    assert!(promised(&said).is_some(), "{said}");
}

/// Connections of each worker, once these are all.
fn counts(ringpost: &Ringpost, all: usize) -> Vec<usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = ringpost.metrics();
        let count =
            |worker| metrics[&format!("ringpost_worker_connections{{worker=\"{worker}\"}}")];
        let counts: Vec<usize> = (0..WORKERS).map(|worker| count(worker) as usize).collect();
        if counts.iter().sum::<usize>() == all {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts:?} are to be {all}");
        std::thread::yield_now();
    }
}

#[test]
fn no_worker_has_more_than_its_share_and_mail_flows_wherever_a_connection_is() {
    let server = Server::start();
    let kinds = [Kind::Clear, Kind::StartTls, Kind::Tls, Kind::Proxied];
    let mut clients = Vec::new();
    for number in 0..100 {
        clients.push(server.client(kinds[number % kinds.len()]));
        let counts = counts(&server.ringpost, clients.len());
        let bound = most(clients.len(), WORKERS);
        let most = counts.iter().max().unwrap();
        assert!(*most <= bound, "{counts:?}");
    }
    let handed_on = server
        .ringpost
        .metric("ringpost_connections_handed_on_total");
    assert!(handed_on > 0.0, "a hash would have to be even");
    clients.iter_mut().for_each(deliver);
    for client in &mut clients {
        assert!(say(client, "QUIT").starts_with("221"));
    }
    drop(clients);
    counts(&server.ringpost, 0);
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It got the banner and its 221, or 421.
    Answered,
    /// No worker had it: the kernel refused it, reset it, or forgot it while the listening socket went.
    NotAccepted,
}

/// Waits for the first bytes; whether they come. A socket that a worker has had ends, at the latest, with its process.
fn is_greeted(stream: &mut BufReader<TcpStream>, gone: &AtomicBool) -> bool {
    loop {
        let before = gone.load(Ordering::Relaxed);
        match stream.fill_buf() {
            Ok(octets) => {
                assert!(!octets.is_empty(), "a worker closed it without a word");
                return true;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
            Err(error) if error.kind() == ErrorKind::WouldBlock && before => return false,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }
}

fn visit(smtp: &str, gone: &AtomicBool) -> End {
    let Ok(stream) = TcpStream::connect(smtp) else {
        return End::NotAccepted;
    };
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut client = Client(BufReader::new(stream));
    if !is_greeted(&mut client.0, gone) {
        return End::NotAccepted;
    }
    client.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let banner = client.reply().unwrap();
    if banner.starts_with("220") {
        let said = client.say("QUIT").unwrap();
        assert!(said.starts_with("221") || said.starts_with("421"), "{said}");
    } else {
        assert!(banner.starts_with("421"), "{banner}");
    }
    End::Answered
}

#[test]
fn a_stop_in_a_storm_of_connections_leaves_none_without_an_answer() {
    let text = format!("[server]\nworkers = {WORKERS}\n");
    let mut ringpost = Ringpost::configured(&text, &["--brokers", "discard"]);
    let smtp = ringpost.smtp.clone();
    let (answered, gone) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while visit(&smtp, &gone) == End::Answered {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while answered.load(Ordering::Relaxed) < 500 {
            std::thread::yield_now();
        }
        ringpost.signal("TERM");
        assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
        gone.store(true, Ordering::Relaxed);
    });
}
