//! The engine on io_uring, by tokio-uring: it waits, accepts and reads bodies through the ring.
//!
//! A reply is a few dozen bytes for a socket that has room for thousands: send(2) takes it at once. Through the ring it
//! would cost a submission, a completion and another round of the worker's loop (two system calls) before the next read
//! can even be asked for. A connection that waits for a command waits for "readable" (IORING_OP_POLL_ADD) and so holds no
//! buffer; the command is then read into the worker's own.
//!
//! Invariant: an operation that was started is awaited to its end. A dropped one stays in flight, and a dropped read
//! swallows the client's next bytes.

#![allow(unsafe_code, reason = "tokio-uring lends descriptors as numbers only")]

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::BytesMut;
use io_uring::{cqueue, opcode, types};
use rustix::event::PollFlags;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};
use tokio_uring::{OneshotOutputTransform, Runtime, UnsubmittedOneshot};

use super::probe::{self, Unavailable};
use super::seam::Engine;
use super::socket;
use crate::limits::ACCEPTS_IN_FLIGHT;
use crate::net::transport::Transport;

/// See the module.
pub(in crate::net) struct Uring(Runtime);

impl Engine for Uring {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Error = Unavailable;
    const ACCEPTS: usize = ACCEPTS_IN_FLIGHT;

    fn new(connections: usize) -> Result<Self, Unavailable> {
        let ring = probe::ring(connections);
        Runtime::new(&ring).map(Self).map_err(Unavailable::new)
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener::from_std(socket))
    }

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    fn duplicate(stream: &TcpStream) -> io::Result<std::net::TcpStream> {
        descriptor(stream).try_clone_to_owned().map(Into::into)
    }

    fn adopt(socket: std::net::TcpStream) -> io::Result<TcpStream> {
        Ok(TcpStream::from_std(socket))
    }
}

impl Transport for TcpStream {
    fn has_spoken(&self) -> bool {
        socket::has_spoken(descriptor(self))
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        readable(self)
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        socket::receive_now(descriptor(self), buffer)
    }

    async fn read(&self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        let from = buffer.len();
        let to = buffer.capacity().min(from.saturating_add(most));
        assert!(from < to, "a read needs room");
        let (result, slice) = TcpStream::read(self, buffer.slice(from..to)).await;
        (result, slice.into_inner())
    }

    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        socket::send_now(descriptor(self), octets)
    }

    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        TcpStream::write_all(self, octets).await
    }

    fn shutdown(&self, how: Shutdown) {
        // ENOTCONN: the peer was faster.
        let _ = TcpStream::shutdown(self, how);
    }
}

fn descriptor(stream: &TcpStream) -> BorrowedFd<'_> {
    // SAFETY: the stream owns the descriptor and closes it when it is dropped; the loan has the lifetime of the borrow of
    // the stream, so it ends before that.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// Waits until something can be read, or the stream has ended or failed, which a read then shows.
pub(super) fn readable(stream: &TcpStream) -> impl Future<Output = io::Result<()>> + use<> {
    let events = u32::from((PollFlags::IN | PollFlags::RDHUP).bits());
    let poll = opcode::PollAdd::new(types::Fd(stream.as_raw_fd()), events).build();
    // The submission names no memory, so nothing has to outlive it. It keeps the socket open until it completes; the task
    // that waits here awaits it to its end, and shuts the socket down to end it early.
    UnsubmittedOneshot::new((), Readiness, poll).submit()
}

/// The completion of a poll.
struct Readiness;

impl OneshotOutputTransform for Readiness {
    type Output = io::Result<()>;
    type StoredData = ();

    fn transform_oneshot_output(self, (): (), completion: cqueue::Entry) -> io::Result<()> {
        match completion.result() {
            failed @ ..0 => Err(io::Error::from_raw_os_error(-failed)),
            0.. => Ok(()),
        }
    }
}
