//! A connection: bytes on their way in both directions, and the end that the server holds.
//!
//! Owns: what TCP and io_uring do to bytes: cut them, hold them, lose them with a reset, finish an operation later than it
//! was asked for. Must not know: SMTP.
//!
//! Invariant watched here: an operation that was submitted is awaited to its end, unless the process is killed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use ringpost::net::transport::Transport;

use crate::judge::Judge;
use crate::random::Random;

/// One direction.
#[derive(Debug, Default)]
pub struct Direction {
    /// Sent and not arrived.
    flight: VecDeque<u8>,
    /// Arrived and not read.
    here: VecDeque<u8>,
    /// The sender sends no more.
    closing: bool,
    /// That has arrived.
    closed: bool,
}

#[derive(Debug, Default)]
struct Inner {
    up: Direction,
    down: Direction,
    reset: bool,
    read_shut: bool,
    write_shut: bool,
    /// Whether a write was given up, for the client's side took no more.
    choked: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    arriving: bool,
    /// Bytes that the judge has seen and the server has still to write.
    judged: usize,
    /// Everything that the client has sent.
    sent: Vec<u8>,
}

/// See the module.
pub struct Wire {
    /// Number of the connection.
    pub number: usize,
    /// The most bytes that are on their way to a client which does not read.
    window: usize,
    inner: RefCell<Inner>,
    random: RefCell<Random>,
    killed: Cell<bool>,
    /// Whether it carries TLS: only the client can read what the server writes.
    sealed: Cell<bool>,
    /// Wires that have something to deliver.
    kicked: Rc<RefCell<Vec<usize>>>,
    judge: Rc<Judge>,
}

impl Wire {
    /// A new connection.
    pub fn new(
        number: usize,
        random: Random,
        kicked: Rc<RefCell<Vec<usize>>>,
        judge: Rc<Judge>,
    ) -> Self {
        let mut random = random;
        Self {
            number,
            window: *random.of(&[100, 600, 4000, 100_000]),
            inner: RefCell::default(),
            random: RefCell::new(random),
            killed: Cell::new(false),
            sealed: Cell::new(false),
            kicked,
            judge,
        }
    }

    /// The server's next bytes may be TLS. The client has had all replies before.
    pub fn seal(&self) {
        self.sealed.set(true);
    }

    /// The client sends.
    pub fn send(&self, octets: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        inner.sent.extend_from_slice(octets);
        inner.up.flight.extend(octets);
        self.kick(&mut inner);
    }

    /// The client sends no more; it may still read.
    pub fn finish(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.up.closing = true;
        self.kick(&mut inner);
    }

    /// The connection is gone, and what is on its way with it.
    pub fn reset(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.reset = true;
        inner.up = Direction::default();
        inner.down = Direction::default();
        wake(&mut inner.reader);
        wake(&mut inner.writer);
        self.kick(&mut inner);
    }

    /// The server's process was killed.
    pub fn kill(&self) {
        self.killed.set(true);
        self.reset();
    }

    /// What has arrived at the client, and whether more can come.
    pub fn receive(&self) -> (Vec<u8>, bool) {
        let mut inner = self.inner.borrow_mut();
        let octets = inner.down.here.drain(..).collect();
        wake(&mut inner.writer);
        (octets, !inner.reset && !inner.down.closed)
    }

    /// Everything that the client has sent.
    pub fn sent(&self) -> Vec<u8> {
        self.inner.borrow().sent.clone()
    }

    /// Whether it was reset, by either side.
    pub fn is_broken(&self) -> bool {
        self.inner.borrow().reset
    }

    /// Whether nothing more could be said to the client, which for too long took no bytes.
    pub fn is_choked(&self) -> bool {
        self.inner.borrow().choked
    }

    /// Some of what is under way arrives; whether more is under way.
    pub fn arrive(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        inner.arriving = false;
        let mut random = self.random.borrow_mut();
        let mut under_way = false;
        for direction in [&mut inner.up, &mut inner.down] {
            let all = direction.flight.len();
            let some = if random.once_in(3) {
                random.below(all.min(40) + 1).max(1)
            } else {
                all
            };
            direction
                .here
                .extend(direction.flight.drain(..some.min(all)));
            direction.closed = direction.closing && direction.flight.is_empty();
            under_way |= !direction.flight.is_empty();
        }
        wake(&mut inner.reader);
        wake(&mut inner.writer);
        if under_way {
            inner.arriving = true;
        }
        under_way
    }

    fn kick(&self, inner: &mut Inner) {
        if !std::mem::replace(&mut inner.arriving, true) {
            self.kicked.borrow_mut().push(self.number);
        }
    }

    /// An operation completes later than it could, some of the time.
    fn is_late(&self, context: &Context<'_>) -> bool {
        let late = self.random.borrow_mut().once_in(4);
        if late {
            context.waker().wake_by_ref();
        }
        late
    }

