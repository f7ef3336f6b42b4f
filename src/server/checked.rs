//! The first step: a configuration that was read, with what it names, before there is a log.
//!
//! Owns: what is checked before the log begins, and in which order. Must not know: sockets, workers.
//!
//! Invariant: nothing is started here; what is wrong here costs no client a connection.

use std::sync::Arc;

use crate::config::{self, Loaded};
use crate::failure::Failure;
use crate::net::engine::choice;
use crate::net::handshake::{self, Material};
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
    /// What TLS handshakes are made with; none where TLS is not offered.
    pub material: Option<Material>,
    /// The engine that serves.
    pub io: Io,
    /// What is odd, but no reason not to start, a line each.
    pub warnings: Vec<String>,
}

impl Checked {
    /// Reads the configuration, then the files of TLS; asks the sink whether it could be made of its options, and the kernel for
    /// a ring, if one is wanted.
    ///
    /// # Errors
    /// The first that fails.
    pub fn new(read: Read) -> Result<Self, Failure> {
        let loaded = read()?;
        let material = handshake::Loaded::read(&loaded.config.tls)?.map(Material::new);
        let mut warnings = loaded.warnings.clone();
        warnings.extend(sink::configured(&loaded.config).check()?);
        let chosen = choice::choose(loaded.config.server.io)?;
        warnings.extend(chosen.warning());
        Ok(Self {
            read,
            loaded,
            material,
            io: chosen.io,
            warnings,
        })
    }
}
