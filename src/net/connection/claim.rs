//! The object of one message: what a connection keeps of it while it is in the store's hands, and what its record says of it.
//!
//! Owns: the upload, and that it counts as open. Must not know: when a part is handed over.
//!
//! Invariant: an object that no record may name goes with its claim.

use bytes::BytesMut;

use crate::mail::record::Record;
use crate::objects::{Claims, Upload};

/// See the module.
pub(super) struct Claim {
    /// The way to the store.
    pub(super) upload: Upload,
    /// Its address.
    url: String,
    /// Its SHA-256, once it is complete.
    pub(super) sha256: String,
    /// The header section, until it is the body.
    pub(super) head: BytesMut,
    _open: Open,
}

/// An upload that counts as open, until this is dropped.
struct Open(metrics::Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Claim {
    /// Begins an object at this path, of a message with this header section; `uploads` counts it.
    pub(super) fn begin(
        claims: &Claims,
        path: String,
        head: BytesMut,
        uploads: metrics::Gauge,
    ) -> Self {
        uploads.increment(1);
        Self {
            url: claims.url.join(&path).to_string(),
            upload: Upload::begin(claims, path),
            sha256: String::new(),
            head,
            _open: Open(uploads),
        }
    }

    /// Names the object in its record.
    pub(super) fn refer(&self, record: &mut Record) {
        record.refer(&self.url, &self.sha256);
    }

    /// A record may name the object from now on.
    pub(super) fn keep(self) {
        self.upload.keep();
    }
}
