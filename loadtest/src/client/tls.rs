//! TLS between the socket and the dialogue, by rustls' buffers.
//!
//! Owns the encrypted bytes on their way. Must not know sockets: [`Tls::encrypt`] gives bytes to write,
//! [`Tls::decrypt`] takes bytes that were read.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::{ClientConfig, ClientConnection};
use rustls::pki_types::ServerName;

/// Bytes that one read takes: a record of the largest size and its header.
const READ: usize = 16 * 1024 + 512;

/// One encrypted connection.
pub(super) struct Tls {
    connection: ClientConnection,
    /// Lent to the kernel during a read.
    pub incoming: Vec<u8>,
}

impl Tls {
    /// A connection whose handshake has not begun.
    pub(super) fn new(
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<Tls, rustls::Error> {
        let mut connection = ClientConnection::new(Arc::clone(config), name.clone())?;
        // What is written is taken out again at once, so the buffer is bounded by the message.
        connection.set_buffer_limit(None);
        Ok(Tls {
            connection,
            incoming: Vec::with_capacity(READ),
        })
    }

    /// Whether the handshake needs more of the peer.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the handshake resumed an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Returns what has to be written for these bytes, and for the handshake.
    pub(super) fn encrypt(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.connection.writer().write_all(bytes)?;
        let mut out = Vec::with_capacity(bytes.len() + 256);
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out)?;
        }
        Ok(out)
    }

    /// Takes what was read into `incoming`; returns the bytes inside.
    pub(super) fn decrypt(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut rest = &self.incoming[..];
        while !rest.is_empty() {
            self.connection.read_tls(&mut rest)?;
            let state = self
                .connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let before = bytes.len();
            bytes.resize(before + state.plaintext_bytes_to_read(), 0);
            self.connection.reader().read_exact(&mut bytes[before..])?;
        }
        self.incoming.clear();
        Ok(bytes)
    }
}
