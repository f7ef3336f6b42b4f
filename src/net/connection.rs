//! Drives one session over one transport.
//!
//! Owns: the buffers of a connection, and the order of reading, acting and writing. Must not know: the protocol (the
//! session does), the runtime (the transport does) and ciphers (the stream does).
//!
//! Invariants: replies leave before anything is waited for, in one write; a body is read by the kernel into the buffer
//! that the record will have, and octets are copied only where a client sent data behind a command, or commands behind
//! data, in one packet; while an outcome is awaited, nothing is read.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::admission::Visit;
use super::buffers::Buffers;
use super::hub::{Hub, Slot};
use super::proxy::{self, Header};
use super::stream::{HandshakeError, Secured, Stream};
use super::transport::Transport;
use crate::limits::{
    BODY_GROWTH_MOST, BODY_INITIAL_OCTETS, BODY_MARGIN_OCTETS, BODY_READ_OCTETS,
    BODY_TRUSTED_OCTETS, BUDGET_WAIT_MILLISECONDS, FAREWELL_MILLISECONDS,
    PROXY_HEADER_MILLISECONDS, REPLY_BUFFER_OCTETS,
};
use crate::mail::envelope::Envelope;
use crate::mail::id::QueueId;
use crate::mail::record::{Record, Stamp};
use crate::mail::trace;
use crate::sink::ledger::Waiter;
use crate::sink::{Outcome, Submission};
use crate::smtp::refusal::Refusal;
use crate::smtp::reply::Replies;
use crate::smtp::session::{Action, Event, Expects, Session};
use crate::smtp::state::Transaction;
use crate::telemetry::metrics::SessionEnd;

/// A message that is being received.
struct Message {
    envelope: Envelope,
    id: QueueId,
    time: jiff::Timestamp,
    body: BytesMut,
    /// Octets charged to the budget for `body`.
    charged: usize,
}

struct Connection<'a, T> {
    transport: &'a T,
    stream: Stream<'a, T>,
    /// What was agreed, once the stream is encrypted.
    secured: Option<Secured>,
    hub: &'a Hub,
    slot: Rc<Slot>,
    waiter: Waiter,
    client: SocketAddr,
    session: Session,
    input: BytesMut,
    output: Vec<u8>,
    message: Option<Message>,
    /// Octets of the last message: the next one is probably as large.
    last_size: usize,
    /// Octets that the message under way will probably need, its Received field included.
    expected: usize,
    end: SessionEnd,
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With the banner.
    Clear,
    /// With a TLS handshake (RFC 8314 3.3).
    Tls,
    /// With a header of the PROXY protocol, then the banner.
    Proxied,
}

/// Serves one connection from its opening to close.
pub async fn serve<T: Transport>(transport: &T, peer: SocketAddr, hub: &Hub, opening: Opening) {
    let (waiter, slot) = hub.enter();
    let policy = Arc::clone(&hub.rules().policy);
    let mut connection = Connection {
        transport,
        stream: Stream::new(transport),
        secured: None,
        hub,
        slot,
        waiter,
        client: peer,
        session: Session::new(policy, hub.clock.now()),
        input: BytesMut::new(),
        output: Vec::new(),
        message: None,
        last_size: 0,
        expected: 0,
        end: SessionEnd::ClosedByClient,
    };
    match hub.shared.admission.enter() {
        Ok(mut visit) => connection.welcome(&mut visit, opening).await,
        Err(refusal) => connection.turn_away(refusal).await,
    }
}

impl<T> Drop for Connection<'_, T> {
    /// Also where its task panics: the worker lives on, and what the connection held is others'.
    fn drop(&mut self) {
        self.drop_message();
        self.hub.leave(self.waiter);
    }
}

impl<T> Connection<'_, T> {
    fn drop_message(&mut self) {
        if let Some(message) = self.message.take() {
            self.hub.release(message.body, message.charged);
        }
    }
}

