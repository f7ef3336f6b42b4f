//! The operations of the ring: wait until a socket is readable, receive, send.
//!
//! Owns: what the kernel needs while one is in flight, which is its socket and its buffer. Must not know: what is sent.
//!
//! tokio-uring takes any submission without a look at it, and keeps what it is given beside it (`StoredData`) until the
//! completion, even if the future is dropped earlier. So the rule here is: a submission names no memory and no descriptor
//! but those that are given with it.

#![allow(unsafe_code, reason = "the kernel fills buffers")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use bytes::BytesMut;
use io_uring::{cqueue, opcode, types};
use rustix::event::PollFlags;
use rustix::net::SendFlags;
use tokio_uring::{OneshotOutputTransform, UnsubmittedOneshot};

/// What the kernel holds: the socket, so that its number stays its own, and the buffer, if there is one.
struct Held<B> {
    socket: Rc<OwnedFd>,
    buffer: B,
}

impl<B> Held<B> {
    fn descriptor(&self) -> types::Fd {
        types::Fd(self.socket.as_raw_fd())
    }
}

/// Waits until something can be read, or the stream has ended or failed, which a read then shows.
pub(super) fn readable(socket: &Rc<OwnedFd>) -> impl Future<Output = io::Result<()>> + use<> {
    let held = Held {
        socket: Rc::clone(socket),
        buffer: (),
    };
    let events = u32::from((PollFlags::IN | PollFlags::RDHUP).bits());
    let poll = opcode::PollAdd::new(held.descriptor(), events).build();
    UnsubmittedOneshot::new(held, Readiness, poll).submit()
}

/// Receives into the spare room of `buffer`, at most `most` bytes; 0 is the end of the stream.
///
/// # Panics
/// If there is no room.
pub(super) fn receive(
    socket: &Rc<OwnedFd>,
    buffer: BytesMut,
    most: usize,
) -> impl Future<Output = (io::Result<usize>, BytesMut)> + use<> {
    let mut held = Held {
        socket: Rc::clone(socket),
        buffer,
    };
    let descriptor = held.descriptor();
    let room = held.buffer.spare_capacity_mut();
    let length = most.min(room.len());
    assert!(length > 0, "a read needs room");
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    // The memory is the heap block of `buffer`, which stays where it is when `held` moves. Nobody touches it before the
    // completion: `held` is out of reach until then.
    let receive = opcode::Recv::new(descriptor, room.as_mut_ptr().cast(), length).build();
    UnsubmittedOneshot::new(held, Received, receive).submit()
}

/// Sends what is in `octets` from `from` on, as much as is taken; how much that was.
///
/// # Panics
/// If that is nothing.
pub(super) fn send(
    socket: &Rc<OwnedFd>,
    octets: Vec<u8>,
    from: usize,
) -> impl Future<Output = (io::Result<usize>, Vec<u8>)> + use<> {
    let held = Held {
        socket: Rc::clone(socket),
        buffer: octets,
    };
    let rest = &held.buffer[from..];
    assert!(!rest.is_empty(), "there is something to send");
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let flags = SendFlags::NOSIGNAL.bits() as i32;
    // As above; the kernel only reads it.
    let send = opcode::Send::new(held.descriptor(), rest.as_ptr(), length).flags(flags);
    UnsubmittedOneshot::new(held, Sent, send.build()).submit()
}

/// What the completion says: a count, or an error.
fn counted(completion: &cqueue::Entry) -> io::Result<usize> {
    let result = completion.result();
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

/// The completion of a poll.
struct Readiness;

impl OneshotOutputTransform for Readiness {
    type Output = io::Result<()>;
    type StoredData = Held<()>;

    fn transform_oneshot_output(self, _: Held<()>, completion: cqueue::Entry) -> io::Result<()> {
        counted(&completion).map(drop)
    }
}

/// The completion of a receive.
struct Received;

impl OneshotOutputTransform for Received {
    type Output = (io::Result<usize>, BytesMut);
    type StoredData = Held<BytesMut>;

    fn transform_oneshot_output(
        self,
        held: Held<BytesMut>,
        completion: cqueue::Entry,
    ) -> Self::Output {
        let mut buffer = held.buffer;
        let result = counted(&completion);
        if let Ok(received) = result {
            let length = buffer.len() + received;
            assert!(length <= buffer.capacity(), "the kernel stays in the room");
            // SAFETY: the kernel was given the spare room of this buffer and has filled its first `received` bytes.
            unsafe { buffer.set_len(length) };
        }
        (result, buffer)
    }
}

/// The completion of a send.
struct Sent;

impl OneshotOutputTransform for Sent {
    type Output = (io::Result<usize>, Vec<u8>);
    type StoredData = Held<Vec<u8>>;

    fn transform_oneshot_output(
        self,
        held: Held<Vec<u8>>,
        completion: cqueue::Entry,
    ) -> Self::Output {
        (counted(&completion), held.buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use tokio_uring::Runtime;

    use super::*;
    use crate::net::engine::probe;

    /// A socket and its peer, on a ring.
    fn on_a_ring<F: Future>(test: impl FnOnce(Rc<OwnedFd>, UnixStream) -> F) {
        match Runtime::new(&probe::ring(1)) {
            Ok(ring) => {
                let (near, far) = UnixStream::pair().unwrap();
                ring.block_on(test(Rc::new(near.into()), far));
            }
            Err(error) => eprintln!("skipped: {}", probe::Unavailable::new(error)),
        }
    }

    #[test]
    fn a_receive_fills_the_spare_room_and_no_more() {
        on_a_ring(|socket, mut far| async move {
            far.write_all(b"0123456789").unwrap();
            readable(&socket).await.unwrap();
            let mut buffer = BytesMut::with_capacity(64);
            buffer.extend_from_slice(b"before ");
            let (result, buffer) = receive(&socket, buffer, 4).await;
            assert_eq!((result.unwrap(), &buffer[..]), (4, &b"before 0123"[..]));
            let (result, buffer) = receive(&socket, buffer, usize::MAX).await;
            assert_eq!(
                (result.unwrap(), &buffer[..]),
                (6, &b"before 0123456789"[..])
            );
            drop(far);
            let (result, buffer) = receive(&socket, buffer, 1).await;
            assert_eq!((result.unwrap(), buffer.len()), (0, 17));
            let (result, octets) = send(&socket, b"gone".to_vec(), 1).await;
            let error = result.unwrap_err();
            assert_eq!(
                (error.kind(), &octets[..]),
                (io::ErrorKind::BrokenPipe, &b"gone"[..])
            );
        });
    }

    #[test]
    fn a_dropped_operation_keeps_its_socket_until_it_ends() {
        on_a_ring(|socket, far| async move {
            let kept = Rc::downgrade(&socket);
            drop(receive(&socket, BytesMut::with_capacity(16), 16));
            drop(readable(&socket));
            drop(socket);
            tokio_uring::no_op().await.unwrap();
            assert_eq!(
                kept.strong_count(),
                2,
                "the kernel may still use the number"
            );
            drop(far);
            // Both end with the peer, each with a completion.
            while kept.strong_count() > 0 {
                tokio_uring::no_op().await.unwrap();
            }
        });
    }
}
