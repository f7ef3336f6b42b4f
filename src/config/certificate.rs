//! The certificate and the key that `[tls]` names: read, parsed and held against each other.
//!
//! Owns the way from two PEM files to what rustls serves; `error` has the texts for every way that it fails. Must not
//! know: connections, TLS versions, when to reload.
//!
//! Invariant: a pair that [`load`] returns has at least one certificate, the first of the chain parses, and the key is
//! its own.
//!
//! BUGS: a wrong chain is loaded, and reported by `chain`. An encrypted key is refused: nobody can be asked for its
//! passphrase.

mod chain;
mod error;
mod finding;
pub mod fitness;

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use rustls::InconsistentKeys;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

pub use error::{Damage, Error, Fault};

/// Reads a chain and its key.
///
/// # Errors
/// The file that cannot be served, and why.
pub fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain = read_chain(certificate)?;
    let private = read_key(key)?;
    let provider = rustls::crypto::ring::default_provider();
    let signer = provider
        .key_provider
        .load_private_key(private)
        .map_err(|error| Error::of_key(key, Fault::UnusableKey(error)))?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        // Unknown: the key does not reveal its public half. No kind of key that the provider loads is like that.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let fault = Fault::Mismatch {
                certificate: certificate.to_owned(),
                own: position_of_own(&pair),
            };
            Err(Error::of_key(key, fault))
        }
        Err(error) => Err(Error::of_certificate(
            certificate,
            Fault::UnparsableCertificate(error),
        )),
    }
}

/// When a certificate begins and ceases to be valid; `None` where it is not X.509.
pub fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    // RFC 5280 4.1: the version is tagged and may be absent; serialNumber, signature and issuer come before validity.
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(whole, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = element(fields, tag)?.1;
    }
    let (times, _) = element(fields, SEQUENCE)?;
    let (from, rest) = time(times)?;
    let (until, _) = time(rest)?;
    Some((from, until))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |fault| Error::of_certificate(path, fault);
    let text = std::fs::read(path)
        .map_err(|error| failed(Fault::UnreadableCertificate(error.to_string())))?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(pem::Error::NoItemsFound) => Err(failed(Fault::NoCertificate)),
        Err(error) => Err(failed(Fault::Damaged(damage(&error)))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let failed = |fault| Error::of_key(path, fault);
    let text =
        std::fs::read(path).map_err(|error| failed(Fault::UnreadableKey(error.to_string())))?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_) if memchr::memmem::find(&text, b"ENCRYPTED").is_some() => {
            Err(failed(Fault::EncryptedKey(path.to_owned())))
        }
        Err(pem::Error::NoItemsFound) => Err(failed(Fault::NoKey)),
        Err(error) => Err(failed(Fault::Damaged(damage(&error)))),
    }
}

/// What is wrong with a PEM file. rustls's own texts print bytes as numbers.
fn damage(error: &pem::Error) -> Damage {
    let text = |line: &[u8]| String::from_utf8_lossy(line).trim().to_owned();
    match error {
        pem::Error::MissingSectionEnd { end_marker } => Damage::NoEnd(text(end_marker)),
        pem::Error::IllegalSectionStart { line } => Damage::Line(text(line)),
        other => Damage::Other(other.to_string()),
    }
}

/// The place in its chain of the certificate that the key belongs to.
fn position_of_own(pair: &CertifiedKey) -> Option<usize> {
    pair.cert.iter().position(|one| {
        CertifiedKey::new(vec![one.clone()], pair.key.clone())
            .keys_match()
            .is_ok()
    })
}

/// Tags of DER (ITU-T X.690).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the element that begins `der` if it has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The long form: this many bytes of length. A certificate has no more than four.
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = octets
                .iter()
                .fold(0, |sum, &octet| (sum << 8) | usize::from(octet));
            (length, rest)
        }
        _ => return None,
    };
    (found == tag)
        .then(|| rest.split_at_checked(length))
        .flatten()
}

