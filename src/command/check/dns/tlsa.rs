//! DANE (RFC 7672): whether the certificates that were shown match a TLSA record of the server's name.
//!
//! Owns: the comparison. Must not know: DNSSEC, without which senders pass such records over.

use ring::digest::{SHA256, SHA512, digest};
use rustls::pki_types::CertificateDer;

use super::ask::Found;
use super::records::{bad, good, unanswered, without_dot};
use super::secured::Security;
use crate::authenticate::dns::{Answer as Records, Tlsa};
use crate::command::check::report::Answer;
use crate::verdict::Verdict;

const NAME: &str = "dane";

/// Whether each chain that was shown matches a record.
pub(super) fn judge(hostname: &str, found: &Found, security: &Security) -> Answer {
    let host = without_dot(hostname);
    let records = match found {
        Ok(Records::Tlsa(records)) => records,
        Ok(_) => {
            let text = format!("{host} has no TLSA record at _25._tcp: DANE is not used");
            return good(Verdict::Skipped, NAME, text);
        }
        Err(why) => return unanswered(NAME, &format!("the TLSA record of {host}"), why),
    };
    // RFC 7672 3.1: senders use no others.
    let usable: Vec<&Tlsa> = records
        .iter()
        .filter(|one| matches!(one.usage, 2 | 3))
        .collect();
    if usable.is_empty() {
        return bad(
            Verdict::Warning,
            NAME,
            format!("{host} has TLSA records, and none with the usage 2 or 3, which mail needs"),
            "publish one with `3 1 1`".to_owned(),
        );
    }
    if security.chains.is_empty() {
        return bad(
            Verdict::Warning,
            NAME,
            format!("{host} has TLSA records, and no certificate was shown that could match them"),
            "see starttls and port 25".to_owned(),
        );
    }
    for (address, chain) in &security.chains {
        if usable.iter().any(|record| matches(record, chain)) {
            continue;
        }
        let wanted = chain.first().and_then(wanted);
        return bad(
            Verdict::Failed,
            NAME,
            format!(
                "the certificate of {address} matches no TLSA record of {host}: senders that use DANE do not deliver"
            ),
            match wanted {
                Some(hash) => format!("publish `_25._tcp.{host}. IN TLSA 3 1 1 {hash}`"),
                None => "publish the record of the certificate that is served".to_owned(),
            },
        );
    }
    good(
        Verdict::Ok,
        NAME,
        format!(
            "the certificate matches a TLSA record of {host}; whether the zone is signed with DNSSEC was not verified"
        ),
    )
}

/// Whether a record is of this chain: of its first certificate, or with the usage 2 of any other.
fn matches(record: &Tlsa, chain: &[CertificateDer<'_>]) -> bool {
    let candidates = match record.usage {
        3 => &chain[..chain.len().min(1)],
        _ => chain.get(1..).unwrap_or_default(),
    };
    candidates.iter().any(|certificate| {
        let selected = match record.selector {
            0 => Some(certificate.to_vec()),
            1 => public_key(certificate),
            _ => None,
        };
        selected.is_some_and(|selected| match record.matching {
            0 => selected == record.data,
            1 => digest(&SHA256, &selected).as_ref() == record.data,
            2 => digest(&SHA512, &selected).as_ref() == record.data,
            _ => false,
        })
    })
}

/// The public key of a certificate with its algorithm, in DER.
fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().to_vec())
}

/// What a record `3 1 1` of this certificate has.
fn wanted(certificate: &CertificateDer<'static>) -> Option<String> {
    let key = public_key(certificate)?;
    let hash = digest(&SHA256, &key);
    Some(
        hash.as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (CertificateDer<'static>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        (certificate, spki)
    }

    #[test]
    fn a_record_is_of_the_key_or_of_the_certificate() {
        let ((leaf, spki), (issuer, of_issuer)) = (certificate(), certificate());
        let chain = [leaf.clone(), issuer.clone()];
        let record = |usage, selector, matching, data: &[u8]| Tlsa {
            usage,
            selector,
            matching,
            data: data.to_vec(),
        };
        let hash = |of: &[u8]| digest(&SHA256, of).as_ref().to_vec();
        for (record, fits) in [
            (record(3, 1, 1, &hash(&spki)), true),
            (record(3, 0, 1, &hash(&leaf)), true),
            (record(3, 1, 0, &spki), true),
            (record(3, 0, 2, digest(&SHA512, &leaf).as_ref()), true),
            (record(2, 1, 1, &hash(&of_issuer)), true),
            (record(2, 1, 1, &hash(&spki)), false),
            (record(3, 1, 1, &hash(&of_issuer)), false),
            (record(3, 0, 1, &hash(&spki)), false),
            (record(3, 1, 9, &hash(&spki)), false),
        ] {
            assert_eq!(matches(&record, &chain), fits, "{record:?}");
            let security = Security {
                chains: vec![("192.0.2.1".parse().unwrap(), chain.to_vec())],
                unverified: None,
            };
            let found = Ok(Records::Tlsa(vec![record]));
            let answer = judge("mx.example", &found, &security);
            assert_eq!(answer.verdict == Verdict::Ok, fits, "{answer:?}");
            if !fits {
                let fix = answer.fix.unwrap();
                let hex: String = hash(&spki)
                    .iter()
                    .map(|octet| format!("{octet:02x}"))
                    .collect();
                assert!(fix.contains(&format!("TLSA 3 1 1 {hex}")), "{fix}");
            }
        }
        let none = judge("mx.example", &Ok(Records::Empty), &Security::default());
        assert_eq!(none.verdict, Verdict::Skipped);
    }
}
