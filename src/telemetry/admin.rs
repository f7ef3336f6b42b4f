//! The admin listener: `/metrics`, `/healthz`, `/readyz` over HTTP.
//!
//! Owns: paths and status codes. Must not know: what ready means; [`Health`] does.
//!
//! Invariant: nothing here can change the server, so the listener needs no authentication, only a private address.
//!
//! BUGS: no TLS, and no deadline for a request that never ends. Such a connection holds a file descriptor until its
//! client leaves; it delays the end of [`serve`] by no more than [`DRAIN`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long requests under way may take once the server stops: a scrape is a few milliseconds of work.
pub const DRAIN: Duration = Duration::from_secs(1);

const INDEX: &str = "ringpost\n\n/metrics  counters, gauges and histograms for Prometheus\n\
    /healthz  200 while the process works\n/readyz   200 while mail gets through, otherwise 503 and the reason\n";

/// What the probes of a supervisor ask.
pub trait Health: Send + Sync {
    /// Why no mail would be stored now, as a sentence for an operator; none if it would.
    fn unready(&self) -> Option<String>;

    /// What of the mail would not be stored now although the rest would, as a sentence for an operator.
    fn impaired(&self) -> Option<String> {
        None
    }

    /// Whether the process works; a supervisor restarts it when it does not. That the listener answers at all is the
    /// answer unless an implementation knows more.
    fn alive(&self) -> bool {
        true
    }
}

/// Gives what `/metrics` shows.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves until `shutdown` is over and requests under way have been answered, or [`DRAIN`] has passed.
pub async fn serve(
    listener: TcpListener,
    metrics: Render,
    health: Arc<dyn Health>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (stopping, stopped) = oneshot::channel();
    let server =
        axum::serve(listener, router(metrics, health)).with_graceful_shutdown(async move {
            shutdown.await;
            // The receiver is gone if the server is being dropped.
            let _ = stopping.send(());
        });
    let deadline = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(DRAIN).await,
            // The server dropped its side, so its own branch ends this.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = server => if let Err(error) = result {
            tracing::error!(%error, "the admin listener failed");
        },
        () = deadline => tracing::debug!("admin requests were cut off by the shutdown"),
    }
}

fn router(metrics: Render, health: Arc<dyn Health>) -> Router {
    let ready = Arc::clone(&health);
    let prometheus = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route(
            "/metrics",
            get(move || async move { (prometheus, metrics()) }),
        )
        .route(
            "/healthz",
            get(move || async move {
                if health.alive() {
                    (StatusCode::OK, "ok\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "not working\n")
                }
            }),
        )
        .route(
            "/readyz",
            get(move || async move {
                match ready.unready() {
                    None => {
                        let but = ready.impaired();
                        let but = but.map_or(String::new(), |but| format!("but {but}\n"));
                        (StatusCode::OK, format!("ready\n{but}"))
                    }
                    Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
                }
            }),
        )
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;

    use super::*;
    use crate::telemetry::metrics::Metrics;

    struct Switch(AtomicBool);

    impl Health for Switch {
        fn unready(&self) -> Option<String> {
            (!self.alive()).then(|| "no broker answers".to_owned())
        }

        fn alive(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    struct Server {
        address: SocketAddr,
        metrics: Metrics,
        switch: Arc<Switch>,
        stop: oneshot::Sender<()>,
        thread: JoinHandle<()>,
    }

    fn start() -> Server {
        let (metrics, handle) = Metrics::new(1);
        let switch = Arc::new(Switch(AtomicBool::new(true)));
        let health: Arc<dyn Health> = Arc::clone(&switch) as _;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let listener = TcpListener::from_std(socket).unwrap();
                let shutdown = async { stopped.await.unwrap() };
                let metrics: Render = Arc::new(move || handle.render());
                serve(listener, metrics, health, shutdown).await;
            });
        });
        Server {
            address,
            metrics,
            switch,
            stop,
            thread,
        }
    }

    /// The status code, the head and the body of the answer.
    fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head.to_ascii_lowercase(), body.to_owned())
    }

    #[test]
    fn metrics_are_shown_as_they_are_counted() {
        let server = start();
        server.metrics.connection_accepted();
        let (code, head, body) = ask(server.address, "GET /metrics");
        assert_eq!(code, 200);
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        assert!(
            body.contains("\nringpost_connections_accepted_total 1\n"),
            "{body}"
        );
        server.metrics.connection_accepted();
        let (_, _, body) = ask(server.address, "GET /metrics");
        assert!(
            body.contains("\nringpost_connections_accepted_total 2\n"),
            "{body}"
        );
    }

    #[test]
    fn probes_follow_the_health() {
        let server = start();
        let probe = |path: &str| {
            let (code, _, body) = ask(server.address, &format!("GET {path}"));
            (code, body)
        };
        assert_eq!(probe("/healthz"), (200, "ok\n".to_owned()));
        assert_eq!(probe("/readyz"), (200, "ready\n".to_owned()));
        server.switch.0.store(false, Ordering::SeqCst);
        assert_eq!(probe("/healthz"), (503, "not working\n".to_owned()));
        assert_eq!(probe("/readyz"), (503, "no broker answers\n".to_owned()));
    }

    #[test]
    fn the_index_lists_what_there_is_and_nothing_else_is_there() {
        let server = start();
        let (code, _, body) = ask(server.address, "GET /");
        assert_eq!(code, 200);
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert!(body.contains(path), "{body}");
        }
        for path in ["/metric", "/metrics/", "/..", "/favicon.ico"] {
            assert_eq!(ask(server.address, &format!("GET {path}")).0, 404, "{path}");
        }
        assert_eq!(ask(server.address, "POST /metrics").0, 405);
    }

    #[test]
    fn the_shutdown_ends_it_even_with_a_request_that_never_ends() {
        let server = start();
        let mut stuck = TcpStream::connect(server.address).unwrap();
        stuck.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
        // The accept queue keeps its order: when this is answered, the other connection has been accepted.
        assert_eq!(ask(server.address, "GET /healthz").0, 200);
        server.stop.send(()).unwrap();
        server.thread.join().unwrap();
        assert!(TcpStream::connect(server.address).is_err());
    }
}