impl<T: Transport> Connection<'_, T> {
    /// Finds out who the client is, and serves or refuses it.
    async fn welcome(&mut self, visit: &mut Visit<'_>, opening: Opening) {
        if opening == Opening::Proxied && self.proxy_header().await.is_err() {
            return;
        }
        if let Err(refusal) = self.attribute(visit, opening).await {
            return match opening {
                // A client that waits for a handshake reads no reply.
                Opening::Tls => self.hub.shared.metrics.connection_refused(refusal),
                Opening::Clear | Opening::Proxied => self.turn_away(refusal).await,
            };
        }
        self.session.limit(visit.rate().cloned());
        self.hub.shared.metrics.connection_accepted();
        let result = self.open_and_run(opening).await;
        if result.is_err() && self.end == SessionEnd::ClosedByClient {
            self.end = SessionEnd::Error;
        }
        self.hub.shared.metrics.connection_closed(self.end);
    }

    /// Counts the connection in for its client, unless that is denied or would exceed a limit, or the client spoke first.
    async fn attribute(&mut self, visit: &mut Visit<'_>, opening: Opening) -> Result<(), Refusal> {
        let client = self.client.ip();
        if !self.hub.rules().access.allows(client) {
            return Err(Refusal::AccessDenied);
        }
        visit.attribute(client, self.hub.clock.now())?;
        if opening == Opening::Clear {
            self.keep_waiting().await;
            if self.transport.has_spoken() {
                return Err(Refusal::EarlyTalker);
            }
        }
        Ok(())
    }

    /// Lets the client wait for its greeting.
    async fn keep_waiting(&self) {
        let delay = self.hub.shared.greeting_delay;
        if !delay.is_zero() {
            self.slot.arm(self.hub.clock.now() + delay);
            while !self.slot.expired() {
                self.slot.woken().await;
            }
        }
    }

    /// Says why, in place of the banner (RFC 5321 3.1); the connection ends with that.
    async fn turn_away(&mut self, refusal: Refusal) {
        self.hub.shared.metrics.connection_refused(refusal);
        let (mut replies, mut octets) = (Replies::default(), Vec::new());
        replies.refuse(refusal);
        replies.swap(&mut octets);
        let soon = self.hub.clock.now() + Duration::from_millis(FAREWELL_MILLISECONDS);
        self.slot.arm(soon);
        let write = self.stream.write_all(octets);
        // It ends here whether the client reads it or not.
        let _ = self
            .slot
            .operation(self.transport, Shutdown::Both, write)
            .await;
    }

    async fn open_and_run(&mut self, opening: Opening) -> io::Result<()> {
        if opening == Opening::Tls {
            self.handshake().await?;
            let (policy, now) = (Arc::clone(&self.hub.rules().policy), self.hub.clock.now());
            self.session.begin_secure(policy, now);
        }
        self.run().await?;
        let soon = self.hub.clock.now() + Duration::from_millis(FAREWELL_MILLISECONDS);
        self.slot.arm(soon);
        let farewell = self.stream.close();
        self.slot
            .operation(self.transport, Shutdown::Both, farewell)
            .await;
        Ok(())
    }

    async fn run(&mut self) -> io::Result<()> {
        loop {
            self.act().await?;
            match self.session.expects() {
                Expects::Nothing => return self.flush().await,
                Expects::Driver => unreachable!("act() does all that the driver is asked for"),
                Expects::Commands => {
                    if self.hub.shared.draining.load(Ordering::Relaxed) {
                        self.session.drain();
                        if self.session.expects() == Expects::Nothing {
                            continue;
                        }
                    }
                    if !self.commands() {
                        self.flush().await?;
                        if !self.read_commands().await? {
                            return self.flush().await;
                        }
                    }
                }
                Expects::Data if self.input.is_empty() => {
                    self.flush().await?;
                    if !self.read_data().await? {
                        return self.flush().await;
                    }
                }
                Expects::Data => self.data_behind_commands(),
            }
            if self.session.replies().len() >= REPLY_BUFFER_OCTETS {
                self.flush().await?;
            }
        }
    }

    /// Gives the session the commands that are here; whether it took any.
    fn commands(&mut self) -> bool {
        self.session.adopt(&self.hub.rules().policy);
        if self.input.is_empty() {
            return false;
        }
        let consumed = self.session.receive(&self.input, self.hub.clock.now());
        self.input.advance(consumed);
        self.count();
        consumed > 0
    }

    /// Waits for commands; whether there is more to do.
    async fn read_commands(&mut self) -> io::Result<bool> {
        if self.input.is_empty() {
            // Commands behind the end of data may have made it large; a connection that waits holds nothing.
            self.input = BytesMut::new();
        }
        self.slot.idle.set(self.session.is_idle());
        let result = if self.stream.is_clear() {
            self.read_clear().await
        } else {
            self.slot.arm(self.session.deadline());
            let read = self.stream.read_more(&mut self.input);
            self.slot
                .operation(self.transport, Shutdown::Read, read)
                .await
        };
        self.slot.idle.set(false);
        self.arrived(result)
    }

    /// Waits without a buffer, reads into the worker's, and gives the session what is there.
    async fn read_clear(&mut self) -> io::Result<usize> {
        loop {
            self.slot.arm(self.session.deadline());
            let readable = self.transport.readable();
            self.slot
                .operation(self.transport, Shutdown::Read, readable)
                .await?;
            let mut scratch = self.hub.scratch.borrow_mut();
            let received = match self.transport.read_now(&mut scratch) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let mut rest = &scratch[..received];
            if self.input.is_empty() {
                self.session.adopt(&self.hub.rules().policy);
                let consumed = self.session.receive(rest, self.hub.clock.now());
                rest = &rest[consumed..];
            }
            self.input.extend_from_slice(rest);
            return Ok(received);
        }
    }

    /// Reads data into the body; whether there is more to do.
    async fn read_data(&mut self) -> io::Result<bool> {
        self.make_room();
        let body = match &mut self.message {
            Some(message) => std::mem::take(&mut message.body),
            // Nothing is kept any more: a small buffer takes what is to be dropped.
            None => self.hub.buffers.borrow_mut().take(BODY_INITIAL_OCTETS),
        };
        let from = body.len();
        let most = BODY_READ_OCTETS.min(self.session.data_limit());
        let (result, mut body) = self.read(body, most).await;
        let more = match self.arrived(result) {
            Ok(more) => more,
            Err(error) => {
                self.put_back(body);
                return Err(error);
            }
        };
        if more {
            let progress = self
                .session
                .receive_data(&mut body[from..], self.hub.clock.now());
            let behind = &body[from + progress.consumed..];
            if !behind.is_empty() {
                // The one copy of octets that a client sent behind the end of its data: its next commands.
                self.input.extend_from_slice(behind);
            }
            body.truncate((from + progress.kept) - progress.retracted);
            self.count();
        }
        self.put_back(body);
        Ok(more)
    }

    fn put_back(&mut self, body: BytesMut) {
        match &mut self.message {
            Some(message) => message.body = body,
            // Its message was dropped meanwhile, or it was only for octets that are dropped.
            None => self.hub.buffers.borrow_mut().give_back(body),
        }
    }

    /// Data that came in one packet with its DATA command: the one copy into the body.
    fn data_behind_commands(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        self.make_room_for(input.len());
        let progress = self.session.receive_data(&mut input, self.hub.clock.now());
        if let Some(message) = &mut self.message {
            message.body.extend_from_slice(&input[..progress.kept]);
            message
                .body
                .truncate(message.body.len() - progress.retracted);
        }
        input.advance(progress.consumed);
        self.input = input;
        self.count();
    }

    fn make_room(&mut self) {
        let room = self.message.as_ref().map_or(usize::MAX, |message| {
            message.body.capacity() - message.body.len()
        });
        let needed = self.stream.least_room().min(self.session.data_limit());
        if room < needed {
            self.make_room_for(needed);
        }
    }

    /// Grows the body, if the budget allows; else the message is spoilt and its memory freed. It grows to what is expected of
    /// it, but to no more than a few times what has arrived, so that a sender's word costs it octets.
    fn make_room_for(&mut self, octets: usize) {
        let Some(message) = &mut self.message else {
            return;
        };
        if message.body.capacity() - message.body.len() >= octets {
            return;
        }
        let (arrived, before) = (message.body.len(), message.charged);
        let wanted = self.expected.min(before * BODY_GROWTH_MOST);
        let target = Buffers::capacity(wanted.max(before + 1).max(arrived + octets));
        if !self.hub.budget.borrow_mut().grow(target - before) {
            self.session.spoil(Refusal::NoRoom);
            let _ = self.session.poll_action();
            return self.drop_message();
        }
        let mut larger = self.hub.buffers.borrow_mut().take(target);
        // A copy of what has arrived: a body that is larger than any before it on this connection pays it, a few times less
        // often than by doubling.
        larger.extend_from_slice(&message.body);
        let smaller = std::mem::replace(&mut message.body, larger);
        message.charged = target;
        self.hub.buffers.borrow_mut().give_back(smaller);
        self.hub
            .shared
            .metrics
            .in_flight(0, (target - before) as i64);
    }

    async fn read(&mut self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        self.slot.arm(self.session.deadline());
        let read = self.stream.read(buffer, most);
        self.slot
            .operation(self.transport, Shutdown::Read, read)
            .await
    }

    /// Reads the header that says who the client is; what follows it is the client's.
    async fn proxy_header(&mut self) -> io::Result<()> {
        let peer = self.client.ip();
        if !self.hub.rules().proxies.contains(peer) {
            return Err(self.refuse_header("it comes from none of server.proxy_networks"));
        }
        let until = Duration::from_millis(PROXY_HEADER_MILLISECONDS);
        self.slot.arm(self.hub.clock.now() + until);
        loop {
            let consumed = match proxy::parse(&self.input) {
                Header::Incomplete => {
                    let read = self.stream.read_more(&mut self.input);
                    let read = self.slot.operation(self.transport, Shutdown::Both, read);
                    if read.await? == 0 {
                        return Err(self.refuse_header("it ended inside the header"));
                    }
                    continue;
                }
                Header::Invalid(why) => return Err(self.refuse_header(why)),
                Header::Proxied { source, consumed } => {
                    self.client = source;
                    consumed
                }
                Header::Local { consumed } => consumed,
            };
            self.input.advance(consumed);
            return Ok(());
        }
    }

    fn refuse_header(&mut self, why: &'static str) -> io::Error {
        let refusal = Refusal::ProxyHeader;
        self.hub.shared.metrics.connection_refused(refusal);
        tracing::debug!(peer = %self.client, why, "a PROXY header was refused");
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Shakes hands, within a deadline of its own.
    async fn handshake(&mut self) -> io::Result<()> {
        let shared = &self.hub.shared;
        let tls = shared
            .tls
            .as_ref()
            .expect("TLS is offered where there is a certificate");
        self.slot
            .arm(self.hub.clock.now() + shared.handshake_timeout);
        let handshake = self.stream.handshake(Arc::clone(tls));
        let result = self
            .slot
            .operation(self.transport, Shutdown::Both, handshake)
            .await;
        match result {
            Ok(secured) => {
                shared.metrics.tls_handshake(secured.version);
                self.secured = Some(secured);
                Ok(())
            }
            Err(error) => {
                let reason = match &error {
                    _ if self.slot.expired() => "timed_out",
                    HandshakeError::Closed | HandshakeError::Transport(_) => "closed",
                    HandshakeError::Tls(_) => "protocol",
                };
                shared.metrics.tls_handshake_failed(reason);
                tracing::debug!(client = %self.client, reason, %error, "a TLS handshake failed");
                self.end = SessionEnd::HandshakeFailed;
                Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    error.to_string(),
                ))
            }
        }
    }

    /// What was said in clear is forgotten, and what was sent behind STARTTLS in clear with it (CVE-2011-0411).
    async fn start_tls(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.input.clear();
        self.handshake().await?;
        self.session.secured(self.hub.clock.now());
        Ok(())
    }

    /// What a read brought; `false` where the connection is over, with the last reply ready if one is due.
    fn arrived(&mut self, result: io::Result<usize>) -> io::Result<bool> {
        if result? > 0 {
            return Ok(true);
        }
        if self.hub.shared.draining.load(Ordering::Relaxed) && self.session.is_idle() {
            self.session.drain();
            self.end = SessionEnd::Shutdown;
        } else if self.slot.expired() {
            self.session.expire(self.hub.clock.now());
            self.end = SessionEnd::TimedOut;
        }
        self.count();
        Ok(false)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.session.replies().is_empty() {
            return Ok(());
        }
        let mut octets = std::mem::take(&mut self.output);
        octets.clear();
        self.session.replies().swap(&mut octets);
        self.slot
            .arm(self.hub.clock.now() + self.hub.shared.policy.command_timeout);
        let write = self.stream.write_all(octets);
        let (result, octets) = self
            .slot
            .operation(self.transport, Shutdown::Both, write)
            .await;
        self.output = octets;
        self.output.clear();
        result
    }

    fn count(&mut self) {
        let metrics = &self.hub.shared.metrics;
        for event in self.session.events() {
            match event {
                Event::Command(verb) => metrics.command(verb),
                Event::Reply(code) => {
                    metrics.reply(code);
                    if code == 221 {
                        self.end = SessionEnd::Quit;
                    }
                }
                Event::Refused(refusal) => {
                    metrics.refused(refusal);
                    self.end = match refusal {
                        Refusal::ShuttingDown => SessionEnd::Shutdown,
                        Refusal::TimedOut => SessionEnd::TimedOut,
                        Refusal::TooManyErrors => SessionEnd::TooManyErrors,
                        other if other.closes() => SessionEnd::Refused,
                        _ => continue,
                    }
                }
                Event::MessageRefused(refusal) if refusal.is_transient() => {
                    metrics.message_tempfailed();
                }
                Event::MessageRefused(_) => metrics.message_refused(),
            }
        }
    }

    /// Does what the session asks for.
    async fn act(&mut self) -> io::Result<()> {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Admit { announced } => self.admit(announced).await?,
                Action::Commit {
                    size,
                    bare_newlines,
                } => self.commit(size, bare_newlines).await?,
                Action::Discard => self.drop_message(),
                Action::StartTls => self.start_tls().await?,
                Action::Close => {}
            }
            self.count();
        }
        self.count();
        Ok(())
    }

    async fn admit(&mut self, announced: Option<u64>) -> io::Result<()> {
        self.expected = announced
            .map_or(self.last_size, |size| {
                usize::try_from(size).unwrap_or(usize::MAX)
            })
            .saturating_add(BODY_MARGIN_OCTETS);
        let room = Buffers::capacity(self.expected.min(BODY_TRUSTED_OCTETS));
        if !self.find_room(room).await? {
            self.session
                .admit(Err(Refusal::NoRoom), self.hub.clock.now());
            return Ok(());
        }
        self.hub.shared.metrics.in_flight(1, room as i64);
        let transaction = self
            .session
            .transaction()
            .expect("a transaction is being admitted");
        let tls = self
            .secured
            .as_ref()
            .map(|secured| Arc::clone(&secured.text));
        let message = open_message(self.hub, self.client, tls, transaction, room);
        self.message = Some(message);
        self.session.admit(Ok(()), self.hub.clock.now());
        Ok(())
    }

    /// Charges the budget, waiting for its turn; `false` if none came in time.
    async fn find_room(&mut self, room: usize) -> io::Result<bool> {
        if self.hub.budget.borrow_mut().admit_now(room) {
            return Ok(true);
        }
        // Before it stands in the queue: a client that does not read its replies would hold up everybody behind it.
        self.flush().await?;
        self.slot
            .arm(self.hub.clock.now() + Duration::from_millis(BUDGET_WAIT_MILLISECONDS));
        let mut found = self.admitted(room);
        while !found && !self.slot.expired() {
            self.slot.woken().await;
            found = self.admitted(room);
        }
        self.hub.budget.borrow_mut().forget(self.waiter);
        self.hub.wake_next();
        Ok(found)
    }

    fn admitted(&self, room: usize) -> bool {
        self.hub.budget.borrow_mut().admit(self.waiter, room)
    }

    async fn commit(&mut self, size: u64, bare_newlines: bool) -> io::Result<()> {
        let received = self.hub.clock.now();
        let message = self.message.take().expect("a message is being committed");
        let Message {
            mut envelope,
            id,
            time,
            body,
            charged,
        } = message;
        self.last_size = body.len();
        envelope.bare_newlines = bare_newlines;
        let outcome = self.store(&envelope, id, time, size, body, charged).await?;
        let now = self.hub.clock.now();
        let metrics = &self.hub.shared.metrics;
        match outcome {
            Outcome::Stored => {
                metrics.message_accepted(size, now - received);
                self.session.resolve(Ok(id), now);
            }
            Outcome::Refused(refusal) => self.session.resolve(Err::<QueueId, _>(refusal), now),
        }
        if self.hub.shared.log_messages {
            log_message(&envelope, id, size, outcome, now - received);
        }
        Ok(())
    }

    /// Hands the record over and waits for its outcome.
    async fn store(
        &mut self,
        envelope: &Envelope,
        id: QueueId,
        time: jiff::Timestamp,
        size: u64,
        body: BytesMut,
        charged: usize,
    ) -> io::Result<Outcome> {
        let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let shared = &self.hub.shared;
        let stamp = Stamp {
            id,
            hostname: &shared.policy.hostname,
            time: &time,
            size,
            key: shared.key,
        };
        assert_eq!(
            charged,
            body.capacity(),
            "the budget knows what a body holds"
        );
        let record = Box::new(Record::new(envelope, stamp, body));
        let ticket = self.hub.ledger.borrow_mut().open(self.waiter);
        if let Submission::Done(outcome, record) = shared.sink.submit(ticket, record) {
            let _ = self.hub.ledger.borrow_mut().close(ticket);
            self.hub.release(record.value, charged);
            return Ok(outcome);
        }
        let produced = self.hub.clock.now();
        self.slot.arm(self.session.deadline());
        match self.slot.outcome(ticket).await {
            Some(outcome) => {
                self.hub
                    .shared
                    .metrics
                    .delivery_reported(self.hub.clock.now() - produced);
                Ok(outcome)
            }
            None => {
                self.hub.ledger.borrow_mut().abandon(ticket);
                Ok(Outcome::Refused(Refusal::KafkaTimedOut))
            }
        }
    }
}

