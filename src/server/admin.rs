//! The admin listener of a server: its socket, what it shows and what ready means.
//!
//! Owns: what makes a server ready. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;

use crate::net::shared::Shared;
use crate::recipients::Published;
use crate::telemetry::admin::{self, Health, Render};
use crate::telemetry::metrics::Scrape;

/// A listener that answers once it is [served](Self::serve).
pub(super) struct Admin {
    listener: TcpListener,
    metrics: Render,
    health: Arc<dyn Health>,
}

struct Ready {
    shared: Arc<Shared>,
    /// Whom a topic names; none where there is no such topic.
    named: Option<Arc<Published>>,
}

impl Health for Ready {
    fn unready(&self) -> Option<String> {
        if self.shared.draining.load(Ordering::Relaxed) {
            return Some("draining".to_owned());
        }
        if let Some(unknown) = self.named.as_ref().and_then(|named| named.unknown()) {
            return Some(unknown);
        }
        let sink = self.shared.sink.ready();
        sink.err().map(|unready| unready.to_string())
    }

    fn impaired(&self) -> Option<String> {
        let claims = self.shared.claims.as_ref()?;
        let why = claims.store.away()?;
        Some(format!(
            "messages of more than {} bytes get 451: {why}",
            claims.above
        ))
    }
}

impl Admin {
    /// Of the server whose workers share this.
    pub(super) fn new(
        listener: TcpListener,
        scrape: Scrape,
        shared: Arc<Shared>,
        named: Option<Arc<Published>>,
    ) -> Self {
        let health = Arc::new(Ready { shared, named });
        Self {
            listener,
            metrics: Arc::new(move || scrape.render()),
            health,
        }
    }

    /// Answers forever.
    pub(super) async fn serve(self) {
        let never = std::future::pending();
        admin::serve(self.listener, self.metrics, self.health, never).await;
    }
}
