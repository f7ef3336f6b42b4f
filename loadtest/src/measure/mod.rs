//! What a run is measured by besides its own clock: CPU time and memory of processes, and the server's metrics.

pub(crate) mod host;
pub(crate) mod scrape;
pub(crate) mod usage;
