//! The bytes of a connection: TCP, a socket of this machine, or TLS in one of them.
//!
//! Owns: how a connection is made and secured. Must not know: what is said in it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Place;

/// See the module.
pub(super) enum Stream {
    /// To a host, in clear.
    Tcp(TcpStream),
    /// To a socket of this machine.
    Unix(UnixStream),
    /// To a host, in TLS.
    Secured(Box<TlsStream<TcpStream>>),
}

/// Connects to a place: to the first of its addresses that takes the connection, each with its time.
pub(super) async fn connect(place: &Place, within: Duration) -> io::Result<Stream> {
    match place {
        Place::Socket(path) => {
            let connected = timely(within, UnixStream::connect(path)).await?;
            Ok(Stream::Unix(connected))
        }
        Place::Host { host, port } => {
            let resolved = timely(within, tokio::net::lookup_host((host.as_str(), *port))).await?;
            first_of(resolved.collect(), within).await.map(Stream::Tcp)
        }
    }
}

async fn first_of(addresses: Vec<SocketAddr>, within: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timely(within, TcpStream::connect(address)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What comes within this time.
pub(super) async fn timely<T>(
    within: Duration,
    wait: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match tokio::time::timeout(within, wait).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("timed out after {} s", within.as_secs()),
        )),
    }
}

impl Stream {
    /// Speaks TLS from here on, with whoever has a certificate of this name.
    pub(super) async fn secure(self, place: &Place, tls: &Arc<ClientConfig>) -> io::Result<Self> {
        let (Self::Tcp(stream), Place::Host { host, .. }) = (self, place) else {
            let text = "TLS is spoken once, and not to a socket of this machine";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let secured = connector.connect(name, stream).await?;
        Ok(Self::Secured(Box::new(secured)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
