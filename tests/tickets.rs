//! Session tickets as senders meet them: several instances of the real binary, rustls's client and OpenSSL's.

mod support;

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedCipherSuite, SupportedProtocolVersion,
};

use HandshakeKind::{Full, Resumed};
use support::ringpost::{Ringpost, promised};
use support::tools;

type Secure = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What instances behind one balancer have in common: a certificate and its key.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("mx.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("mx.key"), key.serialize_pem()).unwrap();
        Self(folder)
    }

    /// An instance with these keys of its own copy of the file; no key: no file.
    fn instance(&self, name: &str, keys: &[u8]) -> Instance {
        let folder = self.0.path().display();
        let keys_file = self.0.path().join(format!("{name}.keys"));
        let mut text =
            format!("[tls]\ncertificate = \"{folder}/mx.pem\"\nkey = \"{folder}/mx.key\"\n");
        if !keys.is_empty() {
            write_keys(&keys_file, keys);
            text.push_str(&format!("ticket_keys = \"{}\"\n", keys_file.display()));
        }
        Instance {
            ringpost: Ringpost::configured(&text, &[]),
            keys_file,
        }
    }

    /// A client that keeps sessions, of one version.
    fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        self.client_with(version, rustls::crypto::ring::ALL_CIPHER_SUITES.to_vec())
    }

    /// The same, with these cipher suites.
    fn client_with(
        &self,
        version: &'static SupportedProtocolVersion,
        cipher_suites: Vec<SupportedCipherSuite>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.0.path().join("mx.pem")).unwrap();
        roots.add(certificate).unwrap();
        let provider = CryptoProvider {
            cipher_suites,
            ..rustls::crypto::ring::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(32);
        Arc::new(config)
    }
}

/// One process.
struct Instance {
    ringpost: Ringpost,
    keys_file: PathBuf,
}

impl Instance {
    /// Delivers a mail over STARTTLS; how hands were shaken.
    fn deliver(&self, client: &Arc<ClientConfig>) -> HandshakeKind {
        let mut stream = start_tls(&self.ringpost.smtp, client);
        for line in [
            "EHLO c.example",
            "MAIL FROM:<a@c.example>",
            "RCPT TO:<b@mx.example>",
        ] {
            assert!(say(&mut stream, line).starts_with("250"), "{line}");
        }
        assert!(say(&mut stream, "DATA").starts_with("354"));
        let reply = say(&mut stream, "Subject: x\r\n\r\nx\r\n.");
        promised(&reply).unwrap_or_else(|| panic!("{reply}"));
        let kind = stream.get_ref().conn.handshake_kind().unwrap();
        assert!(say(&mut stream, "QUIT").starts_with("221"));
        kind
    }

