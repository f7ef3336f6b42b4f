//! The admin listener: the status page, `/metrics`, `/healthz`, `/readyz` and the like over HTTP.
//!
//! Owns: paths, status codes and the fields of answers. Must not know: what ready means, which [`Health`](super::status::Health) does;
//! what a page shows, which is `status`'s. `host` says which names may be asked for.
//!
//! Invariants: nothing here can change the server, so the listener needs no authentication, only a private address; every answer
//! forbids to be kept, framed or read by other sites, and no page needs a script.
//!
//! BUGS: no TLS, and no deadline for a request that never ends. Such a connection holds a file descriptor until its
//! client leaves; it delays the end of [`serve`] by no more than [`DRAIN`].

mod host;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderName, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::status::observer::{Observer, Render};
use super::status::page;
use host::Hosts;

/// How long requests under way may take once the server stops: a scrape is a few milliseconds of work.
pub const DRAIN: Duration = Duration::from_secs(1);

/// What the listener shows.
#[derive(Clone)]
pub struct Pages {
    /// How the program is.
    pub observer: Arc<Observer>,
    /// Its effective configuration, without secrets.
    pub configuration: Render,
    /// Its name.
    pub hostname: String,
}

/// Serves until `shutdown` is over and requests under way have been answered, or [`DRAIN`] has passed.
pub async fn serve(
    listener: TcpListener,
    pages: Pages,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let bound = listener.local_addr().map(|address| address.ip());
    // An address that cannot be asked for is taken for the one that is guarded.
    let bound = bound.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let observer = Arc::clone(&pages.observer);
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, router(pages, bound)).with_graceful_shutdown(async move {
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
        () = observer.run() => {}
    }
}

fn router(pages: Pages, bound: IpAddr) -> Router {
    let guard = Guard {
        hosts: Hosts::new(bound, &pages.hostname),
        policy: policy(),
    };
    Router::new()
        .route("/", get(status))
        .route("/status.json", get(status_json))
        .route("/config", get(configuration))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(middleware::from_fn_with_state(Arc::new(guard), guarded))
        .with_state(pages)
}

/// The page loads itself again, unless it is asked for with `?refresh=0`.
async fn status(State(pages): State<Pages>, uri: Uri) -> Html<String> {
    let refreshes = uri.query() != Some("refresh=0");
    Html(page::page(&pages.observer.snapshot(), refreshes))
}

async fn status_json(State(pages): State<Pages>) -> impl IntoResponse {
    let json = serde_json::to_string_pretty(&pages.observer.snapshot());
    let json = json.expect("a snapshot is JSON") + "\n";
    ([(header::CONTENT_TYPE, "application/json")], json)
}

async fn configuration(State(pages): State<Pages>) -> impl IntoResponse {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (plain, (pages.configuration)())
}

async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    let prometheus = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (prometheus, pages.observer.metrics())
}

async fn healthz(State(pages): State<Pages>) -> impl IntoResponse {
    if pages.observer.health().alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not working\n")
    }
}

