//! The few calls that go to a socket directly, past any engine: they take what is possible at once, and never wait.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Sends as many of `octets` as the socket takes at once.
///
/// # Errors
/// What send(2) says; a full socket is none, it takes 0.
pub(super) fn send_now(socket: BorrowedFd<'_>, octets: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match rustix::net::send(socket, octets, flags) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Reads what is there, at most `buffer` full; 0 is the end of the stream.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where nothing is there; else what recv(2) says.
pub(super) fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT) {
        Ok((_, received)) => Ok(received),
        Err(Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the client has sent something already.
pub(super) fn has_spoken(socket: BorrowedFd<'_>) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(
        rustix::net::recv(socket, &mut [0_u8; 1], flags),
        Ok((_, 1..))
    )
}
