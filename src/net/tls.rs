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
use std::time::Duration;

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
    /// Bytes at the front of `outgoing` that the client does not wait for: they leave with what is sent next.
    unhurried: usize,
    /// Plaintext that had no room where it was wanted, or came while something was sent.
    pub(super) plain: BytesMut,
    /// Version and cipher suite, once they are agreed.
    pub(super) agreed: String,
    /// How long the handshake took.
    pub(super) took: Duration,
    ended: bool,
    said_end: bool,
}

impl Engine {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: BytesMut::new(),
            outgoing: Vec::new(),
            unhurried: 0,
            plain: BytesMut::new(),
            agreed: String::new(),
            took: Duration::ZERO,
            ended: false,
            said_end: false,
        })
    }

    /// Whether nothing has arrived that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.plain.is_empty() && !self.ended
    }

    /// Frees its buffers before a wait that may be long, if there is nothing in them.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            (self.incoming, self.plain) = (BytesMut::new(), BytesMut::new());
            self.outgoing.shrink_to_fit();
        }
    }

    /// After a handshake: keeps back what the client does not wait for.
    ///
    /// The last flight of TLS 1.3 has only tickets (RFC 8446 4.6.1). Sent by itself, it would cost a call and wake the client for
    /// nothing; so it leaves with the next reply. In TLS 1.2 the client says nothing before it has the flight.
    pub(super) fn keep_tickets_back(&mut self) {
        if self.connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            self.unhurried = self.outgoing.len();
        }
    }

    /// Whether there is ciphertext that has to leave now. If so, all of it does.
    pub(super) fn has_to_send(&mut self) -> bool {
        assert!(self.unhurried <= self.outgoing.len(), "a part of it");
        let has_to = self.outgoing.len() > self.unhurried;
        if has_to {
            self.unhurried = 0;
        }
        has_to
    }

    /// Whether the client has said that it sends no more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the client has been sent that no more comes.
    pub(super) fn has_said_end(&self) -> bool {
        self.said_end
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
                assert!(
                    !self.said_end || matches!(send, Send::Nothing),
                    "nothing is sent after the end"
                );
                self.said_end |= matches!(send, Send::Close);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

    /// An engine that tickets are made for, and a client, both before the handshake.
    fn both(version: &'static SupportedProtocolVersion) -> (Engine, ClientConnection) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = CertificateDer::from(parameters.self_signed(&key).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        server.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "mx.example".try_into().unwrap();
        let client = ClientConnection::new(Arc::new(client), name).unwrap();
        (Engine::new(Arc::new(server)).unwrap(), client)
    }

    /// Shakes hands until the engine's last flight is in `outgoing`.
    fn shake_hands(engine: &mut Engine, client: &mut ClientConnection) {
        loop {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            engine.incoming.extend_from_slice(&wire);
            let step = loop {
                match engine.step(None, Send::Nothing).unwrap() {
                    Step::Again => {}
                    step => break step,
                }
            };
            match step {
                Step::Idle => return,
                Step::Starved => hear(engine, client),
                Step::Again | Step::Ended => panic!("{step:?}"),
            }
        }
    }

    /// Gives the client what is for it.
    fn hear(engine: &mut Engine, client: &mut ClientConnection) {
        let sent = std::mem::take(&mut engine.outgoing);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }

    #[test]
    fn tickets_of_tls_1_3_leave_with_the_next_reply() {
        let (mut engine, mut client) = both(&rustls::version::TLS13);
        shake_hands(&mut engine, &mut client);
        assert!(!client.is_handshaking(), "it waits for nothing");
        engine.keep_tickets_back();
        assert!(!engine.has_to_send());
        // Nothing of them is lost while the connection waits.
        engine.rest();
        assert!(!engine.outgoing.is_empty() && !engine.has_to_send());
        let reply = Send::Octets(b"250 Ok\r\n");
        assert_eq!(engine.step(None, reply).unwrap(), Step::Idle);
        assert!(engine.has_to_send());
        hear(&mut engine, &mut client);
        assert!(client.tls13_tickets_received() > 0);
        let mut heard = [0; 8];
        client.reader().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"250 Ok\r\n");
        assert!(!engine.has_to_send());
    }

    #[test]
    fn the_last_flight_of_tls_1_2_leaves_at_once() {
        let (mut engine, mut client) = both(&rustls::version::TLS12);
        shake_hands(&mut engine, &mut client);
        assert!(client.is_handshaking(), "it waits for the flight");
        engine.keep_tickets_back();
        assert!(engine.has_to_send());
        hear(&mut engine, &mut client);
        assert!(!client.is_handshaking());
    }
}
