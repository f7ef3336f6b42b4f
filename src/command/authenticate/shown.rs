//! What the admin pages show: metrics, what ready means here, and what is read and written.
//!
//! Owns: what makes it ready. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::service::About;
use crate::pipeline::watch::Watch;
use crate::telemetry::metrics::authenticate::Counts;
use crate::telemetry::recent::Recent;
use crate::telemetry::status::observer::Observed;
use crate::telemetry::status::{self, Health, Reading, Source, State};

/// See the module.
#[derive(Clone)]
pub(super) struct Shown {
    pub counts: Arc<Counts>,
    pub watch: Arc<Watch>,
    /// Whether the DNS resolver answers nothing.
    pub down: Arc<AtomicBool>,
    pub about: About,
}

impl Shown {
    /// Nothing has been counted.
    pub(super) fn new(about: About) -> Self {
        Self {
            counts: Arc::default(),
            watch: Arc::default(),
            down: Arc::default(),
            about,
        }
    }

    /// What is looked at.
    pub(super) fn observed(&self, recent: &Recent) -> Observed {
        let shown = self.clone();
        Observed {
            command: "authenticate",
            metrics: Arc::new(move || shown.counts.render() + &shown.watch.render()),
            followed: status::AUTHENTICATE,
            health: Arc::new(self.clone()),
            source: Arc::new(self.clone()),
            recent: recent.clone(),
        }
    }
}

impl Health for Shown {
    fn unready(&self) -> Option<String> {
        let is_down = self.down.load(Ordering::Relaxed);
        let waits = is_down.then(|| "the DNS resolver does not answer, so mails wait".to_owned());
        self.watch.trouble().or(waits)
    }
}

impl Source for Shown {
    fn state(&self, reading: &Reading) -> State {
        self.about.state(reading, self.watch.trouble())
    }
}
