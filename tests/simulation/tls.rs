//! TLS in the simulation: what the server shakes hands with, and the client's end.
//!
//! Owns: the moves of bytes through rustls. Must not know: wires, SMTP.
//!
//! Invariant: a seed is one run although keys are random: the certificate is always this one, its signatures (Ed25519) have one
//! length, and there are no tickets, so that what crosses the wire has the same length at the same time.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

/// For mx.example, until the year 9999. Its key is no secret.
const CERTIFICATE: &[u8] = include_bytes!("certificate.pem");
const KEY: &[u8] = include_bytes!("key.pem");

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")
}

/// What the server shakes hands with.
pub static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate()],
            PrivateKeyDer::from_pem_slice(KEY).expect("a key"),
        )
        .expect("a certificate and its key");
    config.send_tls13_tickets = 0;
    Arc::new(config)
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).expect("an anchor");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
});

/// The client's end of one connection.
pub struct Tls {
    connection: ClientConnection,
    /// Whether the server has said something over it.
    answered: bool,
}

impl Tls {
    /// Before the handshake.
    pub fn new() -> Self {
        let name = "mx.example".try_into().expect("a name");
        let mut connection = ClientConnection::new(Arc::clone(&CLIENT), name).expect("a client");
        // A client may say more during its handshake than rustls keeps by default.
        connection.set_buffer_limit(None);
        Self {
            connection,
            answered: false,
        }
    }

    /// Whether the handshake is not over.
    pub fn is_shaking_hands(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the server has said something over it, so that its handshake is over as well: the client's end is done as soon as
    /// its last flight is on its way.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Plain bytes for the server; they leave after the handshake.
    pub fn say(&mut self, plain: &[u8]) {
        self.connection
            .writer()
            .write_all(plain)
            .expect("it takes them all");
    }

    /// What is to be sent now.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.connection.wants_write() {
            self.connection
                .write_tls(&mut octets)
                .expect("a Vec takes all");
        }
        octets
    }

    /// What arrived; the plaintext in it, or an error where it is not TLS, or the server has said that ours was not.
    pub fn hear(&mut self, octets: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let (mut rest, mut plain) = (octets, Vec::new());
        while !rest.is_empty() {
            self.connection
                .read_tls(&mut rest)
                .expect("a slice can be read");
            let state = self.connection.process_new_packets()?;
            let from = plain.len();
            plain.resize(from + state.plaintext_bytes_to_read(), 0);
            let reader = &mut self.connection.reader();
            reader
                .read_exact(&mut plain[from..])
                .expect("as many as that");
        }
        self.answered |= !plain.is_empty();
        Ok(plain)
    }
}
