//! What a TLS handshake costs the server's CPU, without the kernel: in full and resumed, TLS 1.2 and 1.3.
//!
//!     cargo bench --bench handshake                           an ECDSA certificate on P-256
//!     cargo bench --bench handshake -- mx.pem mx.key          with this certificate and key
//!
//! The server has the settings of ringpost, the client is rustls's; both are in this process, and only the server's part is counted, as
//! CPU time of the thread. The kinds take turns, so that a busy machine is busy for all of them. Each handshake is checked to be
//! of its kind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use ringpost::config::Config;
use ringpost::net::handshake::{Loaded, Material};
use rustix::time::{ClockId, clock_gettime};
use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ServerConfig;
use rustls::{
    ClientConnection, HandshakeKind, RootCertStore, ServerConnection, SupportedProtocolVersion,
};

/// Handshakes of a kind in its turn.
const TURN: u32 = 200;
const ROUNDS: usize = 15;

/// One kind of handshake, and what its turns cost.
struct Row {
    name: &'static str,
    client: Arc<ClientConfig>,
    kind: HandshakeKind,
    microseconds: Vec<f64>,
}

impl Row {
    fn new(
        name: &'static str,
        certificate: &Path,
        version: &'static SupportedProtocolVersion,
        kind: HandshakeKind,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let anchors = CertificateDer::pem_file_iter(certificate).expect("a certificate");
        for anchor in anchors {
            roots
                .add(anchor.expect("a certificate"))
                .expect("an anchor");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version of the provider")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = match kind {
            HandshakeKind::Resumed => Resumption::in_memory_sessions(32),
            _ => Resumption::disabled(),
        };
        Self {
            name,
            client: Arc::new(client),
            kind,
            microseconds: Vec::new(),
        }
    }

    fn turn(&mut self, server: &Arc<ServerConfig>) {
        let mut spent = Duration::ZERO;
        for _ in 0..TURN {
            let (time, kind) = shake_hands(server, &self.client);
            assert_eq!(kind, self.kind, "{}", self.name);
            spent += time;
        }
        let each = spent.as_secs_f64() * 1e6 / f64::from(TURN);
        self.microseconds.push(each);
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The time that the server took, and how hands were shaken.
fn shake_hands(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> (Duration, HandshakeKind) {
    let name = "mx.example".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
    let start = cpu();
    let mut server = ServerConnection::new(Arc::clone(server)).expect("a server");
    let mut spent = cpu() - start;
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        to_server.clear();
        while client.wants_write() {
            client.write_tls(&mut to_server).expect("a Vec takes all");
        }
        to_client.clear();
        let start = cpu();
        let mut rest = &to_server[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("a slice can be read");
            server.process_new_packets().expect("a handshake");
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).expect("a Vec takes all");
        }
        spent += cpu() - start;
        if to_client.is_empty() {
            assert!(!client.is_handshaking() && !server.is_handshaking());
            return (spent, server.handshake_kind().expect("a kind"));
        }
        let mut rest = &to_client[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("a slice can be read");
            client.process_new_packets().expect("a handshake");
        }
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut named = std::env::args_os()
        .skip(1)
        .filter(|argument| !argument.to_string_lossy().starts_with("--"));
    let mut config = Config::default();
    config.tls.certificate = named.next().map(Into::into);
    config.tls.key = named.next().map(Into::into);
    let certificate = config.tls.certificate.get_or_insert_with(|| {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).expect("a name");
        let made = parameters.self_signed(&key).expect("a certificate");
        let path = folder.path().join("mx.pem");
        std::fs::write(&path, made.pem() + &key.serialize_pem()).expect("a file");
        config.tls.key = Some(path.clone());
        path
    });
    let certificate = certificate.clone();
    let loaded = Loaded::read(&config.tls).unwrap_or_else(|error| panic!("{error}"));
    let material = Material::new(loaded.expect("a certificate is named"));
    let server = material.server_config().expect("rustls has cipher suites");
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    let mut rows = [
        ("TLS 1.2 full", tls12, HandshakeKind::Full),
        ("TLS 1.2 resumed", tls12, HandshakeKind::Resumed),
        ("TLS 1.3 full", tls13, HandshakeKind::Full),
        ("TLS 1.3 resumed", tls13, HandshakeKind::Resumed),
    ]
    .map(|(name, version, kind)| Row::new(name, &certificate, version, kind));
    for row in &rows {
        // A session to resume, and warm caches.
        shake_hands(&server, &row.client);
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.turn(&server);
        }
    }
    println!("server CPU of a handshake, microseconds: median of {ROUNDS} turns (lowest-highest)");
    for row in &mut rows {
        row.microseconds.sort_by(f64::total_cmp);
        let all = &row.microseconds;
        println!(
            "{:<16} {:6.1} ({:.1}-{:.1})",
            row.name,
            all[ROUNDS / 2],
            all[0],
            all[ROUNDS - 1]
        );
    }
}
