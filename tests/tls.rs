//! TLS as clients see it: the real binary, rustls's client, both versions, both ways to begin.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use support::ringpost::{Ringpost, promised};
use support::topic::{Received, read_topic};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A folder with certificates, and the sockets of a server that serves them.
struct Server {
    ringpost: Ringpost,
    clear: String,
    implicit: String,
    folder: tempfile::TempDir,
}

/// Writes a self-signed certificate and its key.
fn certificate(folder: &Path, file: &str, names: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let parameters = CertificateParams::new(names).unwrap();
    let own = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    // Renamed into place, as tools that renew certificates do.
    let made = folder.join(format!("{file}.new"));
    std::fs::write(&made, own.pem()).unwrap();
    std::fs::rename(made, folder.join(format!("{file}.pem"))).unwrap();
}

fn server(limits: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "mx", &["mx.example"]);
    certificate(folder.path(), "other", &["other.example"]);
    let path = folder.path().display();
    let text = format!(
        "[server]\nlisten_tls = [\"127.0.0.1:0\"]\n{limits}\n[tls]\ncertificate = \"{path}/mx.pem\"\nkey = \"{path}/mx.key\"\n\
         sni_certificates = [\"{path}/other.pem\"]\nsni_keys = [\"{path}/other.key\"]\nhandshake_timeout = \"5s\"\n"
    );
    let ringpost = Ringpost::configured(&text, &[]);
    let mut listening = ringpost.smtp.split(',').map(str::to_owned);
    let (clear, implicit) = (listening.next().unwrap(), listening.next().unwrap());
    Server {
        ringpost,
        clear,
        implicit,
        folder,
    }
}

impl Server {
    /// A client's configuration that trusts the server's certificates.
    fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for file in ["mx.pem", "other.pem"] {
            let certificate = CertificateDer::from_pem_file(self.folder.path().join(file)).unwrap();
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.clear).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Says EHLO and STARTTLS, with `behind` in the same write as STARTTLS, and shakes hands.
    fn start_tls(&self, config: Arc<ClientConfig>, behind: &str) -> Secure {
        let mut stream = self.connect();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        assert!(reply(&mut lines).starts_with("220"));
        stream.write_all(b"EHLO client.example\r\n").unwrap();
        assert!(reply(&mut lines).starts_with("250"));
        stream
            .write_all(format!("STARTTLS\r\n{behind}").as_bytes())
            .unwrap();
        assert!(reply(&mut lines).starts_with("220 2.0.0"));
        assert!(lines.buffer().is_empty(), "nothing follows in clear");
        secure(config, "mx.example", stream)
    }
}

/// A client may send its last flight of the handshake, QUIT and close_notify as one: it still gets its 221, and then the end.
#[test]
fn quit_and_close_notify_with_the_last_flight_are_answered() {
    let server = server("");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = Arc::new(server.client(&[version]));
        for said in [
            "QUIT\r\n",
            "EHLO c\r\nNOOP\r\nQUIT\r\n",
            "EHLO c\r\nBDAT x\r\n",
        ] {
            let stream = TcpStream::connect(&server.implicit).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            let heard = in_one_flight(Arc::clone(&config), stream, said);
            let last = heard.lines().last().unwrap_or_default();
            assert!(
                heard.starts_with("220 ") && (last.starts_with("221 ") || last.starts_with("521 ")),
                "{version:?} {said:?}: {heard:?}"
            );
        }
    }
}

/// Shakes hands, and sends `said` and close_notify in the same write as the last flight; what is heard until the end.
fn in_one_flight(config: Arc<ClientConfig>, mut stream: TcpStream, said: &str) -> String {
    let name = ServerName::try_from("mx.example").unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    client.write_tls(&mut stream).unwrap();
    while client.is_handshaking() {
        assert!(
            client.read_tls(&mut stream).unwrap() > 0,
            "the handshake goes on"
        );
        client.process_new_packets().unwrap();
        // In TLS 1.2 the client's Finished is not its last word of the handshake: the server's is awaited.
        if client.is_handshaking() && client.wants_write() {
            client.write_tls(&mut stream).unwrap();
        }
    }
    client.writer().write_all(said.as_bytes()).unwrap();
    client.send_close_notify();
    let mut flight = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut flight).unwrap();
    }
    stream.write_all(&flight).unwrap();
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 1000];
        match client.reader().read(&mut piece) {
            Ok(0) => return String::from_utf8(heard).unwrap(),
            Ok(length) => heard.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                assert!(
                    client.read_tls(&mut stream).unwrap() > 0,
                    "close_notify comes first"
                );
                client.process_new_packets().unwrap();
            }
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&heard)),
        }
    }
}

