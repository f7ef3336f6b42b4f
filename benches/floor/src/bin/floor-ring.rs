//! The floor below the floor: the same server on a ring that is driven by hand. One multishot accept; a receive into the
//! message's own buffer is always in flight; the replies of a group in one send; one system call a round.
//!
//! Usage: `floor-ring [ADDRESS]`
//!
//! Invariants: a buffer that the kernel holds is neither moved nor freed until its completion is here; a connection
//! leaves the table when no operation of it is in flight.

#![allow(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;

use io_uring::squeue::Entry;
use io_uring::{IoUring, cqueue, opcode, types};
use ringpost_floor::dialogue::{BANNER, Dialogue, INITIAL, ROOM};
use ringpost_floor::listen;
use slab::Slab;

/// Entries of the submission and of the completion queue.
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8192;
/// Keep sending until all is sent (MSG_WAITALL, which io_uring honours for a send), without SIGPIPE (MSG_NOSIGNAL).
const SEND_FLAGS: i32 = 0x100 | 0x4000;

/// What a completion is of, in the lowest two bits of its user data; the rest is the slot of the connection.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

struct Connection {
    socket: OwnedFd,
    dialogue: Dialogue,
    input: Vec<u8>,
    /// Replies that wait while `sending` is under way.
    replies: Vec<u8>,
    /// Replies that the kernel holds; empty: no send is in flight.
    sending: Vec<u8>,
    receiving: bool,
    /// The peer left, or an operation failed: nothing more is started.
    broken: bool,
}

struct Server {
    ring: IoUring,
    listener: TcpListener,
    connections: Slab<Connection>,
}

fn main() -> ExitCode {
    let started = listen::address()
        .and_then(|address| listen::listen(address).map_err(|error| format!("{address}: {error}")));
    let result = started.and_then(|listener| {
        let mut server = Server::new(listener).map_err(|error| format!("io_uring: {error}"))?;
        server.run().map_err(|error| error.to_string())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("floor-ring: {reason}");
            ExitCode::from(2)
        }
    }
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        Ok(Self {
            ring,
            listener,
            connections: Slab::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        self.accept()?;
        let mut completions: Vec<(u64, i32, bool)> = Vec::with_capacity(COMPLETIONS as usize);
        loop {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            completions.extend(
                self.ring
                    .completion()
                    .map(|c| (c.user_data(), c.result(), cqueue::more(c.flags()))),
            );
            for (what, result, more) in completions.drain(..) {
                self.complete(what, result, more)?;
            }
        }
    }

    fn complete(&mut self, what: u64, result: i32, more: bool) -> io::Result<()> {
        let slot = (what >> 2) as usize;
        match what & 3 {
            ACCEPT => {
                self.accepted(result)?;
                if !more {
                    self.accept()?;
                }
                return Ok(());
            }
            RECEIVE => self.received(slot, result),
            _ => self.sent(slot, result),
        }
        self.proceed(slot)
    }

    fn accepted(&mut self, result: i32) -> io::Result<()> {
        if result < 0 {
            eprintln!(
                "floor-ring: accept: {}",
                io::Error::from_raw_os_error(-result)
            );
            return Ok(());
        }
        // SAFETY: the kernel has just made this descriptor for us; no other code knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        let slot = self.connections.insert(Connection {
            socket,
            dialogue: Dialogue::default(),
            input: Vec::with_capacity(INITIAL),
            replies: BANNER.to_vec(),
            sending: Vec::new(),
            receiving: false,
            broken: false,
        });
        self.proceed(slot)
    }

    fn received(&mut self, slot: usize, result: i32) {
        let connection = &mut self.connections[slot];
        connection.receiving = false;
        let Some(octets) = usize::try_from(result).ok().filter(|&octets| octets > 0) else {
            connection.broken = true;
            return;
        };
        let length = connection.input.len() + octets;
        assert!(length <= connection.input.capacity());
        // SAFETY: the receive was given the spare capacity of `input` and has filled its first `octets`.
        unsafe { connection.input.set_len(length) };
        let consumed = connection
            .dialogue
            .receive(&connection.input, &mut connection.replies);
        connection.input.drain(..consumed);
    }

    fn sent(&mut self, slot: usize, result: i32) {
        let connection = &mut self.connections[slot];
        let whole = usize::try_from(result) == Ok(connection.sending.len());
        connection.broken |= !whole;
        connection.sending.clear();
    }

    /// Starts what is due on a connection, or ends it.
    fn proceed(&mut self, slot: usize) -> io::Result<()> {
        let connection = &mut self.connections[slot];
        let descriptor = types::Fd(connection.socket.as_raw_fd());
        let mut send = None;
        if connection.sending.is_empty() && !connection.replies.is_empty() && !connection.broken {
            std::mem::swap(&mut connection.sending, &mut connection.replies);
            let (data, length) = (connection.sending.as_ptr(), connection.sending.len());
            let length = u32::try_from(length).expect("replies are short");
            let entry = opcode::Send::new(descriptor, data, length).flags(SEND_FLAGS);
            send = Some(entry.build().user_data((slot as u64) << 2 | SEND));
        }
        let closing = connection.broken || connection.dialogue.is_closed();
        let mut receive = None;
        if !connection.receiving && !closing {
            if connection.input.capacity() - connection.input.len() < ROOM {
                connection.input.reserve(connection.input.capacity());
            }
            let spare = connection.input.spare_capacity_mut();
            let length = u32::try_from(spare.len()).unwrap_or(u32::MAX);
            let entry = opcode::Recv::new(descriptor, spare.as_mut_ptr().cast(), length);
            connection.receiving = true;
            receive = Some(entry.build().user_data((slot as u64) << 2 | RECEIVE));
        }
        if closing && !connection.receiving && connection.sending.is_empty() {
            // Its drop closes the socket.
            self.connections.remove(slot);
            return Ok(());
        }
        for entry in send.into_iter().chain(receive) {
            // SAFETY: the memory is `sending` or the spare room of `input`. Both are heap blocks of this connection,
            // which stays in the table while `sending` is not empty or `receiving` is set, that is, until the
            // completion; until then neither vector is touched: `replies` gathers, and `input` grows only here, when
            // no receive is in flight.
            unsafe { self.push(&entry)? };
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        let listener = types::Fd(self.listener.as_raw_fd());
        let entry = opcode::AcceptMulti::new(listener).build().user_data(ACCEPT);
        // SAFETY: a multishot accept is given no memory; the listener lives as long as the ring.
        unsafe { self.push(&entry) }
    }

    /// # Safety
    /// The memory that `entry` names stays where it is, and is left alone, until its completion.
    unsafe fn push(&mut self, entry: &Entry) -> io::Result<()> {
        loop {
            // SAFETY: what the caller promises is what this asks for.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit()?;
        }
    }
}
