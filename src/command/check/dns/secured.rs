//! Whether senders can encrypt to this server, and verify that it is the one.
//!
//! Owns: the judgement of what was shown after STARTTLS. Must not know: how it was asked for; what a domain requires.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, OtherError, RootCertStore};

use super::port::{Found, Tls};
use super::records::{bad, good};
use crate::command::check::report::Answer;
use crate::forward::tls;
use crate::verdict::Verdict;

/// What was found at all addresses together.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// The chains that were shown, each with its address.
    pub chains: Vec<(IpAddr, Vec<CertificateDer<'static>>)>,
    /// Why a sender that verifies does not deliver to an address, if one does not.
    pub unverified: Option<String>,
}

/// What is said of encryption at an address; nothing where no server welcomed us. `security` learns of it.
pub(super) fn judge(
    address: IpAddr,
    hostname: &str,
    found: &Found,
    security: &mut Security,
) -> Option<Answer> {
    const NAME: &str = "starttls";
    let Found::Server { tls: Some(tls), .. } = found else {
        return None;
    };
    let mut unverified = |why: String| security.unverified = Some(format!("{address}: {why}"));
    let certificate =
        "set tls.certificate and tls.key to a certificate of a public authority for this name"
            .to_owned();
    Some(match tls {
        Tls::None => {
            unverified("STARTTLS is not offered".to_owned());
            let text = format!("{address} does not offer STARTTLS: mail arrives in clear");
            bad(Verdict::Warning, NAME, text, certificate)
        }
        Tls::Failed(why) => {
            unverified(format!("STARTTLS fails: {why}"));
            let text = format!("STARTTLS at {address} fails: {why}");
            bad(Verdict::Failed, NAME, text, certificate)
        }
        Tls::Shown(version, chain) => {
            let verified = verify(hostname, chain);
            security.chains.push((address, chain.clone()));
            match verified {
                Ok(()) => good(
                    Verdict::Ok,
                    NAME,
                    format!(
                        "{address}: {version}, and the certificate is for {hostname} by an authority that this machine trusts"
                    ),
                ),
                Err(why) => {
                    unverified(why.clone());
                    let text = format!(
                        "{address}: {version}, but senders that verify certificates do not deliver: {why}"
                    );
                    bad(Verdict::Warning, NAME, text, certificate)
                }
            }
        }
    })
}

/// Whether a sender that trusts what this machine trusts takes the certificate for this name.
fn verify(hostname: &str, chain: &[CertificateDer<'static>]) -> Result<(), String> {
    let roots = tls::system_roots().map_err(|error| error.to_string())?;
    verify_with(roots, hostname, chain)
}

fn verify_with(
    roots: RootCertStore,
    hostname: &str,
    chain: &[CertificateDer<'static>],
) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let (leaf, rest) = chain.split_first().ok_or("no certificate was shown")?;
    let name = ServerName::try_from(hostname).map_err(|error| error.to_string())?;
    let verified = verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now());
    verified
        .map(drop)
        .map_err(|error| in_words(&error, leaf, hostname))
}

/// Why a certificate is not trusted.
fn in_words(error: &rustls::Error, leaf: &CertificateDer<'_>, hostname: &str) -> String {
    let rustls::Error::InvalidCertificate(why) = error else {
        return error.to_string();
    };
    match why {
        CertificateError::UnknownIssuer if is_self_signed(leaf) => {
            "the certificate is self-signed".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "no authority that this machine trusts issued the certificate, or its chain is incomplete".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate, or one of its chain, has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate, or one of its chain, is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not for {hostname}")
        }
        CertificateError::Other(OtherError(inner)) => match inner.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) if is_self_signed(leaf) => {
                "the certificate is a self-signed one of an authority (CA), which is no server's".to_owned()
            }
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "the certificate is one of an authority (CA), which is no server's".to_owned()
            }
            Some(_) | None => format!("the certificate cannot be verified ({inner})"),
        },
        other => format!("the certificate cannot be verified ({other})"),
    }
}

/// Whether a certificate names itself as its issuer.
fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}

#[cfg(test)]
mod tests {
    use super::super::port::visited;
    use super::*;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    fn parameters(name: &str, is_ca: bool) -> CertificateParams {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        if is_ca {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        parameters
    }

    #[test]
    fn why_a_certificate_is_not_trusted_is_said_in_words() {
        let key = || KeyPair::generate().unwrap();
        let (trusted, other) = (parameters("a.example", true), parameters("b.example", true));
        let (trusted_key, other_key, own) = (key(), key(), key());
        let root = trusted.self_signed(&trusted_key).unwrap();
        let trusted = Issuer::new(trusted, trusted_key);
        let other = Issuer::new(other, other_key);
        let mx = || parameters("mx.example", false);
        let authority = || parameters("mx.example", true);
        let mut old = mx();
        old.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let mut early = mx();
        early.not_before = rcgen::date_time_ymd(4000, 1, 1);
        for (certificate, words) in [
            (mx().signed_by(&own, &trusted), None),
            (mx().self_signed(&own), Some("is self-signed")),
            (
                mx().signed_by(&own, &other),
                Some("no authority that this machine trusts"),
            ),
            (
                authority().self_signed(&own),
                Some("a self-signed one of an authority (CA)"),
            ),
            (
                authority().signed_by(&own, &trusted),
                Some("is one of an authority (CA)"),
            ),
            (old.signed_by(&own, &trusted), Some("has expired")),
            (early.signed_by(&own, &trusted), Some("not valid yet")),
            (
                parameters("c.example", false).signed_by(&own, &trusted),
                Some("is not for mx.example"),
            ),
        ] {
            let mut roots = RootCertStore::empty();
            roots.add(root.der().clone()).unwrap();
            let chain = [certificate.unwrap().der().clone()];
            let why = verify_with(roots, "mx.example", &chain).err();
            match (why, words) {
                (None, None) => {}
                (Some(why), Some(words)) => assert!(why.contains(words), "{why}: {words}"),
                (why, words) => panic!("{why:?}, not {words:?}"),
            }
        }
    }

    #[test]
    fn a_certificate_that_nobody_signed_is_not_verified() {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let address = "192.0.2.1".parse().unwrap();
        for (tls, verdict, words) in [
            (Tls::None, Verdict::Warning, "does not offer STARTTLS"),
            (Tls::Failed("x".to_owned()), Verdict::Failed, "fails: x"),
            (
                Tls::Shown("TLSv1.3".to_owned(), vec![certificate]),
                Verdict::Warning,
                "do not deliver",
            ),
        ] {
            let mut security = Security::default();
            let answer = judge(address, "mx.example", &visited(tls), &mut security).unwrap();
            assert_eq!(answer.verdict, verdict, "{answer:?}");
            assert!(answer.text.contains(words), "{answer:?}");
            assert!(security.unverified.is_some());
        }
        let mut security = Security::default();
        assert_eq!(
            judge(address, "mx.example", &Found::Refused, &mut security),
            None
        );
        assert_eq!(security.unverified, None);
    }
}
