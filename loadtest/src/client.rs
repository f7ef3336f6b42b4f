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

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::TcpStream;

use crate::deadline::Slot;
use crate::message::{Envelope, OwnPart, Tail, Template};
use crate::reply::ReplyReader;
use crate::tally::{ErrorKind, Tally};

/// The server closes the connection after this reply, RFC 5321 section 3.8.
pub const CLOSING: u16 = 421;

/// How the server took an envelope.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It waits for the data; so many recipients were refused.
    Go {
        /// Recipients that are not part of the transaction.
        recipients_refused: u64,
    },
    /// It waits for the data of a transaction that has no recipient; RFC 2920 section 3.1 allows that. The code is the one
    /// that refused.
    Void(u16),
    /// It refused with this code.
    Refused(u16),
}

/// The final reply of a message.
#[derive(Debug)]
pub struct Delivered {
    /// Its code.
    pub code: u16,
    /// When the write that holds the message's last octet was submitted.
    pub last_octet: Instant,
    /// When the reply was read.
    pub answered: Instant,
}

/// An open, greeted connection.
pub struct Connection {
    stream: Rc<TcpStream>,
    slot: Rc<Slot>,
    timeout: Duration,
    tally: Rc<RefCell<Tally>>,
    replies: ReplyReader,
    /// Why no more octets come.
    ended: Option<ErrorKind>,
    pipelining: bool,
}

