//! The admin listener: /metrics, /healthz, /readyz over HTTP.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

/// Whether the server can take mail now; the error is the reason.
pub trait Health: Send + Sync {
    /// `Ok` when a mail would be stored.
    fn ready(&self) -> Result<(), String>;
}

/// Serves until `shutdown` is over.
pub async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    health: Arc<dyn Health>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let upkeep = metrics.clone();
    // Histograms keep their samples until somebody renders them; this bounds them where nobody scrapes.
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let text = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    let router = Router::new()
        .route(
            "/",
            get(|| async { "ringpost: /metrics /healthz /readyz\n" }),
        )
        .route(
            "/metrics",
            get(move || async move { (text, metrics.render()) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                match health.ready() {
                    Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                    Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
                }
            }),
        );
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
    {
        tracing::error!(%error, "the admin listener failed");
    }
    upkeep.abort();
}
