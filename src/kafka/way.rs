//! How brokers are spoken to, as far as a look of ours needs it.
//!
//! Owns: which properties say so. Must not know: librdkafka, what a look shows.
//!
//! BUGS: keys and certificates in PKCS#12, and keys with a passphrase, are not used for a look.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _};
use rustls::sign::CertifiedKey;

use crate::config::certificate::{self, fitness};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// No TLS.
    pub clear: bool,
    /// A certificate of ours, and its key.
    files: Option<(PathBuf, PathBuf)>,
    /// Whether there is one of another form.
    other: bool,
}

impl Way {
    /// As these properties say.
    pub fn of<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let file = |name: &str| set(name).map(PathBuf::from);
        let other = [
            "ssl.keystore.location",
            "ssl.certificate.pem",
            "ssl.key.pem",
            "ssl.key.password",
        ];
        Self {
            clear: in_clear(set("security.protocol")),
            files: file("ssl.certificate.location").zip(file("ssl.key.location")),
            other: other.iter().any(|name| set(name).is_some()),
        }
    }

    /// In clear text.
    pub fn in_clear() -> Self {
        Self {
            clear: true,
            ..Self::default()
        }
    }

    /// Whether a broker gets a certificate of ours.
    pub(super) fn has_certificate(&self) -> bool {
        self.files.is_some() || self.other
    }

    /// What is to be said of our certificate's age at this time.
    pub fn ageing(&self, now: Timestamp) -> Option<String> {
        if self.clear {
            return None;
        }
        let ours = self.certificate()?;
        let (_, until) = certificate::validity(ours.cert.first()?)?;
        let soon = now.checked_add((fitness::RENEWAL_DAYS * 24).hours());
        let what = match soon {
            _ if until < now => format!("expired at {until}: brokers refuse it"),
            Ok(soon) if until < soon => {
                format!("expires at {until}: brokers refuse it from then on")
            }
            Ok(_) | Err(_) => return None,
        };
        Some(format!(
            "the certificate of ssl.certificate.location {what}; renew it and restart ringpost"
        ))
    }

    /// Our certificate, where a look can use it.
    pub(super) fn certificate(&self) -> Option<Arc<CertifiedKey>> {
        let (certificate, key) = self.files.as_ref()?;
        certificate::load(certificate, key).ok().map(Arc::new)
    }
}

/// Whether brokers are spoken to in clear, by the value of `security.protocol`.
pub fn in_clear(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| !protocol.trim().to_ascii_lowercase().ends_with("ssl"))
}
