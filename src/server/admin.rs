//! The admin listener of a server: its socket, what it shows and what ready means.
//!
//! Owns: what makes a server ready. Must not know: paths and pages (`telemetry::admin`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpListener;
use tokio::sync::Notify;

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

/// What makes a server ready: the sink, and whom a topic names.
pub(super) fn health(shared: &Arc<Shared>, named: Option<Arc<Published>>) -> Arc<dyn Health> {
    let shared = Arc::clone(shared);
    Arc::new(Ready { shared, named })
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
    /// Of the server whose health this is.
    pub(super) fn new(listener: TcpListener, scrape: Scrape, health: Arc<dyn Health>) -> Self {
        Self {
            listener,
            metrics: Arc::new(move || scrape.render()),
            health,
        }
    }

    /// Answers until another process does.
    pub(super) async fn serve(self, succeeded: Arc<Notify>) {
        let until = async move { succeeded.notified().await };
        admin::serve(self.listener, self.metrics, self.health, until).await;
    }
}
