//! `ringpost-loadtest sink`: a server that accepts everything and keeps nothing, to measure the load tester's own ceiling.
//!
//! Owns the sockets; [`session`] owns the dialogue. At the end (SIGINT, SIGTERM) it prints what it counted, so that both
//! sides' counts can be compared.
//!
//! # BUGS
//! - No TLS, no limits: it is a yardstick, not a server.

mod session;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use crate::failure::{Blame, Blamed, Failure};
use crate::measure::usage;
use crate::net::choice::{Io, IoChoice, Unavailable, choose};
use crate::net::runtime::{NoRuntime, Runtime};
use crate::net::stream::{Listener, Stream};
use crate::plan::allow_open_files;
use crate::signals;
use crate::units::parse_duration;
use session::{Counted, Session};

/// Bytes of a connection's buffer; memory is used only as far as it is filled.
const BUFFER: usize = 64 * 1024;
/// Waiting connections.
const BACKLOG: i32 = 4096;
/// Connections for which a ring has room.
const RING: u32 = 4096;

const AFTER_HELP: &str = "\
It prints one line, `ready smtp=ADDRESS`, once it listens, and its counts when SIGINT or SIGTERM ends it.

Example:
  ringpost-loadtest sink --listen 127.0.0.1:2526 &
  ringpost-loadtest 127.0.0.1:2526 --connections 50 --messages 300000

Exit status: 0 ended by a signal; 1 it could not listen; 2 wrong usage.";

/// Its name among the commands.
pub(crate) const NAME: &str = "sink";

/// A server that accepts everything and keeps nothing, to measure the load tester's own ceiling
#[derive(Debug, Parser)]
#[command(name = NAME, after_help = AFTER_HELP)]
struct Options {
    /// Where to listen; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2526")]
    listen: SocketAddr,

    /// What its sockets go through
    #[arg(long, value_name = "ENGINE", value_enum, default_value = "auto")]
    io: IoChoice,

    /// Threads; each has its own io_uring or epoll and its own listening socket
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,

    /// Wait this long before the replies to each group of commands that ends a message
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "0s")]
    delay: Duration,

    /// The most connections to expect
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: u64,

    /// Print the counts as one JSON object
    #[arg(long)]
    json: bool,
}

/// Of all threads.
#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    messages: AtomicU64,
    recipients: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// What a connection has counted since `before`. Nothing is written where nothing changed: threads share these.
    fn add(&self, before: Counted, now: Counted) {
        assert!(
            now.messages >= before.messages && now.bytes >= before.bytes,
            "a session counts up"
        );
        if now.bytes != before.bytes {
            let bytes = now.bytes - before.bytes;
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        if now.messages != before.messages {
            let (messages, recipients) = (
                now.messages - before.messages,
                now.recipients - before.recipients,
            );
            self.messages.fetch_add(messages, Ordering::Relaxed);
            self.recipients.fetch_add(recipients, Ordering::Relaxed);
        }
    }
}

#[derive(Serialize)]
struct Summary {
    connections: u64,
    messages: u64,
    recipients: u64,
    octets: u64,
    cpu_seconds: f64,
    cpu_microseconds_per_message: Option<f64>,
}

