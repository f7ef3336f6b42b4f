//! One SMTP connection: its stream, encrypted or not, and its replies.
//!
//! Owns the stream. Must not know what a command or a reply means, except that it counts each reply that it reads.
//!
//! Invariants: a read or a write that was submitted is awaited to its end (see [`super::deadline`]); each reply is read
//! exactly once, in the order of the commands; a step that does not end in time ends with [`ErrorKind::Timeout`].
//!
//! A write and the read of its answer are submitted together, which saves a system call a message. So the measured time
//! starts just before the write that holds the message's last byte is submitted, not when it is known to be done.
//!
//! # BUGS
//! - A reply that comes before the message is sent whole (a server that gives up early) is read only afterwards.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringpost_proto::client::offers::Offers;
use ringpost_proto::client::reply::ReplyReader;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_uring::buf::BoundedBuf;

use super::deadline::Slot;
use super::negative::Negatives;
use super::tls::Tls;
use super::{dial, os_error};
use crate::fault::{ErrorKind, Fault, Step};
use crate::net::choice::Io;
use crate::net::stream::Stream;
use crate::options::shape::TlsMode;
use crate::tally::{Phase, Tally};

/// How to connect.
pub(crate) struct Dial<'a> {
    /// What the connection goes through.
    pub io: Io,
    /// Where to.
    pub address: SocketAddr,
    /// Where from, if it matters.
    pub source: Option<IpAddr>,
    /// A PROXY header, or nothing.
    pub proxy: Vec<u8>,
    /// Encryption.
    pub tls: TlsMode,
    /// Its settings.
    pub tls_settings: &'a Arc<ClientConfig>,
    /// The server's name in TLS.
    pub server_name: &'a ServerName<'static>,
    /// The name in EHLO.
    pub helo: &'a str,
    /// For each step.
    pub timeout: Duration,
}

/// An open connection.
pub(crate) struct Connection {
    pub(super) stream: Rc<Stream>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) slot: Rc<Slot>,
    pub(super) timeout: Duration,
    pub(super) tally: Rc<RefCell<Tally>>,
    pub(super) replies: ReplyReader,
    /// The replies of this transaction that said no.
    pub(super) negatives: Negatives,
    /// What is being waited for.
    pub(super) step: Step,
    /// Why no more bytes come.
    ended: Option<Fault>,
    pub(super) offers: Offers,
}

impl Connection {
    /// Connects, and waits until that is done.
    pub(super) async fn dial(
        dial: &Dial<'_>,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Connection, Fault> {
        let begun = Instant::now();
        let (stream, done) = dial::start(dial.io, dial.address, dial.source).map_err(|error| {
            let words = os_error::plain(&error).into_bytes();
            Fault {
                kind: ErrorKind::Connect,
                step: Step::Connect,
                cause: os_error::cause_of(&error),
                code: None,
                words,
            }
        })?;
        let stream = Rc::new(stream);
        slot.watch(Rc::clone(&stream));
        let connection = Connection {
            stream,
            tls: None,
            slot,
            timeout: dial.timeout,
            tally,
            replies: ReplyReader::new(),
            negatives: Negatives::default(),
            step: Step::Connect,
            ended: None,
            offers: Offers::default(),
        };
        connection.arm();
        if !done {
            let result = connection.stream.connected().await;
            result.map_err(|error| connection.connect_fault(&error))?;
        }
        connection.record(Phase::Connect, begun);
        Ok(connection)
    }

    /// What the server offers.
    pub(crate) fn offers(&self) -> Offers {
        self.offers
    }

    /// The text of the last reply, lines joined by LF.
    pub(crate) fn reply_text(&self) -> &[u8] {
        self.replies.text()
    }

    /// The slot that ends it.
    pub(crate) fn slot(&self) -> Rc<Slot> {
        Rc::clone(&self.slot)
    }

