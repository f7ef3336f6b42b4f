//! Receivers of posts.
//!
//! Owns: a server that answers as it is told and keeps what it gets, servers that break HTTP, and the programs of the page that
//! verify a signature. Must not know: what a test expects.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::support::tools;

/// What a receiver answers.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: String,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            fields: Vec::new(),
            body: String::new(),
        }
    }

    pub fn with_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    pub fn with_field(mut self, name: &'static str, value: &str) -> Self {
        let name = HeaderName::from_static(name);
        self.fields.push((name, value.parse().unwrap()));
        self
    }
}

/// What a receiver got.
pub struct Post {
    /// Path and query.
    pub target: String,
    /// The header section, sorted by name.
    pub fields: Vec<(String, String)>,
    /// The message.
    pub body: Vec<u8>,
}

impl Post {
    /// The value of a field that is there.
    pub fn field(&self, name: &str) -> &str {
        let mut named = self.fields.iter().filter(|(found, _)| found == name);
        let (_, value) = named.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(named.next().is_none(), "{name} is there twice");
        value
    }
}

/// A server that takes posts.
pub struct Receiver {
    pub url: String,
    pub port: u16,
    posts: Mutex<mpsc::UnboundedReceiver<Post>>,
    connections: Arc<AtomicUsize>,
    reply: watch::Sender<Reply>,
}

#[derive(Clone)]
struct Shared {
    reply: watch::Receiver<Reply>,
    posts: mpsc::UnboundedSender<Post>,
}

impl Receiver {
    pub async fn start(reply: Reply) -> Self {
        Self::serve(reply, None).await
    }

    /// One with a certificate for this name, which is its own authority, in PEM.
    pub async fn start_tls(name: &str, reply: Reply) -> (Self, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::serve(reply, Some(acceptor)).await, made.cert.pem())
    }

    async fn serve(reply: Reply, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, posts) = mpsc::unbounded_channel();
        let (reply, replies) = watch::channel(reply);
        let connections = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .fallback(take)
            .layer(DefaultBodyLimit::disable())
            .with_state(Shared {
                reply: replies,
                posts: sender,
            });
        let connected = Arc::clone(&connections);
        match tls {
            None => {
                let listener = Counted {
                    listener,
                    connected,
                };
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
            Some(acceptor) => {
                let listener = Secured { listener, acceptor };
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
        }
        Self {
            url: format!("http://127.0.0.1:{port}"),
            port,
            posts: Mutex::new(posts),
            connections,
            reply,
        }
    }

    /// The next post, in the order of their ends.
    pub async fn next(&self) -> Post {
        let mut posts = self.posts.lock().await;
        posts.recv().await.expect("the server runs")
    }

    /// A post that has ended and was not taken, if there is one.
    pub async fn waiting(&self) -> Option<Post> {
        self.posts.lock().await.try_recv().ok()
    }

    /// Answers this from now on.
    pub fn answer(&self, reply: Reply) {
        self.reply.send(reply).expect("the server runs");
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn take(State(shared): State<Shared>, request: Request) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let mut fields: Vec<_> = head.headers.iter().map(field).collect();
    fields.sort();
    let post = Post {
        target: head.uri.to_string(),
        fields,
        body: body.to_vec(),
    };
    // A test that has ended wants no more.
    let _ = shared.posts.send(post);
    let reply = shared.reply.borrow().clone();
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    response.headers_mut().extend(reply.fields);
    Ok(response)
}

/// Counts connections.
struct Counted {
    listener: TcpListener,
    connected: Arc<AtomicUsize>,
}

impl Listener for Counted {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = Listener::accept(&mut self.listener).await;
        self.connected.fetch_add(1, Ordering::Relaxed);
        accepted
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Speaks TLS; a client that gives up in the handshake is passed over.
struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A server that is no proper one.
pub struct Raw {
    pub url: String,
}

impl Raw {
    /// Serves each connection by this.
    async fn serve<F: Future<Output = ()> + Send + 'static>(
        each: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(each(stream));
            }
        });
        Self { url }
    }

    /// Reads a request without looking at it, writes this and closes.
    pub async fn answering(answer: Vec<u8>) -> Self {
        Self::serve(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                drain(&mut stream).await;
            }
        })
        .await
    }

    /// Writes this, then that for ever.
    pub async fn endless(begin: &'static str, part: &'static str) -> Self {
        Self::serve(move |mut stream| async move {
            read_request(&mut stream).await;
            let mut write = stream.write_all(begin.as_bytes()).await;
            let part = part.repeat(1_000);
            while write.is_ok() {
                write = stream.write_all(part.as_bytes()).await;
            }
        })
        .await
    }

    /// Writes this and then nothing, and keeps the connection.
    pub async fn silent_after(begin: &'static str) -> Self {
        Self::serve(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(begin.as_bytes()).await.unwrap();
            drain(&mut stream).await;
        })
        .await
    }

    /// Writes this at once.
    pub async fn greeting(words: &'static str) -> Self {
        Self::serve(move |mut stream| async move {
            let _ = stream.write_all(words.as_bytes()).await;
            drain(&mut stream).await;
        })
        .await
    }

    /// Answers at the end of the header section, before the body, which it then reads and drops.
    pub async fn refusing_early(answer: &'static str) -> Self {
        Self::serve(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            drain(&mut stream).await;
        })
        .await
    }

    /// An address where nothing listens.
    pub fn port_of_nobody() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}

