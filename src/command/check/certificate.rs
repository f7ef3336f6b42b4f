//! What `check` asks about TLS: whether each certificate can be served, and is fit to be; whether the keys of tickets can be used.
//!
//! Owns: these lines. Must not know: what is wrong with a certificate or a key; findings, warnings and errors say that.

use jiff::Timestamp;

use crate::config::Config;
use crate::config::certificate::Error;
use crate::config::certificate::fitness::Severity;
use crate::net::certificates::{self, Loaded};
use crate::net::tickets::Ring;
use crate::verdict::{Line, Verdict};

/// The name of these lines.
pub(super) const CERTIFICATE: &str = "certificate";

/// The name of the line about keys of tickets.
const TICKET_KEYS: &str = "ticket keys";

/// Whether the keys of tickets can be used, where TLS is offered.
pub(super) fn ticket_keys(config: &Config) -> Option<Line> {
    config.tls.certificate.as_ref()?;
    let Some(path) = &config.tls.ticket_keys else {
        let text = "tls.ticket_keys is not set: a TLS session is resumed only by the instance where it began, until it restarts";
        return Some((Verdict::Skipped, TICKET_KEYS, text.to_owned()));
    };
    let ring = match Ring::read(Some(path)) {
        Ok(ring) => ring,
        Err(error) => return Some((Verdict::Failed, TICKET_KEYS, error.to_string())),
    };
    if let Some(warning) = ring.warning() {
        return Some((Verdict::Warning, TICKET_KEYS, warning));
    }
    let text = format!(
        "tls.ticket_keys: {} can be used; keys: {}, the first is {}…",
        path.display(),
        ring.count(),
        ring.first()
    );
    Some((Verdict::Ok, TICKET_KEYS, text))
}

/// A line for each finding at this time.
pub(super) fn each(config: &Config, now: Timestamp) -> Vec<Line> {
    let pairs = certificates::pairs(&config.tls);
    if pairs.is_empty() {
        let text = "tls.certificate is not set: mail arrives unencrypted".to_owned();
        return vec![(Verdict::Skipped, CERTIFICATE, text)];
    }
    let failed = |error: Error| (Verdict::Failed, CERTIFICATE, error.to_string());
    let each = pairs.iter().map(|pair| Loaded::read(vec![pair.clone()]));
    let problems: Vec<Line> = each.filter_map(Result::err).map(failed).collect();
    if !problems.is_empty() {
        return problems;
    }
    let findings = match Loaded::read(pairs) {
        Ok(loaded) => loaded.findings(&config.server.hostname, now),
        Err(error) => return vec![failed(error)],
    };
    let verdict = |severity| match severity {
        Severity::Fine => Verdict::Ok,
        Severity::Warning => Verdict::Warning,
        Severity::Error => Verdict::Failed,
    };
    findings
        .into_iter()
        .map(|finding| (verdict(finding.severity), CERTIFICATE, finding.text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::os::unix::fs::PermissionsExt as _;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn certificates_are_judged_as_serve_judges_them() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.hostname = "mx.example".to_owned();
        let (pem, private) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
        std::fs::write(&pem, parameters.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600)).unwrap();
        let verdicts = |config: &Config, now| -> Vec<Verdict> {
            each(config, at(now)).iter().map(|line| line.0).collect()
        };
        assert_eq!(
            verdicts(&config, "2026-02-01T00:00:00Z"),
            [Verdict::Skipped]
        );
        (config.tls.certificate, config.tls.key) = (Some(pem.clone()), Some(private.clone()));
        for (now, verdict) in [
            ("2025-12-31T23:59:59Z", Verdict::Failed),
            ("2026-03-18T00:00:00Z", Verdict::Ok),
            ("2026-03-18T00:00:01Z", Verdict::Warning),
            ("2026-04-01T00:00:01Z", Verdict::Failed),
        ] {
            assert_eq!(verdicts(&config, now), [verdict], "{now}");
        }
        config.server.hostname = "other.example".to_owned();
        let now = "2026-02-01T00:00:00Z";
        assert_eq!(verdicts(&config, now), [Verdict::Ok, Verdict::Warning]);
        // Each pair that cannot be loaded has its line.
        config.tls.key = Some(pem.clone());
        (config.tls.sni_certificates, config.tls.sni_keys) = (vec![private], vec![pem]);
        assert_eq!(verdicts(&config, now), [Verdict::Failed, Verdict::Failed]);
    }
    #[test]
    fn ticket_keys_are_read_as_serve_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket.keys");
        let mut config = Config::default();
        assert_eq!(ticket_keys(&config), None);
        config.tls.certificate = Some("mx.pem".into());
        let (verdict, _, text) = ticket_keys(&config).unwrap();
        assert_eq!(verdict, Verdict::Skipped, "{text}");
        config.tls.ticket_keys = Some(path.clone());
        let asked = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let (verdict, _, said) = ticket_keys(&config).unwrap();
            assert!(!said.contains("AAAAAAAA"), "{said}");
            (verdict, said)
        };
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
        let (verdict, said) = asked(key, 0o640);
        assert_eq!(verdict, Verdict::Ok, "{said}");
        assert!(said.contains("keys: 1, the first is "), "{said}");
        let (verdict, said) = asked(key, 0o644);
        assert_eq!(verdict, Verdict::Warning, "{said}");
        assert!(said.contains("chmod o-r"), "{said}");
        let (verdict, said) = asked("nothing\n", 0o640);
        assert_eq!(verdict, Verdict::Failed, "{said}");
    }
}
