//! The engine on epoll, in a runtime of tokio: for machines and containers that do not let a process use io_uring.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::spawn_local;

use super::reactor::{Reactor, Registered};
use super::seam::Engine;
use super::socket;
use crate::net::transport::Transport;

thread_local! {
    /// The sockets of this thread's engine, as a runtime keeps its own.
    static REACTOR: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// See the module.
pub(in crate::net) struct Epoll {
    runtime: LocalRuntime,
    reactor: Rc<Reactor>,
}

/// A socket that listens.
pub(in crate::net) struct Listener(Registered);

/// A connection.
pub(in crate::net) struct Stream(Registered);

impl Engine for Epoll {
    type Listener = Listener;
    type Stream = Stream;
    type Error = io::Error;

    fn new(_connections: usize) -> io::Result<Self> {
        // Its tasks stay on this thread, which spares each wake-up the queue of a LocalSet.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let reactor = runtime.block_on(async { Reactor::new() })?;
        REACTOR.set(Some(Rc::clone(&reactor)));
        Ok(Self { runtime, reactor })
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        let reactor = Rc::clone(&self.reactor);
        self.runtime.block_on(async {
            let driven = spawn_local(async move { reactor.drive().await });
            tokio::select! {
                biased;
                ended = driven => panic!("epoll serves as long as its worker does: {ended:?}"),
                output = future => output,
            }
        })
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener(Registered::new(socket.into(), reactor())))
    }

    /// One wait serves many clients: after it, those that are there are accepted until there is none.
    async fn accept(listener: &Listener) -> io::Result<(Stream, SocketAddr)> {
        let Listener(listener) = listener;
        loop {
            std::future::poll_fn(|context| listener.poll_readable(context)).await?;
            match socket::accept_now(listener.as_fd()) {
                Ok((stream, client)) => {
                    let stream = Registered::new(stream, Rc::clone(listener.reactor()));
                    return Ok((Stream(stream), client));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_read(),
                Err(error) => return Err(error),
            }
        }
    }

    fn duplicate(stream: &Stream) -> io::Result<std::net::TcpStream> {
        stream.0.as_fd().try_clone_to_owned().map(Into::into)
    }

    fn adopt(socket: std::net::TcpStream) -> io::Result<Stream> {
        Ok(Stream(Registered::new(socket.into(), reactor())))
    }
}

/// That of this thread's engine.
fn reactor() -> Rc<Reactor> {
    REACTOR.with_borrow(|reactor| {
        let reactor = reactor.as_ref().expect("the thread has an engine");
        Rc::clone(reactor)
    })
}

impl Transport for Stream {
    fn has_spoken(&self) -> bool {
        socket::has_spoken(self.0.as_fd())
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        std::future::poll_fn(|context| self.0.poll_readable(context))
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let result = socket::receive_now(self.0.as_fd(), buffer);
        self.forget_if_short(&result, room);
        result
    }

    async fn read(&self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        let mut buffer = buffer;
        let room = most.min(buffer.capacity() - buffer.len());
        assert!(room > 0, "a read needs room");
        let result = loop {
            if let Err(error) = self.readable().await {
                break Err(error);
            }
            let result = socket::receive_into(self.0.as_fd(), &mut buffer, room);
            self.forget_if_short(&result, room);
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => break result,
            }
        };
        (result, buffer)
    }

    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        socket::send_now(self.0.as_fd(), octets)
    }

    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let mut sent = 0;
        while sent < octets.len() {
            let writable = std::future::poll_fn(|context| self.0.poll_writable(context)).await;
            match writable.and_then(|()| self.write_now(&octets[sent..])) {
                Ok(0) => self.0.is_full(),
                Ok(more) => sent += more,
                Err(error) => return (Err(error), octets),
            }
        }
        (Ok(()), octets)
    }

    fn shutdown(&self, how: Shutdown) {
        // ENOTCONN: the peer was faster.
        let _ = SockRef::from(&self.0).shutdown(how);
    }
}

impl Stream {
    /// A read of this much that found less has taken all there was; the end of the stream is found again by every read.
    fn forget_if_short(&self, result: &io::Result<usize>, room: usize) {
        let is_short = match result {
            Ok(0) => false,
            Ok(received) => *received < room,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if is_short {
            self.0.is_read();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Runs `serve` with a connection that the engine has accepted, while `client` has its other end on a thread of its own.
    fn with_connection<F: Future<Output = ()>>(
        client: impl FnOnce(TcpStream) + Send + 'static,
        serve: impl FnOnce(Stream) -> F,
    ) {
        let engine = Epoll::new(1).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || client(TcpStream::connect(address).unwrap()));
        engine.run(async {
            let listener = Epoll::listen(listener).unwrap();
            let (stream, _) = Epoll::accept(&listener).await.unwrap();
            serve(stream).await;
        });
        client.join().unwrap();
    }

    #[test]
    fn an_end_that_comes_with_the_last_bytes_is_not_forgotten() {
        let client = |mut client: TcpStream| client.write_all(b"QUIT\r\n").unwrap();
        with_connection(client, async |stream| {
            let mut got = Vec::new();
            loop {
                stream.readable().await.unwrap();
                let mut room = [0; 64];
                match stream.read_now(&mut room) {
                    Ok(0) => break,
                    Ok(octets) => got.extend_from_slice(&room[..octets]),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
            assert_eq!(got, b"QUIT\r\n");
        });
    }

    #[test]
    fn what_a_full_read_left_is_read_without_another_word_of_the_kernel() {
        let client = |mut client: TcpStream| {
            client.write_all(&[7; 3000]).unwrap();
            // Until the server has all of it, nothing else happens here.
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        };
        with_connection(client, async |stream| {
            let mut got = 0;
            while got < 3000 {
                let (result, body) = stream.read(BytesMut::with_capacity(100), 100).await;
                assert_eq!(body.len(), result.unwrap());
                assert!(body.iter().all(|&octet| octet == 7));
                got += body.len();
            }
            assert_eq!(got, 3000);
        });
    }

    #[test]
    fn a_client_that_reads_late_gets_everything() {
        const OCTETS: usize = 20 << 20;
        let client = |mut client: TcpStream| {
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            assert_eq!(got.len(), OCTETS);
        };
        with_connection(client, async |stream| {
            let (result, _) = stream.write_all(vec![7; OCTETS]).await;
            result.unwrap();
        });
    }

    #[test]
    fn a_wait_ends_when_its_socket_is_shut_down() {
        let client = |mut client: TcpStream| assert_eq!(client.read(&mut [0]).unwrap(), 0);
        with_connection(client, async |stream| {
            let mut waiting = std::pin::pin!(stream.readable());
            std::future::poll_fn(|context| {
                assert!(waiting.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            stream.shutdown(Shutdown::Both);
            waiting.await.unwrap();
            assert_eq!(stream.read_now(&mut [0; 8]).unwrap(), 0);
        });
    }
}
