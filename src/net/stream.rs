//! What a connection reads from and writes to: its transport, in clear or with TLS over it.
//!
//! Owns: the moves of ciphertext between the transport and the TLS engine. Must not know: SMTP, deadlines; the caller shuts
//! the transport down when a deadline passes, and what is awaited here then ends.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::server::ServerConfig;

use super::tls::{Engine, Send, Step};
use super::transport::Transport;
use crate::limits::{
    BODY_MINIMUM_READ_OCTETS, COMMAND_BUFFER_OCTETS, TLS_INCOMING_OCTETS, TLS_READ_OCTETS,
    TLS_RECORD_PLAIN_OCTETS,
};
use crate::telemetry::metrics::TlsVersion;

/// See the module.
pub(super) struct Stream<'a, T> {
    transport: &'a T,
    tls: Option<Box<Engine>>,
}

/// What was agreed in a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Secured {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: TlsVersion,
    /// Whether it resumed an earlier session.
    pub resumed: bool,
}

/// Why a handshake failed.
#[derive(Debug)]
pub enum HandshakeError {
    /// The client left, or a deadline shut the transport down.
    Closed,
    /// What the client sent is not TLS, or a version or cipher that is not supported here.
    Tls(rustls::Error),
    /// The transport failed.
    Transport(io::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Closed => f.write_str("the client closed the connection"),
            HandshakeError::Tls(error) => error.fmt(f),
            HandshakeError::Transport(error) => error.fmt(f),
        }
    }
}

impl<T> Stream<'_, T> {
    /// Version and cipher suite, as in the record's header `ce_smtptls`; `None` in clear.
    pub(super) fn agreed(&self) -> Option<&str> {
        self.tls.as_ref().map(|engine| engine.agreed.as_str())
    }
}

impl<T> Stream<'_, T> {
    /// How long the handshake took; none in clear.
    pub(super) fn handshake_took(&self) -> Option<Duration> {
        self.tls.as_ref().map(|engine| engine.took)
    }

    /// Remembers how long the handshake took.
    pub(super) fn shook_hands_in(&mut self, took: Duration) {
        let engine = self.tls.as_mut().expect("there was a handshake");
        engine.took = took;
    }
}

impl<'a, T: Transport> Stream<'a, T> {
    /// In clear.
    pub(super) fn new(transport: &'a T) -> Self {
        Self {
            transport,
            tls: None,
        }
    }

    /// Room that a read of a body should have, so that what arrives goes straight there.
    pub(super) fn least_room(&self) -> usize {
        match self.tls {
            Some(_) => TLS_RECORD_PLAIN_OCTETS,
            None => BODY_MINIMUM_READ_OCTETS,
        }
    }

    /// Where the bytes come from and go to.
    pub(super) fn transport(&self) -> &'a T {
        self.transport
    }

    /// Whether bytes go as they are.
    pub(super) fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether all that was received is used up, so that the next bytes come from the transport. No buffer is held then,
    /// but for a ticket that leaves with the next reply.
    pub(super) fn rests(&mut self) -> bool {
        let Some(engine) = &mut self.tls else {
            return true;
        };
        let empty = engine.is_empty();
        if empty {
            engine.rest();
        }
        empty
    }

    /// Reads in clear or over TLS and appends to `input`; how many bytes there were, and 0 is the end of the stream.
    pub(super) async fn read_more(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let mut buffer = std::mem::take(input);
        buffer.reserve(COMMAND_BUFFER_OCTETS);
        let (result, buffer) = self.read(buffer, COMMAND_BUFFER_OCTETS).await;
        *input = buffer;
        result
    }

    /// Reads into the spare room of `buffer`, at most about `most` bytes; 0 is the end of the stream.
    pub(super) async fn read(
        &mut self,
        buffer: BytesMut,
        most: usize,
    ) -> (io::Result<usize>, BytesMut) {
        let Some(engine) = &mut self.tls else {
            return self.transport.read(buffer, most).await;
        };
        let mut buffer = buffer;
        let from = buffer.len();
        take_plain(engine, &mut buffer);
        let result = loop {
            if let Err(error) = decrypt(engine, &mut buffer, from + most) {
                break Err(Box::pin(broken(self.transport, engine, error)).await);
            }
            // A record that is larger than the room has gone to `plain`: its front is the next data.
            take_plain(engine, &mut buffer);
            if let Err(error) = transmit(self.transport, engine).await {
                break Err(error);
            }
            if buffer.len() > from || engine.has_ended() {
                break Ok(buffer.len() - from);
            }
            match receive(self.transport, engine, most).await {
                Ok(0) => break Ok(0),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (result, buffer)
    }

    /// Writes all of `octets`; after the `last` ones nothing more is written, and over TLS the end leaves with them.
    pub(super) async fn write_all(
        &mut self,
        octets: Vec<u8>,
        last: bool,
    ) -> (io::Result<()>, Vec<u8>) {
        let Some(engine) = &mut self.tls else {
            return self.transport.write_all(octets).await;
        };
        let encrypted = encrypt(engine, Send::Octets(&octets)).and_then(|()| match last {
            true => encrypt(engine, Send::Close),
            false => Ok(()),
        });
        let result = match encrypted {
            Ok(()) => transmit(self.transport, engine).await,
            Err(error) => Err(Box::pin(broken(self.transport, engine, error)).await),
        };
        (result, octets)
    }

    /// Shakes hands; from then on all is encrypted.
    pub(super) async fn handshake(
        &mut self,
        config: Arc<ServerConfig>,
    ) -> Result<Secured, HandshakeError> {
        assert!(self.tls.is_none(), "TLS is not started twice");
        let mut engine = Box::new(Engine::new(config).map_err(HandshakeError::Tls)?);
        // To the state in which plaintext can be sent: rustls counts the handshake as done before its last flight is out.
        loop {
            match engine.step(None, Send::Nothing) {
                // A client may send its last flight, commands and close_notify at once: what it asked for is still answered.
                Ok(Step::Again | Step::Ended) => {}
                Ok(Step::Starved) => {
                    transmit(self.transport, &mut engine)
                        .await
                        .map_err(HandshakeError::Transport)?;
                    // Many clients may be at this point at once, and some never go on: no buffer before there is something.
                    self.transport
                        .readable()
                        .await
                        .map_err(HandshakeError::Transport)?;
                    match receive(self.transport, &mut engine, 0).await {
                        Ok(0) => return Err(HandshakeError::Closed),
                        Ok(_) => {}
                        Err(error) => return Err(HandshakeError::Transport(error)),
                    }
                }
                Ok(Step::Idle) => break,
                Err(error) => {
                    broken(self.transport, &mut engine, error.clone()).await;
                    return Err(HandshakeError::Tls(error));
                }
            }
        }
        engine.keep_tickets_back();
        transmit(self.transport, &mut engine)
            .await
            .map_err(HandshakeError::Transport)?;
        let (version, text) = engine.facts();
        engine.agreed = text;
        let resumed = engine.is_resumed();
        self.tls = Some(engine);
        Ok(Secured { version, resumed })
    }

    /// Whether the client is still to be told that no more comes (RFC 8446 6.1).
    pub(super) fn owes_end(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|engine| !engine.has_said_end())
    }

    /// Tells it.
    pub(super) async fn close(&mut self) {
        assert!(self.owes_end(), "it is said once, and over TLS");
        if let Some(engine) = &mut self.tls
            && encrypt(engine, Send::Close).is_ok()
        {
            // A client that has left already needs no notice.
            let _ = transmit(self.transport, engine).await;
        }
    }
}

