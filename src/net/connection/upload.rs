//! A large message on its way to the store, in parts while it arrives, and the end of its object.
//!
//! Owns: when a message becomes an object, what of it goes to the store, and what stays for the record: its header section. Must not
//! know: what a store does, how the bytes of the body arrive.
//!
//! While a message is smaller than a part it is as any other. Once it is larger, the store has one buffer and the next is filled;
//! when that is full too, nothing is read until the first comes back, so a message holds two buffers and its header section,
//! however large it is.
//!
//! Invariants: the bytes that the decoder may still take back are not handed over; what the store has of a message stays charged
//! until it comes back, unless the message was given up, and then it counts as lent; the record is made after the object is
//! complete; an upload that no record names is dropped, and with it its object.

use std::io;
use std::task::Poll;
use std::time::Instant;

use memchr::memmem;

use super::claim::Claim;
use super::{Connection, Message, lent};
use crate::limits::BODY_MINIMUM_READ_OCTETS;
use crate::mail::trace;
use crate::net::budget::Charge;
use crate::net::buffers::Buffers;
use crate::net::hub::Hub;
use crate::net::slots::Seat;
use crate::net::transport::Transport;
use crate::objects::{Claims, Kind, News, hexadecimal};
use crate::smtp::refusal::Refusal;
use crate::smtp::session::{Admission, Commit};

/// The most that the decoder takes back from what it let through: the CR of the final CRLF.
const HELD_BACK: usize = 1;

/// What is to be done before more is read.
enum Step {
    /// Something was done; there may be more.
    Next,
    /// Nothing before the store has news.
    Wait,
}

