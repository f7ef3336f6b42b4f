//! What goes on beside the workers while they serve: reloads, a look at the files of TLS, the counts of lost log lines and
//! refused tickets, memory given back.
//!
//! Owns: that these go on. Must not know: what each does.

use std::time::Duration;

use tokio::signal::unix::Signal;

use super::reload::Reload;
use super::{heap, tls_watch};
use crate::net::handshake::Material;
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::Metrics;

/// Pause between two counts of what others count.
const COUNT: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Upkeep<'a> {
    /// The name that the certificates are for.
    pub hostname: String,
    /// What TLS handshakes are made with; none where TLS is not offered.
    pub material: Option<Material>,
    /// Whose lines are counted.
    pub log: &'a LogHandle,
    /// Counts them.
    pub counters: Metrics,
    /// What reloads.
    pub reload: Reload<'a>,
    /// When.
    pub hangup: Signal,
}

impl Upkeep<'_> {
    /// Goes on until it is dropped.
    pub(super) async fn run(self) {
        tokio::join!(
            count(self.log, self.material.as_ref(), &self.counters),
            tls_watch::watch(self.material.clone(), &self.hostname, &self.counters),
            self.reload.serve(self.hangup),
            heap::watch(),
        );
    }
}

/// Lines that a slow standard error cost, and tickets that were refused.
async fn count(log: &LogHandle, material: Option<&Material>, counters: &Metrics) {
    loop {
        tokio::time::sleep(COUNT).await;
        counters.log_lines_dropped.absolute(log.lines_dropped());
        if let Some(material) = material {
            material.tickets.show(counters);
        }
    }
}
