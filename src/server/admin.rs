//! The admin listener of a server: its socket, what it shows and what ready means.
//!
//! Owns: what makes a server ready. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;

use crate::net::shared::Shared;
use crate::telemetry::admin::{self, Health};
use crate::telemetry::metrics::Scrape;

/// A listener that answers once it is [served](Self::serve).
pub(super) struct Admin {
    listener: TcpListener,
    scrape: Scrape,
    health: Arc<dyn Health>,
}

struct Ready(Arc<Shared>);

impl Health for Ready {
    fn unready(&self) -> Option<String> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Some("draining".to_owned());
        }
        self.0.sink.ready().err().map(|unready| unready.to_string())
    }
}

impl Admin {
    /// Of the server whose workers share this.
    pub(super) fn new(listener: TcpListener, scrape: Scrape, shared: Arc<Shared>) -> Self {
        let health = Arc::new(Ready(shared));
        Self {
            listener,
            scrape,
            health,
        }
    }

    /// Answers forever.
    pub(super) async fn serve(self) {
        let never = std::future::pending();
        admin::serve(self.listener, self.scrape, self.health, never).await;
    }
}
