//! Why a certificate and its key cannot be served: option, file, cause and fix, in one line.
//!
//! Owns the texts. All of them are the operator's to solve. Must not know: how a file is read.

use std::path::{Path, PathBuf};

use crate::failure::{Blame, Blamed};

/// A file of `[tls]` that cannot be served.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{option}: {}: {fault}", .file.display())]
pub struct Error {
    /// The option that names it.
    pub option: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and what helps.
    #[source]
    pub fault: Fault,
}

impl Error {
    /// That of the certificate's file.
    pub(super) fn of_certificate(file: &Path, fault: Fault) -> Self {
        let (option, file) = ("tls.certificate", file.to_owned());
        Self {
            option,
            file,
            fault,
        }
    }

    /// That of the key's file.
    pub(super) fn of_key(file: &Path, fault: Fault) -> Self {
        let (option, file) = ("tls.key", file.to_owned());
        Self {
            option,
            file,
            fault,
        }
    }
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The kernel does not let it be read.
    #[error("cannot be read: {0}; name the PEM file of the certificate and its chain")]
    UnreadableCertificate(String),
    /// The same of a key.
    #[error(
        "cannot be read: {0}; name the PEM file of the certificate's private key, readable for ringpost's user"
    )]
    UnreadableKey(String),
    /// No section of a certificate.
    #[error(
        "holds no certificate; a PEM file is needed, the server's own certificate first and then its chain, each from BEGIN \
         CERTIFICATE to END CERTIFICATE"
    )]
    NoCertificate,
    /// No section of a key.
    #[error(
        "holds no private key; a PEM file with BEGIN PRIVATE KEY, BEGIN RSA PRIVATE KEY or BEGIN EC PRIVATE KEY is needed"
    )]
    NoKey,
    /// A passphrase is needed.
    #[error(
        "is encrypted, and nobody can be asked for the passphrase; decrypt it with: openssl pkey -in {} -out plain.key",
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// Not PEM.
    #[error("is damaged: {0}; copy the file again")]
    Damaged(Damage),
    /// A key of a kind that cannot sign.
    #[error(
        "cannot be used: {0}; an RSA key of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519 is needed"
    )]
    UnusableKey(rustls::Error),
    /// Not X.509.
    #[error(
        "its first certificate cannot be parsed: {0}; have it issued again, as X.509 version 3"
    )]
    UnparsableCertificate(rustls::Error),
    /// The key of another certificate.
    #[error(
        "does not belong to the first certificate of {}; {}",
        .certificate.display(),
        how_to_fit(*.own)
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The place in it of the certificate that the key belongs to, from 0.
        own: Option<usize>,
    },
}

fn how_to_fit(own: Option<usize>) -> String {
    match own {
        Some(place) => format!("its own is number {} in the file: put it first", place + 1),
        None => "name the key that the certificate was made with".to_owned(),
    }
}

/// How a PEM file is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A section has no end.
    #[error("the line \"-----END {0}-----\" is missing")]
    NoEnd(String),
    /// A line that PEM does not have.
    #[error("the line {0:?} is not part of PEM")]
    Line(String),
    /// What rustls says.
    #[error("{0}")]
    Other(String),
}
