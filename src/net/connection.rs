//! Drives one session over one transport.
//!
//! | file | owns |
//! |---|---|
//! | this one | the loop: read, act, write |
//! | `connection/opening` | who the client is, whether it is served, the TLS handshake |
//! | `connection/message` | room for a message, its record, its outcome |
//! | `connection/parts` | a mail that becomes several records |
//! | `connection/upload` | a large message that goes to the store while it arrives; `claim` is its object |
//! | `connection/refused` | the log line of what was refused, and of clients that left |
//! | `connection/trace` | the log of one client's whole dialogue, where that is asked for; `told` is what it remembers |
//!
//! Owns: the buffers of a connection, and the order of reading, acting and writing. Must not know: the protocol (the
//! session does), the runtime (the transport does) and ciphers (the stream does).
//!
//! Invariants: the clock is asked once for what a wait brought, and the session remembers it for what follows without another
//! wait; replies leave before the client is waited for, in one write; a body is read by the kernel into the buffer
//! that the record will have, and bytes are copied only where a client sent data after a command, or commands after
//! data, in one packet; while an outcome is awaited, nothing is read; a connection that ends with a refusal is not reset by
//! what the client still sends, so that the client can read why.
//!
//! BUGS: a client that stops inside a TLS record holds two buffers of 16 KiB, outside of the in-flight budget, until its time is over.
//!
//! A task is as large as its largest await, so rare and TLS-only awaits are boxed.

mod claim;
mod message;
mod opening;
mod parts;
mod refused;
mod told;
mod trace;
mod upload;

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, BytesMut};

use super::budget::Charge;
use super::hub::Hub;
use super::slots::Seat;
use super::stream::Stream;
use super::transport::Transport;
use crate::limits::{
    BODY_INITIAL_OCTETS, BODY_READ_OCTETS, COMMAND_BUFFER_OCTETS, REPLY_BUFFER_OCTETS,
};
use crate::mail::envelope::Client;
use crate::mail::id::QueueId;
use crate::smtp::refusal::Refusal;
use crate::smtp::session::{About, Action, Event, Expects, Output, Progress, Session};
use crate::telemetry::metrics::{Code, MessageOutcome, SessionEnd};
use claim::Claim;
use told::Trace;

/// A message that is being received.
struct Message {
    id: QueueId,
    time: jiff::Timestamp,
    body: BytesMut,
    /// Bytes of the Received field at the front of `body`.
    field: usize,
    /// The room of `body`.
    charge: Charge,
    /// Bytes that `body` will probably need, its Received field included.
    expected: usize,
    /// Whether it is announced as one that becomes an object.
    is_large: bool,
    /// Its object, once a part of it is in the store.
    claim: Option<Box<Claim>>,
}

struct Connection<'a, T> {
    stream: Stream<'a, T>,
    hub: &'a Hub,
    slot: Seat<'a>,
    client: Client,
    session: Session,
    /// What the session has said; lent by the hub while something waits there.
    output: Option<Box<Output>>,
    /// What it was about when its client left while the driver had the transaction.
    left: Option<Box<About>>,
    input: BytesMut,
    message: Option<Box<Message>>,
    /// Bytes of the last message, capped to a small number: the next one is probably as large.
    last_size: u32,
    /// The listener that it came in on, in the order of the configuration.
    listener: u16,
    end: SessionEnd,
    /// What its trace remembers; none where it is not traced.
    trace: Option<Box<Trace>>,
}

/// Where a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrance {
    /// The listener, by its place in the configuration.
    pub listener: u16,
    /// How it begins.
    pub opening: Opening,
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
///
/// No async fn: one would hold its arguments beside the connection that is made of them.
pub fn serve<'a, T: Transport>(
    transport: &'a T,
    client: Client,
    hub: &'a Hub,
    entrance: Entrance,
) -> impl Future<Output = ()> + use<'a, T> {
    let slot = hub.slots.enter(hub.clock.now());
    let policy = Arc::clone(&hub.shared.rules.load().policy);
    let mut connection = Connection {
        stream: Stream::new(transport),
        hub,
        slot,
        client,
        session: Session::new(policy, hub.clock.now()),
        output: None,
        left: None,
        input: BytesMut::new(),
        message: None,
        last_size: 0,
        listener: entrance.listener,
        end: SessionEnd::ClosedByClient,
        trace: None,
    };
    connection.session.explain_refusals(hub.journal.is_kept());
    async move {
        // While this lives, the connection counts.
        let Some(_visit) = Box::pin(connection.welcome(entrance.opening)).await else {
            connection.trace_end(&Ok(()));
            return;
        };
        let result = connection.run().await;
        if result.is_ok() && connection.stream.owes_end() {
            Box::pin(connection.say_farewell()).await;
        }
        if let (Ok(()), Some(longest)) = (&result, connection.lingers()) {
            Box::pin(connection.linger(longest)).await;
        }
        connection.count_out(&result);
        connection.log_gone(&result);
        connection.trace_end(&result);
    }
}

