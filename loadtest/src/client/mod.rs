//! One SMTP connection: it connects, greets, sends envelopes and messages, reads every reply, and ends.
//!
//! Owns the stream and the dialogue's rules for one message. Must not know which message is next or what the run counts,
//! except that it counts each reply it reads.
//!
//! Invariants: a read or a write that was submitted is awaited to its end (see [`crate::deadline`]); each reply is read
//! exactly once, in the order of the commands; a step that does not end in time ends with [`ErrorKind::Timeout`].
//!
//! A write and the read of its answer are submitted together, which saves a system call a message. So the measured time
//! starts just before the write that holds the message's last octet is submitted, not when it is known to be done.
//!
//! # BUGS
//! - A reply that comes before the message is sent whole (a server that gives up early) is read only afterwards.

pub mod dial;
mod envelope;
mod message;
mod offers;
pub mod tls;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::TcpStream;

use crate::deadline::Slot;
use crate::reply::ReplyReader;
use crate::shape::TlsMode;
use crate::tally::{ErrorKind, Phase, Tally};
use tls::Tls;

pub use envelope::Answer;
pub use message::{Delivered, Unsent};
pub use offers::Offers;

/// The server closes the connection after this reply, RFC 5321 section 3.8.
pub const CLOSING: u16 = 421;

/// How to connect.
pub struct Dial<'a> {
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
pub struct Connection {
    stream: Rc<TcpStream>,
    tls: Option<Box<Tls>>,
    slot: Rc<Slot>,
    timeout: Duration,
    tally: Rc<RefCell<Tally>>,
    replies: ReplyReader,
    /// Why no more octets come.
    ended: Option<ErrorKind>,
    offers: Offers,
}

impl Connection {
    /// Connects, encrypts, reads the banner and sends EHLO.
    pub async fn open(
        dial: &Dial<'_>,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Connection, ErrorKind> {
        let mut connection = Connection::connect(dial, slot, tally).await?;
        connection.banner().await?;
        connection.greet(dial).await?;
        Ok(connection)
    }

    /// Connects, and encrypts where that comes first.
    pub async fn connect(
        dial: &Dial<'_>,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Connection, ErrorKind> {
        let begun = Instant::now();
        let (stream, done) =
            dial::start(dial.address, dial.source).map_err(|_| ErrorKind::Connect)?;
        let stream = Rc::new(stream);
        slot.watch(Rc::clone(&stream));
        let mut connection = Connection {
            stream,
            tls: None,
            slot,
            timeout: dial.timeout,
            tally,
            replies: ReplyReader::new(),
            ended: None,
            offers: Offers::default(),
        };
        connection.arm();
        if !done {
            let (result, _) = connection.stream.write(Vec::<u8>::new()).submit().await;
            if let Err(error) = result {
                let kind = connection.kind_of(error.kind());
                return Err(if kind == ErrorKind::Timeout {
                    kind
                } else {
                    ErrorKind::Connect
                });
            }
        }
        connection.record(Phase::Connect, begun);
        if !dial.proxy.is_empty() {
            connection.send(dial.proxy.clone()).await;
        }
        if dial.tls == TlsMode::Implicit {
            connection.encrypt(dial, Instant::now()).await?;
        }
        Ok(connection)
    }

    /// Reads the banner.
    pub async fn banner(&mut self) -> Result<(), ErrorKind> {
        let begun = Instant::now();
        if self.read_reply().await? != 220 {
            return Err(ErrorKind::Greeting);
        }
        self.record(Phase::Banner, begun);
        Ok(())
    }

    /// EHLO, and STARTTLS with another EHLO where that is asked for.
    pub async fn greet(&mut self, dial: &Dial<'_>) -> Result<(), ErrorKind> {
        self.ehlo(dial.helo).await?;
        if dial.tls != TlsMode::Starttls {
            return Ok(());
        }
        if !self.offers.starttls {
            return Err(ErrorKind::Unsupported);
        }
        let begun = Instant::now();
        match self.command(Bytes::from_static(b"STARTTLS\r\n")).await? {
            200..300 => {}
            CLOSING => return Err(ErrorKind::Shutdown),
            _ => return Err(ErrorKind::Tls),
        }
        // What came in clear behind the reply must not count as encrypted.
        if !self.replies.is_empty() {
            return Err(ErrorKind::Protocol);
        }
        self.encrypt(dial, begun).await?;
        self.ehlo(dial.helo).await
    }

    /// EHLO, or HELO for a server that does not know it.
    async fn ehlo(&mut self, helo: &str) -> Result<(), ErrorKind> {
        let begun = Instant::now();
        match self
            .command(Bytes::from(format!("EHLO {helo}\r\n")))
            .await?
        {
            200..300 => {
                self.offers = Offers::read(self.replies.text());
                self.record(Phase::Ehlo, begun);
                Ok(())
            }
            CLOSING => Err(ErrorKind::Shutdown),
            500..600 => match self
                .command(Bytes::from(format!("HELO {helo}\r\n")))
                .await?
            {
                200..300 => Ok(()),
                _ => Err(ErrorKind::Greeting),
            },
            _ => Err(ErrorKind::Greeting),
        }
    }

