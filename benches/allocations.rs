//! Allocations a message in the steady state: the whole server with the discard sink, in this process, driven over TCP.
//!
//! Every thread counts but the client's. The bench fails if a message costs more than [`MOST`] allocations: lower it with
//! each one that goes.
//!
//! Usage: cargo bench --bench allocations [-- MESSAGES]

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringpost::config::{self, Loaded};
use ringpost::server::{Checked, Prepared};
use ringpost::telemetry::log;
use rustix::process::{Signal, getpid, kill_process};

/// What a message may cost, in calls of the allocator (growing counts as one).
const MOST: f64 = 5.0;
const MESSAGE_OCTETS: usize = 4096;

static CALLS: AtomicU64 = AtomicU64::new(0);
static OCTETS: AtomicU64 = AtomicU64::new(0);

struct Counting;

thread_local! {
    static IS_CLIENT: Cell<bool> = const { Cell::new(false) };
}

fn count(octets: usize) {
    // A thread that ends has lost its cell; nothing is counted there.
    if !IS_CLIENT.try_with(Cell::get).unwrap_or(true) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        OCTETS.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is what this asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    IS_CLIENT.set(true);
    // `cargo bench` and `cargo test` add their own flags.
    let messages: u32 = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(2000);
    let checked = Checked::new(Arc::new(configuration), false).expect("a configuration");
    let log = log::install(&checked.loaded.config.log).expect("a log");
    let prepared = Prepared::new(checked, &log).expect("all that a server needs");
    let serving = prepared.serve().expect("a worker");
    let stream = TcpStream::connect(serving.facts().smtp[0].address).expect("it listens");
    stream.set_nodelay(true).expect("an option of TCP");
    let mut client = BufReader::new(stream);
    expect(&mut client, "220");
    say(&mut client, b"EHLO client.example.com\r\n", &["250 "]);
    send(&mut client, 100);
    let before = (
        CALLS.load(Ordering::Relaxed),
        OCTETS.load(Ordering::Relaxed),
    );
    send(&mut client, messages);
    let calls = (CALLS.load(Ordering::Relaxed) - before.0) as f64 / f64::from(messages);
    let octets = (OCTETS.load(Ordering::Relaxed) - before.1) as f64 / f64::from(messages);
    println!("{calls:.2} allocations and {octets:.0} bytes a message of {MESSAGE_OCTETS} bytes");
    drop(client);
    kill_process(getpid(), Signal::TERM).expect("a signal to this process");
    serving.run(|_| ()).expect("a drain");
    assert!(
        calls <= MOST,
        "a message cost {calls:.2} allocations; {MOST} are allowed"
    );
}

/// One worker, a sink that discards, and nothing in the log.
fn configuration() -> Result<Loaded, config::Error> {
    let variables = [
        ("RINGPOST_SERVER_LISTEN", "127.0.0.1:0"),
        ("RINGPOST_SERVER_WORKERS", "1"),
        ("RINGPOST_KAFKA_BROKERS", "discard"),
        ("RINGPOST_ADMIN_LISTEN", "127.0.0.1:0"),
        ("RINGPOST_LOG_LEVEL", "error"),
        ("RINGPOST_LOG_MESSAGES", "false"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    config::load(None, variables, &[])
}

/// Sends messages as a client that pipelines does.
fn send(client: &mut BufReader<TcpStream>, messages: u32) {
    let group = b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<recipient@example.net>\r\nDATA\r\n";
    let line = b"Subject: the quick brown fox jumps over the lazy dog, again and again.\r\n";
    let mut data: Vec<u8> = line.iter().copied().cycle().take(MESSAGE_OCTETS).collect();
    data.extend_from_slice(b"\r\n.\r\n");
    for _ in 0..messages {
        say(client, group, &["250 2.1.0", "250 2.1.5", "354"]);
        say(client, &data, &["250 2.0.0"]);
    }
}

fn say(client: &mut BufReader<TcpStream>, octets: &[u8], replies: &[&str]) {
    client
        .get_mut()
        .write_all(octets)
        .expect("the server takes it");
    for reply in replies {
        expect(client, reply);
    }
}

/// Reads to the end of one reply.
fn expect(client: &mut BufReader<TcpStream>, reply: &str) {
    let mut line = String::new();
    loop {
        line.clear();
        client.read_line(&mut line).expect("a reply");
        if line.get(3..4) != Some("-") {
            assert!(line.starts_with(reply), "{line:?} instead of {reply}");
            return;
        }
    }
}