fn secure(config: Arc<ClientConfig>, name: &str, stream: TcpStream) -> Secure {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// The last line of the next reply.
fn reply(stream: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "a reply is due");
        if line.as_bytes()[3] == b' ' {
            return line.trim_end().to_owned();
        }
    }
}

fn say(stream: &mut BufReader<Secure>, line: &str) -> String {
    stream
        .get_mut()
        .write_all(format!("{line}\r\n").as_bytes())
        .unwrap();
    reply(stream)
}

/// Delivers a message that is stuffed and ended already; the id that its 250 names.
fn deliver(stream: &mut BufReader<Secure>, message: &[u8]) -> String {
    assert!(say(stream, "EHLO client.example").starts_with("250"));
    assert!(say(stream, "MAIL FROM:<a@client.example>").starts_with("250"));
    assert!(say(stream, "RCPT TO:<b@mx.example>").starts_with("250"));
    assert!(say(stream, "DATA").starts_with("354"));
    stream.get_mut().write_all(message).unwrap();
    promised(&reply(stream)).expect("a 250")
}

/// One group that is answered with more than replies are gathered to: 400 recipients, of whom 100 are taken, and NOOP at its
/// end.
fn send_a_group_with_many_replies(stream: &mut BufReader<impl Read + Write>) {
    let group = format!(
        "MAIL FROM:<a@client.example>\r\n{}NOOP\r\n",
        "RCPT TO:<b@mx.example>\r\n".repeat(400)
    );
    stream.get_mut().write_all(group.as_bytes()).unwrap();
    let replies: Vec<String> = (0..402).map(|_| reply(stream)).collect();
    let taken = replies
        .iter()
        .filter(|reply| reply.starts_with("250 2.1.5"));
    assert_eq!(taken.count(), 100);
    let refused = replies
        .iter()
        .filter(|reply| reply.starts_with("452 4.5.3"));
    assert_eq!(refused.count(), 300);
    assert_eq!(replies.last().unwrap(), "250 2.0.0 Ok");
}

#[test]
fn a_group_with_more_replies_than_are_gathered_is_answered_whole() {
    let server = server("[limits]\nerrors = 10000\nidle_commands = 10000\n");
    let mut clear = BufReader::new(server.connect());
    assert!(reply(&mut clear).starts_with("220"));
    clear
        .get_mut()
        .write_all(b"EHLO client.example\r\n")
        .unwrap();
    assert!(reply(&mut clear).starts_with("250"));
    send_a_group_with_many_replies(&mut clear);
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let mut secure = BufReader::new(server.start_tls(config, ""));
    assert!(say(&mut secure, "EHLO client.example").starts_with("250"));
    send_a_group_with_many_replies(&mut secure);
}

#[test]
fn a_client_that_stops_inside_a_record_is_told_of_the_drain() {
    let server = server("");
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let mut stream = BufReader::new(server.start_tls(config, ""));
    assert!(say(&mut stream, "EHLO client.example").starts_with("250"));
    let Secure { conn, sock } = stream.get_mut();
    conn.writer().write_all(b"NOOP\r\n").unwrap();
    let mut octets = Vec::new();
    conn.write_tls(&mut octets).unwrap();
    // The front of another record in the same packet: the reply to NOOP says that it is there.
    octets.extend_from_slice(&[0x17, 3, 3]);
    sock.write_all(&octets).unwrap();
    assert_eq!(reply(&mut stream), "250 2.0.0 Ok");
    server.ringpost.signal("TERM");
    assert!(reply(&mut stream).starts_with("421 "));
}

fn record(server: &Server, id: &str) -> Received {
    let all = read_topic(&server.ringpost.kafka, "mail");
    all.into_iter()
        .find(|record| record.id() == id)
        .expect("the record of the 250")
}

