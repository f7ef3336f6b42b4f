//! What a webhook is made of, checked.
//!
//! Owns: the certificates that a place is held against, and what an operator should know of all this together. Must not know: flags.
//!
//! Invariant: no Debug output has a secret in it.

use std::time::Duration;

use reqwest::Certificate;
use thiserror::Error;

use super::fields::Fields;
use super::place::Place;
use super::signature::Secrets;

/// Whose certificates a place is held against.
#[derive(Debug, Clone, Default)]
pub enum Authorities {
    /// The machine's own.
    #[default]
    System,
    /// These alone.
    These(Vec<Certificate>),
}

/// Why a file holds nobody that may sign certificates.
#[derive(Debug, Error)]
#[error(
    "has no certificate in PEM: name a file with that of the authority, or of the receiver itself"
)]
pub struct NoCertificate;

impl Authorities {
    /// From certificates in PEM.
    ///
    /// # Errors
    /// There is none.
    pub fn of_pem(pem: &[u8]) -> Result<Self, NoCertificate> {
        match Certificate::from_pem_bundle(pem) {
            Ok(found) if !found.is_empty() => Ok(Self::These(found)),
            Ok(_) | Err(_) => Err(NoCertificate),
        }
    }
}

/// What a webhook is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where mail is posted to.
    pub place: Place,
    /// What signs; empty: nothing is signed.
    pub secrets: Secrets,
    /// What else the application gets in the header section.
    pub fields: Fields,
    /// Who may sign the certificate of the place.
    pub authorities: Authorities,
    /// How long an answer may take; a large mail gets more ([`Settings::time_for`]).
    pub timeout: Duration,
}

impl Settings {
    /// How long one POST of this many bytes may take: the time-out, and a second more for each MiB.
    pub fn time_for(&self, octets: usize) -> Duration {
        self.timeout + Duration::from_secs((octets >> 20) as u64)
    }

    /// What an operator should know, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.place.is_exposed() {
            let what = match self.fields.is_empty() {
                true => "mail goes",
                false => "mail and what authorizes us go",
            };
            warnings.push(format!(
                "{what} over the network in clear to {}: use https://, or a network that nobody else can read",
                self.place
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(place: &str, fields: &str) -> Settings {
        Settings {
            place: Place::parse(place).unwrap(),
            secrets: Secrets::default(),
            fields: Fields::parse(fields).unwrap(),
            authorities: Authorities::System,
            timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn mail_in_clear_is_warned_of() {
        let quiet = ["https://app.example/", "http://127.0.0.1/"];
        for place in quiet {
            assert_eq!(settings(place, "x: 1").warnings(), [""; 0]);
        }
        let warnings = settings("http://app.example/?key=hunter2", "").warnings();
        assert!(warnings[0].starts_with("mail goes over") && !warnings[0].contains("hunter2"));
        let warnings = settings("http://app.example/", "x: 1").warnings();
        assert!(warnings[0].starts_with("mail and what authorizes us go"));
    }

    #[test]
    fn a_large_mail_has_more_time() {
        let settings = settings("https://app.example/", "");
        for (octets, seconds) in [(0, 30), (1 << 20, 31), (50 << 20, 80)] {
            assert_eq!(settings.time_for(octets).as_secs(), seconds);
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let made = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
        let pem = format!("# ours\n{0}{0}", made.cert.pem());
        let read = Authorities::of_pem(pem.as_bytes()).unwrap();
        assert!(matches!(read, Authorities::These(found) if found.len() == 2));
        for text in ["", "hunter2", &made.signing_key.serialize_pem()] {
            let found = Authorities::of_pem(text.as_bytes()).unwrap_err();
            assert!(!found.to_string().contains("hunter2"));
        }
    }
}
