//! Whether senders can encrypt to this server, and verify that it is the one.
//!
//! Owns: the judgement of what was shown after STARTTLS. Must not know: how it was asked for; what a domain requires.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let (leaf, rest) = chain.split_first().ok_or("no certificate was shown")?;
    let name = ServerName::try_from(hostname).map_err(|error| error.to_string())?;
    let verified = verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now());
    verified.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::port::visited;
    use super::*;

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
