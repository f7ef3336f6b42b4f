//! TLS between the socket and the dialogue, by rustls' buffers.
//!
//! Owns the encrypted octets on their way. Must not know sockets: [`Tls::encrypt`] gives octets to write,
//! [`Tls::decrypt`] takes octets that were read.
//!
//! # BUGS
//! - Certificates are not verified: this measures, it does not protect.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, HandshakeKind, SignatureScheme};

/// Octets that one read takes: a record of the largest size and its header.
const READ: usize = 16 * 1024 + 512;

/// The settings for all connections of a shape, with the sessions to resume.
pub fn settings(resumption: bool) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("--tls: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    if !resumption {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

/// One encrypted connection.
pub struct Tls {
    connection: ClientConnection,
    /// Lent to the kernel during a read.
    pub incoming: Vec<u8>,
}

impl Tls {
    /// A connection whose handshake has not begun.
    pub fn new(
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<Tls, rustls::Error> {
        let mut connection = ClientConnection::new(Arc::clone(config), name.clone())?;
        // What is written is taken out again at once, so the buffer is bounded by the message.
        connection.set_buffer_limit(None);
        Ok(Tls {
            connection,
            incoming: Vec::with_capacity(READ),
        })
    }

    /// Whether the handshake needs more of the peer.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// What is to be written for these octets, and for the handshake.
    pub fn encrypt(&mut self, octets: &[u8]) -> io::Result<Vec<u8>> {
        self.connection.writer().write_all(octets)?;
        let mut out = Vec::with_capacity(octets.len() + 256);
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out)?;
        }
        Ok(out)
    }

    /// Takes what was read into `incoming`; gives the octets inside.
    pub fn decrypt(&mut self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        let mut rest = &self.incoming[..];
        while !rest.is_empty() {
            self.connection.read_tls(&mut rest)?;
            let state = self
                .connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let before = octets.len();
            octets.resize(before + state.plaintext_bytes_to_read(), 0);
            self.connection.reader().read_exact(&mut octets[before..])?;
        }
        self.incoming.clear();
        Ok(octets)
    }
}

/// Takes every certificate, but checks that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