async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => read.push(octet),
            Err(_) => break,
        }
    }
    read
}

async fn read_request(stream: &mut TcpStream) {
    let head = read_head(stream).await;
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body).await;
}

/// Reads until the other side has closed.
async fn drain(stream: &mut TcpStream) {
    let mut buffer = vec![0; 65_536];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// A program of docs/webhooks.md that verifies a signature.
pub struct Program {
    /// What runs it.
    pub tool: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The file of the call, if it is another one: then the two are built.
    second_file: Option<&'static str>,
    language: &'static str,
    /// Calls its function with id, time, signature, the file of the body, and the secret.
    caller: &'static str,
}

impl Program {
    /// Writes the page's program and the call; the command that runs both.
    pub fn prepare(&self, tool: &Path, folder: &Path) -> Vec<PathBuf> {
        let page = include_str!("../../docs/webhooks.md");
        let fence = format!("```{}\n", self.language);
        let blocks = page.split(&fence).skip(1);
        let block = blocks
            .filter_map(|rest| rest.split("```").next())
            .find(|block| block.contains("verified("));
        let block = block.unwrap_or_else(|| panic!("the page has no {}", self.language));
        let file = folder.join(self.file);
        let Some(second) = self.second_file else {
            std::fs::write(&file, format!("{block}\n{}", self.caller)).unwrap();
            return vec![tool.to_owned(), file];
        };
        let (second, built) = (folder.join(second), folder.join("verify"));
        std::fs::write(&file, block).unwrap();
        std::fs::write(&second, self.caller).unwrap();
        let mut build = Command::new(tool);
        build.args(["build", "-o"]).args([&built, &file, &second]);
        tools::run(build.env("GO111MODULE", "off"), b"");
        vec![built]
    }
}

/// All of them.
pub fn programs() -> [Program; 3] {
    [
        Program {
            tool: "python3",
            file: "verify.py",
            second_file: None,
            language: "python",
            caller: "import sys\n\
                     id, seconds, signature, body, secret = sys.argv[1:]\n\
                     headers = {'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature}\n\
                     print(str(verified(headers, open(body, 'rb').read(), secret)).lower())\n",
        },
        Program {
            tool: "node",
            file: "verify.mjs",
            second_file: None,
            language: "js",
            caller: "import fs from 'node:fs'\n\
                     const [id, seconds, signature, body, secret] = process.argv.slice(2)\n\
                     const headers = { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature }\n\
                     console.log(verified(headers, fs.readFileSync(body), secret))\n",
        },
        Program {
            tool: "go",
            file: "verify.go",
            second_file: Some("main.go"),
            language: "go",
            caller: "package main\n\nimport (\n\"fmt\"\n\"net/http\"\n\"os\"\n)\n\nfunc main() {\n\
                     body, _ := os.ReadFile(os.Args[4])\n\
                     h := http.Header{}\n\
                     h.Set(\"webhook-id\", os.Args[1])\n\
                     h.Set(\"webhook-timestamp\", os.Args[2])\n\
                     h.Set(\"webhook-signature\", os.Args[3])\n\
                     fmt.Println(verified(h, body, os.Args[5]))\n}\n",
        },
    ]
}
