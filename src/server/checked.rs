//! The first step: a configuration that was read, with what it names, before there is a log.
//!
//! Owns: what is checked before the log begins, and in which order. Must not know: sockets, workers.
//!
//! Invariant: nothing is started here; what is wrong here costs no client a connection.

use std::sync::Arc;

use crate::config::{self, Loaded};
use crate::failure::Failure;
use crate::net::certificates::{self, Certificates};
use crate::net::engine::choice;
use crate::sink;
use crate::telemetry::metrics::Io;

/// Reads the configuration as it was read at the start: file, environment, flags.
pub type Read = Arc<dyn Fn() -> Result<Loaded, config::Error> + Send + Sync>;

/// A configuration of which everything works that could be tried without a log.
pub struct Checked {
    /// Reads it again.
    pub read: Read,
    /// The configuration.
    pub loaded: Loaded,
    /// The certificates to serve; none where TLS is not offered.
    pub certificates: Option<Arc<Certificates>>,
    /// The engine that serves.
    pub io: Io,
    /// What is odd, but no reason not to start, a line each.
    pub warnings: Vec<String>,
}

impl Checked {
    /// Reads the configuration, then the certificates; asks the sink whether it could be made of its options, and the kernel for
    /// a ring, if one is wanted.
    ///
    /// # Errors
    /// The first that fails.
    pub fn new(read: Read) -> Result<Self, Failure> {
        let loaded = read()?;
        let certificates = served(&loaded.config.tls)?;
        let mut warnings = loaded.warnings.clone();
        warnings.extend(sink::configured(&loaded.config).check()?);
        let chosen = choice::choose(loaded.config.server.io)?;
        warnings.extend(chosen.warning());
        Ok(Self {
            read,
            loaded,
            certificates,
            io: chosen.io,
            warnings,
        })
    }
}

fn served(tls: &config::Tls) -> Result<Option<Arc<Certificates>>, certificates::Error> {
    let pairs = certificates::pairs(tls);
    if pairs.is_empty() {
        return Ok(None);
    }
    let loaded = certificates::Loaded::read(pairs)?;
    Ok(Some(Arc::new(Certificates::new(loaded))))
}