impl<T: Transport> Connection<'_, T> {
    /// Whether a message of which this is announced will be an object.
    pub(super) fn is_large(&self, announced: Option<u64>) -> bool {
        let claims = self.hub.shared.claims.as_ref();
        claims.is_some_and(|claims| announced > Some(claims.above))
    }

    /// Whether a message that is complete is to be an object: it is large, or a part of it is there already.
    pub(super) fn is_claimed(&self, message: &Message, commit: &Commit) -> bool {
        message.claim.is_some() || self.is_large(Some(commit.size))
    }

    /// Why a message that is announced as large is refused before its first byte.
    pub(super) fn turned_away(&self, admission: &Admission) -> Option<Refusal> {
        let claims = self.hub.shared.claims.as_ref()?;
        let is_large = self.is_large(admission.announced());
        is_large.then(|| claims.store.takes().err().map(refusal))?
    }

    /// Whether a part is to be handed over, or room to be made for one, before more is read.
    pub(super) fn owes_parts(&self) -> bool {
        let (Some(claims), Some(message)) = (&self.hub.shared.claims, &self.message) else {
            return false;
        };
        let is_full = message.body.len() >= claims.part + HELD_BACK;
        match message.claim {
            Some(_) => is_full || self.lacks_room(message),
            None => {
                let received = (message.body.len() - message.field) as u64;
                is_full && (message.is_large || received > claims.above)
            }
        }
    }

    /// Whether the body has no room for the next read, or for what was read with commands.
    fn lacks_room(&self, message: &Message) -> bool {
        let needed = self.stream.least_room().min(self.session.data_limit());
        message.body.capacity() - message.body.len() < needed.max(self.input.len())
    }

    /// Hands parts over until more can be read; the message is refused where that is not possible.
    pub(super) async fn send_parts(&mut self) -> io::Result<()> {
        // A client may wait for its replies, and the store be slow.
        self.flush().await?;
        while self.owes_parts() {
            let done = match self.step() {
                Ok(Step::Next) => Ok(()),
                Ok(Step::Wait) => self.await_store().await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = done {
                self.session.spoil(refusal);
                let _ = self.session.poll_action();
                self.drop_message();
            }
        }
        Ok(())
    }

    /// Does what can be done without waiting.
    fn step(&mut self) -> Result<Step, Refusal> {
        let (hub, message) = (self.hub, self.message.as_mut());
        let message = message.expect("a message that owes parts");
        let claims = claims(hub);
        while let Some(news) = message.claim.as_mut().and_then(|claim| claim.upload.news()) {
            hear(hub, &mut message.charge, news)?;
        }
        let is_full = message.body.len() >= claims.part + HELD_BACK;
        let out = message.claim.as_ref().map_or(0, |claim| claim.upload.out());
        match (is_full, out) {
            (true, 0) => lend_parts(hub, message).map(|()| Step::Next),
            (false, 0) => enlarge(hub, message).map(|()| Step::Next),
            (false, _) if enlarge(hub, message).is_ok() => Ok(Step::Next),
            (true | false, _) => Ok(Step::Wait),
        }
    }

    /// Waits for the store, which has something to do. The client's time goes on afterwards.
    async fn await_store(&mut self) -> Result<(), Refusal> {
        let hub = self.hub;
        let message = self.message.as_mut();
        let message = message.expect("a message whose parts are under way");
        let claim = message.claim.as_mut().expect("parts have a claim");
        let news = news(hub, &self.slot, claim).await;
        self.session.resume(hub.clock.now());
        match news {
            Some(news) => hear(hub, &mut message.charge, news).map(|_| ()),
            None => Err(failed(hub, Kind::TimedOut)),
        }
    }

    /// Completes the object of a message that has come to its end; its header section is the body then.
    pub(super) async fn store(&mut self, message: &mut Message, size: u64) -> Result<(), Refusal> {
        let (hub, began) = (self.hub, self.session.heard());
        // The replies to what came before are not held up by the store. One that cannot be written shows at the next write.
        let _ = self.flush().await;
        if message.claim.is_none() {
            begin(hub, message)?;
        }
        let mut claim = message.claim.take().expect("it was begun");
        let body = std::mem::take(&mut message.body);
        if !claims(hub).lent.has_room(body.capacity()) {
            message.body = body;
            return Err(Refusal::NoRoom);
        }
        claim.upload.end(body);
        let sha256 = self.await_object(&mut claim, &mut message.charge).await?;
        let now = hub.clock.now();
        self.session.resume(now);
        let took = (now - began).as_secs_f64();
        hub.tally.object_store_time.record(took);
        hub.shared.metrics.objects_stored.increment(1);
        hub.shared.metrics.objects_bytes.increment(size);
        claim.sha256 = hexadecimal(&sha256);
        message.body = std::mem::take(&mut claim.head);
        message.claim = Some(claim);
        Ok(())
    }

    /// Waits until the object is complete and its buffers are back.
    async fn await_object(
        &self,
        claim: &mut Claim,
        charge: &mut Charge,
    ) -> Result<[u8; 32], Refusal> {
        let (hub, mut complete) = (self.hub, None);
        loop {
            if let (Some(sha256), 0) = (complete, claim.upload.out()) {
                return Ok(sha256);
            }
            let news = news(hub, &self.slot, claim).await;
            let news = news.ok_or_else(|| failed(hub, Kind::TimedOut))?;
            complete = hear(hub, charge, news)?.or(complete);
        }
    }

    /// Refuses a message before its first byte.
    pub(super) fn refuse_admission(
        &mut self,
        admission: Admission,
        refusal: Refusal,
        now: Instant,
    ) {
        let output = lent(&mut self.output, self.hub);
        self.session.admit(admission, Err(refusal), now, output);
    }
}

/// What large messages are made of. To be called for one.
fn claims(hub: &Hub) -> &Claims {
    let claims = hub.shared.claims.as_ref();
    claims.expect("a large message is one where there is a store")
}

/// The next that the store has to say of a message; none if it takes too long.
async fn news(hub: &Hub, seat: &Seat<'_>, claim: &mut Claim) -> Option<News> {
    seat.arm(hub.clock.now() + claims(hub).patience);
    seat.until_polled(|context| match claim.upload.poll(context) {
        Poll::Ready(news) => Some(news),
        Poll::Pending => None,
    })
    .await
}

/// Takes news of an upload: its SHA-256, where that is what it is.
fn hear(hub: &Hub, charge: &mut Charge, news: News) -> Result<Option<[u8; 32]>, Refusal> {
    match news {
        News::Freed(buffer) => {
            charge.shrink(buffer.capacity());
            hub.memory.keep_buffer(buffer);
            Ok(None)
        }
        News::Complete(sha256) => Ok(Some(sha256)),
        News::Failed(failure) => Err(failed(hub, failure.kind)),
    }
}

/// An upload has failed.
fn failed(hub: &Hub, kind: Kind) -> Refusal {
    hub.shared.metrics.object_failures.increment(kind);
    refusal(kind)
}