    /// The TLS handshake.
    async fn encrypt(&mut self, dial: &Dial<'_>, begun: Instant) -> Result<(), ErrorKind> {
        let mut tls = Tls::new(dial.tls_settings, dial.server_name).map_err(|_| ErrorKind::Tls)?;
        self.arm();
        loop {
            let octets = tls.encrypt(&[]).map_err(|_| ErrorKind::Tls)?;
            if !octets.is_empty() {
                let (result, _) = self.stream.write_all(octets).await;
                result.map_err(|error| self.kind_of(error.kind()))?;
            }
            if !tls.is_handshaking() {
                break;
            }
            let (result, buffer) = self.stream.read(std::mem::take(&mut tls.incoming)).await;
            tls.incoming = buffer;
            match result {
                Ok(0) => return Err(self.kind_of(io::ErrorKind::UnexpectedEof)),
                Ok(_) => {}
                Err(error) => return Err(self.kind_of(error.kind())),
            }
            let inside = tls.decrypt().map_err(|_| ErrorKind::Tls)?;
            self.replies.append(&inside);
        }
        {
            let mut tally = self.tally.borrow_mut();
            tally.handshakes += 1;
            tally.resumed += u64::from(tls.is_resumed());
        }
        self.tls = Some(Box::new(tls));
        self.record(Phase::Tls, begun);
        Ok(())
    }

    /// What the server offers.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// Makes the server forget a transaction that was refused in part.
    pub async fn reset(&mut self) -> Result<(), ErrorKind> {
        match self.command(Bytes::from_static(b"RSET\r\n")).await? {
            200..300 => Ok(()),
            CLOSING => Err(ErrorKind::Shutdown),
            _ => Err(ErrorKind::Protocol),
        }
    }

    /// Ends the connection; with `sent` the QUIT went out with the last message. What the server does now no longer matters.
    pub async fn quit(mut self, sent: bool) {
        if !sent {
            self.exchange(Bytes::from_static(b"QUIT\r\n")).await;
        }
        let _ = self.read_reply().await;
    }

    /// The text of the last reply, lines joined by LF.
    pub fn reply_text(&self) -> &[u8] {
        self.replies.text()
    }

    /// Whether no more octets come.
    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether a reply, or part of one, was read and not looked at.
    pub fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Until the next step the connection may rest.
    pub fn rest(&self) {
        self.slot.disarm();
    }

    /// Rests until the server says something or closes, or the slot is shut down.
    pub async fn idle(&mut self) {
        self.rest();
        self.fill().await;
    }

    /// Sends a command and reads its reply.
    pub async fn command(&mut self, command: Bytes) -> Result<u16, ErrorKind> {
        self.exchange(command).await;
        self.read_reply().await
    }

    /// Reads one reply.
    pub async fn read_reply(&mut self) -> Result<u16, ErrorKind> {
        loop {
            match self.replies.next_reply() {
                Ok(Some(code)) => {
                    self.tally.borrow_mut().replies[usize::from(code)] += 1;
                    self.arm();
                    return Ok(code);
                }
                Ok(None) => {}
                Err(_) => return Err(ErrorKind::Protocol),
            }
            if let Some(kind) = self.ended {
                return Err(kind);
            }
            self.fill().await;
        }
    }

    /// Writes without reading. An error shows in the next reply that does not come.
    pub async fn send<T: BoundedBuf + AsRef<[u8]>>(&mut self, bytes: T) -> T {
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
    pub async fn exchange<T: BoundedBuf + AsRef<[u8]>>(&mut self, bytes: T) -> T {
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
    fn sealed(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let tls = self.tls.as_mut()?;
        match tls.encrypt(octets) {
            Ok(sealed) => Some(sealed),
            Err(_) => {
                self.ended.get_or_insert(ErrorKind::Tls);
                Some(Vec::new())
            }
        }
    }

    /// One read. Its end or error is kept in `ended`, behind the octets that came before.
    async fn fill(&mut self) {
        if let Some(mut tls) = self.tls.take() {
            let (result, buffer) = self.stream.read(std::mem::take(&mut tls.incoming)).await;
            tls.incoming = buffer;
            self.note_read(result);
            match tls.decrypt() {
                Ok(inside) => self.replies.append(&inside),
                Err(_) => {
                    self.ended.get_or_insert(ErrorKind::Tls);
                }
            }
            self.tls = Some(tls);
            return;
        }
        let buffer = self.replies.lend();
        let filled = buffer.len();
        if filled == buffer.capacity() {
            self.replies.give_back(buffer);
            self.ended = Some(ErrorKind::Protocol);
            return;
        }
        let (result, slice) = self.stream.read(buffer.slice(filled..)).await;
        self.replies.give_back(slice.into_inner());
        self.note_read(result);
    }

    fn note_read(&mut self, result: io::Result<usize>) {
        match result {
            Ok(0) => self.ended = Some(self.kind_of(io::ErrorKind::UnexpectedEof)),
            Ok(_) => {}
            Err(error) => self.ended = Some(self.kind_of(error.kind())),
        }
    }

    /// After a failed write the server's last words may still be in the buffer, but no further read is started.
    fn note_write(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            let kind = self.kind_of(error.kind());
            self.ended.get_or_insert(kind);
        }
    }

    fn kind_of(&self, error: io::ErrorKind) -> ErrorKind {
        if self.slot.expired() {
            return ErrorKind::Timeout;
        }
        match error {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => ErrorKind::Closed,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut => ErrorKind::Connect,
            _ => ErrorKind::Io,
        }
    }

    fn arm(&self) {
        self.slot.arm(Instant::now() + self.timeout);
    }

    fn record(&self, phase: Phase, begun: Instant) {
        self.tally.borrow_mut().record(phase, begun.elapsed());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.slot.release();
    }
}
