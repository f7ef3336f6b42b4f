//! What an engine is: a runtime of one thread, its listening sockets, its connections.
//!
//! Tasks and timers are tokio's on every engine: [`tokio::task::spawn_local`] and [`tokio::time`] work inside of [`Engine::run`].

use std::io;
use std::net::SocketAddr;

use crate::net::transport::Transport;

/// See the module. One per worker, made by the worker's own thread.
#[allow(
    async_fn_in_trait,
    reason = "a worker never moves a connection to another thread"
)]
pub(in crate::net) trait Engine: Sized + 'static {
    /// A socket that listens.
    type Listener: 'static;
    /// A connection.
    type Stream: Transport;
    /// Why there is no engine.
    type Error;

    /// An engine for up to this many connections.
    ///
    /// # Errors
    /// The kernel refuses it.
    fn new(connections: usize) -> Result<Self, Self::Error>;

    /// Runs `future`, and what it spawns, until it ends.
    fn run<F: Future>(&self, future: F) -> F::Output;

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// The socket cannot be set up.
    fn listen(socket: std::net::TcpListener) -> io::Result<Self::Listener>;

    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// What accept(2) says; also once the socket was shut down.
    async fn accept(listener: &Self::Listener) -> io::Result<(Self::Stream, SocketAddr)>;

    /// The socket of a connection of which nothing was read, for another worker to [adopt](Self::adopt). It stays open when the
    /// stream is dropped.
    ///
    /// # Errors
    /// Too many files are open.
    fn duplicate(stream: &Self::Stream) -> io::Result<std::net::TcpStream>;

    /// A connection that another worker, on the same engine, has accepted.
    ///
    /// # Errors
    /// The engine cannot wait for it.
    fn adopt(socket: std::net::TcpStream) -> io::Result<Self::Stream>;
}
