//! Whom a receiver's certificate has to be signed by.
//!
//! Owns: rustls's settings of a client. Must not know: which protocol is spoken inside.
//!
//! Invariant: without an explicit wish a certificate is verified, with its name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::failure::{Blame, Blamed};

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum NoTrust {
    /// The file is unreadable.
    #[error("--tls-ca {}: {why}: it has to hold certificates in PEM", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The machine has none.
    #[error(
        "this machine has no certificate authorities to trust ({0}): install them (Debian: ca-certificates) or name a file \
         with --tls-ca"
    )]
    System(String),
}

impl Blamed for NoTrust {
    fn blame(&self) -> Blame {
        match self {
            Self::File { .. } => Blame::Operator,
            Self::System(_) => Blame::Machine,
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Verifies certificates against a file, or against the system's authorities.
///
/// # Errors
/// There are none.
pub fn verified(file: Option<&Path>) -> Result<Arc<ClientConfig>, NoTrust> {
    let roots = match file {
        Some(path) => of_file(path)?,
        None => system_roots()?,
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Takes any certificate: what is said is encrypted, to whomever.
pub fn unverified() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider())))
        .with_no_client_auth();
    Arc::new(config)
}

/// Whether a handshake failed because what came was not TLS, as from a port that speaks in clear.
pub fn is_no_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        if matches!(this.downcast_ref(), Some(Error::InvalidMessage(_))) {
            return true;
        }
        // What an io::Error is made of is not its source.
        error = match this.downcast_ref::<io::Error>() {
            Some(this) => this
                .get_ref()
                .map(|inside| inside as &(dyn std::error::Error + 'static)),
            None => this.source(),
        };
    }
    false
}

fn of_file(path: &Path) -> Result<RootCertStore, NoTrust> {
    let wrong = |why: String| NoTrust::File {
        path: path.to_owned(),
        why,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|why| wrong(why.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|why| wrong(why.to_string()))?;
        roots
            .add(certificate)
            .map_err(|why| wrong(why.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(wrong("no certificate in it".to_owned())),
        false => Ok(roots),
    }
}

/// The authorities that this machine trusts.
///
/// # Errors
/// There are none.
pub fn system_roots() -> Result<RootCertStore, NoTrust> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some of them are of no use to rustls on any machine.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why = loaded.errors.first();
        let why = why.map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(NoTrust::System(why));
    }
    Ok(roots)
}

/// Trusts everybody. The handshake's own signatures are checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tls_is_known() {
        let invalid = || Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, invalid());
        assert!(is_no_tls(&invalid()) && is_no_tls(&wrapped));
        let twice = io::Error::other(wrapped);
        assert!(is_no_tls(&twice));
        let other = io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError);
        assert!(!is_no_tls(&other) && !is_no_tls(&io::Error::other("x")));
    }
}
