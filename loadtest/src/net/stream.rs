//! A connection, and a socket that listens.
//!
//! Invariant: buffers come back from a read or a write, whatever its result.

use std::io;
use std::net::Shutdown;

use socket2::SockRef;
use tokio_uring::buf::BoundedBuf;

use super::choice::Io;

/// A connection. Works only within the runtime of its kind, where it was made.
pub(crate) enum Stream {
    IoUring(tokio_uring::net::TcpStream),
    Epoll(tokio::net::TcpStream),
}

/// A socket that listens.
pub(crate) enum Listener {
    IoUring(tokio_uring::net::TcpListener),
    Epoll(tokio::net::TcpListener),
}

impl Stream {
    /// Takes over a socket that is connected or about to be.
    pub(crate) fn new(io: Io, socket: std::net::TcpStream) -> io::Result<Stream> {
        // A nonblocking socket makes io_uring report "would block" instead of waiting.
        socket.set_nonblocking(io == Io::Epoll)?;
        Ok(match io {
            Io::IoUring => Stream::IoUring(tokio_uring::net::TcpStream::from_std(socket)),
            Io::Epoll => Stream::Epoll(tokio::net::TcpStream::from_std(socket)?),
        })
    }

    /// Waits until a socket that is about to be connected is so. [`Stream::shut_down`] ends it early, with an error.
    pub(crate) async fn connected(&self) -> io::Result<()> {
        match self {
            // A write without bytes: the ring polls the socket for it.
            Stream::IoUring(stream) => stream.write(Vec::<u8>::new()).submit().await.0.map(drop),
            Stream::Epoll(stream) => {
                stream.writable().await?;
                match stream.take_error()? {
                    Some(error) => Err(error),
                    None => stream.peer_addr().map(drop),
                }
            }
        }
    }

    /// Reads after what is in the buffer, as much as it has room for; 0 is the end of the stream.
    pub(crate) async fn read(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let filled = buffer.len();
        assert!(filled < buffer.capacity(), "a read needs room");
        match self {
            Stream::IoUring(stream) => {
                let (result, slice) = stream.read(buffer.slice(filled..)).await;
                (result, slice.into_inner())
            }
            Stream::Epoll(stream) => loop {
                if let Err(error) = stream.readable().await {
                    return (Err(error), buffer);
                }
                match stream.try_read_buf(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return (result, buffer),
                }
            },
        }
    }

    /// Writes all bytes.
    pub(crate) async fn write_all<T: BoundedBuf + AsRef<[u8]>>(
        &self,
        bytes: T,
    ) -> (io::Result<()>, T) {
        match self {
            Stream::IoUring(stream) => stream.write_all(bytes).await,
            Stream::Epoll(stream) => (write_all(stream, bytes.as_ref()).await, bytes),
        }
    }

    /// Ends what waits for the connection. An error means that the connection is gone, and with it what waits for it.
    pub(crate) fn shut_down(&self) {
        let _ = match self {
            Stream::IoUring(stream) => stream.shutdown(Shutdown::Both),
            Stream::Epoll(stream) => SockRef::from(stream).shutdown(Shutdown::Both),
        };
    }
}

async fn write_all(stream: &tokio::net::TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Listener {
    /// Takes over a socket that listens.
    pub(crate) fn new(io: Io, socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(io == Io::Epoll)?;
        Ok(match io {
            Io::IoUring => Listener::IoUring(tokio_uring::net::TcpListener::from_std(socket)),
            Io::Epoll => Listener::Epoll(tokio::net::TcpListener::from_std(socket)?),
        })
    }

    /// The next connection, which sends what it is given at once.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::IoUring(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::IoUring(stream))
            }
            Listener::Epoll(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Epoll(stream))
            }
        }
    }
}
