//! The certificates that are served: chosen by the name that the client asks for, exchanged without a restart.
//!
//! Owns: the choice (RFC 6066 3). Must not know: connections; the files' syntax ([`crate::config::certificate`] does).
//!
//! Invariant: there is always a certificate to serve; a set that does not load leaves the one before in place.
//!
//! BUGS: a certificate without DNS names is served only as the first, which is for clients that name nothing or
//! something unknown. Subject common names are not looked at (RFC 6125 6.4.4).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::certificate::fitness::{self, Expected, Finding, Severity};
use crate::config::{self, certificate};
use crate::telemetry::metrics::Metrics;

/// Two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// One certificate and the names that it is for, in lower case; `*.` in front matches one label.
struct Named {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

/// A certificate that is served, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its file.
    pub file: PathBuf,
    /// The names that it is for.
    pub names: Vec<String>,
    /// When it expires; none if that cannot be read.
    pub expires: Option<Timestamp>,
}

/// Certificates that have been read, not served yet.
pub struct Loaded {
    pairs: Vec<Pair>,
    named: Vec<Named>,
}

/// See the module. Shared by all workers, without a lock.
pub struct Certificates(ArcSwap<Loaded>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Loaded {
    /// Reads all pairs; the first is the default.
    ///
    /// # Errors
    /// Of the first that cannot be used: which option and file, what is wrong, and what helps, in one line.
    ///
    /// # Panics
    /// If there is none.
    pub fn read(pairs: Vec<Pair>) -> Result<Self, certificate::Error> {
        assert!(!pairs.is_empty(), "TLS is on where there is a certificate");
        let named = pairs.iter().map(load_one).collect::<Result<_, _>>()?;
        Ok(Self { pairs, named })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.named.len()
    }

    /// The file of each and the time when it expires, where that can be read.
    fn expiries(&self) -> Vec<(PathBuf, Timestamp)> {
        let each = self.pairs.iter().zip(&self.named);
        each.filter_map(|(pair, named)| {
            let (_, until) = certificate::validity(&named.key.cert[0])?;
            Some((pair.certificate.clone(), until))
        })
        .collect()
    }

    /// The findings on each: its dates, its chain, and whether one of them is for the name of this server.
    pub fn findings(&self, hostname: &str, now: Timestamp) -> Vec<Finding> {
        let leaf = |named: &Named| named.key.cert[0].clone();
        let is_named = self
            .named
            .iter()
            .any(|named| fitness::names(&leaf(named), hostname));
        let mut findings = Vec::new();
        for (index, (pair, named)) in self.pairs.iter().zip(&self.named).enumerate() {
            let first = index == 0;
            let option = if first {
                "tls.certificate"
            } else {
                "tls.sni_certificates"
            };
            let expected = Expected {
                now,
                hostname: (first && !is_named).then_some(hostname),
            };
            findings.extend(fitness::judge(
                option,
                &pair.certificate,
                &named.key.cert,
                expected,
            ));
            let option_of_key = match first {
                true => "tls.key",
                false => "tls.sni_keys",
            };
            findings.extend(fitness::judge_key(option_of_key, &pair.key, &named.key));
            if !first && named.names.is_empty() {
                let file = pair.certificate.display();
                findings.push(Finding {
                    severity: Severity::Warning,
                    text: format!(
                        "{option}: {file} has no DNS name, so that no client gets it: have it issued with subjectAltName, or \
                         remove it"
                    ),
                });
            }
        }
        findings
    }
}

impl Certificates {
    /// Serves these.
    pub fn new(loaded: Loaded) -> Self {
        Self(ArcSwap::from_pointee(loaded))
    }

    /// Serves these from the next handshake on.
    pub fn exchange(&self, loaded: Loaded) {
        self.0.store(Arc::new(loaded));
    }

    /// How many are served.
    pub fn count(&self) -> usize {
        self.0.load().count()
    }

    /// Shows when each of them expires.
    pub fn show(&self, metrics: &Metrics) {
        let expiries = self.0.load().expiries().into_iter();
        metrics
            .certificate_expiry
            .replace(expiries.map(|(file, until)| {
                let until = until.as_millisecond() as f64 / 1e3;
                (file.display().to_string(), until)
            }));
    }

    /// What is served, the default first.
    pub fn served(&self) -> Vec<Served> {
        let loaded = self.0.load();
        let all = loaded.pairs.iter().zip(&loaded.named);
        all.map(|(pair, named)| Served {
            file: pair.certificate.clone(),
            names: named.names.clone(),
            expires: certificate::validity(&named.key.cert[0]).map(|(_, until)| until),
        })
        .collect()
    }

    /// The files of what is served.
    pub fn pairs(&self) -> Vec<Pair> {
        self.0.load().pairs.clone()
    }

    /// Says in the log which of them are unfit to be served, and what helps.
    pub fn tell(&self, hostname: &str) {
        for finding in self.0.load().findings(hostname, Timestamp::now()) {
            match finding.severity {
                Severity::Fine => tracing::debug!("{}", finding.text),
                Severity::Warning => tracing::warn!("{}", finding.text),
                Severity::Error => tracing::error!("{}", finding.text),
            }
        }
    }
}

/// The files that the configuration names, the default first; none where TLS is not offered.
pub fn pairs(tls: &config::Tls) -> Vec<Pair> {
    let first = tls.certificate.iter().zip(&tls.key);
    let further = tls.sni_certificates.iter().zip(&tls.sni_keys);
    first
        .chain(further)
        .map(|(certificate, key)| Pair {
            certificate: certificate.clone(),
            key: key.clone(),
        })
        .collect()
}

fn load_one(pair: &Pair) -> Result<Named, certificate::Error> {
    let key = certificate::load(&pair.certificate, &pair.key)?;
    let key = Arc::new(key);
    let names = key
        .end_entity_cert()
        .ok()
        .and_then(|certificate| webpki::EndEntityCert::try_from(certificate).ok())
        .map(|parsed| {
            parsed
                .valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect()
        })
        .unwrap_or_default();
    Ok(Named { names, key })
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.load();
        let chosen = client_hello
            .server_name()
            .and_then(|name| choose(&current.named, name))
            .or_else(|| current.named.first())?;
        Some(Arc::clone(&chosen.key))
    }
}

