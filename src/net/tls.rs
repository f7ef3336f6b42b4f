//! TLS between the transport and the session: ciphertext in, plaintext out, and back.
//!
//! Owns: one connection's TLS state and its two buffers of ciphertext. Must not know: sockets ([`super::stream`] moves the
//! bytes), certificates ([`super::certificates`] chooses them), SMTP.
//!
//! rustls decrypts a record in place and keeps the plaintext in its own buffer; from there it is copied once,
//! to where the session wants it: the body of a message, or the buffer of commands.
//!
//! Invariants: what rustls is given is always all that has arrived and was not consumed (it keeps positions in it between
//! calls); what it wants sent is sent before more is read.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::HandshakeKind;
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use crate::limits::TLS_RECORD_PLAIN_OCTETS;
use crate::telemetry::metrics::TlsVersion;

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do with what is here.
    Again,
    /// More ciphertext is needed.
    Starved,
    /// All that is here has been dealt with, and plaintext can be sent.
    Idle,
    /// The client has said that it sends no more.
    Ended,
}

/// Plaintext for the client, or the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Send<'a> {
    /// Nothing.
    Nothing,
    /// These.
    Octets(&'a [u8]),
    /// close_notify.
    Close,
}

/// See the module.
pub(super) struct Engine {
    connection: UnbufferedServerConnection,
    /// Ciphertext from the client.
    pub(super) incoming: BytesMut,
    /// Ciphertext for the client.
    pub(super) outgoing: Vec<u8>,
    /// Plaintext that had no room where it was wanted, or came while something was sent.
    pub(super) plain: BytesMut,
    ended: bool,
}

impl Engine {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: BytesMut::new(),
            outgoing: Vec::new(),
            plain: BytesMut::new(),
            ended: false,
        })
    }

    /// Whether nothing has arrived that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.plain.is_empty() && !self.ended
    }

    /// Frees its buffers before a wait that may be long, if there is nothing in them.
    pub(super) fn rest(&mut self) {
        if self.is_empty() && self.outgoing.is_empty() {
            (self.incoming, self.outgoing, self.plain) =
                (BytesMut::new(), Vec::new(), BytesMut::new());
        }
    }

    /// Whether the client has said that it sends no more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the handshake resumed an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Version and cipher suite, `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    pub(super) fn facts(&self) -> (TlsVersion, String) {
        let version = match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => TlsVersion::V13,
            Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::V12,
            other => unreachable!("a handshake agrees on TLS 1.2 or 1.3, not on {other:?}"),
        };
        let suite = self
            .connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown");
        (version, format!("{} {suite}", version.label()))
    }

    /// Deals with the next thing that is here. Plaintext goes to the end of `into` while it has room, else to `plain`.
    /// `send` is encrypted in the step that answers [`Step::Idle`].
    pub(super) fn step(
        &mut self,
        into: Option<&mut BytesMut>,
        send: Send<'_>,
    ) -> Result<Step, rustls::Error> {
        let UnbufferedStatus { mut discard, state } =
            self.connection.process_tls_records(&mut self.incoming);
        let step = match state {
            Err(error) => Err(error),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut into = into;
                let mut step = Ok(Step::Again);
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            place(record.payload, into.as_deref_mut(), &mut self.plain);
                        }
                        Err(error) => step = Err(error),
                    }
                }
                step
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(&mut self.outgoing, |room| match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) => Err(size),
                    written => Ok(written.unwrap_or(0)),
                });
                Ok(Step::Again)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // It is in `outgoing`, which leaves before anything is read.
                data.done();
                Ok(Step::Again)
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Step::Starved),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                append(&mut self.outgoing, |room| {
                    let written = match send {
                        Send::Nothing => return Ok(0),
                        Send::Octets(octets) => traffic.encrypt(octets, room),
                        Send::Close => traffic.queue_close_notify(room),
                    };
                    match written {
                        Err(EncryptError::InsufficientSize(size)) => Err(size),
                        written => Ok(written.unwrap_or(0)),
                    }
                });
                Ok(Step::Idle)
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                self.ended = true;
                Ok(Step::Ended)
            }
            // Early data is off; in a state that this version of the library does not have yet, we cannot go on.
            Ok(_) => Err(rustls::Error::General("an unknown state".to_owned())),
        };
        self.incoming.advance(discard);
        step
    }
}

fn place(octets: &[u8], into: Option<&mut BytesMut>, plain: &mut BytesMut) {
    match into {
        Some(buffer) if plain.is_empty() && buffer.capacity() - buffer.len() >= octets.len() => {
            // The one copy of a body's bytes that is ours.
            buffer.extend_from_slice(octets);
        }
        _ => plain.extend_from_slice(octets),
    }
}

/// Appends what `write` writes, giving it the room that it asks for.
fn append(
    outgoing: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, InsufficientSizeError>,
) {
    let from = outgoing.len();
    let written = match write(&mut []) {
        Ok(written) => written,
        Err(size) => {
            outgoing.resize(from + size.required_size, 0);
            write(&mut outgoing[from..]).unwrap_or(0)
        }
    };
    outgoing.truncate(from + written);
}

const _: () = assert!(TLS_RECORD_PLAIN_OCTETS == 16 * 1024);
