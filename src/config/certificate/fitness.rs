//! Whether a certificate is fit to be served: its dates, its names, and the chain that follows it (`chain`).
//!
//! Owns: the judgement, and the operator's texts for it; `serve` and `check` say the same. Must not know: what is done about
//! it. An unfit certificate is served anyway: most senders encrypt without checking it, and would send in clear
//! otherwise.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rustls::SignatureAlgorithm;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;

pub use super::finding::{Finding, Severity};
use super::{chain, validity};

/// A certificate that expires sooner causes a warning: renewal is usually tried from 30 days before the end.
pub const RENEWAL_DAYS: i64 = 14;

/// Names of a certificate that are listed at most.
const NAMES_SHOWN: usize = 5;

/// What dates and names are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The time.
    pub now: Timestamp,
    /// `server.hostname`, where this is the certificate that has to name it.
    pub hostname: Option<&'a str>,
}

/// Judges the certificates of a file that `option` names, the server's own first.
///
/// # Panics
/// If there is none.
pub fn judge(
    option: &str,
    file: &Path,
    certificates: &[CertificateDer<'_>],
    expected: Expected<'_>,
) -> Vec<Finding> {
    let place = format!("{option}: {}", file.display());
    let certificate = &certificates[0];
    let dates = judge_dates(&place, certificate, expected.now);
    let names = expected
        .hostname
        .and_then(|hostname| judge_names(&place, certificate, hostname));
    let chain = chain::judge(&place, certificates, expected.now);
    std::iter::once(dates).chain(names).chain(chain).collect()
}

/// Judges the key that `option` names: who may read its file, and who can use it.
pub fn judge_key(option: &str, file: &Path, key: &CertifiedKey) -> Vec<Finding> {
    let place = format!("{option}: {}", file.display());
    let warning = |text| Finding {
        severity: Severity::Warning,
        text,
    };
    let mut findings = Vec::new();
    let mode = std::fs::metadata(file).map(|data| data.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        findings.push(warning(format!(
            "{place} can be read by every user of this machine, who can then pass for this server: chmod o-r {}",
            file.display()
        )));
    }
    match key.key.algorithm() {
        SignatureAlgorithm::ED25519 => findings.push(warning(format!(
            "{place} is an Ed25519 key, which many senders cannot verify, so that they do not encrypt: use ECDSA with P-256"
        ))),
        SignatureAlgorithm::RSA => findings.push(Finding {
            severity: Severity::Fine,
            text: format!(
                "{place} is an RSA key; old TLS 1.2 clients that have AES-GCM with ECDSA alone send in clear, and a certificate with \
                 an ECDSA key (P-256) serves both"
            ),
        }),
        _ => {}
    }
    findings
}

/// Whether a certificate is for this name, a wildcard or an address literal included.
pub fn names(certificate: &CertificateDer<'_>, hostname: &str) -> bool {
    let literal = hostname
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let plain = literal.map_or(hostname, |ip| ip.trim_start_matches("IPv6:"));
    let Ok(name) = ServerName::try_from(plain.trim_end_matches('.')) else {
        return false;
    };
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|parsed| parsed.verify_is_valid_for_subject_name(&name).is_ok())
}

fn judge_dates(place: &str, certificate: &CertificateDer<'_>, now: Timestamp) -> Finding {
    let finding = |severity, text| Finding { severity, text };
    let harm = "senders that verify it (MTA-STS, DANE) do not deliver meanwhile";
    let Some((from, until)) = validity(certificate) else {
        let text = format!("{place} fits its key; its dates cannot be read");
        return finding(Severity::Warning, text);
    };
    if now < from {
        let text = format!(
            "{place} is not valid before {from}: correct the clock ({now}) or the certificate; {harm}"
        );
        return finding(Severity::Error, text);
    }
    if now > until {
        let text = format!("{place} expired on {until}: renew it; {harm}");
        return finding(Severity::Error, text);
    }
    match now.checked_add((RENEWAL_DAYS * 24).hours()) {
        Ok(soon) if soon > until => {
            let days = (until.as_second() - now.as_second()) / 86_400;
            let text = format!(
                "{place} fits its key and is valid until {until}, which is in {days} days: renew it; new files are loaded as \
                 they change, without a restart"
            );
            finding(Severity::Warning, text)
        }
        _ => {
            let text = format!("{place} fits its key and is valid until {until}");
            finding(Severity::Fine, text)
        }
    }
}

fn judge_names(place: &str, certificate: &CertificateDer<'_>, hostname: &str) -> Option<Finding> {
    if names(certificate, hostname) {
        return None;
    }
    let whose = match listed_names(certificate) {
        None => "has no DNS name in subjectAltName, so that it is".to_owned(),
        Some(names) => format!("is for {names},"),
    };
    let text = format!(
        "{place} {whose} not for server.hostname = {hostname:?}: senders that verify it (MTA-STS, DANE) do not deliver; have it \
         issued for the name of the MX record, and set server.hostname to that name"
    );
    Some(Finding {
        severity: Severity::Warning,
        text,
    })
}

