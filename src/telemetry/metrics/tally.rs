//! What a worker counts by itself: the events of every message. No other worker writes there, so that counting costs no cache
//! line that goes from core to core; a scrape adds the workers up.
//!
//! Owns: those counts, and their sum. Must not know: names and labels.
//!
//! Invariant: a count has one writer, its worker; what a tally that is gone had counted is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::handles::Handles;
use super::table::CODES;
use super::{Inner, Metrics};
use crate::smtp::command::Verb;

/// The counts of one worker, or the sum of several.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    commands: [AtomicU64; Verb::ALL.len()],
    /// By code; the last one is every other code.
    replies: [AtomicU64; CODES.len() + 1],
    messages_accepted: AtomicU64,
    message_bytes: AtomicU64,
    in_flight_messages: AtomicU64,
    in_flight_bytes: AtomicU64,
}

impl Counts {
    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        let single = [
            &self.messages_accepted,
            &self.message_bytes,
            &self.in_flight_messages,
            &self.in_flight_bytes,
        ];
        self.commands.iter().chain(&self.replies).chain(single)
    }

    /// Adds the counts of another one. The caller is the only writer of `self`.
    pub(super) fn add(&self, other: &Self) {
        for (sum, count) in self.all().zip(other.all()) {
            add(sum, count.load(Ordering::Relaxed));
        }
    }

    /// Shows them through the handles.
    pub(super) fn show(&self, handles: &Handles) {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let replies = handles.replies.iter().chain([&handles.replies_other]);
        let counters = handles
            .commands
            .iter()
            .zip(&self.commands)
            .chain(replies.zip(&self.replies))
            .chain([
                (&handles.messages_accepted, &self.messages_accepted),
                (&handles.message_bytes, &self.message_bytes),
            ]);
        for (counter, count) in counters {
            counter.absolute(get(count));
        }
        let (messages, octets) = (&self.in_flight_messages, &self.in_flight_bytes);
        handles.in_flight_messages.set(get(messages) as f64);
        handles.in_flight_bytes.set(get(octets) as f64);
    }
}

/// Adds to a count that nobody else writes: no locked instruction.
fn add(count: &AtomicU64, more: u64) {
    let sum = count.load(Ordering::Relaxed).wrapping_add(more);
    count.store(sum, Ordering::Relaxed);
}

/// Shows how much there is now, which nobody else writes.
fn set(count: &AtomicU64, now: usize) {
    count.store(now as u64, Ordering::Relaxed);
}

/// Counts for one worker. Not to be shared between threads; it is not cloned.
pub struct Tally {
    counts: Arc<Counts>,
    metrics: Arc<Inner>,
    /// Not `Sync`: a count has one writer.
    _one_writer: std::marker::PhantomData<std::cell::Cell<()>>,
}

impl Tally {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counts = Arc::default();
        metrics.0.lock_tallies().push(Arc::clone(&counts));
        Self {
            counts,
            metrics: Arc::clone(&metrics.0),
            _one_writer: std::marker::PhantomData,
        }
    }

    /// A command was received.
    pub fn command(&self, verb: Verb) {
        add(&self.counts.commands[verb as usize], 1);
    }

    /// A reply was sent.
    pub fn reply(&self, code: u16) {
        let known = CODES.iter().position(|&known| known == code);
        add(&self.counts.replies[known.unwrap_or(CODES.len())], 1);
    }

    /// A message of `octets`, as received, got its 250 so long after the last octet of its data.
    pub fn message_accepted(&self, octets: u64, receive_to_reply: Duration) {
        add(&self.counts.messages_accepted, 1);
        add(&self.counts.message_bytes, octets);
        let handles = &self.metrics.handles;
        handles.message_size.record(octets as f64);
        handles.receive_to_reply.record(receive_to_reply);
    }

    /// So much of the in-flight budget is charged now.
    pub fn in_flight(&self, messages: usize, octets: usize) {
        set(&self.counts.in_flight_messages, messages);
        set(&self.counts.in_flight_bytes, octets);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut tallies = self.metrics.lock_tallies();
        tallies.retain(|counts| !Arc::ptr_eq(counts, &self.counts));
        // Under the lock there is one writer of these, too.
        self.metrics.retired.add(&self.counts);
    }
}

impl Inner {
    /// Adds the workers up and shows the sums.
    pub(super) fn gather(&self) {
        let sum = Counts::default();
        let tallies = self.lock_tallies();
        sum.add(&self.retired);
        for counts in &*tallies {
            sum.add(counts);
        }
        sum.show(&self.handles);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::value;
    use super::*;

    #[test]
    fn workers_are_added_up_and_none_is_forgotten() {
        let (metrics, scrape) = Metrics::new();
        let (first, second) = (metrics.tally(), metrics.tally());
        first.in_flight(2, 500);
        second.in_flight(1, 20);
        first.command(Verb::Noop);
        second.command(Verb::Noop);
        second.reply(250);
        second.reply(299);
        let shown = |name: &str| value(&scrape.render(), name);
        assert_eq!(shown("ringpost_commands_total{verb=\"noop\"}"), 2.0);
        assert_eq!(shown("ringpost_replies_total{code=\"other\"}"), 1.0);
        assert_eq!(shown("ringpost_in_flight_bytes"), 520.0);
        second.in_flight(0, 0);
        drop(second);
        assert_eq!(shown("ringpost_commands_total{verb=\"noop\"}"), 2.0);
        assert_eq!(shown("ringpost_in_flight_messages"), 2.0);
        first.in_flight(0, 0);
        assert_eq!(shown("ringpost_in_flight_bytes"), 0.0);
        assert!(metrics.0.lock_tallies().len() == 1);
    }
}