fn take_plain(engine: &mut Engine, buffer: &mut BytesMut) {
    let octets = engine.plain.len().min(buffer.capacity() - buffer.len());
    if octets > 0 {
        buffer.extend_from_slice(&engine.plain[..octets]);
        engine.plain.advance(octets);
    }
    if engine.plain.is_empty() {
        engine.plain = BytesMut::new();
    }
}

/// Decrypts what is here while `buffer` has room for another record and holds less than `most`.
fn decrypt(engine: &mut Engine, buffer: &mut BytesMut, most: usize) -> Result<(), rustls::Error> {
    let from = buffer.len();
    loop {
        let full = buffer.capacity() - buffer.len() < TLS_RECORD_PLAIN_OCTETS;
        if engine.has_ended()
            || !engine.plain.is_empty()
            || buffer.len() >= most
            || (full && buffer.len() > from)
        {
            return Ok(());
        }
        match engine.step(Some(buffer), Send::Nothing)? {
            Step::Again => {}
            Step::Starved | Step::Idle | Step::Ended => return Ok(()),
        }
    }
}

/// Encrypts what is to be sent. What came meanwhile waits in `plain`, which is no more than one read of ciphertext.
fn encrypt(engine: &mut Engine, send: Send<'_>) -> Result<(), rustls::Error> {
    loop {
        match engine.step(None, send)? {
            Step::Again | Step::Ended => {}
            Step::Idle => return Ok(()),
            Step::Starved => return Err(rustls::Error::HandshakeNotComplete),
        }
    }
}

/// Sends what the engine has ready, unless nobody waits for it.
async fn transmit<T: Transport>(transport: &T, engine: &mut Engine) -> io::Result<()> {
    if !engine.has_to_send() {
        return Ok(());
    }
    let sent = transport.write_now(&engine.outgoing)?;
    engine.outgoing.drain(..sent);
    if engine.outgoing.is_empty() {
        return Ok(());
    }
    let outgoing = std::mem::take(&mut engine.outgoing);
    let (result, mut outgoing) = transport.write_all(outgoing).await;
    outgoing.clear();
    engine.outgoing = outgoing;
    result
}

/// Reads ciphertext; `most` says how much is expected, so that a client that is to send a command costs a small buffer.
async fn receive<T: Transport>(
    transport: &T,
    engine: &mut Engine,
    most: usize,
) -> io::Result<usize> {
    let mut incoming = std::mem::take(&mut engine.incoming);
    let room = most.clamp(TLS_READ_OCTETS, TLS_INCOMING_OCTETS);
    if incoming.is_empty() && incoming.capacity() > room {
        incoming = BytesMut::with_capacity(room);
    }
    incoming.reserve(room);
    let (result, incoming) = transport.read(incoming, room).await;
    engine.incoming = incoming;
    result
}

/// Sends the alert that explains an error, if there is one to send; the error for the caller.
async fn broken<T: Transport>(
    transport: &T,
    engine: &mut Engine,
    error: rustls::Error,
) -> io::Error {
    // One step and no more: it encodes the alert, and the next would look at the wrong bytes a second time, which
    // rustls does not expect.
    let _ = engine.step(None, Send::Nothing);
    let _ = transmit(transport, engine).await;
    io::Error::new(io::ErrorKind::InvalidData, error)
}
