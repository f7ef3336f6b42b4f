//! The seam: what a server asks of a store of objects, and one upload as the worker sees it whose message it is.
//!
//! Owns: the trait [`Store`], and what is said across it. Must not know: any store, sessions, threads.
//!
//! A worker hands buffers over and reads news; it never waits for a disk or a socket. A buffer that was handed over comes back
//! as [`News::Freed`] once the store no longer has it, so that its charge can be given back then and not before.
//!
//! Invariants: every buffer that is handed over comes back, also after an end in error; an object is complete, and stored as
//! safely as the store stores anything, before [`News::Complete`]; an upload that is dropped before it was
//! [kept](Upload::keep) leaves no object, as far as the store can be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::failure::{Failure, Kind};
use crate::config::ObjectsUrl;

/// What a worker tells an upload.
#[derive(Debug)]
pub enum Order {
    /// A part; more follow.
    Part(Bytes),
    /// The last part; the only one of a small object. It may be empty.
    Last(Bytes),
    /// No record will name the object: it is to go. Without this, it stays once it is complete.
    Discard,
}

/// What a worker learns of an upload.
#[derive(Debug)]
pub enum News {
    /// The store no longer has this buffer.
    Freed(BytesMut),
    /// The object is complete: its SHA-256.
    Complete([u8; 32]),
    /// There will be no object.
    Failed(Failure),
}

/// An object to be made.
#[derive(Debug)]
pub struct Assignment {
    /// Its place beneath the address of the store.
    pub path: String,
    /// Its bytes.
    pub orders: UnboundedReceiver<Order>,
    /// Who waits for it.
    pub news: UnboundedSender<News>,
}

/// A place that keeps objects. All workers share one.
pub trait Store: Send + Sync {
    /// Begins an object. Never waits.
    fn begin(&self, assignment: Assignment);

    /// Whether an object would be stored, as far as is known now: one atomic load.
    ///
    /// # Errors
    /// What keeps it from that.
    fn takes(&self) -> Result<(), Kind>;

    /// Why no object would be stored now, for an operator.
    fn away(&self) -> Option<String>;

    /// Takes no more, waits up to `within` for the uploads under way, gives up on the rest and ends the store's threads.
    /// Blocks.
    fn drain(&self, within: Duration);
}

/// Which messages become objects, and how. One for all workers.
pub struct Claims {
    /// Where they go.
    pub store: Arc<dyn Store>,
    /// Its address.
    pub url: ObjectsUrl,
    /// Messages of more bytes than this.
    pub above: u64,
    /// A buffer of one of them while it arrives: a power of two.
    pub buffer: usize,
    /// What is handed over at once.
    pub part: usize,
    /// The most of a header section that a record has as its value.
    pub header: usize,
    /// The longest time without news of a store that was given something to do.
    pub patience: Duration,
    /// Bytes of buffers that the store has, and the most that it may have: those of uploads that were given up are no
    /// longer charged to a message.
    pub lent: Lent,
}

/// Counts what is lent to the store. See [`Claims::lent`].
#[derive(Debug, Clone)]
pub struct Lent {
    octets: Arc<AtomicUsize>,
    most: usize,
}

impl Lent {
    /// Nothing yet, of this many bytes at the most.
    pub fn new(most: usize) -> Self {
        Self {
            octets: Arc::default(),
            most,
        }
    }

    /// Whether this much more may be lent.
    pub fn has_room(&self, octets: usize) -> bool {
        self.octets().saturating_add(octets) <= self.most
    }

    /// Bytes of the buffers that the store has.
    pub fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }
}

/// A buffer that the store has. Its drop, wherever that is, brings it home.
struct Loan {
    buffer: BytesMut,
    octets: Arc<AtomicUsize>,
    home: UnboundedSender<News>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.octets.fetch_sub(buffer.capacity(), Ordering::Relaxed);
        // Nobody waits for the buffer of an upload that was given up.
        let _ = self.home.send(News::Freed(buffer));
    }
}

/// One upload, as its worker has it.
#[derive(Debug)]
pub struct Upload {
    orders: UnboundedSender<Order>,
    news: UnboundedReceiver<News>,
    home: UnboundedSender<News>,
    lent: Lent,
    /// Buffers that the store has.
    out: usize,
    is_ended: bool,
    is_kept: bool,
}

impl Upload {
    /// Begins an object at this place.
    pub fn begin(claims: &Claims, path: String) -> Self {
        let (orders, taken) = unbounded_channel();
        let (home, news) = unbounded_channel();
        claims.store.begin(Assignment {
            path,
            orders: taken,
            news: home.clone(),
        });
        Self {
            orders,
            news,
            home,
            lent: claims.lent.clone(),
            out: 0,
            is_ended: false,
            is_kept: false,
        }
    }

    /// Buffers that the store has.
    pub fn out(&self) -> usize {
        self.out
    }

    /// Hands over the first `parts` times `part` bytes of a buffer.
    pub fn hand_over(&mut self, buffer: BytesMut, part: usize, parts: usize) {
        assert!(!self.is_ended, "nothing follows the last part");
        assert!(parts > 0 && part * parts <= buffer.len(), "whole parts");
        let octets = self.lend(buffer);
        for at in 0..parts {
            let piece = octets.slice(at * part..(at + 1) * part);
            self.say(Order::Part(piece));
        }
    }

    /// Hands over the rest.
    pub fn end(&mut self, buffer: BytesMut) {
        assert!(!self.is_ended, "an object ends once");
        self.is_ended = true;
        let octets = self.lend(buffer);
        self.say(Order::Last(octets));
    }

    fn lend(&mut self, buffer: BytesMut) -> Bytes {
        let octets = &self.lent.octets;
        octets.fetch_add(buffer.capacity(), Ordering::Relaxed);
        self.out += 1;
        Bytes::from_owner(Loan {
            buffer,
            octets: Arc::clone(octets),
            home: self.home.clone(),
        })
    }

    fn say(&self, order: Order) {
        // An upload that has failed takes no more, and has said so; what it does not take is freed here.
        let _ = self.orders.send(order);
    }

    /// News, if there are any; else the task is woken once there are.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<News> {
        let news = self.news.poll_recv(context);
        news.map(|news| self.heard(news.expect("this keeps a sender itself")))
    }

    /// News, if there are any.
    pub fn news(&mut self) -> Option<News> {
        let news = self.news.try_recv().ok()?;
        Some(self.heard(news))
    }

    fn heard(&mut self, news: News) -> News {
        if let News::Freed(_) = news {
            assert!(self.out > 0, "a buffer comes back once");
            self.out -= 1;
        }
        news
    }

    /// A record may name the object from now on: it stays.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_kept {
            self.say(Order::Discard);
        }
    }
}

/// Lower-case hexadecimal.
pub fn hexadecimal(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes every write");
        text
    })
}