#[test]
fn both_versions_deliver_by_starttls_and_by_implicit_tls() {
    let server = server("");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let name = match version.version {
            rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2 ",
            _ => "TLSv1.3 ",
        };
        let config = Arc::new(server.client(&[version]));
        let mut line = vec![b'x'; 998];
        line.extend_from_slice(b"\r\n..stuffed\r\n");
        // Of one partition the in-process broker keeps 5 MiB: room for all four of these.
        let mut long = line.repeat(1_150);
        long.extend_from_slice(b".\r\n");
        let (message, _) = ringpost_proto::smtp::data::oracle(&long).unwrap();
        let mut started = BufReader::new(server.start_tls(Arc::clone(&config), ""));
        let by_starttls = deliver(&mut started, &long);
        let stream = TcpStream::connect(&server.implicit).unwrap();
        let mut implicit = BufReader::new(secure(config, "mx.example", stream));
        assert!(reply(&mut implicit).starts_with("220 mx.example"));
        let by_implicit = deliver(&mut implicit, &long);
        for id in [by_starttls, by_implicit] {
            let record = record(&server, &id);
            assert!(record.header("ce_smtptls").starts_with(name));
            assert_eq!(record.header("ce_smtpprotocol"), "ESMTPS");
            assert!(record.message() == message, "octet by octet");
        }
        let counted = format!(
            "ringpost_tls_handshakes_total{{version=\"{}\"}}",
            name.trim()
        );
        assert_eq!(server.ringpost.metric(&counted), 2.0);
    }
}

#[test]
fn all_is_forgotten_and_starttls_is_not_offered_again() {
    let server = server("");
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let injected = "MAIL FROM:<injected@evil.example>\r\nRCPT TO:<b@mx.example>\r\n";
    let mut stream = BufReader::new(server.start_tls(config, injected));
    // CVE-2011-0411: neither answered nor remembered.
    assert!(say(&mut stream, "MAIL FROM:<a@client.example>").starts_with("503 5.5.1"));
    stream
        .get_mut()
        .write_all(b"EHLO client.example\r\n")
        .unwrap();
    let mut offered = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let last = line.as_bytes()[3] == b' ';
        offered.push(line[4..].trim_end().to_owned());
        if last {
            break;
        }
    }
    assert!(offered.contains(&"PIPELINING".to_owned()), "{offered:?}");
    assert!(!offered.contains(&"STARTTLS".to_owned()), "{offered:?}");
    assert!(say(&mut stream, "STARTTLS").starts_with("503 5.5.1"));
    assert!(say(&mut stream, "QUIT").starts_with("221"));
    // close_notify: the end is no truncation.
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn a_record_that_holds_more_than_the_rest_of_a_chunk_is_taken_at_once() {
    let server = server("");
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let mut stream = BufReader::new(server.start_tls(config, ""));
    assert!(say(&mut stream, "EHLO client.example").starts_with("250"));
    assert!(say(&mut stream, "MAIL FROM:<a@client.example>").starts_with("250"));
    assert!(say(&mut stream, "RCPT TO:<b@mx.example>").starts_with("250"));
    // With its Received field it leaves some hundred bytes more than the next chunk needs in a buffer of 16 KiB.
    let first = "x".repeat(15_000);
    stream
        .get_mut()
        .write_all(format!("BDAT 15000\r\n{first}").as_bytes())
        .unwrap();
    assert!(reply(&mut stream).starts_with("250 2.0.0"));
    stream.get_mut().write_all(b"BDAT 1000 LAST\r\n").unwrap();
    let chunks = "ringpost_commands_total{verb=\"bdat\"}";
    until("the second BDAT to be taken", || {
        server.ringpost.metric(chunks) == 2.0
    });
    let mut rest = vec![b'y'; 1000];
    rest.extend_from_slice(&b"NOOP\r\n".repeat(100));
    stream.get_mut().write_all(&rest).unwrap();
    let id = promised(&reply(&mut stream)).expect("a 250");
    for _ in 0..100 {
        assert!(reply(&mut stream).starts_with("250"));
    }
    assert_eq!(record(&server, &id).message().len(), 16_000);
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let server = server("");
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let own = |file: &str| CertificateDer::from_pem_file(server.folder.path().join(file)).unwrap();
    for (name, file) in [("mx.example", "mx.pem"), ("other.example", "other.pem")] {
        let stream = TcpStream::connect(&server.implicit).unwrap();
        let stream = secure(Arc::clone(&config), name, stream);
        assert_eq!(stream.conn.peer_certificates().unwrap(), [own(file)]);
    }
}

