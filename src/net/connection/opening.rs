//! How a connection begins: who the client is, whether it is served, the TLS handshake.
//!
//! Owns: what happens before the session, and STARTTLS. Must not know: commands and messages.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;

use super::{Connection, Opening, lent};
use crate::limits::{FAREWELL_MILLISECONDS, LINGER_MILLISECONDS, PROXY_HEADER_MILLISECONDS};
use crate::mail::envelope::Client;
use crate::net::admission::Visit;
use crate::net::stream::HandshakeError;
use crate::net::transport::Transport;
use crate::smtp::refusal::Refusal;
use crate::smtp::reply::Replies;
use crate::telemetry::metrics::{SessionEnd, TlsFailure};
use ringpost_proto::proxy::{self, Header};

impl<'a, T: Transport> Connection<'a, T> {
    /// Finds out who the client is; its visit, unless it is refused or leaves.
    pub(super) async fn welcome(&mut self, opening: Opening) -> Option<Visit<'a>> {
        if opening != Opening::Proxied {
            self.trace_opening(None);
        }
        let mut visit = match self.hub.shared.admission.enter() {
            Ok(visit) => visit,
            Err(refusal) => {
                self.turn_away(refusal).await;
                return None;
            }
        };
        if opening == Opening::Proxied {
            let proxy = self.proxy_header().await.ok()?;
            self.trace_opening(proxy.as_ref());
        }
        if let Err(refusal) = self.attribute(&mut visit, opening).await {
            match opening {
                // A client that waits for a handshake reads no reply.
                Opening::Tls => {
                    self.hub
                        .shared
                        .metrics
                        .connections_refused
                        .increment(refusal);
                    self.log_turned_away(refusal, false, None);
                    self.trace_last(refusal.row().label, &[]);
                }
                Opening::Clear | Opening::Proxied => self.turn_away(refusal).await,
            }
            return None;
        }
        self.session.limit(visit.rate().cloned());
        self.hub.shared.metrics.connection_accepted();
        self.hub.shared.census.enter(self.hub.worker, self.listener);
        let secure = opening == Opening::Tls;
        if secure {
            let secured = self.handshake().await;
            if secured.is_err() {
                self.count_out(&secured);
                return None;
            }
        }
        self.follow_what_holds_now();
        let (now, output) = (self.hub.clock.now(), lent(&mut self.output, self.hub));
        self.session.begin(secure, now, output);
        Some(visit)
    }

    /// Counts how a connection that was accepted ended.
    pub(super) fn count_out(&mut self, result: &io::Result<()>) {
        if result.is_err() && self.end == SessionEnd::ClosedByClient {
            self.end = SessionEnd::Error;
        }
        let (shared, secured) = (&self.hub.shared, !self.stream.is_clear());
        shared.census.leave(self.hub.worker, self.listener, secured);
        shared.metrics.connection_closed(self.end);
    }

    /// Counts the connection in for its client, unless that is denied or would exceed a limit, or the client spoke first.
    async fn attribute(&mut self, visit: &mut Visit<'_>, opening: Opening) -> Result<(), Refusal> {
        let client = self.client.ip();
        if !self.hub.shared.rules.load().access.allows(client) {
            return Err(Refusal::AccessDenied);
        }
        visit.attribute(client, self.hub.clock.now())?;
        // Without a delay, early talk cannot be told from a client that was merely fast.
        if opening == Opening::Clear && !self.hub.shared.greeting_delay.is_zero() {
            self.keep_waiting().await;
            if self.stream.transport().has_spoken() {
                return Err(Refusal::EarlyTalker);
            }
        }
        Ok(())
    }

    /// Lets the client wait for its greeting.
    async fn keep_waiting(&self) {
        self.slot
            .arm(self.hub.clock.now() + self.hub.shared.greeting_delay);
        self.slot.expiry().await;
    }

    /// Says why, in place of the banner (RFC 5321 3.1); the connection ends with that.
    pub(super) async fn turn_away(&mut self, refusal: Refusal) {
        self.hub
            .shared
            .metrics
            .connections_refused
            .increment(refusal);
        self.log_turned_away(refusal, true, None);
        let (mut replies, mut octets) = (Replies::default(), Vec::new());
        replies.refuse(refusal);
        replies.swap(&mut octets);
        self.trace_last(refusal.row().label, &octets);
        let soon = self.hub.clock.now() + Duration::from_millis(FAREWELL_MILLISECONDS);
        self.slot.arm(soon);
        let transport = self.stream.transport();
        let write = self.stream.write_all(octets, true);
        let (result, _) = self.slot.operation(transport, Shutdown::Both, write).await;
        // Where there are too many connections already, refused ones are not kept open longer.
        if result.is_ok() && refusal != Refusal::TooManyConnections {
            Box::pin(self.linger(FAREWELL_MILLISECONDS)).await;
        }
    }

    /// How long the connection is kept to let its last refusal be read, in milliseconds; nothing where none was its end.
    pub(super) fn lingers(&self) -> Option<u64> {
        match self.end {
            _ if self.slot.has_shut() => None,
            SessionEnd::Refused | SessionEnd::TooManyErrors => Some(LINGER_MILLISECONDS),
            SessionEnd::Shutdown => Some(FAREWELL_MILLISECONDS),
            SessionEnd::Quit
            | SessionEnd::ClosedByClient
            | SessionEnd::TimedOut
            | SessionEnd::HandshakeFailed
            | SessionEnd::Error => None,
        }
    }

    /// Says that no more comes, then drops what the client still sends until it ends the connection too: a socket that is
    /// closed with unread bytes is reset (RFC 2525 2.17), and the client may lose the last reply with that.
    pub(super) async fn linger(&mut self, longest: u64) {
        self.stream.transport().shutdown(Shutdown::Write);
        self.slot
            .arm(self.hub.clock.now() + Duration::from_millis(longest));
        loop {
            let readable = self.stream.transport().readable();
            let readable = self
                .slot
                .operation(self.stream.transport(), Shutdown::Read, readable)
                .await;
            let over = self.slot.expired();
            let memory = &self.hub.memory;
            let read = readable.and_then(|()| {
                memory.with_scratch(|scratch| self.stream.transport().read_now(scratch))
            });
            match read {
                Ok(1..) if !over => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !over => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Ends the TLS session (RFC 8446 6.1); nothing depends on whether the client reads it.
    pub(super) async fn say_farewell(&mut self) {
        let soon = self.hub.clock.now() + Duration::from_millis(FAREWELL_MILLISECONDS);
        self.slot.arm(soon);
        let transport = self.stream.transport();
        let farewell = self.stream.close();
        self.slot
            .operation(transport, Shutdown::Both, farewell)
            .await;
    }

    /// Reads the header that says who the client is; what follows it is the client's. Returns the proxy, unless it is the client.
    async fn proxy_header(&mut self) -> io::Result<Option<Client>> {
        let peer = self.client.ip();
        if !self.hub.shared.rules.load().proxies.contains(peer) {
            self.hub
                .shared
                .metrics
                .connections_refused
                .increment(Refusal::ProxyHeader);
            let why = "it comes from none of server.proxy_networks";
            self.log_turned_away(Refusal::ProxyHeader, false, Some(why));
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let until = Duration::from_millis(PROXY_HEADER_MILLISECONDS);
        self.slot.arm(self.hub.clock.now() + until);
        loop {
            let (proxy, consumed) = match proxy::parse(&self.input) {
                Header::Incomplete => {
                    let transport = self.stream.transport();
                    let read = self.stream.read_more(&mut self.input);
                    let read = self.slot.operation(transport, Shutdown::Both, read);
                    if read.await? == 0 {
                        return Err(self.refuse_header("it ended inside the header"));
                    }
                    continue;
                }
                Header::Invalid(why) => return Err(self.refuse_header(why.text())),
                Header::Proxied { source, consumed } => {
                    let client = Client::new(source);
                    (Some(std::mem::replace(&mut self.client, client)), consumed)
                }
                Header::Local { consumed } => (None, consumed),
            };
            self.input.advance(consumed);
            return Ok(proxy);
        }
    }

    fn refuse_header(&mut self, why: &'static str) -> io::Error {
        let refusal = Refusal::ProxyHeader;
        self.hub
            .shared
            .metrics
            .connections_refused
            .increment(refusal);
        // A proxy that only checks whether the port is open sends nothing.
        if !self.input.is_empty() || self.slot.expired() {
            self.log_turned_away(refusal, false, Some(why));
        }
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Shakes hands, within its own deadline.
    async fn handshake(&mut self) -> io::Result<()> {
        let shared = &self.hub.shared;
        let tls = shared
            .tls
            .as_ref()
            .expect("TLS is offered where there is a certificate");
        let began = self.hub.clock.now();
        self.slot.arm(began + shared.handshake_timeout);
        let transport = self.stream.transport();
        let handshake = self.stream.handshake(Arc::clone(tls));
        let result = self
            .slot
            .operation(transport, Shutdown::Both, handshake)
            .await;
        let took = self.hub.clock.now() - began;
        match result {
            Ok(secured) => {
                self.stream.shook_hands_in(took);
                self.trace_secured(secured.resumed, took);
                shared.census.secure(self.hub.worker, self.listener);
                shared.metrics.tls_handshakes.increment(secured.version);
                if secured.resumed {
                    let resumed = &shared.metrics.tls_handshakes_resumed;
                    resumed.increment(secured.version);
                }
                Ok(())
            }
            Err(error) => {
                let reason = match &error {
                    _ if self.slot.expired() => TlsFailure::TimedOut,
                    HandshakeError::Closed | HandshakeError::Transport(_) => TlsFailure::Closed,
                    HandshakeError::Tls(_) => TlsFailure::Protocol,
                };
                shared.metrics.tls_handshake_failures.increment(reason);
                let text = format!("the TLS handshake failed: {}: {error}", reason.label());
                self.log_no_handshake(&text);
                self.trace_not_secured(&text, took);
                self.end = SessionEnd::HandshakeFailed;
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    error.to_string(),
                ))
            }
        }
    }

    /// What was said in clear is forgotten, including what was sent in clear after STARTTLS (CVE-2011-0411).
    pub(super) async fn start_tls(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.input.clear();
        self.handshake().await?;
        self.session.secured(self.hub.clock.now());
        Ok(())
    }
}
