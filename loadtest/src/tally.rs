//! What is counted and measured, in memory that does not grow with the run.
//!
//! Each thread has a [`Tally`] of its own, merged at the end; [`Live`] holds the few numbers that threads share while they
//! run: for the progress line, and for giving up. Must not know sockets or how results are shown.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Longest time that a histogram tells apart, in microseconds: one hour. Longer ones count as this.
const LONGEST: u64 = 3_600_000_000;
/// Significant decimal digits of a histogram.
const DIGITS: u8 = 3;
/// Reply codes are below this.
const CODES: usize = 600;

/// What went wrong, besides refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection.
    Connect,
    /// The banner or the answer to EHLO was not positive.
    Greeting,
    /// The server closed or reset the connection in the middle of a dialogue.
    Closed,
    /// The server said 421 and is about to close.
    Shutdown,
    /// A step took longer than `--timeout`.
    Timeout,
    /// Not an SMTP reply, or one that does not fit the command.
    Protocol,
    /// Any other error of a read or a write.
    Io,
}

impl ErrorKind {
    /// All kinds with their names in reports, in the order of their numbers.
    pub const ALL: [(ErrorKind, &'static str); 7] = [
        (ErrorKind::Connect, "connect"),
        (ErrorKind::Greeting, "greeting"),
        (ErrorKind::Closed, "closed"),
        (ErrorKind::Shutdown, "shutdown"),
        (ErrorKind::Timeout, "timeout"),
        (ErrorKind::Protocol, "protocol"),
        (ErrorKind::Io, "io"),
    ];
}

/// One thread's counts.
pub struct Tally {
    /// Messages that got a positive reply.
    pub accepted: u64,
    /// Messages that got 4xx or 5xx to a command or to the data.
    pub refused: u64,
    /// Messages of which data was sent and no final reply read: the server may have them or not.
    pub unanswered: u64,
    /// Recipients refused within messages that went on without them.
    pub recipients_refused: u64,
    /// Connections that were greeted.
    pub connections: u64,
    /// Errors by [`ErrorKind`].
    pub errors: [u64; ErrorKind::ALL.len()],
    /// Every reply by code.
    pub replies: [u64; CODES],
    /// Refused messages by the code that refused them.
    pub refused_by: [u64; CODES],
    /// Microseconds from the last octet of a message to its final reply.
    pub reply_time: Histogram<u64>,
    /// Microseconds from MAIL to the final reply.
    pub transaction_time: Histogram<u64>,
    /// Microseconds from connecting to the banner.
    pub banner_time: Histogram<u64>,
    /// When the last message was answered or lost.
    pub last_result: Option<Instant>,
}

impl Tally {
    /// All zero.
    pub fn new() -> Tally {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST, DIGITS)
                .expect("constant bounds that fit each other")
        };
        Tally {
            accepted: 0,
            refused: 0,
            unanswered: 0,
            recipients_refused: 0,
            connections: 0,
            errors: [0; ErrorKind::ALL.len()],
            replies: [0; CODES],
            refused_by: [0; CODES],
            reply_time: histogram(),
            transaction_time: histogram(),
            banner_time: histogram(),
            last_result: None,
        }
    }

    /// Adds another thread's counts.
    pub fn merge(&mut self, other: &Tally) {
        let add = |into: &mut [u64], from: &[u64]| {
            into.iter_mut()
                .zip(from)
                .for_each(|(into, from)| *into += from)
        };
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.recipients_refused += other.recipients_refused;
        self.connections += other.connections;
        add(&mut self.errors, &other.errors);
        add(&mut self.replies, &other.replies);
        add(&mut self.refused_by, &other.refused_by);
        for (into, from) in [
            (&mut self.reply_time, &other.reply_time),
            (&mut self.transaction_time, &other.transaction_time),
            (&mut self.banner_time, &other.banner_time),
        ] {
            into.add(from).expect("histograms of the same bounds");
        }
        self.last_result = self.last_result.max(other.last_result);
    }

    /// All errors.
    pub fn errors_total(&self) -> u64 {
        self.errors.iter().sum()
    }
}

/// Records a time in microseconds.
pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}

/// Shared by all threads while they run.
#[derive(Default)]
pub struct Live {
    next: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
    errors_in_a_row: AtomicU64,
    gave_up: AtomicBool,
}

impl Live {
    /// The number of the next message, from 1; `None` when all are given out or the run was given up.
    pub fn claim(&self, messages: u64) -> Option<u64> {
        if self.gave_up() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        (number <= messages).then_some(number)
    }

    /// A message was accepted.
    pub fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.errors_in_a_row.store(0, Ordering::Relaxed);
    }

    /// A message was refused.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// An error happened; more than `most` in a row end the run.
    pub fn count_error(&self, most: u64) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if self.errors_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 > most {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    /// Whether too many errors happened in a row.
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Accepted, refused, errors so far.
    pub fn counts(&self) -> [u64; 3] {
        [&self.accepted, &self.refused, &self.errors].map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_kinds_are_listed_in_the_order_of_their_numbers() {
        for (number, (kind, _)) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }

    #[test]
    fn numbers_are_given_out_once_and_then_no_more() {
        let live = Live::default();
        let numbers: Vec<u64> = std::iter::from_fn(|| live.claim(3)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(live.claim(3), None);
    }

    #[test]
    fn only_errors_without_a_success_between_them_give_up() {
        let live = Live::default();
        for _ in 0..3 {
            live.count_error(2);
            live.count_error(2);
            live.count_accepted();
        }
        assert!(!live.gave_up());
        (0..3).for_each(|_| live.count_error(2));
        assert!(live.gave_up());
        assert_eq!(live.claim(10), None);
    }

    #[test]
    fn merging_adds_every_count() {
        let mut one = Tally::new();
        let mut two = Tally::new();
        one.accepted = 2;
        two.accepted = 3;
        two.errors[ErrorKind::Timeout as usize] = 4;
        two.refused_by[451] = 5;
        record(&mut one.reply_time, Duration::from_micros(10));
        record(&mut two.reply_time, Duration::from_secs(2 * 3600));
        one.merge(&two);
        assert_eq!(
            (one.accepted, one.errors_total(), one.refused_by[451]),
            (5, 4, 5)
        );
        assert_eq!(one.reply_time.len(), 2);
        assert!(one.reply_time.max() >= LONGEST);
    }
}