#[test]
fn sessions_are_resumed() {
    let server = server("");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = server.client(&[version]);
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = BufReader::new(server.start_tls(Arc::clone(&config), ""));
            // A reply after the handshake brings the tickets with it.
            assert!(say(&mut stream, "NOOP").starts_with("250"));
            kinds.push(stream.get_ref().conn.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
}

#[test]
fn garbage_and_silence_end_the_connection_and_nothing_else() {
    let server = server("");
    let refused = |reason: &str| {
        let name = format!("ringpost_tls_handshake_failures_total{{reason=\"{reason}\"}}");
        server.ringpost.metric(&name)
    };
    let mut stream = TcpStream::connect(&server.implicit).unwrap();
    stream
        .write_all(b"EHLO client.example\r\nMAIL FROM:<a@b>\r\n")
        .unwrap();
    let mut said = Vec::new();
    // Either an alert and the end, or a reset, as bytes were left unread.
    let _ = stream.read_to_end(&mut said);
    assert!(!said.starts_with(b"220"), "no banner in clear");
    until("the garbage to be counted", || refused("protocol") == 1.0);
    let stream = TcpStream::connect(&server.implicit).unwrap();
    drop(stream);
    // The server's own deadline ends it: five seconds, the shortest wait that a slow machine does not trip over.
    let mut silent = TcpStream::connect(&server.implicit).unwrap();
    assert_eq!(silent.read_to_end(&mut Vec::new()).unwrap(), 0);
    // The deadline shuts the socket down first and counts then.
    until("both to be counted", || {
        (refused("timed_out"), refused("closed")) == (1.0, 1.0)
    });
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let mut stream = BufReader::new(server.start_tls(config, ""));
    assert!(say(&mut stream, "NOOP").starts_with("250"));
}

#[test]
fn a_client_hello_on_the_clear_port_is_refused() {
    let server = server("");
    let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
    let name = ServerName::try_from("mx.example").unwrap();
    let mut tls = ClientConnection::new(config, name).unwrap();
    let mut stream = server.connect();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    assert!(reply(&mut lines).starts_with("220"));
    tls.write_tls(&mut stream).unwrap();
    assert!(reply(&mut lines).starts_with("521 5.5.1"));
    assert_eq!(lines.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn without_a_certificate_starttls_is_not_offered() {
    let ringpost = Ringpost::start(&[]);
    let mut client = ringpost.client().unwrap();
    assert!(client.say("STARTTLS").unwrap().starts_with("502 5.5.1"));
}

#[test]
fn certificates_are_loaded_again_on_sighup_and_a_broken_one_changes_nothing() {
    let server = server("");
    let served = |expected: &CertificateDer<'_>| {
        let config = Arc::new(server.client(rustls::DEFAULT_VERSIONS));
        let stream = TcpStream::connect(&server.implicit).unwrap();
        let name = ServerName::try_from("mx.example").unwrap();
        let mut tls = ClientConnection::new(config, name).unwrap();
        let mut stream = stream;
        // A certificate that is not the trusted one fails the handshake.
        let shaken = tls.complete_io(&mut stream);
        shaken.is_ok()
            && tls
                .peer_certificates()
                .is_some_and(|chain| chain[0] == *expected)
    };
    let file = server.folder.path().join("mx.pem");
    let first = CertificateDer::from_pem_file(&file).unwrap();
    assert!(served(&first));
    certificate(server.folder.path(), "mx", &["mx.example"]);
    let second = CertificateDer::from_pem_file(&file).unwrap();
    assert_ne!(first, second);
    server.ringpost.signal("HUP");
    let loaded = || {
        server
            .ringpost
            .metric("ringpost_reloads_total{result=\"applied\"}")
            > 0.0
    };
    until("the certificates to be loaded", loaded);
    assert!(served(&second));
    std::fs::write(&file, "broken").unwrap();
    server.ringpost.signal("HUP");
    let failed = || {
        server
            .ringpost
            .metric("ringpost_reloads_total{result=\"failed\"}")
            > 0.0
    };
    until("the broken one to be refused", failed);
    let last = |series: &str| server.ringpost.metric(series);
    assert_eq!(last("ringpost_reload_last_successful"), 0.0);
    assert!(last("ringpost_reload_last_success_timestamp_seconds") > 1e9);
    let expiry = format!(
        "ringpost_tls_certificate_expiry_timestamp_seconds{{file=\"{}\"}}",
        file.display()
    );
    // rcgen's certificates end on 4096-01-01.
    assert_eq!(last(&expiry), 67_090_118_400.0);
    certificate(server.folder.path(), "mx.trusted", &["mx.example"]);
    // The client trusts the second certificate, which stays in use.
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    pem.push_str(&base64(&second));
    pem.push_str("\n-----END CERTIFICATE-----\n");
    std::fs::write(&file, pem).unwrap();
    assert!(served(&second));
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// Looks until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
