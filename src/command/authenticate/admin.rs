//! The admin listener: metrics, and what ready means here.
//!
//! Owns: what makes it ready. Must not know: paths and pages (`telemetry::admin`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;

use super::usage::Usage;
use crate::pipeline::watch::Watch;
use crate::telemetry::admin::{self, Health};
use crate::telemetry::metrics::authenticate::Counts;

/// What is shown.
#[derive(Clone, Default)]
pub(super) struct Shown {
    pub counts: Arc<Counts>,
    pub watch: Arc<Watch>,
    /// Whether the DNS resolver answers nothing.
    pub down: Arc<AtomicBool>,
}

/// A listener that answers once it is [served](Self::serve).
pub(super) struct Admin {
    listener: TcpListener,
    shown: Shown,
}

impl Health for Shown {
    fn unready(&self) -> Option<String> {
        let is_down = self.down.load(Ordering::Relaxed);
        let waits = is_down.then(|| "the DNS resolver does not answer, so mails wait".to_owned());
        self.watch.trouble().or(waits)
    }
}

impl Admin {
    /// Listens here.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) async fn bind(address: SocketAddr, shown: Shown) -> Result<Self, Usage> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Usage::Admin { address, source })?;
        Ok(Self { listener, shown })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers forever.
    pub(super) async fn serve(self) {
        let shown = self.shown.clone();
        let render = move || shown.counts.render() + &shown.watch.render();
        let never = std::future::pending();
        admin::serve(self.listener, Arc::new(render), Arc::new(self.shown), never).await;
    }
}
