//! Bodies as they are signed.
//!
//! Owns: which hashes of a body a message needs, in the form in which mail-auth looks for them. Must not know: signatures.
//!
//! Invariant: a body is hashed once for each canonicalization and algorithm.

use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::Canonicalization;

/// Hashes of a body: how, of how much of it (0 for all), and what.
pub(super) type Hashes = Vec<(Canonicalization, HashAlgorithm, u64, Vec<u8>)>;

/// Adds the hash of a body for a signature, unless it is there.
pub(super) fn add(hashes: &mut Hashes, body: &[u8], form: Canonicalization, algorithm: Algorithm) {
    let algorithm = HashAlgorithm::from(algorithm);
    if !hashes
        .iter()
        .any(|known| known.0 == form && known.1 == algorithm)
    {
        let hash = algorithm.hash(form.canonical_body(body, 0));
        hashes.push((form, algorithm, 0, hash.as_ref().to_vec()));
    }
}

/// Bytes of a body as it is signed.
pub(super) fn canonical_length(form: Canonicalization, body: &[u8]) -> u64 {
    struct Length(u64);
    impl Writer for Length {
        fn write(&mut self, bytes: &[u8]) {
            self.0 += bytes.len() as u64;
        }
    }
    let mut length = Length(0);
    form.canonical_body(body, 0).write(&mut length);
    length.0
}
