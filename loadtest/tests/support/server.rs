//! A small SMTP server in the test's own process.
//!
//! Slow and simple on purpose: a thread for each connection, a line at a time. It counts what it takes, can stall, can speak
//! TLS, and can accept ends of data that are none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How a server behaves.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Lines of EHLO.
    pub extensions: Vec<&'static str>,
    /// With this message, counted from 1, all final replies wait for so long.
    pub stall: Option<(u64, Duration)>,
    /// Certificates, and whether encryption comes first.
    pub tls: Option<(Arc<ServerConfig>, bool)>,
    /// LF `.` LF ends the data, too.
    pub lenient_end: bool,
    /// Expects a PROXY header of version 1.
    pub proxy: bool,
    /// Refuses every recipient.
    pub refuses: bool,
    /// Keeps a message, before its final reply: its count and its bytes.
    pub keep: Option<Keep>,
}

/// What a server does with a message.
pub type Keep = Arc<dyn Fn(u64, &[u8]) + Send + Sync>;

/// What a server took.
#[derive(Default)]
pub struct Taken {
    pub connections: AtomicU64,
    pub messages: AtomicU64,
    pub recipients: AtomicU64,
    pub proxies: AtomicU64,
    /// The messages themselves, without transparency.
    pub bodies: Mutex<Vec<Vec<u8>>>,
    stalled_until: Mutex<Option<Instant>>,
}

/// A server that runs until the test ends.
pub struct Server {
    pub address: SocketAddr,
    pub taken: Arc<Taken>,
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let taken = Arc::new(Taken::default());
        let shared = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (behaviour, taken) = (behaviour.clone(), Arc::clone(&shared));
                taken.connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || {
                    // A client may break off at any place.
                    let _ = connection(stream, &behaviour, &taken);
                });
            }
        });
        Server { address, taken }
    }

    pub fn messages(&self) -> u64 {
        self.taken.messages.load(Ordering::Relaxed)
    }
}

/// A certificate of its own.
pub fn tls_settings() -> Arc<ServerConfig> {
    let made =
        rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    Arc::new(config)
}

fn connection(mut stream: TcpStream, behaviour: &Behaviour, taken: &Taken) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if behaviour.proxy {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet)?;
            line.push(octet[0]);
        }
        assert!(line.starts_with(b"PROXY TCP4 198.51.100."), "{line:?}");
        taken.proxies.fetch_add(1, Ordering::Relaxed);
    }
    match &behaviour.tls {
        Some((settings, true)) => {
            let tls = ServerConnection::new(Arc::clone(settings)).expect("settings");
            dialogue(
                &mut BufReader::new(StreamOwned::new(tls, stream)),
                behaviour,
                taken,
                true,
            )
            .map(|_| ())
        }
        Some((settings, false)) => {
            let mut clear = BufReader::new(stream);
            if dialogue(&mut clear, behaviour, taken, true)? {
                let tls = ServerConnection::new(Arc::clone(settings)).expect("settings");
                let mut secret = BufReader::new(StreamOwned::new(tls, clear.into_inner()));
                dialogue(&mut secret, behaviour, taken, false)?;
            }
            Ok(())
        }
        None => dialogue(&mut BufReader::new(stream), behaviour, taken, true).map(|_| ()),
    }
}

/// Until QUIT, or until STARTTLS was said: then true.
fn dialogue<S: Read + Write>(
    stream: &mut BufReader<S>,
    behaviour: &Behaviour,
    taken: &Taken,
    greets: bool,
) -> std::io::Result<bool> {
    let say = |stream: &mut BufReader<S>, text: &str| {
        stream.get_mut().write_all(text.as_bytes())?;
        stream.get_mut().flush()
    };
    if greets {
        say(stream, "220 mx.example\r\n")?;
    }
    let (mut recipients, mut chunks) = (0, Vec::new());
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
        let line = String::from_utf8_lossy(&line).to_ascii_uppercase();
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or("") {
            "EHLO" => {
                let mut text = "250-mx.example\r\n".to_owned();
                behaviour
                    .extensions
                    .iter()
                    .for_each(|extension| text += &format!("250-{extension}\r\n"));
                say(stream, &(text + "250 HELP\r\n"))?;
            }
            "MAIL" => {
                recipients = 0;
                say(stream, "250 2.1.0 Ok\r\n")?;
            }
            "RCPT" => {
                recipients += 1;
                let reply = if behaviour.refuses {
                    "550 5.1.1 No such user\r\n"
                } else {
                    "250 2.1.5 Ok\r\n"
                };
                say(stream, reply)?;
            }
            "DATA" => {
                say(stream, "354 Go on\r\n")?;
                let body = read_data(stream, behaviour.lenient_end)?;
                finish(behaviour, taken, body, recipients);
                say(stream, "250 2.0.0 Ok\r\n")?;
            }
            "BDAT" => {
                let size = words
                    .next()
                    .and_then(|word| word.parse().ok())
                    .expect("a size");
                let mut chunk = vec![0; size];
                stream.read_exact(&mut chunk)?;
                chunks.extend_from_slice(&chunk);
                if words.next() == Some("LAST") {
                    finish(behaviour, taken, std::mem::take(&mut chunks), recipients);
                }
                say(stream, "250 2.0.0 Ok\r\n")?;
            }
            "RSET" | "NOOP" => say(stream, "250 2.0.0 Ok\r\n")?,
            "STARTTLS" => {
                say(stream, "220 2.0.0 Go on\r\n")?;
                return Ok(true);
            }
            "QUIT" => {
                say(stream, "221 2.0.0 Bye\r\n")?;
                return Ok(false);
            }
            _ => say(stream, "500 5.5.2 What?\r\n")?,
        }
    }
}

/// The naive reader of a message's data.
fn read_data(stream: &mut impl BufRead, lenient: bool) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let after_crlf = body.is_empty() || body.ends_with(b"\r\n");
        if (line == b".\r\n" && after_crlf) || (lenient && (line == b".\n" || line == b".\r\n")) {
            return Ok(body);
        }
        body.extend_from_slice(
            line.strip_prefix(b".")
                .filter(|_| after_crlf)
                .unwrap_or(&line),
        );
    }
}

fn finish(behaviour: &Behaviour, taken: &Taken, body: Vec<u8>, recipients: u64) {
    let number = taken.messages.fetch_add(1, Ordering::Relaxed) + 1;
    taken.recipients.fetch_add(recipients, Ordering::Relaxed);
    if let Some(keep) = &behaviour.keep {
        keep(number, &body);
    }
    taken.bodies.lock().expect("no panic").push(body);
    let until = {
        let mut until = taken.stalled_until.lock().expect("no panic");
        if let Some((at, length)) = behaviour.stall
            && number == at
        {
            *until = Some(Instant::now() + length);
        }
        *until
    };
    if let Some(rest) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
        std::thread::sleep(rest);
    }
}

/// A server that takes everything and offers PIPELINING.
pub fn pipelining() -> Server {
    Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        ..Behaviour::default()
    })
}