fn listed_names(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = parsed.valid_dns_names();
    let shown: Vec<&str> = names.by_ref().take(NAMES_SHOWN).collect();
    let shown = (!shown.is_empty()).then(|| shown.join(", "))?;
    Some(match names.count() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn certificate(
        names: &[&str],
        from: (i32, u8, u8),
        until: (i32, u8, u8),
    ) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    }

    fn judged(
        certificate: &CertificateDer<'_>,
        now: &str,
        hostname: Option<&str>,
    ) -> Vec<(Severity, String)> {
        let expected = Expected {
            now: now.parse().unwrap(),
            hostname,
        };
        let findings = judge(
            "tls.certificate",
            Path::new("/mx.pem"),
            std::slice::from_ref(certificate),
            expected,
        );
        findings
            .into_iter()
            .map(|finding| (finding.severity, finding.text))
            .collect()
    }

    #[test]
    fn dates_are_judged_at_their_edges() {
        let certificate = certificate(&["mx.example"], (2026, 1, 1), (2026, 4, 1));
        for (now, severity, words) in [
            (
                "2025-12-31T23:59:59Z",
                Severity::Error,
                "is not valid before 2026-01-01",
            ),
            (
                "2026-01-01T00:00:00Z",
                Severity::Fine,
                "valid until 2026-04-01",
            ),
            (
                "2026-03-18T00:00:00Z",
                Severity::Fine,
                "valid until 2026-04-01",
            ),
            (
                "2026-03-18T00:00:01Z",
                Severity::Warning,
                "which is in 13 days: renew it",
            ),
            (
                "2026-04-01T00:00:00Z",
                Severity::Warning,
                "which is in 0 days: renew it",
            ),
            (
                "2026-04-01T00:00:01Z",
                Severity::Error,
                "expired on 2026-04-01",
            ),
        ] {
            let findings = judged(&certificate, now, Some("mx.example"));
            let [(found, text)] = &findings[..] else {
                panic!("{now}: {findings:?}")
            };
            assert_eq!(*found, severity, "{now}: {text}");
            assert!(
                text.starts_with("tls.certificate: /mx.pem ") && text.contains(words),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_held_against_the_hostname() {
        let names = ["mail.example.org", "*.example.net", "192.0.2.1"];
        let certificate = certificate(&names, (2026, 1, 1), (2027, 1, 1));
        for (hostname, fits) in [
            ("mail.example.org", true),
            ("MAIL.example.org", true),
            ("mail.example.org.", true),
            ("mx.example.net", true),
            ("[192.0.2.1]", true),
            ("example.net", false),
            ("a.mx.example.net", false),
            ("mx", false),
            ("localhost", false),
            ("[192.0.2.2]", false),
            ("[IPv6:2001:db8::1]", false),
        ] {
            let findings = judged(&certificate, "2026-06-01T00:00:00Z", Some(hostname));
            assert_eq!(
                findings.len(),
                if fits { 1 } else { 2 },
                "{hostname}: {findings:?}"
            );
            if let [_, (severity, text)] = &findings[..] {
                assert_eq!(*severity, Severity::Warning);
                let words = format!(
                    "is for mail.example.org, *.example.net, not for server.hostname = {hostname:?}"
                );
                assert!(text.contains(&words), "{text}");
            }
        }
        assert_eq!(judged(&certificate, "2026-06-01T00:00:00Z", None).len(), 1);
    }

    #[test]
    fn a_key_is_private_and_of_a_kind_that_senders_know() {
        let folder = tempfile::tempdir().unwrap();
        let (pem, path) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
        let judged = |key: KeyPair, mode: u32| {
            let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
            std::fs::write(&pem, parameters.self_signed(&key).unwrap().pem()).unwrap();
            std::fs::write(&path, key.serialize_pem()).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let loaded = crate::config::certificate::load(&pem, &path).unwrap();
            judge_key("tls.key", &path, &loaded)
        };
        assert_eq!(judged(KeyPair::generate().unwrap(), 0o640), []);
        let [exposed] = &judged(KeyPair::generate().unwrap(), 0o644)[..] else {
            panic!("every user may read it");
        };
        assert_eq!(exposed.severity, Severity::Warning);
        assert!(exposed.text.contains("chmod o-r"), "{exposed:?}");
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let [unknown] = &judged(ed25519, 0o600)[..] else {
            panic!("many senders do not know it");
        };
        assert!(unknown.text.contains("P-256"), "{unknown:?}");
    }

    #[test]
    fn what_is_no_certificate_has_no_dates_and_no_names() {
        let findings = judged(
            &CertificateDer::from(&b"0\x03abc"[..]),
            "2026-06-01T00:00:00Z",
            Some("mx"),
        );
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0].1.contains("its dates cannot be read"),
            "{findings:?}"
        );
    }
}
