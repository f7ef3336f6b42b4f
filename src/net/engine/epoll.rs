//! The engine on epoll, by tokio: for machines and containers that do not let a process use io_uring.
//!
//! The kernel says once that a socket has become readable (EPOLLET); tokio remembers it until a read finds nothing. A read that
//! did not fill its buffer has taken all there was, so it makes tokio forget at once: the next wait then costs no read that finds
//! nothing. What comes later is said again.
//!
//! BUGS: a socket is registered for writing too, which is looked at only where a client does not read its replies.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;

use bytes::{BufMut, BytesMut};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::seam::Engine;
use super::socket;
use crate::net::transport::Transport;

/// See the module.
pub(in crate::net) struct Epoll(LocalRuntime);

impl Engine for Epoll {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Error = io::Error;

    fn new(_connections: usize) -> io::Result<Self> {
        // Its tasks stay on this thread, which spares each wake-up the queue of a LocalSet.
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .map(Self)
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TcpListener> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    fn duplicate(stream: &TcpStream) -> io::Result<std::net::TcpStream> {
        stream.as_fd().try_clone_to_owned().map(Into::into)
    }

    fn adopt(socket: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(socket)
    }
}

impl Transport for TcpStream {
    fn has_spoken(&self) -> bool {
        socket::has_spoken(self.as_fd())
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        std::future::poll_fn(|context| self.poll_read_ready(context))
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = self.try_read(buffer)?;
        forget_if_short(self, received, buffer.len());
        Ok(received)
    }

    async fn read(&self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        let mut buffer = buffer;
        let room = most.min(buffer.capacity() - buffer.len());
        assert!(room > 0, "a read needs room");
        let result = loop {
            // Not the stream's own `readable`, which takes a place in a queue of waiters.
            if let Err(error) = Transport::readable(self).await {
                break Err(error);
            }
            match self.try_read_buf(&mut (&mut buffer).limit(room)) {
                Ok(received) => {
                    forget_if_short(self, received, room);
                    break Ok(received);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break Err(error),
            }
        };
        (result, buffer)
    }

    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        // Not by tokio: until its first look at epoll it does not know that a new socket takes bytes.
        socket::send_now(self.as_fd(), octets)
    }

    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let mut sent = 0;
        while sent < octets.len() {
            let writable = std::future::poll_fn(|context| self.poll_write_ready(context)).await;
            match writable.and_then(|()| self.try_write(&octets[sent..])) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return (Err(error), octets),
            }
        }
        (Ok(()), octets)
    }

    fn shutdown(&self, how: Shutdown) {
        // ENOTCONN: the peer was faster.
        let _ = SockRef::from(self).shutdown(how);
    }
}

/// Makes tokio forget that the socket was readable, if a read of this much found less.
fn forget_if_short(stream: &TcpStream, received: usize, room: usize) {
    if received < room {
        let nothing_left = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = stream.try_io(Interest::READABLE, nothing_left);
    }
}
