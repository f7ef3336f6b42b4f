//! What TLS handshakes are made with: certificates, keys of tickets, and the choices of protocol that are nobody's option.
//!
//! Owns: these choices, and that certificates and keys are read and exchanged together. Must not know: connections, when files are
//! read again.
//!
//! Sessions are resumed by tickets alone. rustls would also remember TLS 1.2 sessions by their ids: behind one lock for all
//! workers, for one instance, and with each full handshake of a client that takes a ticket as well. Clients that know no
//! tickets (RFC 5077 is of 2008) shake hands in full each time.
//!
//! The server chooses the cipher suite, AES-128-GCM with SHA-256 before AES-256-GCM with SHA-384: the key exchange (X25519,
//! P-256) has 128 bits of security whatever the suite, and CPUs compute SHA-256 by instructions of their own but not SHA-384,
//! which most clients name first. Every client of TLS 1.3 has this suite (RFC 8446 9.1).
//!
//! A TLS 1.3 client gets one ticket per connection and not rustls's two: it then has as many as it had connections, which is
//! what it can use for the next ones.
//!
//! Invariant: nothing is shared between two configurations of rustls, so that no session goes from one policy to another.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::{NoServerSessionStorage, ServerConfig};

use super::certificates::{self, Certificates};
use super::tickets::{self, Ring, Tickets};
use crate::config::{self, certificate};
use crate::failure::{Blame, Blamed};

/// What a reload exchanges. Shared by all workers.
#[derive(Debug, Clone)]
pub struct Material {
    /// The certificates that are served.
    pub certificates: Arc<Certificates>,
    /// The keys of session tickets.
    pub tickets: Arc<Tickets>,
}

/// What was read for that, and is not in use yet.
pub struct Loaded {
    certificates: certificates::Loaded,
    ring: Ring,
}

/// Why handshakes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or its key.
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
    /// Keys of tickets.
    #[error(transparent)]
    Tickets(#[from] tickets::Error),
    /// This build of rustls: no usable cipher suite.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::Certificate(error) => error.blame(),
            Self::Tickets(error) => error.blame(),
            Self::Setup(_) => Blame::Bug,
        }
    }
}

impl Loaded {
    /// Reads the files that the options name; none where no certificate is named.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(tls: &config::Tls) -> Result<Option<Self>, Error> {
        let pairs = certificates::pairs(tls);
        if pairs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            certificates: certificates::Loaded::read(pairs)?,
            ring: Ring::read(tls.ticket_keys.as_deref())?,
        }))
    }
}

impl Material {
    /// Of what was read.
    pub fn new(loaded: Loaded) -> Self {
        Self {
            certificates: Arc::new(Certificates::new(loaded.certificates)),
            tickets: Arc::new(Tickets::new(loaded.ring)),
        }
    }

    /// Uses this from the next handshake on.
    pub fn exchange(&self, loaded: Loaded) {
        self.certificates.exchange(loaded.certificates);
        self.tickets.exchange(loaded.ring);
    }

    /// Says in the log what is wrong with it, and what helps.
    pub fn tell(&self, hostname: &str) {
        self.certificates.tell(hostname);
        self.tickets.tell();
    }

    /// TLS 1.2 and 1.3, no client certificate, no early data.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(Error::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.certificates) as _);
        config.ignore_client_order = true;
        config.send_tls13_tickets = 1;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.tickets) as _;
        Ok(Arc::new(config))
    }
}

/// rustls's, with the suites in our order.
fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let is_first = matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        );
        !is_first
    });
    provider
}