/// A time as RFC 5280 4.1.2.5 writes it: seconds always, zone always Z.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest) = match element(der, UTC_TIME) {
        Some((text, rest)) => {
            let text = std::str::from_utf8(text).ok()?;
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            (format!("{century}{text}"), rest)
        }
        None => {
            let (text, rest) = element(der, GENERALIZED_TIME)?;
            (std::str::from_utf8(text).ok()?.to_owned(), rest)
        }
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((time.timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// What `load` says of two files with these texts.
    fn loaded(certificate: &str, key: &str) -> Result<CertifiedKey, Error> {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["mx.pem", "mx.key"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], certificate).unwrap();
        std::fs::write(&paths[1], key).unwrap();
        load(&paths[0], &paths[1])
    }

    #[test]
    fn a_pair_that_fits_is_loaded_with_its_chain() {
        let (certificate, key) = made();
        let (other, _) = made();
        assert_eq!(loaded(&certificate, &key).unwrap().cert.len(), 1);
        let chain = loaded(&(certificate.clone() + &other), &key).unwrap();
        assert_eq!(chain.cert.len(), 2);
        // One file with both is common, and so is text around the sections.
        let both = format!("Subject: mx.example\n{certificate}\n{key}");
        assert!(loaded(&both, &both).is_ok());
    }

    #[test]
    fn every_mistake_names_key_file_cause_and_fix() {
        let (certificate, key) = made();
        let (other, other_key) = made();
        let cut = &certificate[..certificate.len() - 20];
        let garbled = certificate.replace("MII", "!!!");
        let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let wrong_kind = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let reversed = other.clone() + &certificate;
        let cases = [
            ("", &key[..], "tls.certificate: ", "holds no certificate"),
            (&key, &key, "tls.certificate: ", "holds no certificate"),
            (cut, &key, "tls.certificate: ", "END CERTIFICATE"),
            (&garbled, &key, "tls.certificate: ", "is damaged"),
            (not_x509, &key, "tls.certificate: ", "cannot be parsed"),
            (&certificate, "", "tls.key: ", "holds no private key"),
            (&certificate, &certificate, "tls.key: ", "holds no private"),
            (&certificate, locked, "tls.key: ", "openssl pkey -in"),
            (&certificate, wrong_kind, "tls.key: ", "cannot be used"),
            (&certificate, &other_key, "tls.key: ", "name the key that"),
            (&reversed, &key, "tls.key: ", "number 2 in the file"),
        ];
        for (certificate, key, option, cause) in cases {
            let error = loaded(certificate, key).unwrap_err().to_string();
            assert!(
                error.starts_with(option) && error.contains(cause),
                "{error}"
            );
            assert!(error.contains("/mx.") && error.contains(';'), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let (certificate, _) = made();
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("mx.pem");
        std::fs::write(&there, certificate).unwrap();
        let absent = Path::new("/nowhere/mx");
        let error = load(absent, absent).unwrap_err().to_string();
        assert!(error.starts_with("tls.certificate: /nowhere/mx: cannot be read: No such file"));
        let error = load(&there, absent).unwrap_err().to_string();
        assert!(error.starts_with("tls.key: /nowhere/mx: cannot be read: No such file"));
    }

    #[test]
    fn validity_is_read_in_both_forms_of_time() {
        for (from, until) in [((2026, 1, 2), (2049, 12, 31)), ((1999, 1, 2), (2051, 3, 4))] {
            let key = KeyPair::generate().unwrap();
            let mut parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
            parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
            let certificate = parameters.self_signed(&key).unwrap();
            let found = validity(certificate.der()).unwrap();
            assert_eq!(found.0.as_second(), seconds(from));
            assert_eq!(found.1.as_second(), seconds(until));
            // Cut anywhere before the end of the dates, there is no answer and no panic.
            let der: &[u8] = certificate.der();
            for length in 0..der.len() {
                let _ = validity(&CertificateDer::from(&der[..length]));
            }
        }
        assert_eq!(validity(&CertificateDer::from(&b"0\x03abc"[..])), None);
    }

    fn seconds((year, month, day): (i32, u8, u8)) -> i64 {
        rcgen::date_time_ymd(year, month, day).unix_timestamp()
    }
}
