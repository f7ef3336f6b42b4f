//! A connection's socket past what the runtime offers: calls that go to it directly, and the wait for its bytes.
//!
//! Owns: the one loan of a stream's file descriptor, and the one submission that is made by hand. Must not know: what is
//! sent.
//!
//! A reply is a few dozen bytes for a socket that has room for thousands: send(2) takes it at once. Through the ring it
//! would cost a submission, a completion and another round of the worker's loop (two system calls) before the next read
//! can even be asked for. A connection that waits for a command waits for "readable" (IORING_OP_POLL_ADD) and so holds no
//! buffer; the command is then read into the worker's own.

#![allow(unsafe_code, reason = "tokio-uring lends descriptors as numbers only")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{cqueue, opcode, types};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio_uring::net::TcpStream;
use tokio_uring::{OneshotOutputTransform, UnsubmittedOneshot};

fn descriptor(stream: &TcpStream) -> BorrowedFd<'_> {
    // SAFETY: the stream owns the descriptor and closes it when it is dropped; the loan has the lifetime of the borrow of
    // the stream, so it ends before that.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// Sends as many of `octets` as the socket takes at once.
///
/// # Errors
/// What send(2) says; a full socket is none, it takes 0.
pub(super) fn send_now(stream: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match rustix::net::send(descriptor(stream), octets, flags) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Reads what is there, at most `buffer` full; 0 is the end of the stream.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where nothing is there; else what recv(2) says.
pub(super) fn receive_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::net::recv(descriptor(stream), buffer, RecvFlags::DONTWAIT) {
        Ok((_, received)) => Ok(received),
        Err(Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the client has sent something already.
pub(super) fn has_spoken(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(
        rustix::net::recv(descriptor(stream), &mut [0_u8; 1], flags),
        Ok((_, 1..))
    )
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
