//! The sockets of one worker on epoll: which are ready, and which task waits for each of them.
//!
//! Owns: one epoll instance, and 40 bytes for each socket. Must not know: what is read and written.
//!
//! tokio waits for this instance as for one socket. It could wait for the sockets themselves, but then holds 256 bytes for each,
//! and some 60 more are lost to their alignment: a fifth of all that an idle connection may cost.
//!
//! The kernel says once that a socket has become ready (EPOLLET); it counts as ready until a call finds otherwise. A read that did
//! not fill its buffer has taken all there was, so the next wait costs no read that finds nothing. What comes later is said again.
//! Whether a socket takes bytes is asked for only where a write has to wait.
//!
//! Invariants: a socket is registered from its first wait to its drop, once; no borrow is held while a task is woken.

#![allow(unsafe_code, reason = "tokio takes descriptors by a promise")]

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop;

/// Events that are taken at once; then the tasks that they wake have their turn.
const EVENTS: usize = 256;

/// See the module.
pub(super) struct Reactor {
    epoll: AsyncFd<OwnedFd>,
    sockets: RefCell<Slab<Socket>>,
}

/// What is known of a socket.
#[derive(Default)]
struct Socket {
    readable: bool,
    writable: bool,
    /// Whether the client has ended the stream, or it has failed: every read says so again, and the kernel says it once.
    over: bool,
    /// Whether the kernel also says when it takes bytes.
    asked_to_write: bool,
    waker: Option<Waker>,
}

/// A socket of a reactor.
pub(super) struct Registered {
    socket: OwnedFd,
    reactor: Rc<Reactor>,
    /// Its place among the sockets, once it has waited.
    place: Cell<Option<u32>>,
}

impl Reactor {
    /// Without a socket. Made inside of a runtime of tokio.
    ///
    /// # Errors
    /// Too many files are open.
    pub(super) fn new() -> io::Result<Rc<Self>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // SAFETY: `epoll` owns a valid descriptor, which is neither exchanged nor closed before the AsyncFd is dropped: it is only
        // ever borrowed.
        let epoll = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) }
            .map_err(io::Error::from)?;
        Ok(Rc::new(Self {
            epoll,
            sockets: RefCell::default(),
        }))
    }

    /// Wakes the tasks whose sockets the kernel names, for ever.
    ///
    /// # Errors
    /// The runtime ends.
    pub(super) async fn drive(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let mut named = self.epoll.readable().await?;
            if self.take(&mut events) < EVENTS {
                named.clear_ready();
            }
        }
    }

    /// Takes what the kernel has to say, at most [`EVENTS`]; how much that was.
    fn take(&self, events: &mut Vec<Event>) -> usize {
        events.clear();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let taken = epoll::wait(self.epoll.get_ref(), spare_capacity(events), Some(&at_once));
        match taken {
            Ok(_) => {}
            // There may be more.
            Err(Errno::INTR) => return EVENTS,
            Err(error) => panic!("an epoll instance of our own can be asked: {error}"),
        }
        for event in &*events {
            self.ready(event.data.u64(), event.flags);
        }
        events.len()
    }

    fn ready(&self, place: u64, flags: EventFlags) {
        let failed = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let waker = {
            let mut sockets = self.sockets.borrow_mut();
            let place = usize::try_from(place).expect("a place was a usize");
            let socket = sockets
                .get_mut(place)
                .expect("a registered socket has a place");
            socket.over |= failed || flags.intersects(EventFlags::RDHUP);
            socket.readable |= flags.intersects(EventFlags::IN);
            socket.writable |= failed || flags.intersects(EventFlags::OUT);
            socket.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Registered {
    /// Of this reactor.
    pub(super) fn new(socket: OwnedFd, reactor: Rc<Reactor>) -> Self {
        Self {
            socket,
            reactor,
            place: Cell::new(None),
        }
    }

    /// The reactor that it is of.
    pub(super) fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    /// Waits until something can be read, or the stream has ended or failed, which a read then shows.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(context, |socket| socket.readable || socket.over)
    }

    /// Waits until bytes are taken, or the stream has failed, which a write then shows.
    pub(super) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let place = self.place()?;
        let asked = self.with(place, |socket| {
            std::mem::replace(&mut socket.asked_to_write, true)
        });
        if !asked {
            let flags = readable_flags() | EventFlags::OUT;
            let data = EventData::new_u64(u64::from(place));
            epoll::modify(self.reactor.epoll.get_ref(), &self.socket, data, flags)?;
        }
        self.poll_ready(context, |socket| socket.writable)
    }

    fn poll_ready(
        &self,
        context: &mut Context<'_>,
        is_ready: impl FnOnce(&Socket) -> bool,
    ) -> Poll<io::Result<()>> {
        let place = self.place()?;
        // A client that sends without an end gives way to others.
        ready!(pin!(coop::consume_budget()).poll(context));
        self.with(place, |socket| {
            if is_ready(socket) {
                return Poll::Ready(Ok(()));
            }
            match &mut socket.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            Poll::Pending
        })
    }

    /// Nothing is left to be read.
    pub(super) fn is_read(&self) {
        if let Some(place) = self.place.get() {
            self.with(place, |socket| socket.readable = false);
        }
    }

    /// No more bytes are taken.
    pub(super) fn is_full(&self) {
        if let Some(place) = self.place.get() {
            self.with(place, |socket| socket.writable = false);
        }
    }

    /// Its place; registers it first where it has none.
    fn place(&self) -> io::Result<u32> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let place = self.reactor.sockets.borrow_mut().insert(Socket::default());
        let place = u32::try_from(place).expect("a process has fewer sockets than that");
        self.place.set(Some(place));
        let data = EventData::new_u64(u64::from(place));
        epoll::add(
            self.reactor.epoll.get_ref(),
            &self.socket,
            data,
            readable_flags(),
        )?;
        Ok(place)
    }

    fn with<R>(&self, place: u32, look: impl FnOnce(&mut Socket) -> R) -> R {
        look(&mut self.reactor.sockets.borrow_mut()[place as usize])
    }
}

impl AsFd for Registered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(place) = self.place.get() {
            // Not left to close(2): another descriptor of the socket would keep it registered. It is not where `add` has failed.
            let _ = epoll::delete(self.reactor.epoll.get_ref(), &self.socket);
            let socket = self.reactor.sockets.borrow_mut().remove(place as usize);
            // After the borrow: its waker may be the last that holds a task, whose end drops a socket too.
            drop(socket);
        }
    }
}

fn readable_flags() -> EventFlags {
    EventFlags::IN | EventFlags::RDHUP | EventFlags::ET
}
