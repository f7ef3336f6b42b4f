//! The beginning and the end of a connection: TLS, the banner, EHLO, STARTTLS; RSET and QUIT.
//!
//! Must not know messages.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use ringpost_proto::client::offers::Offers;
use ringpost_proto::client::reply::CLOSING;

use super::connection::{Connection, Dial};
use super::deadline::Slot;
use super::tls::Tls;
use crate::fault::{ErrorKind, Extension, Fault, Step};
use crate::options::shape::TlsMode;
use crate::tally::{Phase, Tally};

impl Connection {
    /// Connects, encrypts, reads the banner and sends EHLO.
    pub(crate) async fn open(
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
    pub(crate) async fn connect(
        dial: &Dial<'_>,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Connection, Fault> {
        let mut connection = Connection::dial(dial, slot, tally).await?;
        if !dial.proxy.is_empty() {
            connection.send(dial.proxy.clone()).await;
        }
        if dial.tls == TlsMode::Implicit {
            connection.encrypt(dial, Instant::now()).await?;
        }
        Ok(connection)
    }

    /// Reads the banner.
    pub(crate) async fn banner(&mut self) -> Result<(), Fault> {
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
    pub(crate) async fn greet(&mut self, dial: &Dial<'_>) -> Result<(), Fault> {
        self.ehlo(dial).await?;
        if dial.tls != TlsMode::Starttls {
            return Ok(());
        }
        if !self.offers.starttls {
            return Err(self.unsupported(Extension::Starttls));
        }
        let begun = Instant::now();
        self.step = Step::Starttls;
        match self.command(Bytes::from_static(b"STARTTLS\r\n")).await? {
            200..300 => {}
            CLOSING => return Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            code => return Err(self.reply_fault(ErrorKind::Tls, code)),
        }
        // What came in clear after the reply must not count as encrypted.
        if !self.replies.is_empty() {
            let words = "bytes in clear after the reply to STARTTLS";
            return Err(self.fault(ErrorKind::Protocol, words));
        }
        self.encrypt(dial, begun).await?;
        self.ehlo(dial).await
    }

    /// EHLO, or HELO for a server that does not know it.
    async fn ehlo(&mut self, dial: &Dial<'_>) -> Result<(), Fault> {
        let begun = Instant::now();
        self.step = Step::Ehlo;
        match self.greet_as("EHLO", dial.helo).await? {
            200..300 => {
                self.offers = Offers::read(self.replies.text());
                self.record(Phase::Ehlo, begun);
                Ok(())
            }
            CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            // Not an answer to EHLO: a server that does not know the PROXY header takes it for a command.
            500..600 if dial.proxy.is_empty() => match self.greet_as("HELO", dial.helo).await? {
                200..300 => Ok(()),
                CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
                code => Err(self.reply_fault(ErrorKind::Greeting, code)),
            },
            code => Err(self.reply_fault(ErrorKind::Greeting, code)),
        }
    }

    async fn greet_as(&mut self, verb: &str, name: &str) -> Result<u16, Fault> {
        let command = format!("{verb} {name}\r\n");
        self.command(Bytes::from(command)).await
    }

    /// The TLS handshake.
    async fn encrypt(&mut self, dial: &Dial<'_>, begun: Instant) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.step, Step::Tls);
        let mut tls = Tls::new(dial.tls_settings, dial.server_name)
            .map_err(|error| self.fault(ErrorKind::Tls, error.to_string()))?;
        self.arm();
        while self.send_handshake(&mut tls).await? {
            self.read_handshake(&mut tls).await?;
        }
        self.tally.borrow_mut().count_handshake(tls.is_resumed());
        assert!(self.tls.is_none(), "a connection is encrypted once");
        self.tls = Some(Box::new(tls));
        self.step = before;
        self.record(Phase::Tls, begun);
        Ok(())
    }

    /// Writes what the handshake has to say; whether it needs more of the server.
    async fn send_handshake(&self, tls: &mut Tls) -> Result<bool, Fault> {
        let bytes = tls
            .encrypt(&[])
            .map_err(|error| self.fault(ErrorKind::Tls, error.to_string()))?;
        if !bytes.is_empty() {
            let (result, _) = self.stream.write_all(bytes).await;
            result.map_err(|error| self.io_fault(&error))?;
        }
        Ok(tls.is_handshaking())
    }

    async fn read_handshake(&mut self, tls: &mut Tls) -> Result<(), Fault> {
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
        Ok(())
    }

    /// Makes the server forget a transaction that was refused in part.
    pub(crate) async fn reset(&mut self) -> Result<(), Fault> {
        self.step = Step::Rset;
        match self.command(Bytes::from_static(b"RSET\r\n")).await? {
            200..300 => Ok(()),
            CLOSING => Err(self.reply_fault(ErrorKind::Reply421, CLOSING)),
            code => Err(self.reply_fault(ErrorKind::Protocol, code)),
        }
    }

    /// Ends the connection; with `sent` the QUIT went out with the last message. What the server does now no longer matters.
    pub(crate) async fn quit(mut self, sent: bool) {
        self.step = Step::Quit;
        if !sent {
            self.exchange(Bytes::from_static(b"QUIT\r\n")).await;
        }
        let _ = self.read_reply().await;
    }
}