fn open_message(
    hub: &Hub,
    client: SocketAddr,
    tls: Option<Arc<str>>,
    transaction: &Transaction,
    room: usize,
) -> Message {
    let shared = &hub.shared;
    let time = hub.clock.wall();
    let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
    let id = hub.ids.borrow_mut().next(milliseconds);
    let envelope = envelope(client, tls, transaction);
    let mut body = hub.buffers.borrow_mut().take(room);
    if shared.trace {
        let date = time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let field = trace::received(&envelope, &shared.policy.hostname, id, &date);
        body.extend_from_slice(field.as_bytes());
    }
    Message {
        envelope,
        id,
        time,
        body,
        charged: room,
    }
}

fn envelope(client: SocketAddr, tls: Option<Arc<str>>, transaction: &Transaction) -> Envelope {
    let smtputf8 = transaction.parameters.smtputf8;
    let protocol = match (smtputf8, transaction.hello.extended, &tls) {
        (true, _, None) => "UTF8SMTP",
        (true, _, Some(_)) => "UTF8SMTPS",
        (false, true, None) => "ESMTP",
        (false, true, Some(_)) => "ESMTPS",
        (false, false, _) => "SMTP",
    };
    let text = |mailbox: &crate::smtp::address::Mailbox| mailbox.as_str().to_owned();
    Envelope {
        reverse_path: transaction
            .reverse_path
            .as_ref()
            .map(text)
            .unwrap_or_default(),
        recipients: transaction.recipients.iter().map(text).collect(),
        helo: transaction.hello.name.to_string(),
        client,
        protocol,
        tls,
        bare_newlines: false,
        body: transaction.parameters.body.unwrap_or_default(),
        smtputf8,
    }
}

fn log_message(envelope: &Envelope, id: QueueId, size: u64, outcome: Outcome, took: Duration) {
    let outcome = match outcome {
        Outcome::Stored => "stored",
        Outcome::Refused(refusal) => refusal.row().label,
    };
    tracing::info!(
        %id,
        client = %envelope.client,
        helo = envelope.helo,
        from = envelope.reverse_path,
        to = envelope.recipients.first().map_or("", String::as_str),
        recipients = envelope.recipients.len(),
        size,
        outcome,
        milliseconds = took.as_secs_f64() * 1e3,
        "message"
    );
}