impl<T> Drop for Connection<'_, T> {
    /// Also where its task panics: the worker lives on, and others can use what the connection held.
    fn drop(&mut self) {
        self.drop_message();
        if let Some(output) = self.output.take_if(|output| output.is_empty()) {
            self.hub.memory.keep_output(output);
        }
    }
}

impl<T> Connection<'_, T> {
    fn drop_message(&mut self) {
        if let Some(message) = self.message.take() {
            self.hub.memory.release(message.body, message.charge);
        }
    }
}

impl<'a, T: Transport> Connection<'a, T> {
    /// Until the end: answers what needs no waiting at once, leaves the rest to a future that lasts until the next wait for a
    /// command.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn would hold its argument twice, in every connection"
    )]
    fn run(&mut self) -> impl Future<Output = io::Result<()>> + use<'_, 'a, T> {
        async move {
            loop {
                if !self.answer()? && !Box::pin(self.work()).await? {
                    return Ok(());
                }
                self.rest();
                let readable = if self.stream.rests() {
                    self.readable().await
                } else {
                    Ok(())
                };
                let more = if self.stream.is_clear() {
                    let received = readable.and_then(|()| self.receive_now());
                    self.have_arrived(received)?
                } else {
                    let received = Box::pin(self.receive_secure(readable)).await;
                    self.have_arrived(received)?
                };
                if !more {
                    return Box::pin(self.flush()).await;
                }
            }
        }
    }

    /// Sends the replies where a command is expected next and none is here; whether that was all that is to be done.
    fn answer(&mut self) -> io::Result<bool> {
        let waits = self.session.expects() == Expects::Commands
            && !self.session.has_action()
            && self.input.is_empty();
        if !waits {
            return Ok(false);
        }
        self.count();
        self.write_now()
    }

    /// All that there is to be done until a command has to be waited for, or, for `false`, until the end.
    async fn work(&mut self) -> io::Result<bool> {
        loop {
            self.act().await?;
            // Before commands are looked at: a session takes none while this much waits, which is no reason to wait for the client.
            if self.waiting() >= REPLY_BUFFER_OCTETS {
                self.flush().await?;
            }
            match self.session.expects() {
                Expects::Nothing => {
                    self.flush().await?;
                    return Ok(false);
                }
                Expects::Driver => unreachable!("act() does all that the driver is asked for"),
                Expects::Commands => {
                    if !self.commands() {
                        self.flush().await?;
                        return Ok(true);
                    }
                }
                Expects::Data if self.owes_parts() => Box::pin(self.send_parts()).await?,
                Expects::Data if self.input.is_empty() => {
                    self.flush().await?;
                    if !self.read_data().await? {
                        self.flush().await?;
                        return Ok(false);
                    }
                }
                Expects::Data => self.data_behind_commands(),
            }
        }
    }

    /// Gives the session the commands that are here; whether it took any.
    fn commands(&mut self) -> bool {
        self.follow_what_holds_now();
        if self.input.is_empty() {
            return false;
        }
        let (heard, output) = (self.session.heard(), lent(&mut self.output, self.hub));
        let consumed = self.session.receive(&self.input, heard, output);
        if self.trace.is_some() {
            let taken = self.input[..consumed].to_vec();
            self.trace_commands(&taken);
        }
        self.input.advance(consumed);
        self.count();
        consumed > 0
    }

    /// What comes before commands are given to the session: the rules and the directory as they are now, whether mail is taken, and
    /// whether the server stops.
    fn follow_what_holds_now(&mut self) {
        let shared = &self.hub.shared;
        self.session.adopt(&shared.rules.load().policy);
        if shared.policy.directory {
            self.session.follow(shared.directory.load().as_ref());
        }
        self.session.heed(shared.sink.intake());
        if shared.draining.load(Ordering::Relaxed) {
            self.session.wind_down();
        }
    }

    /// What comes before a wait for commands: a connection that waits holds the front of a command line at most.
    fn rest(&mut self) {
        // Commands after the end of data may have made it large.
        self.input = BytesMut::from(&self.input[..]);
        if let Some(output) = self.output.take_if(|output| output.is_empty()) {
            self.hub.memory.keep_output(output);
        }
        let idle = self.session.is_idle().then(|| self.session.heard());
        self.slot.set_idle(idle);
    }

    /// Waits until something can be read, until the session's deadline.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + use<'a, '_, T> {
        self.slot.arm(self.session.deadline());
        let transport = self.stream.transport();
        self.slot
            .operation(transport, Shutdown::Read, transport.readable())
    }

    /// What a read of commands brought; whether there is more to do.
    fn have_arrived(&mut self, received: io::Result<usize>) -> io::Result<bool> {
        self.slot.set_idle(None);
        match received {
            // Spurious readiness; wait again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            received => self.arrived(received),
        }
    }

    /// Reads commands that have come, in clear, into the worker's buffer, out of which the session takes what it can.
    fn receive_now(&mut self) -> io::Result<usize> {
        self.hub.memory.with_scratch(|scratch| {
            let received = self.stream.transport().read_now(scratch)?;
            self.take_commands(&scratch[..received]);
            Ok(received)
        })
    }

    /// The same over TLS, into a buffer that the worker lends.
    async fn receive_secure(&mut self, readable: io::Result<()>) -> io::Result<usize> {
        readable?;
        let buffer = self.hub.memory.take_buffer(BODY_INITIAL_OCTETS);
        let (result, buffer) = self.read(buffer, COMMAND_BUFFER_OCTETS).await;
        self.take_commands(&buffer);
        self.hub.memory.keep_buffer(buffer);
        result
    }

    /// Gives the session what has been read, unless something comes before it; what it does not take is kept.
    fn take_commands(&mut self, octets: &[u8]) {
        let mut rest = octets;
        if self.input.is_empty() {
            self.follow_what_holds_now();
            let (now, output) = (self.hub.clock.now(), lent(&mut self.output, self.hub));
            let consumed = self.session.receive(rest, now, output);
            if self.trace.is_some() {
                self.trace_commands(&rest[..consumed]);
            }
            rest = &rest[consumed..];
        }
        self.input.extend_from_slice(rest);
    }

    /// Reads data into the body; whether there is more to do.
    async fn read_data(&mut self) -> io::Result<bool> {
        if self.message.is_none() && self.stream.is_clear() {
            return self.read_to_drop().await;
        }
        self.make_room();
        let body = match &mut self.message {
            Some(message) => std::mem::take(&mut message.body),
            // Nothing is kept from here on: a small buffer takes what is to be dropped.
            None => self.hub.memory.take_buffer(BODY_INITIAL_OCTETS),
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
            let (now, output) = (self.hub.clock.now(), lent(&mut self.output, self.hub));
            let progress = self.session.receive_data(&mut body[from..], now, output);
            let behind = &body[from + progress.consumed..];
            if !behind.is_empty() {
                // The one copy of bytes that a client sent after the end of its data: its next commands.
                self.input.extend_from_slice(behind);
            }
            body.truncate((from + progress.kept) - progress.retracted);
            self.took_data(progress);
        }
        self.put_back(body);
        Ok(more)
    }

    /// Reads data of which nothing is kept into the worker's buffer: a client whose data is dropped holds none.
    async fn read_to_drop(&mut self) -> io::Result<bool> {
        let readable = self.readable().await;
        let memory = &self.hub.memory;
        memory.with_scratch(|scratch| self.drop_read(readable, scratch))
    }

    fn drop_read(&mut self, readable: io::Result<()>, scratch: &mut [u8]) -> io::Result<bool> {
        let most = scratch.len().min(self.session.data_limit());
        let result = readable.and_then(|()| self.stream.transport().read_now(&mut scratch[..most]));
        let received = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            result => result,
        };
        let dropped = *received.as_ref().unwrap_or(&0);
        let more = self.arrived(received)?;
        if more {
            let piece = &mut scratch[..dropped];
            let (now, output) = (self.hub.clock.now(), lent(&mut self.output, self.hub));
            let progress = self.session.receive_data(piece, now, output);
            self.input.extend_from_slice(&piece[progress.consumed..]);
            self.took_data(progress);
        }
        Ok(more)
    }

    fn put_back(&mut self, body: BytesMut) {
        match &mut self.message {
            Some(message) => message.body = body,
            // Its message was dropped meanwhile, or it was only for bytes that are dropped.
            None => self.hub.memory.keep_buffer(body),
        }
    }

    /// Data that came in one packet with its DATA command: the one copy into the body.
    fn data_behind_commands(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        self.make_room_for(input.len());
        let (heard, output) = (self.session.heard(), lent(&mut self.output, self.hub));
        let progress = self.session.receive_data(&mut input, heard, output);
        if let Some(message) = &mut self.message {
            message.body.extend_from_slice(&input[..progress.kept]);
            message
                .body
                .truncate(message.body.len() - progress.retracted);
        }
        input.advance(progress.consumed);
        self.input = input;
        self.took_data(progress);
    }

    /// What follows a piece of data that the session took.
    fn took_data(&mut self, progress: Progress) {
        if self.trace.is_some() {
            self.trace_data(progress.consumed, progress.ended);
        }
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

    async fn read(&mut self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        self.slot.arm(self.session.deadline());
        let transport = self.stream.transport();
        if self.stream.is_clear() {
            let read = transport.read(buffer, most);
            return self.slot.operation(transport, Shutdown::Read, read).await;
        }
        let read = self.stream.read(buffer, most);
        let read = self.slot.operation(transport, Shutdown::Read, read);
        Box::pin(read).await
    }

    /// What a read brought; `false` where the connection is over, with the last reply ready if one is due.
    fn arrived(&mut self, result: io::Result<usize>) -> io::Result<bool> {
        if result? > 0 {
            return Ok(true);
        }
        if self.hub.shared.draining.load(Ordering::Relaxed) && self.session.is_idle() {
            self.session.drain(lent(&mut self.output, self.hub));
            self.end = SessionEnd::Shutdown;
        } else if self.slot.expired() || self.slot.has_shut() {
            self.session.expire(lent(&mut self.output, self.hub));
            self.end = SessionEnd::TimedOut;
        }
        self.count();
        Ok(false)
    }

    /// Sends the replies that wait. Nearly every socket takes them at once; what waits for the others is boxed.
    async fn flush(&mut self) -> io::Result<()> {
        if self.write_now()? {
            return Ok(());
        }
        Box::pin(self.write_all()).await
    }

    /// Sends what is taken at once; whether no reply waits any more.
    fn write_now(&mut self) -> io::Result<bool> {
        if self.trace.is_some() {
            self.trace_replies();
        }
        if self.stream.is_clear()
            && let Some(output) = &mut self.output
            && output.waiting() > 0
        {
            let replies = output.replies();
            let sent = self.stream.transport().write_now(replies.waiting())?;
            replies.sent(sent);
            self.trace_sent(sent);
        }
        Ok(self.waiting() == 0)
    }

    /// Bytes of the replies that wait.
    fn waiting(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.waiting())
    }

    async fn write_all(&mut self) -> io::Result<()> {
        let mut octets = Vec::new();
        lent(&mut self.output, self.hub).replies().swap(&mut octets);
        self.trace_sent(octets.len());
        self.slot
            .arm(self.hub.clock.now() + self.hub.shared.policy.command_timeout);
        let transport = self.stream.transport();
        let last = self.session.expects() == Expects::Nothing;
        let write = self.stream.write_all(octets, last);
        let (result, mut octets) = self.slot.operation(transport, Shutdown::Both, write).await;
        self.session.resume(self.hub.clock.now());
        // Nothing was said meanwhile, so the next replies can use the same memory.
        octets.clear();
        lent(&mut self.output, self.hub).replies().swap(&mut octets);
        result
    }

    fn count(&mut self) {
        let (metrics, tally) = (&self.hub.shared.metrics, &self.hub.tally);
        let Some(output) = self.output.as_mut().filter(|output| output.has_events()) else {
            return;
        };
        for event in output.events() {
            match event {
                Event::Command(verb) => tally.commands.increment(verb),
                Event::Reply(code) => {
                    tally.replies.increment(Code(code));
                    if code == 221 {
                        self.end = SessionEnd::Quit;
                    }
                }
                Event::Refused(refusal) => {
                    metrics.refusals.increment(refusal);
                    if refusal.is_of_an_outage() {
                        self.hub.shared.sink.turned_away();
                    }
                    self.end = match refusal {
                        Refusal::ShuttingDown => SessionEnd::Shutdown,
                        Refusal::TimedOut => SessionEnd::TimedOut,
                        Refusal::TooManyErrors => SessionEnd::TooManyErrors,
                        other if other.closes() => SessionEnd::Refused,
                        _ => continue,
                    }
                }
                Event::MessageRefused(refusal) if refusal.is_transient() => {
                    tally.messages.increment(MessageOutcome::Tempfailed);
                }
                Event::MessageRefused(_) => tally.messages.increment(MessageOutcome::Refused),
            }
        }
        if output.has_refused() {
            self.log_refused();
        }
    }

    /// Does what the session asks for.
    async fn act(&mut self) -> io::Result<()> {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Admit(admission) => self.find_room(admission).await?,
                Action::Commit(commit) => self.commit(commit).await,
                Action::Discard => self.drop_message(),
                Action::StartTls => Box::pin(self.start_tls()).await?,
                Action::Close => {}
            }
            self.count();
        }
        self.count();
        Ok(())
    }
}

/// The memory that a session's output is in, lent by the hub where there is none.
fn lent<'o>(output: &'o mut Option<Box<Output>>, hub: &Hub) -> &'o mut Output {
    output.get_or_insert_with(|| hub.memory.take_output())
}
