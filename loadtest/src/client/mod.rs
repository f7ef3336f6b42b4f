//! One SMTP connection: it connects, greets, sends envelopes and messages, reads every reply, and ends.
//!
//! Owns the stream and the dialogue's rules for one message. Must not know which message is next or what the run counts,
//! except that it counts each reply it reads.
//!
//! Invariants: a read or a write that was submitted is awaited to its end (see [`crate::client::deadline`]); each reply is read
//! exactly once, in the order of the commands; a step that does not end in time ends with [`ErrorKind::Timeout`].
//!
//! A write and the read of its answer are submitted together, which saves a system call a message. So the measured time
//! starts just before the write that holds the message's last octet is submitted, not when it is known to be done.
//!
//! # BUGS
//! - A reply that comes before the message is sent whole (a server that gives up early) is read only afterwards.

pub mod deadline;
pub mod dial;
mod envelope;
mod message;
mod negative;
mod offers;
pub mod reply;
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

use crate::client::deadline::Slot;
use crate::client::reply::ReplyReader;
use crate::fault::{ErrorKind, Fault, MAX_WORDS, Step};
use crate::options::shape::TlsMode;
use crate::tally::{Phase, Tally};
use tls::Tls;

pub use envelope::Answer;
pub use message::{Delivered, Unsent};
use negative::Negatives;
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
    /// The replies of this transaction that said no.
    negatives: Negatives,
    /// What is being waited for.
    step: Step,
    /// Why no more octets come.
    ended: Option<Fault>,
    offers: Offers,
}

