//! The engine on io_uring, by tokio-uring: it waits for connections, commands and bodies through the ring, and bodies are read
//! there.
//!
//! A reply is a few dozen bytes for a socket that has room for thousands: send(2) takes it at once. Through the ring it
//! would cost a submission, a completion and another round of the worker's loop (two system calls) before the next read
//! can even be asked for. A connection that waits for a command waits for "readable" (IORING_OP_POLL_ADD) and so holds no
//! buffer; the command is then read into the worker's own. A body is read by IORING_OP_RECV, not by the read of tokio-uring's
//! stream (IORING_OP_READ): the kernel gets to the socket's bytes with less in between.
//!
//! Invariant: an operation that was started is awaited to its end. A dropped one stays in flight, and a dropped read
//! swallows the client's next bytes.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use bytes::BytesMut;
use socket2::SockRef;
use tokio_uring::Runtime;

use super::operation;
use super::probe::{self, Unavailable};
use super::seam::Engine;
use super::socket;
use crate::limits::ACCEPTS_AT_ONCE;
use crate::net::transport::Transport;

/// See the module.
pub(in crate::net) struct Uring(Runtime);

/// A socket that listens.
pub(in crate::net) struct Listener {
    socket: Rc<OwnedFd>,
    /// Accepts that are still made without a wait.
    at_once: Cell<u32>,
}

/// A connection. Operations in flight share its descriptor, so the number is not given to another file before they end.
pub(in crate::net) struct Stream(Rc<OwnedFd>);

impl Engine for Uring {
    type Listener = Listener;
    type Stream = Stream;
    type Error = Unavailable;

    fn new(connections: usize) -> Result<Self, Unavailable> {
        let ring = probe::ring(connections);
        Runtime::new(&ring).map(Self).map_err(Unavailable::new)
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener {
            socket: Rc::new(socket.into()),
            at_once: Cell::new(0),
        })
    }

    /// One wait serves many clients: after it, those that are there are accepted until there is none.
    async fn accept(listener: &Listener) -> io::Result<(Stream, SocketAddr)> {
        loop {
            match listener.at_once.get().checked_sub(1) {
                Some(rest) => listener.at_once.set(rest),
                None => {
                    operation::readable(&listener.socket).await?;
                    listener.at_once.set(ACCEPTS_AT_ONCE);
                }
            }
            match socket::accept_now(listener.socket.as_fd()) {
                Ok((stream, client)) => return Ok((Stream(Rc::new(stream)), client)),
                Err(error) => {
                    // Whatever it was, the next accept waits.
                    listener.at_once.set(0);
                    if error.kind() != io::ErrorKind::WouldBlock {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn duplicate(stream: &Stream) -> io::Result<std::net::TcpStream> {
        stream.0.try_clone().map(Into::into)
    }

    fn adopt(socket: std::net::TcpStream) -> io::Result<Stream> {
        Ok(Stream(Rc::new(socket.into())))
    }
}

impl Transport for Stream {
    fn has_spoken(&self) -> bool {
        socket::has_spoken(self.0.as_fd())
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        operation::readable(&self.0)
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        socket::receive_now(self.0.as_fd(), buffer)
    }

    fn read(
        &self,
        buffer: BytesMut,
        most: usize,
    ) -> impl Future<Output = (io::Result<usize>, BytesMut)> {
        operation::receive(&self.0, buffer, most)
    }

    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        socket::send_now(self.0.as_fd(), octets)
    }

    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let (mut octets, mut sent) = (octets, 0);
        while sent < octets.len() {
            let (result, back) = operation::send(&self.0, octets, sent).await;
            octets = back;
            match result {
                Ok(more) => sent += more,
                Err(error) => return (Err(error), octets),
            }
        }
        (Ok(()), octets)
    }

    fn shutdown(&self, how: Shutdown) {
        // ENOTCONN: the peer was faster.
        let _ = SockRef::from(&*self.0).shutdown(how);
    }
}