    fn poll_read(&self, context: &Context<'_>, most: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut inner = self.inner.borrow_mut();
        inner.reader = Some(context.waker().clone());
        if inner.reset {
            self.judge.effect();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if inner.up.here.is_empty() {
            if inner.up.closed || inner.read_shut {
                self.judge.effect();
                return Poll::Ready(Ok(Vec::new()));
            }
            return Poll::Pending;
        }
        self.judge.effect();
        if self.is_late(context) {
            return Poll::Pending;
        }
        let length = inner.up.here.len().min(most);
        Poll::Ready(Ok(inner.up.here.drain(..length).collect()))
    }

    fn poll_readable(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner.borrow_mut();
        inner.reader = Some(context.waker().clone());
        let over = inner.reset || inner.up.closed || inner.read_shut;
        if !over && inner.up.here.is_empty() {
            return Poll::Pending;
        }
        self.judge.effect();
        if self.is_late(context) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.inner.borrow_mut();
        self.judge.effect();
        if inner.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if inner.up.here.is_empty() && (inner.up.closed || inner.read_shut) {
            return Ok(0);
        }
        if inner.up.here.is_empty() || self.random.borrow_mut().once_in(40) {
            // Poll promised bytes; the kernel may have dropped them since (select(2), BUGS).
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = inner.up.here.len().min(buffer.len());
        for (to, octet) in buffer.iter_mut().zip(inner.up.here.drain(..length)) {
            *to = octet;
        }
        Ok(length)
    }

    fn poll_write(
        &self,
        context: &Context<'_>,
        octets: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        self.inner.borrow_mut().writer = Some(context.waker().clone());
        *written += self.take(&octets[*written..])?;
        if *written == octets.len() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Some of the time a socket takes nothing at once, or only a part.
    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        let most = match self.random.borrow_mut().below(8) {
            0 => 0,
            1 => octets.len() / 2,
            _ => octets.len(),
        };
        let taken = self.take(&octets[..most])?;
        self.inner.borrow_mut().judged -= taken;
        Ok(taken)
    }

    /// Has the judge look at what the server is about to write, once.
    fn queue(&self, octets: &[u8]) {
        let judged = self.inner.borrow().judged;
        if octets.len() > judged {
            let fresh = &octets[judged..];
            match self.sealed.get() {
                true => self.judge.queued_sealed(self.number, fresh),
                false => self.judge.queued(self.number, fresh),
            }
        }
        self.inner.borrow_mut().judged = octets.len();
    }

    /// Takes what there is room for.
    fn take(&self, octets: &[u8]) -> io::Result<usize> {
        let mut inner = self.inner.borrow_mut();
        if inner.reset || inner.write_shut {
            self.judge.effect();
            inner.choked = true;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let under_way = inner.down.flight.len() + inner.down.here.len();
        let room = self.window.saturating_sub(under_way).min(octets.len());
        if room > 0 {
            self.judge.effect();
            inner.down.flight.extend(&octets[..room]);
            self.kick(&mut inner);
        }
        Ok(room)
    }

    /// The server closes. Bytes that it has not read turn the end into a reset, some of the time.
    fn close(&self) {
        self.judge.forget(self.number);
        let mut inner = self.inner.borrow_mut();
        inner.down.closing = true;
        let unread = !inner.up.here.is_empty() || !inner.up.flight.is_empty();
        if unread && self.random.borrow_mut().once_in(2) {
            inner.reset = true;
            inner.down = Direction::default();
        }
        self.kick(&mut inner);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The server's end.
pub struct End(pub Rc<Wire>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// An operation under way.
struct Operation<'a> {
    wire: &'a Wire,
    ended: bool,
}

impl<'a> Operation<'a> {
    fn begin(wire: &'a Wire) -> Self {
        Self { wire, ended: false }
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        let abandoned = !self.ended && !self.wire.killed.get() && !std::thread::panicking();
        assert!(
            !abandoned,
            "an operation that was submitted is awaited to its end"
        );
    }
}

impl Transport for End {
    fn has_spoken(&self) -> bool {
        !self.0.inner.borrow().up.here.is_empty()
    }

    async fn readable(&self) -> io::Result<()> {
        let mut operation = Operation::begin(&self.0);
        let result = poll_fn(|context| self.0.poll_readable(context)).await;
        operation.ended = true;
        result
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_now(buffer)
    }

    async fn read(&self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut) {
        let mut buffer = buffer;
        let spare = (buffer.capacity() - buffer.len()).min(most);
        assert!(spare > 0, "a read needs room");
        let mut operation = Operation::begin(&self.0);
        let result = poll_fn(|context| self.0.poll_read(context, spare)).await;
        operation.ended = true;
        let result = result.map(|octets| {
            buffer.extend_from_slice(&octets);
            octets.len()
        });
        (result, buffer)
    }

    fn write_now(&self, octets: &[u8]) -> io::Result<usize> {
        self.0.queue(octets);
        self.0.write_now(octets)
    }

    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        self.0.queue(&octets);
        self.0.inner.borrow_mut().judged = 0;
        let mut operation = Operation::begin(&self.0);
        let mut written = 0;
        let result = poll_fn(|context| self.0.poll_write(context, &octets, &mut written)).await;
        operation.ended = true;
        (result, octets)
    }

    fn shutdown(&self, how: Shutdown) {
        let mut inner = self.0.inner.borrow_mut();
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            inner.read_shut = true;
            wake(&mut inner.reader);
        }
        if matches!(how, Shutdown::Write | Shutdown::Both) {
            inner.write_shut = true;
            inner.down.closing = true;
            wake(&mut inner.writer);
            self.0.kick(&mut inner);
        }
    }
}
