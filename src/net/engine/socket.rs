//! The few calls that go to a socket directly, past any engine: they take what is possible at once, and never wait.

#![allow(unsafe_code, reason = "the kernel fills buffers")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

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

/// Reads into the spare room of `buffer`, at most `most` bytes; 0 is the end of the stream.
///
/// # Errors
/// As [`receive_now`].
pub(super) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut BytesMut,
    most: usize,
) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let room = most.min(spare.len());
    let received = match rustix::net::recv(socket, &mut spare[..room], RecvFlags::DONTWAIT) {
        Ok(((filled, _), _)) => filled.len(),
        Err(Errno::INTR) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => return Err(error.into()),
    };
    let length = buffer.len() + received;
    assert!(length <= buffer.capacity(), "the kernel stays in the room");
    // SAFETY: the first `received` bytes of the spare room were filled: rustix gives them back as initialized.
    unsafe { buffer.set_len(length) };
    Ok(received)
}

/// A connection that waits at a socket that listens, and where it comes from.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where none waits; else what accept(2) says, also once the socket was shut down.
pub(super) fn accept_now(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    let (stream, client) = rustix::net::acceptfrom_with(listener, SocketFlags::CLOEXEC)?;
    let client = client.and_then(|client| SocketAddr::try_from(client).ok());
    let client = client.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((stream, client))
}

/// Whether the client has sent something already.
pub(super) fn has_spoken(socket: BorrowedFd<'_>) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(
        rustix::net::recv(socket, &mut [0_u8; 1], flags),
        Ok((_, 1..))
    )
}