async fn readyz(State(pages): State<Pages>) -> impl IntoResponse {
    let health = pages.observer.health();
    match health.unready() {
        None => {
            let but = health.impaired();
            let but = but.map_or(String::new(), |but| format!("but {but}\n"));
            (StatusCode::OK, format!("ready\n{but}"))
        }
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// What each request passes.
struct Guard {
    hosts: Hosts,
    policy: HeaderValue,
}

/// Answers no request for a name that may be a stranger's, and adds the fields that every answer has.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = if asked_for(&request).all(|host| guard.hosts.allow(host)) {
        next.run(request).await
    } else {
        let text = "this listener is on a loopback address, and the request is for a name that is not this machine's: ask for \
                    an IP address, for localhost or for server.hostname\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_SECURITY_POLICY, guard.policy.clone());
    for (name, value) in FIELDS {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The hosts that a request names: in its field, and in its target if that is a whole URL.
fn asked_for(request: &Request) -> impl Iterator<Item = &str> {
    let field = request.headers().get_all(header::HOST).into_iter();
    // A host that is not text is nobody's.
    let field = field.map(|host| host.to_str().unwrap_or("?.?"));
    field.chain(request.uri().authority().map(|name| name.as_str()))
}

/// Fields of every answer.
const FIELDS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Nothing may be loaded or run, but for the style of the page, which is named by its hash.
fn policy() -> HeaderValue {
    let hash = ring::digest::digest(&ring::digest::SHA256, page::STYLE.as_bytes());
    let hash = BASE64_STANDARD.encode(hash);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is text")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;

    use super::super::status::observer::Observed;
    use super::super::status::{self, Health, Reading, Source};
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::recent::Recent;

    struct Switch(AtomicBool);

    impl Health for Switch {
        fn unready(&self) -> Option<String> {
            (!self.alive()).then(|| "no broker answers".to_owned())
        }

        fn alive(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Source for Switch {
        fn state(&self, _reading: &Reading) -> status::State {
            status::State::default()
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
        let source = Arc::clone(&switch);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let listener = TcpListener::from_std(socket).unwrap();
                let shutdown = async { stopped.await.unwrap() };
                let observer = Observer::new(Observed {
                    command: "serve",
                    metrics: Arc::new(move || handle.render()),
                    followed: status::SERVE,
                    health: Arc::clone(&source) as Arc<dyn Health>,
                    source,
                    recent: Recent::default(),
                });
                let pages = Pages {
                    observer: Arc::new(observer),
                    configuration: Arc::new(|| "[server]\n".to_owned()),
                    hostname: "mx.example".to_owned(),
                };
                serve(listener, pages, shutdown).await;
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
        ask_as(address, request, "Host: test\r\n")
    }

    /// The same with these fields.
    fn ask_as(address: SocketAddr, request: &str, fields: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"
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
    fn the_page_leads_to_the_others_and_nothing_else_is_there() {
        let server = start();
        let (code, head, body) = ask(server.address, "GET /");
        assert_eq!(code, 200);
        assert!(head.contains("content-type: text/html; charset=utf-8"));
        for path in page::PATHS {
            assert!(body.contains(&format!("href=\"{path}\"")), "{body}");
            assert_eq!(ask(server.address, &format!("GET {path}")).0, 200, "{path}");
        }
        assert!(body.contains("http-equiv=\"refresh\""));
        let (_, _, body) = ask(server.address, "GET /?refresh=0");
        assert!(!body.contains("http-equiv=\"refresh\""));
        let (_, head, body) = ask(server.address, "GET /status.json");
        assert!(head.contains("content-type: application/json"), "{head}");
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["command"], "serve");
        for path in ["/metric", "/metrics/", "/..", "/favicon.ico"] {
            assert_eq!(ask(server.address, &format!("GET {path}")).0, 404, "{path}");
        }
    }

    #[test]
    fn nothing_but_get_and_head_is_answered() {
        let server = start();
        for path in ["/"].into_iter().chain(page::PATHS) {
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
                let (code, _, _) = ask(server.address, &format!("{method} {path}"));
                assert_eq!(code, 405, "{method} {path}");
            }
            let (code, _, body) = ask(server.address, &format!("HEAD {path}"));
            assert_eq!((code, body.as_str()), (200, ""), "{path}");
        }
    }

    #[test]
    fn no_answer_is_kept_or_framed_and_the_style_is_the_one_that_is_allowed() {
        let server = start();
        for path in ["/", "/config", "/status.json", "/nothing"] {
            let (_, head, _) = ask(server.address, &format!("GET {path}"));
            for field in [
                "cache-control: no-store",
                "x-content-type-options: nosniff",
                "x-frame-options: deny",
                "referrer-policy: no-referrer",
                "cross-origin-resource-policy: same-origin",
                "content-security-policy: default-src 'none'; style-src 'sha256-",
            ] {
                assert!(head.contains(field), "{path}: {field}: {head}");
            }
        }
        let (_, _, body) = ask(server.address, "GET /");
        assert!(!body.contains("<script") && !body.contains("style="));
        let (_, rest) = body.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        assert_eq!(style, page::STYLE);
    }

    #[test]
    fn a_request_for_a_strangers_name_gets_nothing() {
        let server = start();
        for path in ["/", "/config", "/status.json", "/metrics", "/readyz"] {
            let request = format!("GET {path}");
            let asked = |host: &str| ask_as(server.address, &request, &format!("Host: {host}\r\n"));
            let (code, _, body) = asked("rebound.example");
            assert_eq!(code, 421, "{path}");
            assert!(body.contains("localhost") && !body.contains("rebound"));
            for host in ["127.0.0.1:9925", "localhost", "mx.example:9925"] {
                assert_eq!(asked(host).0, 200, "{path}: {host}");
            }
            let whole = format!("GET http://rebound.example{path}");
            assert_eq!(ask(server.address, &whole).0, 421, "{path}");
        }
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