    /// Writes these keys and reloads; waits until that has been applied, or refused.
    fn reload(&self, keys: &[u8], result: &str) {
        let name = format!("ringpost_reloads_total{{result=\"{result}\"}}");
        let before = self.ringpost.metric(&name);
        write_keys(&self.keys_file, keys);
        self.ringpost.signal("HUP");
        let start = Instant::now();
        while self.ringpost.metric(&name) == before {
            assert!(start.elapsed() < PATIENCE, "waited for a reload");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn handshakes(&self, what: &str, version: &str) -> f64 {
        let name = format!("ringpost_tls_{what}_total{{version=\"{version}\"}}");
        self.ringpost.metric(&name)
    }
}

/// Writes a file with a key for each number, renamed into place.
fn write_keys(path: &Path, numbers: &[u8]) {
    let engine = base64::engine::general_purpose::STANDARD;
    let mut text = String::from("# made for a test\n");
    for &number in numbers {
        text.push_str(&engine.encode([number; 32]));
        text.push('\n');
    }
    let made = path.with_extension("new");
    std::fs::write(&made, text).unwrap();
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(made, path).unwrap();
}

fn start_tls(address: &str, config: &Arc<ClientConfig>) -> Secure {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut clear = BufReader::new(stream);
    assert!(reply(&mut clear).starts_with("220"));
    for (line, code) in [("EHLO c.example", "250"), ("STARTTLS", "220")] {
        let line = format!("{line}\r\n");
        clear.get_mut().write_all(line.as_bytes()).unwrap();
        assert!(reply(&mut clear).starts_with(code), "{line}");
    }
    let name = ServerName::try_from("mx.example").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, clear.into_inner());
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    BufReader::new(stream)
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

fn say(stream: &mut Secure, line: &str) -> String {
    let line = format!("{line}\r\n");
    stream.get_mut().write_all(line.as_bytes()).unwrap();
    reply(stream)
}

const VERSIONS: [(&SupportedProtocolVersion, &str); 2] = [
    (&rustls::version::TLS12, "TLSv1.2"),
    (&rustls::version::TLS13, "TLSv1.3"),
];

#[test]
fn instances_with_the_same_keys_resume_sessions_of_each_other() {
    let site = Site::new();
    let (first, second) = (site.instance("a", &[1]), site.instance("b", &[1]));
    for (version, name) in VERSIONS {
        let client = site.client(version);
        let kinds = [&first, &second, &first].map(|instance| instance.deliver(&client));
        assert_eq!(kinds, [Full, Resumed, Resumed], "{name}");
        let counted = |what| [&first, &second].map(|instance| instance.handshakes(what, name));
        assert_eq!(counted("handshakes"), [2.0, 1.0], "{name}");
        assert_eq!(counted("handshakes_resumed"), [1.0, 1.0], "{name}");
    }
}

#[test]
fn instances_with_other_keys_or_none_shake_hands_in_full_and_take_the_mail() {
    let site = Site::new();
    let instances = [
        site.instance("a", &[1]),
        site.instance("b", &[2]),
        site.instance("c", &[]),
    ];
    for (version, name) in VERSIONS {
        let client = site.client(version);
        for instance in &instances {
            assert_eq!(instance.deliver(&client), Full, "{name}");
            assert_eq!(instance.deliver(&client), Resumed, "{name}");
        }
    }
}

/// The recipe of docs/getting-started.md, at two instances that are never reloaded at the same time.
#[test]
fn a_rotation_refuses_no_ticket_until_a_key_is_dropped() {
    let site = Site::new();
    let instances = [site.instance("a", &[1]), site.instance("b", &[1])];
    for (version, name) in VERSIONS {
        for instance in &instances {
            instance.reload(&[1], "applied");
        }
        let client = site.client(version);
        let of_first_key = site.client(version);
        assert_eq!(instances[0].deliver(&client), Full, "{name}");
        // Some that are kept for later.
        assert_eq!(instances[0].deliver(&of_first_key), Full, "{name}");
        for keys in [&[1, 2][..], &[2, 1]] {
            for reloaded in &instances {
                reloaded.reload(keys, "applied");
                for instance in &instances {
                    assert_eq!(instance.deliver(&client), Resumed, "{name} {keys:?}");
                }
            }
        }
        // All tickets in use are of the second key by now.
        for dropped in &instances {
            dropped.reload(&[2], "applied");
            for instance in &instances {
                assert_eq!(instance.deliver(&client), Resumed, "{name}");
            }
        }
        assert_eq!(instances[1].deliver(&of_first_key), Full, "{name}");
    }
}

#[test]
fn a_broken_file_keeps_the_keys_and_says_so() {
    let site = Site::new();
    let instance = site.instance("a", &[1]);
    let client = site.client(&rustls::version::TLS13);
    assert_eq!(instance.deliver(&client), Full);
    // No key at all, and one key twice.
    for keys in [&[][..], &[3, 3]] {
        instance.reload(keys, "failed");
        assert_eq!(instance.deliver(&client), Resumed);
    }
    instance.reload(&[3], "applied");
    assert_eq!(instance.deliver(&client), Full);
}

#[test]
fn a_file_that_cannot_be_used_ends_the_start_with_one_line() {
    let site = Site::new();
    let keys = site.0.path().join("ticket.keys");
    let config = site.0.path().join("ringpost.toml");
    let folder = site.0.path().display();
    let text = format!(
        "[tls]\ncertificate = \"{folder}/mx.pem\"\nkey = \"{folder}/mx.key\"\nticket_keys = \"{}\"\n[kafka]\nbrokers = \"discard\"\n",
        keys.display()
    );
    std::fs::write(&config, text).unwrap();
    write_keys(&keys, &[7, 8, 7]);
    for command in ["serve", "check"] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([command, "--config", config.to_str().unwrap()])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let line = format!(
            "tls.ticket_keys: {}: line 4: is the key of line 2 again; remove one of the two",
            keys.display()
        );
        assert!(said.contains(&line), "{said}");
        assert!(!said.contains("BwcHBwcH"), "{said}");
        // check asks its other questions too.
        let code = if command == "serve" { 2 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{said}");
    }
}

/// What OpenSSL's client says of a handshake with this instance: `New, TLSv1.3, …` or `Reused, TLSv1.3, …`.
fn by_openssl(openssl: &Path, instance: &Instance, flags: &[&str]) -> String {
    let mut child = Command::new(openssl)
        .args([
            "s_client",
            "-starttls",
            "smtp",
            "-servername",
            "mx.example",
            "-crlf",
        ])
        .args(["-connect", &instance.ringpost.smtp])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let (mut said, mut kind) = (String::new(), None);
    // The replies to these bring the tickets of TLS 1.3 with them. A capital Q would be an order to s_client.
    input.write_all(b"NOOP\nquit\n").unwrap();
    while lines.read_line(&mut said).unwrap() > 0 {
        let line = said.lines().last().unwrap();
        if line.starts_with("New, ") || line.starts_with("Reused, ") {
            kind.get_or_insert(line.to_owned());
        }
        if line.starts_with("221 ") {
            break;
        }
    }
    drop(input);
    lines.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    kind.unwrap_or_else(|| panic!("s_client says how it went: {said}"))
}

#[test]
fn openssl_resumes_at_another_instance_what_began_at_the_first() {
    let Some(openssl) = tools::find_or_skip("openssl") else {
        return;
    };
    let site = Site::new();
    let first = site.instance("a", &[1]);
    let (same, other) = (site.instance("b", &[2, 1]), site.instance("c", &[2]));
    for (flag, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let file = site.0.path().join(name);
        let file = file.to_str().unwrap();
        let began = by_openssl(&openssl, &first, &[flag, "-sess_out", file]);
        assert!(began.starts_with(&format!("New, {name}")), "{began}");
        for (instance, kind) in [(&same, "Reused"), (&other, "New")] {
            let went = by_openssl(&openssl, instance, &[flag, "-sess_in", file]);
            assert!(went.starts_with(&format!("{kind}, {name}")), "{went}");
        }
        assert_eq!(same.handshakes("handshakes_resumed", name), 1.0);
        assert_eq!(other.handshakes("handshakes_resumed", name), 0.0);
    }
}

#[test]
fn the_server_chooses_aes_128_and_takes_what_a_client_has() {
    use rustls::CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let site = Site::new();
    let instance = site.instance("a", &[]);
    let all = rustls::crypto::ring::ALL_CIPHER_SUITES;
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (version, left_out, chosen) in [
        (tls13, &[][..], TLS13_AES_128_GCM_SHA256),
        (tls13, &[TLS13_AES_128_GCM_SHA256], TLS13_AES_256_GCM_SHA384),
        (
            tls13,
            &[TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384],
            TLS13_CHACHA20_POLY1305_SHA256,
        ),
        (tls12, &[], TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (
            tls12,
            &[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256],
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        ),
    ] {
        let suites = all
            .iter()
            .filter(|suite| !left_out.contains(&suite.suite()));
        let client = site.client_with(version, suites.copied().collect());
        let stream = start_tls(&instance.ringpost.smtp, &client);
        let suite = stream.get_ref().conn.negotiated_cipher_suite().unwrap();
        assert_eq!(suite.suite(), chosen);
    }
}