/// Why the sink does not serve.
#[derive(Debug, Error)]
enum SinkError {
    #[error("--listen {address}: {source}; give an address of this machine that is free")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("{0}")]
    Address(#[source] io::Error),
    #[error("--threads: {0}")]
    Spawn(#[source] io::Error),
    #[error(transparent)]
    Io(#[from] Unavailable),
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
}

impl Blamed for SinkError {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// Its command line.
pub(crate) fn command() -> clap::Command {
    Options::command()
}

/// Serves until a signal comes.
pub(crate) fn main(words: &ArgMatches) -> Result<bool, Failure> {
    let options = Options::from_arg_matches(words).unwrap_or_else(|error| error.exit());
    allow_open_files(options.connections)?;
    signals::watch()?;
    let counts = Arc::new(Counts::default());
    let address = start(&options, &counts)?;
    println!("ready smtp={address}");
    while !signals::stopped() {
        std::thread::sleep(Duration::from_millis(50));
    }
    print(&counts, options.json);
    // Threads wait for bytes that may never come.
    std::process::exit(0);
}

/// Starts all threads; returns the address that they share.
fn start(options: &Options, counts: &Arc<Counts>) -> Result<SocketAddr, SinkError> {
    let (io, why_epoll) = choose(options.io)?;
    if let Some(why) = why_epoll {
        eprintln!("ringpost-loadtest sink: epoll is used, because {why}");
    }
    let mut address = options.listen;
    for index in 0..options.threads {
        let listener = listen(address).map_err(|source| SinkError::Listen { address, source })?;
        // The threads after the first take its port.
        address = listener.local_addr().map_err(SinkError::Address)?;
        let counts = Arc::clone(counts);
        let delay = options.delay;
        let (sender, made) = mpsc::sync_channel(1);
        let body = move || match Runtime::new(io, RING, RING * 4) {
            Ok(runtime) => {
                let _ = sender.send(Ok(()));
                runtime.block_on(serve(io, listener, &counts, delay));
            }
            Err(error) => {
                let _ = sender.send(Err(error));
            }
        };
        let named = std::thread::Builder::new().name(format!("sink-{index}"));
        named.spawn(body).map_err(SinkError::Spawn)?;
        made.recv().expect("a thread says how far it comes")?;
    }
    Ok(address)
}

fn print(counts: &Counts, json: bool) {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let messages = read(&counts.messages);
    let cpu = usage::own_cpu().as_secs_f64();
    let summary = Summary {
        connections: read(&counts.connections),
        messages,
        recipients: read(&counts.recipients),
        octets: read(&counts.bytes),
        cpu_seconds: cpu,
        cpu_microseconds_per_message: (messages > 0).then(|| cpu * 1e6 / messages as f64),
    };
    if json {
        println!(
            "{}",
            serde_json::to_string(&summary).expect("plain numbers")
        );
        return;
    }
    println!(
        "connections {}  messages {}  recipients {}  octets {}  CPU {:.2} s, {:.1} microseconds/message",
        summary.connections,
        messages,
        summary.recipients,
        summary.octets,
        cpu,
        summary.cpu_microseconds_per_message.unwrap_or(0.0)
    );
}

/// A listening socket that shares its port with those of the other threads.
fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until the process ends.
async fn serve(io: Io, listener: StdListener, counts: &Arc<Counts>, delay: Duration) {
    let Err(error) = accept(io, listener, counts, delay).await;
    eprintln!("ringpost-loadtest sink: accept: {error}");
    std::process::exit(1);
}

async fn accept(
    io: Io,
    listener: StdListener,
    counts: &Arc<Counts>,
    delay: Duration,
) -> io::Result<Infallible> {
    let listener = Listener::new(io, listener)?;
    loop {
        let stream = listener.accept().await?;
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let counts = Arc::clone(counts);
        tokio::task::spawn_local(async move {
            // A client may go at any time.
            let _ = connection(Rc::new(stream), &counts, delay).await;
        });
    }
}

/// One connection: replies and the next read are submitted together.
async fn connection(stream: Rc<Stream>, counts: &Counts, delay: Duration) -> io::Result<()> {
    let mut session = Session::new();
    let mut replies = b"220 sink.ringpost.example ESMTP\r\n".to_vec();
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut before = session.counted;
    loop {
        if replies.is_empty() {
            buffer = read(&stream, buffer).await?;
        } else if session.ended {
            let (result, _) = stream.write_all(replies).await;
            return result;
        } else {
            let ((written, mut empty), read) =
                tokio::join!(stream.write_all(replies), read(&stream, buffer));
            written?;
            empty.clear();
            replies = empty;
            buffer = read?;
        }
        let taken = session.take(&buffer, &mut replies);
        if taken == buffer.len() {
            buffer.clear();
        } else {
            buffer.drain(..taken);
        }
        let messages = session.counted.messages - before.messages;
        counts.add(before, session.counted);
        before = session.counted;
        if messages > 0 && !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

/// Reads after what is in the buffer; the end of the stream is an error.
async fn read(stream: &Stream, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    // A line without an end.
    if buffer.len() == buffer.capacity() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (result, buffer) = stream.read(buffer).await;
    match result? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(buffer),
    }
}
