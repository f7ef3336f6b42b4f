//! A TCP proxy that adds a round trip: what `tc netem` does, where the kernel has none.
//!
//! Each byte leaves half a round trip after it came, in either direction; connecting itself is not delayed. Kafka's
//! clients go where the brokers' advertised listeners point, so those have to name the proxy.
//!
//! BUGS: a thread for each direction that reads and one that writes, so it is for tens of connections. The delay is
//! exact to about 0.1 ms, what a sleep oversleeps. Nothing limits the bandwidth or what is under way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

/// Passes TCP connections on, half a round trip later in each direction.
#[derive(Debug, Parser)]
#[command(name = "delay")]
struct Options {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where to connect to
    #[arg(long, value_name = "ADDRESS")]
    to: SocketAddr,
    /// The round trip that is added, in milliseconds
    #[arg(long, value_name = "MS")]
    round_trip: f64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !(0.0..=60_000.0).contains(&options.round_trip) {
        eprintln!(
            "delay: --round-trip {}: give 0 to 60000 milliseconds",
            options.round_trip
        );
        return ExitCode::from(2);
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("delay: {}: {error}", options.listen);
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let half = Duration::from_secs_f64(options.round_trip / 2000.0);
    let listener = TcpListener::bind(options.listen)?;
    println!("ready {}", listener.local_addr()?);
    for client in listener.incoming() {
        let client = Arc::new(client?);
        match TcpStream::connect(options.to) {
            Ok(server) => {
                let server = Arc::new(server);
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                join(Arc::clone(&client), Arc::clone(&server), half);
                join(server, client, half);
            }
            // The client sees a connection that ends, as if the far side of the network were down.
            Err(error) => eprintln!("delay: {}: {error}", options.to),
        }
    }
    Ok(())
}

/// Passes on what `from` sends to `to`.
fn join(from: Arc<TcpStream>, to: Arc<TcpStream>, half: Duration) {
    let (sender, receiver) = channel();
    thread::spawn(move || take(&from, &sender, half));
    thread::spawn(move || give(&to, &receiver));
}

fn take(mut from: &TcpStream, queue: &Sender<(Instant, Vec<u8>)>, half: Duration) {
    let mut room = vec![0; 256 * 1024];
    while let Ok(octets) = from.read(&mut room) {
        let due = Instant::now() + half;
        let ended = octets == 0;
        if queue.send((due, room[..octets].to_vec())).is_err() || ended {
            return;
        }
    }
}

fn give(mut to: &TcpStream, queue: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, octets)) = queue.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if octets.is_empty() || to.write_all(&octets).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
