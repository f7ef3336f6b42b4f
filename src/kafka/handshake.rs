//! A look at a broker that speaks TLS: what is wrong with its certificate, or with ours.
//!
//! Owns: the handshake of the look, and what its end means. Must not know: librdkafka, which says neither why a certificate does
//! not hold nor that a broker refuses ours.
//!
//! Invariant: no secret goes to a broker that is looked at, as it is not verified: it gets our certificate, and a request that
//! needs no login.
//!
//! BUGS: which authorities librdkafka trusts is not known here: a certificate that is valid and for the right name counts as one
//! that no trusted authority has signed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    SignatureScheme, StreamOwned,
};

use super::lock::lock;
use super::way::Way;
use super::words::{Trouble, Validity};
use crate::config::certificate::{fitness, validity};

/// What is wrong, as far as a handshake and the answer to `request` show; none if the broker answers. `unverified` says that
/// librdkafka does not trust its certificate.
pub(super) fn look(
    stream: TcpStream,
    host: &str,
    way: &Way,
    request: &[u8],
    unverified: bool,
) -> Option<Trouble> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).ok()?;
    let seen = Arc::new(Seen::default());
    let connection = ClientConnection::new(config(way, &seen)?, name).ok()?;
    let mut tls = StreamOwned::new(connection, stream);
    let mut first = [0; 1];
    let answer = tls
        .write_all(request)
        .and_then(|()| tls.flush())
        .and_then(|()| tls.read(&mut first));
    let certificate = lock(&seen.certificate).take();
    if let Some(trouble) = certificate.and_then(|certificate| of_broker(&certificate, host)) {
        return Some(trouble);
    }
    let alert = answer.as_ref().err().and_then(alert_in);
    match answer {
        _ if unverified => Some(Trouble::Unsigned),
        _ if alert.is_some_and(is_of_our_certificate) => Some(of_ours(way, alert?)),
        Ok(1..) => None,
        Ok(0) | Err(_) => Some(Trouble::MuteInTls),
    }
}

/// The alert that a broker has ended the connection with.
fn alert_in(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// What is wrong with a broker's certificate.
fn of_broker(certificate: &CertificateDer<'_>, host: &str) -> Option<Trouble> {
    if let Some(out_of_date) = out_of_date(certificate) {
        return Some(Trouble::OutOfDate(out_of_date));
    }
    (!fitness::names(certificate, host)).then(|| Trouble::Misnamed(host.to_owned()))
}

fn out_of_date(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (from, until) = validity(certificate)?;
    let now = Timestamp::now();
    match now {
        _ if now > until => Some(Validity::Over(until)),
        _ if now < from => Some(Validity::Ahead(from)),
        _ => None,
    }
}

fn is_of_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

/// What a broker's alert means for our certificate.
fn of_ours(way: &Way, alert: AlertDescription) -> Trouble {
    if !way.has_certificate() {
        return Trouble::WantsCertificate;
    }
    let ours = way.certificate();
    let dates = ours.and_then(|ours| out_of_date(ours.cert.first()?));
    Trouble::CertificateRefused(format!("{alert:?}"), dates)
}

fn config(way: &Way, seen: &Arc<Seen>) -> Option<Arc<ClientConfig>> {
    let provider = Arc::clone(&seen.provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(seen) as Arc<dyn ServerCertVerifier>);
    let config = match way.certificate() {
        Some(ours) => {
            let ours = SingleCertAndKey::from(ours.as_ref().clone());
            builder.with_client_cert_resolver(Arc::new(ours))
        }
        None => builder.with_no_client_auth(),
    };
    Some(Arc::new(config))
}

/// Keeps the certificate that a broker shows, and takes any.
#[derive(Debug)]
struct Seen {
    provider: Arc<CryptoProvider>,
    certificate: Mutex<Option<CertificateDer<'static>>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            certificate: Mutex::default(),
        }
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *lock(&self.certificate) = Some(certificate.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    /// What is seen of a server with a certificate for this name, which ends in this year; one that wants a certificate of ours if
    /// `mutual`.
    fn seen(name: &str, ends: i32, mutual: bool, way: &Way, unverified: bool) -> Option<Trouble> {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(ends, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match mutual {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(certificate.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            false => builder.with_no_client_auth(),
        };
        let config = builder
            .with_single_cert(vec![certificate], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                let connection = ServerConnection::new(Arc::new(config)).unwrap();
                let mut tls = StreamOwned::new(connection, stream);
                if tls.read(&mut [0; 64]).is_ok() {
                    let _ = tls.write_all(&[0; 8]);
                }
                // Until the other side has read what there is.
                let _ = tls.sock.read(&mut [0; 64]);
            });
            look(stream, "127.0.0.1", way, b"request", unverified)
        })
    }

    #[test]
    fn a_certificate_is_looked_at() {
        let ends = "2021-01-01T00:00:00Z".parse().unwrap();
        let over = Trouble::OutOfDate(Validity::Over(ends));
        let other = Trouble::Misnamed("127.0.0.1".to_owned());
        let way = Way::default();
        for (name, year, mutual, unverified, expected) in [
            ("127.0.0.1", 2100, false, false, None),
            ("127.0.0.1", 2100, false, true, Some(Trouble::Unsigned)),
            ("127.0.0.1", 2021, false, true, Some(over)),
            ("kafka.example", 2100, false, true, Some(other)),
            (
                "127.0.0.1",
                2100,
                true,
                false,
                Some(Trouble::WantsCertificate),
            ),
        ] {
            assert_eq!(seen(name, year, mutual, &way, unverified), expected);
        }
    }

    #[test]
    fn a_broker_that_refuses_our_certificate_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["ringpost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let files = [
            ("client.pem", certificate.pem()),
            ("client.key", key.serialize_pem()),
        ];
        let [certificate, key] = files.map(|(name, text)| {
            std::fs::write(path(name), text).unwrap();
            path(name)
        });
        let way = Way::of(|name| match name {
            "security.protocol" => Some("ssl"),
            "ssl.certificate.location" => Some(certificate.as_str()),
            "ssl.key.location" => Some(key.as_str()),
            _ => None,
        });
        let trouble = seen("127.0.0.1", 2100, true, &way, false);
        let Some(Trouble::CertificateRefused(_, Some(Validity::Over(ends)))) = trouble else {
            panic!("{trouble:?}");
        };
        assert_eq!(ends.to_string(), "2021-01-01T00:00:00Z");
    }
}
