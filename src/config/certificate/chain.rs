//! Whether the certificates after the server's own are those of its issuers. Senders that know only roots need them.
//!
//! Owns: the judgement of a file's chain, and the operator's texts for it. Must not know: the server's own dates and names
//! (`fitness`), and which roots senders have.
//!
//! Invariants: what cannot be read or verified here is no finding against the chain; the dates of a root in the file are
//! ignored, as senders have their own copy.
//!
//! BUGS: whether the last certificate's issuer is a root that senders have is not known. A signature of a kind that rustls
//! does not verify (SHA-1, P-521) is assumed to be right if the names match. Names are compared as bytes, as rustls and most others do.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::finding::{Finding, Severity};
use super::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, VERSION, element, validity};

/// What concerns the issuer of a certificate (RFC 5280 4.1).
struct Signed<'a> {
    /// What is signed, byte for byte as in the file.
    body: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    /// AlgorithmIdentifier, without its tag and length.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// None where it is not X.509.
    fn of(certificate: &'a CertificateDer<'_>) -> Option<Self> {
        let (whole, _) = element(certificate, SEQUENCE)?;
        let (mut fields, rest) = element(whole, SEQUENCE)?;
        let body = &whole[..whole.len() - rest.len()];
        let (algorithm, rest) = element(rest, SEQUENCE)?;
        let (bits, _) = element(rest, BIT_STRING)?;
        // The first byte counts the bits that its last one does not use: none in a signature.
        let (0, signature) = bits.split_first()? else {
            return None;
        };
        if let Some((_, rest)) = element(fields, VERSION) {
            fields = rest;
        }
        for tag in [INTEGER, SEQUENCE] {
            fields = element(fields, tag)?.1;
        }
        let (issuer, rest) = element(fields, SEQUENCE)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (subject, _) = element(rest, SEQUENCE)?;
        Some(Self {
            body,
            issuer,
            subject,
            algorithm,
            signature,
        })
    }

    /// Whether this certificate's key signed it; none where that cannot be verified.
    fn verifies_with(&self, issuer: &CertificateDer<'_>) -> Option<bool> {
        let issuer = webpki::EndEntityCert::try_from(issuer).ok()?;
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let mut verified = None;
        for algorithm in known.all {
            if algorithm.signature_alg_id().as_ref() != self.algorithm {
                continue;
            }
            match issuer.verify_signature(*algorithm, self.body, self.signature) {
                Ok(()) => return Some(true),
                Err(webpki::Error::InvalidSignatureForPublicKey) => verified = Some(false),
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(context)) => {
                    let own = kind(&context.public_key_algorithm_id);
                    let is_known = known
                        .all
                        .iter()
                        .any(|any| kind(any.public_key_alg_id().as_ref()) == own);
                    if is_known && own != kind(algorithm.public_key_alg_id().as_ref()) {
                        verified = Some(false);
                    }
                }
                Err(_) => {}
            }
        }
        verified
    }

    /// Whether it was issued by the one that has this certificate.
    fn is_issued_by(&self, issuer: &Signed<'_>, certificate: &CertificateDer<'_>) -> bool {
        self.issuer == issuer.subject && self.verifies_with(certificate) != Some(false)
    }
}

/// What kind of key an AlgorithmIdentifier is for: its object identifier, without the parameters, such as a curve.
fn kind(algorithm: &[u8]) -> Option<&[u8]> {
    element(algorithm, OBJECT_IDENTIFIER).map(|(identifier, _)| identifier)
}