impl Connection {
    /// Connects, encrypts, reads the banner and sends EHLO.
    pub async fn open(
        dial: &Dial<'_>,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Connection, Fault> {
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
    ) -> Result<Connection, Fault> {
        let begun = Instant::now();
        let (stream, done) = dial::start(dial.address, dial.source).map_err(|error| Fault {
            kind: ErrorKind::Connect,
            step: Step::Connect,
            code: None,
            words: plain(&error).into_bytes(),
        })?;
        let stream = Rc::new(stream);
        slot.watch(Rc::clone(&stream));
        let mut connection = Connection {
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
            let (result, _) = connection.stream.write(Vec::<u8>::new()).submit().await;
            if let Err(error) = result {
                let mut fault = connection.io_fault(&error);
                if fault.kind != ErrorKind::Timeout {
                    (fault.kind, fault.words) = (ErrorKind::Connect, plain(&error).into_bytes());
                }
                return Err(fault);
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
    pub async fn banner(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        self.step = Step::Banner;
        match self.read_reply().await? {
            220 => {}
            CLOSING => return Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            code => return Err(self.reply_fault(ErrorKind::Greeting, code)),
        }
        self.record(Phase::Banner, begun);
        Ok(())
    }

    /// EHLO, and STARTTLS with another EHLO where that is asked for.
    pub async fn greet(&mut self, dial: &Dial<'_>) -> Result<(), Fault> {
        self.ehlo(dial).await?;
        if dial.tls != TlsMode::Starttls {
            return Ok(());
        }
        if !self.offers.starttls {
            return Err(self.unsupported("STARTTLS"));
        }
        let begun = Instant::now();
        self.step = Step::Starttls;
        match self.command(Bytes::from_static(b"STARTTLS\r\n")).await? {
            200..300 => {}
            CLOSING => return Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            code => return Err(self.reply_fault(ErrorKind::Tls, code)),
        }
        // What came in clear behind the reply must not count as encrypted.
        if !self.replies.is_empty() {
            let words = "octets in clear behind the reply to STARTTLS";
            return Err(self.fault(ErrorKind::Protocol, words));
        }
        self.encrypt(dial, begun).await?;
        self.ehlo(dial).await
    }

    /// EHLO, or HELO for a server that does not know it.
    async fn ehlo(&mut self, dial: &Dial<'_>) -> Result<(), Fault> {
        let (helo, is_proxied) = (dial.helo, !dial.proxy.is_empty());
        let begun = Instant::now();
        self.step = Step::Ehlo;
        match self
            .command(Bytes::from(format!("EHLO {helo}\r\n")))
            .await?
        {
            200..300 => {
                self.offers = Offers::read(self.replies.text());
                self.record(Phase::Ehlo, begun);
                Ok(())
            }
            CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            // Not an answer to EHLO: a server that does not know the PROXY header takes it for a command.
            code @ 500..600 if is_proxied => Err(self.reply_fault(ErrorKind::Greeting, code)),
            500..600 => match self
                .command(Bytes::from(format!("HELO {helo}\r\n")))
                .await?
            {
                200..300 => Ok(()),
                CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
                code => Err(self.reply_fault(ErrorKind::Greeting, code)),
            },
            code => Err(self.reply_fault(ErrorKind::Greeting, code)),
        }
    }

    /// The TLS handshake.
    async fn encrypt(&mut self, dial: &Dial<'_>, begun: Instant) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.step, Step::Tls);
        let mut tls = Tls::new(dial.tls_settings, dial.server_name)
            .map_err(|error| self.fault(ErrorKind::Tls, error.to_string()))?;
        self.arm();
        loop {
            let octets = tls
                .encrypt(&[])
                .map_err(|error| self.fault(ErrorKind::Tls, error.to_string()))?;
            if !octets.is_empty() {
                let (result, _) = self.stream.write_all(octets).await;
                result.map_err(|error| self.io_fault(&error))?;
            }
            if !tls.is_handshaking() {
                break;
            }
            let (result, buffer) = self.stream.read(std::mem::take(&mut tls.incoming)).await;
            tls.incoming = buffer;
            match result {
                Ok(0) => return Err(self.io_fault(&io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.io_fault(&error)),
            }
            let inside = tls
                .decrypt()
                .map_err(|error| self.fault(ErrorKind::Tls, error.to_string()))?;
            self.replies.append(&inside);
        }
        {
            let mut tally = self.tally.borrow_mut();
            tally.handshakes += 1;
            tally.resumed += u64::from(tls.is_resumed());
        }
        self.tls = Some(Box::new(tls));
        self.step = before;
        self.record(Phase::Tls, begun);
        Ok(())
    }

    /// What the server offers.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// Makes the server forget a transaction that was refused in part.
    pub async fn reset(&mut self) -> Result<(), Fault> {
        self.step = Step::Rset;
        match self.command(Bytes::from_static(b"RSET\r\n")).await? {
            200..300 => Ok(()),
            CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            code => Err(self.reply_fault(ErrorKind::Protocol, code)),
        }
    }

    /// Ends the connection; with `sent` the QUIT went out with the last message. What the server does now no longer matters.
    pub async fn quit(mut self, sent: bool) {
        self.step = Step::Quit;
        if !sent {
            self.exchange(Bytes::from_static(b"QUIT\r\n")).await;
        }
        let _ = self.read_reply().await;
    }

    /// The text of the last reply, lines joined by LF.
    pub fn reply_text(&self) -> &[u8] {
        self.replies.text()
    }

    /// The first reply of this transaction with a code that says no, as a fault of this kind.
    pub fn refusal(&self, kind: ErrorKind, code: u16) -> Fault {
        match self.negatives.first(code) {
            Some((step, text)) => Fault {
                kind,
                step,
                code: Some(code),
                words: text.to_vec(),
            },
            None => self.reply_fault(kind, code),
        }
    }

    /// The replies of this transaction that refused a recipient: code, text, how often.
    pub fn refused_recipients(&self) -> impl Iterator<Item = (u16, &[u8], u64)> {
        self.negatives.of(Step::Rcpt)
    }

    /// The last reply, as a fault of this kind.
    pub fn reply_fault(&self, kind: ErrorKind, code: u16) -> Fault {
        let text = self.replies.text();
        Fault {
            kind,
            step: self.step,
            code: Some(code),
            words: text[..text.len().min(MAX_WORDS)].to_vec(),
        }
    }

    /// The server does not offer this extension.
    pub fn unsupported(&self, extension: &str) -> Fault {
        Fault {
            step: Step::Ehlo,
            ..self.fault(
                ErrorKind::Unsupported,
                format!("the server does not offer {extension}"),
            )
        }
    }

    /// The slot that ends it.
    pub fn slot(&self) -> Rc<Slot> {
        Rc::clone(&self.slot)
    }

    /// From now on each step may take so long.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    fn begin_transaction(&mut self) {
        self.negatives.clear();
    }

    fn await_step(&mut self, step: Step) {
        self.step = step;
    }

    fn fault(&self, kind: ErrorKind, words: impl Into<Vec<u8>>) -> Fault {
        let mut words = words.into();
        words.truncate(MAX_WORDS);
        Fault {
            kind,
            step: self.step,
            code: None,
            words,
        }
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
    pub async fn command(&mut self, command: Bytes) -> Result<u16, Fault> {
        self.exchange(command).await;
        self.read_reply().await
    }

    /// Reads one reply.
    pub async fn read_reply(&mut self) -> Result<u16, Fault> {
        loop {
            match self.replies.next_reply() {
                Ok(Some(code)) => {
                    self.tally.borrow_mut().replies[usize::from(code)] += 1;
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
            Err(error) => {
                let fault = self.fault(ErrorKind::Tls, error.to_string());
                self.ended.get_or_insert(fault);
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
                Err(error) => {
                    let fault = self.fault(ErrorKind::Tls, error.to_string());
                    self.ended.get_or_insert(fault);
                }
            }
            self.tls = Some(tls);
            return;
        }
        let buffer = self.replies.lend();
        let filled = buffer.len();
        if filled == buffer.capacity() {
            self.replies.give_back(buffer);
            let line = self.replies.unread_line();
            self.ended = Some(self.fault(ErrorKind::Protocol, line));
            return;
        }
        let (result, slice) = self.stream.read(buffer.slice(filled..)).await;
        self.replies.give_back(slice.into_inner());
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

    fn io_fault(&self, error: &io::Error) -> Fault {
        if self.slot.expired() {
            let words = format!("nothing came within {:?}", self.timeout);
            return self.fault(ErrorKind::Timeout, words);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.fault(ErrorKind::Closed, "the server closed the connection")
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                self.fault(ErrorKind::Closed, "the server reset the connection")
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut => self.fault(ErrorKind::Connect, plain(error)),
            _ => self.fault(ErrorKind::Io, plain(error)),
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

/// An error of the system without its number: `connection refused`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