impl Connection {
    /// Connects, reads the banner and sends EHLO. Returns it with the time from connecting to the banner.
    pub async fn open(
        address: SocketAddr,
        helo: &str,
        timeout: Duration,
        slot: Rc<Slot>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<(Connection, Duration), ErrorKind> {
        let started = Instant::now();
        let stream = Rc::new(connect(address).map_err(|_| ErrorKind::Connect)?);
        slot.watch(Rc::clone(&stream));
        slot.arm(started + timeout);
        let replies = ReplyReader::new();
        let mut connection = Connection {
            stream,
            slot,
            timeout,
            tally,
            replies,
            ended: None,
            pipelining: false,
        };
        let banner = connection.read_reply().await?;
        let banner_time = started.elapsed();
        if banner != 220 {
            return Err(ErrorKind::Greeting);
        }
        connection.greet(helo).await?;
        Ok((connection, banner_time))
    }

    /// Whether the server offers PIPELINING.
    pub fn offers_pipelining(&self) -> bool {
        self.pipelining
    }

    /// EHLO, or HELO for a server that does not know it.
    async fn greet(&mut self, helo: &str) -> Result<(), ErrorKind> {
        match self
            .command(Bytes::from(format!("EHLO {helo}\r\n")))
            .await?
        {
            200..300 => {
                self.pipelining = offers(self.replies.text(), b"PIPELINING");
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

    /// Sends an envelope in one write, without reading replies.
    pub async fn send_envelope(&mut self, envelope: &Envelope) {
        self.exchange(envelope.group.clone()).await;
    }

    /// Reads the replies of an envelope that was sent in one write.
    pub async fn envelope_replies(&mut self, envelope: &Envelope) -> Result<Answer, ErrorKind> {
        let mut answers = EnvelopeAnswers::new(envelope.recipients());
        loop {
            let code = self.read_reply().await?;
            if let Some(answer) = answers.take(code)? {
                return Ok(answer);
            }
        }
    }

    /// Sends an envelope command by command, each after the reply to the one before.
    pub async fn envelope_step_by_step(
        &mut self,
        envelope: &Envelope,
    ) -> Result<Answer, ErrorKind> {
        let mut answers = EnvelopeAnswers::new(envelope.recipients());
        for command in &envelope.commands {
            if let Some(code) = answers.refusal_before_data() {
                return Ok(Answer::Refused(code));
            }
            let code = self.command(command.clone()).await?;
            if let Some(answer) = answers.take(code)? {
                return Ok(answer);
            }
        }
        unreachable!("the reply to DATA is always an answer")
    }

    /// Sends message `number` with its end and `tail`, and reads its final reply; the text is in
    /// [`Connection::reply_text`].
    pub async fn deliver(
        &mut self,
        template: &Template,
        part: &mut OwnPart,
        number: u64,
        tail: Tail,
    ) -> Result<Delivered, ErrorKind> {
        template.patch(part, number, tail);
        let own = std::mem::take(&mut part.bytes);
        let last_octet;
        if template.is_shared() {
            part.bytes = self.send(own).await;
            self.send(template.middle()).await;
            last_octet = Instant::now();
            self.exchange(template.last(tail)).await;
        } else {
            last_octet = Instant::now();
            part.bytes = self.exchange(own).await;
        }
        let code = self.read_reply().await?;
        Ok(Delivered {
            code,
            last_octet,
            answered: Instant::now(),
        })
    }

    /// Ends the data of a transaction without recipients.
    pub async fn deliver_nothing(&mut self) -> Result<u16, ErrorKind> {
        self.command(Bytes::from_static(b".\r\n")).await
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

    async fn command(&mut self, command: Bytes) -> Result<u16, ErrorKind> {
        self.exchange(command).await;
        self.read_reply().await
    }

    /// Reads one reply.
    async fn read_reply(&mut self) -> Result<u16, ErrorKind> {
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
    async fn send<T: BoundedBuf>(&mut self, bytes: T) -> T {
        self.arm();
        let (result, bytes) = self.stream.write_all(bytes).await;
        self.note_write(result);
        bytes
    }

    /// Writes, and reads what comes meanwhile or next.
    async fn exchange<T: BoundedBuf>(&mut self, bytes: T) -> T {
        if self.ended.is_some() {
            return bytes;
        }
        self.arm();
        let stream = Rc::clone(&self.stream);
        let ((result, bytes), ()) = tokio::join!(stream.write_all(bytes), self.fill());
        self.note_write(result);
        bytes
    }

    /// One read. Its end or error is kept in `ended`, behind the octets that came before.
    async fn fill(&mut self) {
        let buffer = self.replies.lend();
        let filled = buffer.len();
        if filled == buffer.capacity() {
            self.replies.give_back(buffer);
            self.ended = Some(ErrorKind::Protocol);
            return;
        }
        let (result, slice) = self.stream.read(buffer.slice(filled..)).await;
        self.replies.give_back(slice.into_inner());
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
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.slot.release();
    }
}

/// Starts to connect and does not wait: the first read or write does, in the kernel, under the watchdog's eyes.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        // EINPROGRESS, which has no name of its own among the kinds of errors.
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    // A nonblocking socket makes io_uring report "would block" instead of waiting.
    socket.set_nonblocking(false)?;
    socket.set_tcp_nodelay(true)?;
    Ok(TcpStream::from_std(socket.into()))
}

/// Whether a keyword is among the lines of a reply to EHLO (RFC 5321 section 4.1.1.1); the first line is the greeting.
fn offers(text: &[u8], keyword: &[u8]) -> bool {
    text.split(|octet| *octet == b'\n')
        .skip(1)
        .filter_map(|line| line.split(|octet| *octet == b' ').next())
        .any(|word| word.eq_ignore_ascii_case(keyword))
}

/// The replies to an envelope, one after the other: MAIL, each RCPT, DATA.
struct EnvelopeAnswers {
    recipients: usize,
    seen: usize,
    taken: u64,
    recipients_refused: u64,
    /// The code of the first refusal.
    refused: Option<u16>,
}

impl EnvelopeAnswers {
    fn new(recipients: usize) -> EnvelopeAnswers {
        assert!(recipients > 0, "a transaction has a recipient");
        EnvelopeAnswers {
            recipients,
            seen: 0,
            taken: 0,
            recipients_refused: 0,
            refused: None,
        }
    }

    /// Takes the next reply; the last one, or one that ends the connection, gives the answer.
    fn take(&mut self, code: u16) -> Result<Option<Answer>, ErrorKind> {
        let position = self.seen;
        self.seen += 1;
        if code == CLOSING {
            return Ok(Some(Answer::Refused(code)));
        }
        match code {
            200..300 if position == 0 => Ok(None),
            200..300 if position <= self.recipients => {
                self.taken += 1;
                Ok(None)
            }
            300..400 if position > self.recipients => Ok(Some(self.go())),
            400..600 if position > self.recipients => Ok(Some(self.refusal(code))),
            400..600 => {
                self.recipients_refused += u64::from(position > 0);
                self.refused.get_or_insert(code);
                Ok(None)
            }
            _ => Err(ErrorKind::Protocol),
        }
    }

    fn go(&self) -> Answer {
        match self.refused {
            Some(code) if self.taken == 0 => Answer::Void(code),
            _ => Answer::Go {
                recipients_refused: self.recipients_refused,
            },
        }
    }

    /// DATA was refused: because of what was refused before it, when nobody was left to take the message.
    fn refusal(&self, code: u16) -> Answer {
        Answer::Refused(self.refused.filter(|_| self.taken == 0).unwrap_or(code))
    }

    /// The refusal that makes the rest of the commands pointless.
    fn refusal_before_data(&self) -> Option<u16> {
        let mail_refused = self.seen == 1;
        let nobody_left = self.seen == self.recipients + 1 && self.taken == 0;
        self.refused.filter(|_| mail_refused || nobody_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(recipients: usize, codes: &[u16]) -> Result<Option<Answer>, ErrorKind> {
        let mut answers = EnvelopeAnswers::new(recipients);
        let (last, before) = codes.split_last().expect("a reply");
        for code in before {
            assert_eq!(answers.take(*code), Ok(None), "{codes:?}");
        }
        answers.take(*last)
    }

    #[test]
    fn an_envelope_is_taken_in_part_or_refused() {
        let go = |recipients_refused| Ok(Some(Answer::Go { recipients_refused }));
        assert_eq!(answer(1, &[250, 250, 354]), go(0));
        assert_eq!(answer(2, &[250, 550, 251, 354]), go(1));
        assert_eq!(
            answer(2, &[250, 452, 550, 354]),
            Ok(Some(Answer::Void(452)))
        );
        assert_eq!(
            answer(2, &[250, 452, 550, 554]),
            Ok(Some(Answer::Refused(452)))
        );
        assert_eq!(answer(1, &[451, 503, 503]), Ok(Some(Answer::Refused(451))));
        assert_eq!(
            answer(2, &[250, 550, 250, 451]),
            Ok(Some(Answer::Refused(451)))
        );
        assert_eq!(answer(2, &[250, 421]), Ok(Some(Answer::Refused(421))));
    }

    #[test]
    fn a_reply_that_does_not_fit_its_command_is_an_error() {
        assert_eq!(answer(1, &[354]), Err(ErrorKind::Protocol));
        assert_eq!(answer(1, &[250, 354]), Err(ErrorKind::Protocol));
        assert_eq!(answer(1, &[250, 250, 250]), Err(ErrorKind::Protocol));
    }

    #[test]
    fn step_by_step_a_hopeless_envelope_ends_early() {
        let mut answers = EnvelopeAnswers::new(2);
        assert_eq!(answers.refusal_before_data(), None);
        assert_eq!(answers.take(250), Ok(None));
        assert_eq!(answers.take(550), Ok(None));
        assert_eq!(
            answers.refusal_before_data(),
            None,
            "the second recipient may be taken"
        );
        assert_eq!(answers.take(450), Ok(None));
        assert_eq!(answers.refusal_before_data(), Some(550));
        let mut answers = EnvelopeAnswers::new(2);
        assert_eq!(answers.take(452), Ok(None));
        assert_eq!(answers.refusal_before_data(), Some(452));
    }

    #[test]
    fn keywords_are_found_behind_the_greeting_only() {
        assert!(offers(b"mx greets\nSIZE 100\npipelining", b"PIPELINING"));
        assert!(offers(b"mx\nSIZE 100\nDSN", b"SIZE"));
        assert!(!offers(b"PIPELINING greets\nSIZE 100", b"PIPELINING"));
        assert!(!offers(b"mx\nX-PIPELINING\nPIPELININGS", b"PIPELINING"));
    }
}
