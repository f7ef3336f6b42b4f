//! What the admin pages show: metrics, and what ready means here.
//!
//! Owns: what makes it ready. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::pipeline::watch::Watch;
use crate::telemetry::admin::{Health, Render};
use crate::telemetry::metrics::authenticate::Counts;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Shown {
    pub counts: Arc<Counts>,
    pub watch: Arc<Watch>,
    /// Whether the DNS resolver answers nothing.
    pub down: Arc<AtomicBool>,
}

impl Shown {
    /// The metrics.
    pub(super) fn render(&self) -> Render {
        let shown = self.clone();
        Arc::new(move || shown.counts.render() + &shown.watch.render())
    }
}

impl Health for Shown {
    fn unready(&self) -> Option<String> {
        let is_down = self.down.load(Ordering::Relaxed);
        let waits = is_down.then(|| "the DNS resolver does not answer, so mails wait".to_owned());
        self.watch.trouble().or(waits)
    }
}