/// Judges the certificates of a file, the server's own first; `place` names option and file. A good chain has no finding.
pub(super) fn judge(place: &str, chain: &[CertificateDer<'_>], now: Timestamp) -> Vec<Finding> {
    let Some(own) = chain.first() else {
        return Vec::new();
    };
    match Signed::of(own) {
        // A self-signed certificate has no chain: it is a test's, or its senders have it.
        Some(signed) if signed.is_issued_by(&signed, own) => Vec::new(),
        Some(_) if chain.len() == 1 => vec![warning(format!(
            "{place} holds the server's certificate alone, and it is not self-signed: most senders need its chain to verify it, \
             and those that do (MTA-STS, DANE) do not deliver; with certbot use fullchain.pem in place of cert.pem, else \
             append the certificates of its issuers, unless a root issued it"
        ))],
        Some(_) => links(place, chain, now),
        None => Vec::new(),
    }
}

fn links(place: &str, chain: &[CertificateDer<'_>], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, pair) in chain.windows(2).enumerate() {
        let (issued, number) = (index + 1, index + 2);
        let (Some(below), Some(above)) = (Signed::of(&pair[0]), Signed::of(&pair[1])) else {
            findings.push(warning(format!(
                "{place}: number {issued} or {number} of the certificates in the file cannot be read: {COPY}"
            )));
            continue;
        };
        if !below.is_issued_by(&above, &pair[1]) {
            findings.push(warning(format!(
                "{place}: number {number} of the certificates in the file did not issue number {issued}, so that senders that \
                 verify them (MTA-STS, DANE) may not deliver: its issuer's has to follow each certificate; {COPY}"
            )));
        }
        let is_root = above.is_issued_by(&above, &pair[1]);
        let dates = validity(&pair[1]).filter(|_| !is_root);
        findings.extend(dates.and_then(|dates| judge_dates(place, number, dates, now)));
    }
    findings
}

/// The fix of most.
const COPY: &str = "take the chain that the issuer delivers with the certificate (with certbot it is fullchain.pem)";

fn judge_dates(
    place: &str,
    number: usize,
    (from, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> Option<Finding> {
    let wrong = if now > until {
        format!("expired on {until}")
    } else if now < from {
        format!("is not valid before {from}")
    } else {
        return None;
    };
    Some(warning(format!(
        "{place}: number {number} of the certificates in the file, an issuer's, {wrong}, so that senders that verify it (MTA-STS, \
         DANE) may not deliver: {COPY}, or have the certificate issued again"
    )))
}

fn warning(text: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm,
    };

    /// A certificate with what it takes to issue others.
    struct Made {
        certificate: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    /// One of this name, by this issuer or by itself, that ends in this year.
    fn made(name: &str, by: Option<&Made>, until: i32) -> Made {
        made_with(&rcgen::PKCS_ECDSA_P256_SHA256, name, by, until)
    }

    fn made_with(
        kind: &'static SignatureAlgorithm,
        name: &str,
        by: Option<&Made>,
        until: i32,
    ) -> Made {
        let key = KeyPair::generate_for(kind).unwrap();
        let mut parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = match by {
            Some(by) => parameters.signed_by(&key, &by.issuer),
            None => parameters.self_signed(&key),
        };
        Made {
            certificate: certificate.unwrap().der().clone(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// What is said of a file with these.
    fn said(chain: &[&Made]) -> Vec<String> {
        let chain: Vec<_> = chain.iter().map(|one| one.certificate.clone()).collect();
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let findings = judge("tls.certificate: /mx.pem", &chain, now);
        let texts = findings.into_iter().map(|finding| {
            assert_eq!(finding.severity, Severity::Warning);
            finding.text
        });
        texts.collect()
    }

    #[test]
    fn a_chain_leads_from_each_certificate_to_its_issuers() {
        let root = made("root", None, 2040);
        let middle = made("middle", Some(&root), 2040);
        let own = made("mx", Some(&middle), 2040);
        let none: [&str; 0] = [];
        assert_eq!(said(&[&own, &middle]), none);
        assert_eq!(said(&[&own, &middle, &root]), none);
        assert_eq!(said(&[&root]), none, "self-signed");
        // Nobody checks a root that has expired.
        let old_root = made("root", None, 2021);
        let middle_of_old = made("middle", Some(&old_root), 2040);
        let own_of_old = made("mx", Some(&middle_of_old), 2040);
        assert_eq!(said(&[&own_of_old, &middle_of_old, &old_root]), none);

        // Another key has the same name: an earlier intermediate, or one of another authority.
        let namesake = made("middle", Some(&root), 2040);
        let other_kind = made_with(&rcgen::PKCS_ED25519, "middle", Some(&root), 2040);
        let stranger = made("stranger", Some(&root), 2040);
        let expired = made("expired", Some(&root), 2026);
        let own_of_expired = made("mx", Some(&expired), 2040);
        // Its issuer has its name, and it is not its own issuer.
        let twin = made("mx", Some(&made("mx", None, 2040)), 2040);
        let no_link = "number 2 of the certificates in the file did not issue number 1";
        for (chain, words) in [
            (&[&own][..], "fullchain.pem in place of cert.pem"),
            (&[&twin], "fullchain.pem in place of cert.pem"),
            (&[&own, &stranger], no_link),
            (&[&own, &namesake], no_link),
            (&[&own, &other_kind], no_link),
            (&[&own, &own], no_link),
            (
                &[&own, &middle, &stranger],
                "number 3 of the certificates in the file did not issue number 2",
            ),
            (
                &[&own_of_expired, &expired],
                "number 2 of the certificates in the file, an issuer's, expired on 2026-01-01",
            ),
        ] {
            let texts = said(chain);
            let [text] = &texts[..] else {
                panic!("{words}: {texts:?}")
            };
            assert!(text.contains(words), "{words}: {text}");
            assert!(text.starts_with("tls.certificate: /mx.pem"), "{text}");
        }
    }

    #[test]
    fn what_is_cut_is_no_chain_and_no_panic() {
        let root = made("root", None, 2040);
        let own = made("mx", Some(&root), 2040);
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let whole: &[u8] = &root.certificate;
        for length in 0..whole.len() {
            let cut = CertificateDer::from(&whole[..length]);
            assert_eq!(judge("", std::slice::from_ref(&cut), now), []);
            let findings = judge("", &[own.certificate.clone(), cut], now);
            assert_eq!(findings.len(), 1, "{length}: {findings:?}");
        }
        assert_eq!(judge("", &[], now), []);
    }
}