    /// From now on each step may take this long.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(super) fn begin_transaction(&mut self) {
        self.negatives.clear();
    }

    pub(super) fn await_step(&mut self, step: Step) {
        self.step = step;
    }

    /// Whether no more bytes come.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether a reply, or part of one, was read and not looked at.
    pub(crate) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Until the next step the connection may rest.
    pub(crate) fn rest(&self) {
        self.slot.disarm();
    }

    /// Rests until the server says something or closes, or the slot is shut down.
    pub(crate) async fn idle(&mut self) {
        self.rest();
        self.fill().await;
    }

    /// Sends a command and reads its reply.
    pub(crate) async fn command(&mut self, command: Bytes) -> Result<u16, Fault> {
        self.exchange(command).await;
        self.read_reply().await
    }

    /// Reads one reply.
    pub(crate) async fn read_reply(&mut self) -> Result<u16, Fault> {
        loop {
            match self.replies.next_reply() {
                Ok(Some(code)) => {
                    self.tally.borrow_mut().count_reply(code);
                    if code >= 400 {
                        self.negatives.add(self.step, code, self.replies.text());
                    }
                    self.arm();
                    return Ok(code);
                }
                Ok(None) => {}
                Err(_) => {
                    let line = self.replies.unread_line();
                    return Err(self.fault(ErrorKind::Protocol, line));
                }
            }
            if let Some(fault) = &self.ended {
                // The step that waits, not the one that was the first to wait in vain.
                return Err(Fault {
                    step: self.step,
                    ..fault.clone()
                });
            }
            self.fill().await;
        }
    }

    /// Writes without reading. An error shows when the next reply is missing.
    pub(crate) async fn send<T: BoundedBuf + AsRef<[u8]>>(&mut self, bytes: T) -> T {
        self.arm();
        match self.sealed(bytes.as_ref()) {
            Some(sealed) => {
                let (result, _) = self.stream.write_all(sealed).await;
                self.note_write(result);
                bytes
            }
            None => {
                let (result, bytes) = self.stream.write_all(bytes).await;
                self.note_write(result);
                bytes
            }
        }
    }

    /// Writes, and reads what comes meanwhile or next.
    pub(crate) async fn exchange<T: BoundedBuf + AsRef<[u8]>>(&mut self, bytes: T) -> T {
        if self.ended.is_some() {
            return bytes;
        }
        self.arm();
        let stream = Rc::clone(&self.stream);
        match self.sealed(bytes.as_ref()) {
            Some(sealed) => {
                let ((result, _), ()) = tokio::join!(stream.write_all(sealed), self.fill());
                self.note_write(result);
                bytes
            }
            None => {
                let ((result, bytes), ()) = tokio::join!(stream.write_all(bytes), self.fill());
                self.note_write(result);
                bytes
            }
        }
    }

    /// The encrypted form, if the connection is encrypted.
    fn sealed(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let tls = self.tls.as_mut()?;
        match tls.encrypt(bytes) {
            Ok(sealed) => Some(sealed),
            Err(error) => {
                let fault = self.fault(ErrorKind::Tls, error.to_string());
                self.ended.get_or_insert(fault);
                Some(Vec::new())
            }
        }
    }

    /// One read. Its end or error is kept in `ended`, after the bytes that came before.
    async fn fill(&mut self) {
        if let Some(mut tls) = self.tls.take() {
            let (result, buffer) = self.stream.read(std::mem::take(&mut tls.incoming)).await;
            tls.incoming = buffer;
            self.note_read(result);
            match tls.decrypt() {
                Ok(inside) => self.replies.append(&inside),
                Err(error) => {
                    let fault = self.fault(ErrorKind::Tls, error.to_string());
                    self.ended.get_or_insert(fault);
                }
            }
            self.tls = Some(tls);
            return;
        }
        self.fill_in_clear().await;
    }

    async fn fill_in_clear(&mut self) {
        let buffer = self.replies.lend();
        if buffer.len() == buffer.capacity() {
            self.replies.give_back(buffer);
            let line = self.replies.unread_line();
            self.ended = Some(self.fault(ErrorKind::Protocol, line));
            return;
        }
        let (result, buffer) = self.stream.read(buffer).await;
        self.replies.give_back(buffer);
        self.note_read(result);
    }

    fn note_read(&mut self, result: io::Result<usize>) {
        match result {
            Ok(0) => self.ended = Some(self.io_fault(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => self.ended = Some(self.io_fault(&error)),
        }
    }

    /// After a failed write the server's last words may still be in the buffer, but no further read is started.
    fn note_write(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            let fault = self.io_fault(&error);
            self.ended.get_or_insert(fault);
        }
    }

    pub(super) fn arm(&self) {
        self.slot.arm(Instant::now() + self.timeout);
    }

    pub(super) fn record(&self, phase: Phase, begun: Instant) {
        self.tally.borrow_mut().record(phase, begun.elapsed());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.slot.release();
    }
}
