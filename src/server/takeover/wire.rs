//! Messages with descriptors over a Unix socket: a line of JSON each.
//!
//! Owns: how a message is written and read. Must not know: what it says.
//!
//! Invariants: a message is bounded in bytes and in descriptors; the other side may be anybody until it was asked for its user, so
//! nothing that it sends is more than an error. Descriptors are closed in a child of this process.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Most descriptors of a message; the kernel allows 253.
pub(super) const DESCRIPTORS: usize = 64;
/// Most bytes of a message: a description of each descriptor is some 100.
const BYTES: usize = 64 * 1024;
/// Bytes that are read at once.
const PIECE: usize = 4096;

/// Sends a message with its descriptors.
///
/// # Errors
/// The other side is gone.
pub(super) async fn send<M: Serialize>(
    stream: &UnixStream,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    assert!(
        descriptors.len() <= DESCRIPTORS,
        "a message takes this many"
    );
    let mut line = serde_json::to_vec(message).expect("our own messages can be written");
    line.push(b'\n');
    assert!(line.len() <= BYTES, "our own messages are short");
    let (mut sent, mut descriptors) = (0, descriptors);
    while sent < line.len() {
        let piece = || send_piece(stream, &line[sent..], descriptors);
        sent += stream.async_io(Interest::WRITABLE, piece).await?;
        // They went with the first piece.
        descriptors = &[];
    }
    Ok(())
}

fn send_piece(
    stream: &UnixStream,
    octets: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let pushed = control.push(SendAncillaryMessage::ScmRights(descriptors));
        assert!(pushed, "there is space for as many as a message takes");
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(stream.as_fd(), &[IoSlice::new(octets)], &mut control, flags).map_err(into_io)
}

/// Receives a message with its descriptors.
///
/// # Errors
/// The other side is gone, or says what is no message.
pub(super) async fn receive<M: DeserializeOwned>(
    stream: &UnixStream,
) -> io::Result<(M, Vec<OwnedFd>)> {
    let (mut line, mut descriptors) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') {
        let piece = || receive_piece(stream, &mut line, &mut descriptors);
        if stream.async_io(Interest::READABLE, piece).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if line.len() > BYTES || descriptors.len() > DESCRIPTORS {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "a message has no end",
            ));
        }
    }
    let message = serde_json::from_slice(&line)?;
    Ok((message, descriptors))
}

fn receive_piece(
    stream: &UnixStream,
    line: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut piece = [0; PIECE];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(
        stream.as_fd(),
        &mut [IoSliceMut::new(&mut piece)],
        &mut control,
        flags,
    )
    .map_err(into_io)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    line.extend_from_slice(&piece[..received.bytes]);
    Ok(received.bytes)
}

fn into_io(error: rustix::io::Errno) -> io::Error {
    match error {
        // Asked again when the socket is ready.
        rustix::io::Errno::INTR => ErrorKind::WouldBlock.into(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn with_pair<F: Future>(test: impl FnOnce(UnixStream, UnixStream) -> F) -> F::Output {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let (near, far) = UnixStream::pair().unwrap();
            test(near, far).await
        })
    }

    #[test]
    fn a_message_arrives_with_its_descriptors_however_long_it_is() {
        with_pair(async |near, far| {
            let listeners: Vec<TcpListener> = (0..DESCRIPTORS)
                .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
                .collect();
            let descriptors: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
            let text = "x".repeat(3 * PIECE);
            let (sent, received) =
                tokio::join!(send(&near, &text, &descriptors), receive::<String>(&far));
            sent.unwrap();
            let (message, passed) = received.unwrap();
            assert_eq!(message, text);
            let addresses = passed
                .into_iter()
                .map(|it| TcpListener::from(it).local_addr());
            let expected = listeners.iter().map(TcpListener::local_addr);
            for (passed, expected) in addresses.zip(expected) {
                assert_eq!(passed.unwrap(), expected.unwrap());
            }
        });
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        with_pair(async |near, far| {
            use tokio::io::AsyncWriteExt;
            let mut near = near;
            near.write_all(b"no JSON\n").await.unwrap();
            let error = receive::<String>(&far).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let endless = vec![b'x'; 2 * BYTES];
            let (_, received) = tokio::join!(near.write_all(&endless), async {
                let received = receive::<String>(&far).await;
                drop(far);
                received
            });
            assert_eq!(received.unwrap_err().kind(), ErrorKind::InvalidData);
        });
        with_pair(async |near, far| {
            drop(near);
            let error = receive::<String>(&far).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        });
    }
}
