//! The first step: a configuration that was read, with what it names, before there is a log.
//!
//! Owns: what is checked before the log begins, and in which order. Must not know: who serves what, workers.
//!
//! Invariant: nothing is started here; what is wrong here costs no client a connection.

use std::sync::Arc;

use super::activation::{self, Activated};
use super::addresses::Addresses;
use super::takeover::{self, Place, Taker};
use crate::config::{self, Brokers, Loaded, advice};
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
    /// Where it will listen: at the addresses of the configuration, or with sockets that a supervisor has passed.
    pub addresses: Addresses,
    /// Where processes meet to hand sockets over.
    pub(super) place: Option<Place>,
    /// Whether a running process is there to take over from, and this one is asked to.
    pub(super) takes_over: bool,
    /// What is odd, but no reason not to start, a line each.
    pub warnings: Vec<String>,
}

impl Checked {
    /// Reads the configuration, then the files of TLS; takes what a supervisor has passed; asks the sink whether it could be made of
    /// its options, and the kernel for a ring, if one is wanted. With `takeover`, looks for a running process.
    ///
    /// # Errors
    /// The first that fails.
    pub fn new(read: Read, takeover: bool) -> Result<Self, Failure> {
        let loaded = read()?;
        let Activated {
            addresses,
            by_sockets,
            warning,
        } = activation::activate(&loaded)?;
        let material = handshake::Loaded::read(&loaded.config.tls)?.map(Material::new);
        let mut warnings = loaded.warnings.clone();
        warnings.extend(warning);
        let place = Place::of(&loaded.config, &addresses);
        let takes_over = match (takeover, by_sockets, &place) {
            (false, _, _) => false,
            (true, true, _) => return Err(takeover::Error::Activated.into()),
            (true, false, None) => return Err(takeover::Error::NoPlace.into()),
            (true, false, Some(place)) => {
                let found = Taker::finds(place)?;
                if !found {
                    warnings.push(format!(
                        "--takeover: no instance runs at {place}; this one starts as usual"
                    ));
                }
                found
            }
        };
        warnings.extend(sink::configured(&loaded.config).check()?);
        // The others are for trying ringpost, and say so themselves.
        if let Brokers::List(_) = loaded.config.kafka.brokers {
            let odd = advice::all(&loaded);
            warnings.extend(odd.iter().map(ToString::to_string));
        }
        let chosen = choice::choose(loaded.config.server.io)?;
        warnings.extend(chosen.warning());
        Ok(Self {
            read,
            loaded,
            material,
            io: chosen.io,
            addresses,
            place,
            takes_over,
            warnings,
        })
    }
}