/// What a client learns of it.
fn refusal(kind: Kind) -> Refusal {
    match kind {
        Kind::Unavailable => Refusal::ObjectsUnavailable,
        Kind::TimedOut => Refusal::ObjectsTimedOut,
        Kind::Denied | Kind::Missing | Kind::Full | Kind::Other => Refusal::ObjectsRefused,
    }
}

/// Begins the object of a message, whose header section has arrived, or as much of it as a record has.
fn begin(hub: &Hub, message: &mut Message) -> Result<(), Refusal> {
    let claims = claims(hub);
    claims.store.takes().map_err(refusal)?;
    trace::end_section(&mut message.body, message.field);
    let length = header_section(&message.body, claims.header);
    let capacity = Buffers::capacity(length);
    if !message.charge.grow(capacity) {
        return Err(Refusal::NoRoom);
    }
    let mut head = hub.memory.take_buffer(capacity);
    head.extend_from_slice(&message.body[..length]);
    let path = format!("{}/{}.eml", message.time.strftime("%Y/%m/%d"), message.id);
    let open = hub.shared.metrics.object_uploads.clone();
    message.claim = Some(Box::new(Claim::begin(claims, path, head, open)));
    Ok(())
}

/// Hands over the whole parts that are in the body; the rest is in a buffer of its own afterwards.
fn lend_parts(hub: &Hub, message: &mut Message) -> Result<(), Refusal> {
    let claims = claims(hub);
    if message.claim.is_none() {
        begin(hub, message)?;
    }
    let parts = (message.body.len() - HELD_BACK) / claims.part;
    let rest = parts * claims.part;
    let least = Buffers::capacity(message.body.len() - rest + BODY_MINIMUM_READ_OCTETS);
    let capacity = [claims.buffer.max(least), least]
        .into_iter()
        .find(|&capacity| message.charge.grow(capacity));
    let capacity = capacity.ok_or(Refusal::NoRoom)?;
    if !claims.lent.has_room(message.body.capacity()) {
        return Err(Refusal::NoRoom);
    }
    let mut next = hub.memory.take_buffer(capacity);
    next.extend_from_slice(&message.body[rest..]);
    let body = std::mem::replace(&mut message.body, next);
    let claim = message.claim.as_mut().expect("it was begun");
    claim.upload.hand_over(body, claims.part, parts);
    message.expected = claims.buffer;
    Ok(())
}

/// Makes the body as large as a part needs.
fn enlarge(hub: &Hub, message: &mut Message) -> Result<(), Refusal> {
    let before = message.body.capacity();
    let target = claims(hub).buffer.max(Buffers::capacity(before + 1));
    if !message.charge.grow(target - before) {
        return Err(Refusal::NoRoom);
    }
    let mut larger = hub.memory.take_buffer(target);
    larger.extend_from_slice(&message.body);
    let smaller = std::mem::replace(&mut message.body, larger);
    hub.memory.keep_buffer(smaller);
    Ok(())
}

/// Bytes of the header section and of the empty line that ends it. Of one with more than `most`, the whole lines that fit.
fn header_section(octets: &[u8], most: usize) -> usize {
    let within = &octets[..octets.len().min(most)];
    if within.starts_with(b"\r\n") {
        return 2;
    }
    if let Some(at) = memmem::find(within, b"\r\n\r\n") {
        return at + 4;
    }
    memmem::rfind(within, b"\r\n").map_or(within.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::header_section;

    #[test]
    fn a_header_section_ends_with_its_empty_line_or_with_the_last_line_that_fits() {
        for (octets, most, section) in [
            (&b"A: b\r\nC: d\r\n\r\nbody\r\n\r\n"[..], 100, 14),
            (b"\r\nbody\r\n\r\n", 100, 2),
            (b"A: b\r\nC: d\r\n\r\nbody", 13, 12),
            (b"A: b\r\nC: d\r\n\r\nbody", 11, 6),
            (b"A: b\r\nC: d\r\n\r\nbody", 4, 4),
            (b"A: b\nC: d\n\nbody", 100, 15),
            (b"", 100, 0),
        ] {
            assert_eq!(
                header_section(octets, most),
                section,
                "{}",
                octets.escape_ascii()
            );
        }
    }
}