fn choose<'a>(current: &'a [Named], name: &str) -> Option<&'a Named> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let parent = name.split_once('.').map(|(_, parent)| parent);
    let is_for = |named: &&Named| {
        named
            .names
            .iter()
            .any(|own| *own == name || (own.strip_prefix("*.") == parent && parent.is_some()))
    };
    current.iter().find(is_for)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn pair(folder: &Path, file: &str, names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let pair = Pair {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&pair.key, private).unwrap();
        pair
    }

    #[test]
    fn the_end_of_each_is_shown_and_follows_an_exchange() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|file| pair(folder.path(), file, &["mx.example"]));
        let served = Certificates::new(Loaded::read(files.to_vec()).unwrap());
        let (metrics, scrape) = Metrics::new(1);
        let shown = || {
            served.show(&metrics);
            let text = scrape.render();
            let lines = text.lines().filter_map(|line| {
                line.strip_prefix("ringpost_tls_certificate_expiry_timestamp_seconds{file=\"")
            });
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        // rcgen's certificates end on 4096-01-01.
        let line = |pair: &Pair| format!("{}\"}} 67090118400", pair.certificate.display());
        assert_eq!(shown(), files.each_ref().map(line));
        served.exchange(Loaded::read(vec![files[1].clone()]).unwrap());
        assert_eq!(shown(), [line(&files[1])]);
    }

    #[test]
    fn the_certificate_is_chosen_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = [
            pair(folder.path(), "a", &["mx.example"]),
            pair(folder.path(), "b", &["mail.example.org", "*.wild.example"]),
        ];
        let loaded = Loaded::read(pairs.to_vec()).unwrap().named;
        let place = |name: &str| {
            choose(&loaded, name).map(|named| usize::from(std::ptr::eq(named, &loaded[1])))
        };
        assert_eq!(place("MX.example."), Some(0));
        assert_eq!(place("mail.example.org"), Some(1));
        assert_eq!(place("any.wild.example"), Some(1));
        assert_eq!(place("wild.example"), None);
        assert_eq!(place("two.labels.wild.example"), None);
        assert_eq!(place("other.example"), None);
    }

    #[test]
    fn each_certificate_is_judged_and_any_of_them_may_name_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = [
            pair(folder.path(), "a", &["mx.example"]),
            pair(folder.path(), "b", &["mail.example.org"]),
            pair(folder.path(), "c", &[]),
        ];
        let loaded = Loaded::read(pairs.to_vec()).unwrap();
        let found = |hostname: &str, now: &str| -> Vec<(Severity, String)> {
            let findings = loaded.findings(hostname, now.parse().unwrap());
            findings
                .into_iter()
                .map(|finding| (finding.severity, finding.text))
                .collect()
        };
        let unserved = |text: &str| text.contains("c.pem has no DNS name");
        for hostname in ["mx.example", "mail.example.org"] {
            let found = found(hostname, "2026-06-01T00:00:00Z");
            assert_eq!(found.len(), 4, "{found:?}");
            assert!(unserved(&found[3].1), "{found:?}");
        }
        let found_other = found("other.example", "2026-06-01T00:00:00Z");
        assert_eq!(found_other.len(), 5, "{found_other:?}");
        assert!(
            found_other[1]
                .1
                .contains("a.pem is for mx.example, not for")
        );
        // Made by rcgen, they end in the year 4096.
        let late = found("mx.example", "5000-01-01T00:00:00Z");
        let errors = late
            .iter()
            .filter(|(severity, _)| *severity == Severity::Error);
        let named: Vec<&str> = errors
            .map(|(_, text)| &text[..text.find(": ").unwrap()])
            .collect();
        assert_eq!(
            named,
            [
                "tls.certificate",
                "tls.sni_certificates",
                "tls.sni_certificates"
            ]
        );
    }

    #[test]
    fn what_is_read_again_is_served_and_what_does_not_load_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = vec![pair(folder.path(), "a", &["mx.example"])];
        let certificates = Certificates::new(Loaded::read(pairs.clone()).unwrap());
        let served = || Arc::clone(&certificates.0.load().named[0].key);
        let first = served();
        std::fs::write(&pairs[0].certificate, "nothing").unwrap();
        let error = Loaded::read(certificates.pairs()).err().unwrap();
        assert!(error.to_string().contains("a.pem"), "{error}");
        assert!(Arc::ptr_eq(&first, &served()));
        pair(folder.path(), "a", &["mx.example"]);
        certificates.exchange(Loaded::read(certificates.pairs()).unwrap());
        assert!(!Arc::ptr_eq(&first, &served()));
        let [shown] = &certificates.served()[..] else {
            panic!("one is served")
        };
        assert_eq!(
            (&shown.file, &shown.names[..]),
            (&pairs[0].certificate, &["mx.example".to_owned()][..])
        );
        assert!(
            shown
                .expires
                .is_some_and(|expires| expires > Timestamp::now())
        );
    }
}
