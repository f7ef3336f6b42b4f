//! What is counted and measured, in memory that does not grow with the run.
//!
//! Each thread has a [`Tally`] of its own, merged at the end, and an [`Interval`] that the main thread takes away every
//! second; [`Live`] holds the few numbers that threads share while they run. Must not know sockets or how results are shown.

pub mod accepted_log;
pub mod fate;
pub mod series;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engine::misbehave::Misdeeds;
use crate::fault::ErrorKind;
use crate::fault::trouble::Troubles;

/// Longest time that a histogram tells apart, in microseconds: one hour. Longer ones count as this.
const LONGEST: u64 = 3_600_000_000;
/// Significant decimal digits of a histogram of the whole run, and of one interval.
const DIGITS: u8 = 3;
const INTERVAL_DIGITS: u8 = 2;
/// Reply codes are below this.
pub const CODES: usize = 600;

/// A part of a message's way that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// TCP connects.
    Connect,
    /// From the connection (behind TLS, if implicit) to the banner.
    Banner,
    /// The TLS handshake, STARTTLS included.
    Tls,
    /// From EHLO to its reply.
    Ehlo,
    /// From MAIL to 354, or to the last reply to RCPT with BDAT.
    Envelope,
    /// From just before the write of a message's last octet to its final reply.
    Reply,
    /// From the intended start (closed loop: from the actual one) to the final reply.
    Whole,
    /// How late this program began a message for which a connection was free.
    StartLag,
}

impl Phase {
    /// All phases with their names in reports, in the order of their numbers.
    pub const ALL: [(Phase, &'static str); 8] = [
        (Phase::Connect, "connect"),
        (Phase::Banner, "banner"),
        (Phase::Tls, "tls"),
        (Phase::Ehlo, "ehlo"),
        (Phase::Envelope, "envelope"),
        (Phase::Reply, "reply"),
        (Phase::Whole, "whole"),
        (Phase::StartLag, "start_lag"),
    ];
}

/// One thread's counts.
pub struct Tally {
    /// Messages that got a positive reply.
    pub accepted: u64,
    /// Octets of those, before transparency.
    pub accepted_octets: u64,
    /// Messages that got 4xx or 5xx to a command or to the data.
    pub refused: u64,
    /// Messages of which data was sent and no final reply read: the server may have them or not.
    pub unanswered: u64,
    /// Messages that were meant to start by the end of an open-loop run and did not.
    pub overdue: u64,
    /// How late the last start of an open-loop run was given out.
    pub behind: Duration,
    /// The longest time from a connection that failed to the next accepted message.
    pub away: Duration,
    /// Connections that failed in a way that a server which goes away makes them fail.
    pub away_errors: u64,
    /// When the first connection failed since the last accepted message.
    away_since: Option<Instant>,
    /// Messages that had to wait for a free connection.
    pub waited: u64,
    /// Recipients refused within messages that went on without them.
    pub recipients_refused: u64,
    /// Connections that were greeted, idle ones and misbehaving ones not included.
    pub connections: u64,
    /// TLS handshakes, and those of them that were resumed.
    pub handshakes: u64,
    /// Handshakes that resumed an earlier session.
    pub resumed: u64,
    /// Idle sessions that were opened.
    pub idle_opened: u64,
    /// Idle sessions that the server ended before the run did.
    pub idle_closed: u64,
    /// Errors by [`ErrorKind`].
    pub errors: [u64; ErrorKind::ALL.len()],
    /// Every reply by code.
    pub replies: [u64; CODES],
    /// Refused messages by the code that refused them.
    pub refused_by: [u64; CODES],
    /// Microseconds by [`Phase`].
    pub phases: [Histogram<u64>; Phase::ALL.len()],
    /// What came of messages that misbehaved.
    pub misdeeds: Misdeeds,
    /// When the last message was answered or lost, or the last connection failed.
    pub last_result: Option<Instant>,
}

impl Tally {
    /// All zero.
    pub fn new() -> Tally {
        Tally {
            accepted: 0,
            accepted_octets: 0,
            refused: 0,
            unanswered: 0,
            overdue: 0,
            behind: Duration::ZERO,
            away: Duration::ZERO,
            away_errors: 0,
            away_since: None,
            waited: 0,
            recipients_refused: 0,
            connections: 0,
            handshakes: 0,
            resumed: 0,
            idle_opened: 0,
            idle_closed: 0,
            errors: [0; ErrorKind::ALL.len()],
            replies: [0; CODES],
            refused_by: [0; CODES],
            phases: std::array::from_fn(|_| histogram(DIGITS)),
            misdeeds: Misdeeds::default(),
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
        self.accepted_octets += other.accepted_octets;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.overdue += other.overdue;
        self.behind = self.behind.max(other.behind);
        self.away = self.away.max(other.away);
        self.away_errors += other.away_errors;
        self.waited += other.waited;
        self.recipients_refused += other.recipients_refused;
        self.connections += other.connections;
        self.handshakes += other.handshakes;
        self.resumed += other.resumed;
        self.idle_opened += other.idle_opened;
        self.idle_closed += other.idle_closed;
        add(&mut self.errors, &other.errors);
        add(&mut self.replies, &other.replies);
        add(&mut self.refused_by, &other.refused_by);
        for (into, from) in self.phases.iter_mut().zip(&other.phases) {
            into.add(from).expect("histograms of the same bounds");
        }
        self.misdeeds.merge(&other.misdeeds);
        self.last_result = self.last_result.max(other.last_result);
    }

    /// A connection failed in the run.
    pub fn count_failure(&mut self, kind: ErrorKind, at: Instant) {
        self.last_result = Some(at);
        if is_away(kind) {
            self.away_errors += 1;
            self.away_since.get_or_insert(at);
        }
    }

    /// A message was accepted, or the run is over: whoever was away is back, or was until now.
    pub fn end_away(&mut self, at: Instant) {
        if let Some(since) = self.away_since.take() {
            self.away = self.away.max(at.saturating_duration_since(since));
        }
    }

    /// Messages of which it is known what came.
    pub fn tried(&self) -> u64 {
        self.accepted + self.refused + self.unanswered + self.misdeeds.total()
    }

    /// All errors.
    pub fn errors_total(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Records a time.
    pub fn record(&mut self, phase: Phase, time: Duration) {
        record(&mut self.phases[phase as usize], time);
    }

    /// The times of a phase.
    pub fn phase(&self, phase: Phase) -> &Histogram<u64> {
        &self.phases[phase as usize]
    }
}

/// Whether connections fail in this way when a server goes away.
fn is_away(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Connect
        | ErrorKind::Greeting
        | ErrorKind::Closed
        | ErrorKind::Reply421
        | ErrorKind::Timeout
        | ErrorKind::Io => true,
        ErrorKind::Tls | ErrorKind::Unsupported | ErrorKind::Protocol => false,
    }
}

/// What happened in one thread since the main thread last looked.
pub struct Interval {
    /// Accepted messages.
    pub accepted: u64,
    /// Refused messages.
    pub refused: u64,
    /// Errors, and messages without an answer.
    pub errors: u64,
    /// Microseconds from the intended start to the final reply.
    pub whole: Histogram<u64>,
    /// What the refusals and errors said.
    pub troubles: Troubles,
}

impl Interval {
    /// All zero.
    pub fn new() -> Interval {
        Interval {
            accepted: 0,
            refused: 0,
            errors: 0,
            whole: histogram(INTERVAL_DIGITS),
            troubles: Troubles::default(),
        }
    }

    /// Adds another interval's counts.
    pub fn merge(&mut self, other: &Interval) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.errors += other.errors;
        self.whole
            .add(&other.whole)
            .expect("histograms of the same bounds");
        self.troubles.merge(&other.troubles);
    }

    /// Back to zero, in the same memory.
    pub fn clear(&mut self) {
        (self.accepted, self.refused, self.errors) = (0, 0, 0);
        self.whole.reset();
        self.troubles = Troubles::default();
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, digits).expect("constant bounds that fit each other")
}

/// Records a time in microseconds.
pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}

/// Shared by all threads while they run.
#[derive(Default)]
pub struct Live {
    next: AtomicU64,
    errors_in_a_row: AtomicU64,
    /// Sessions that are greeted and not at their end.
    open: AtomicU64,
    /// Errors of sessions while no message was ever answered.
    fruitless: AtomicU64,
    answered: AtomicBool,
    gave_up: AtomicBool,
    stopped: AtomicBool,
    idle_over: AtomicBool,
    idle_opened: AtomicU64,
    /// Idle sessions that could not be opened, since the last that could.
    idle_failures: AtomicU64,
    idle_full: AtomicBool,
    started: OnceLock<Instant>,
}

impl Live {
    /// The beginning of the run: the moment of the first call.
    pub fn start(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// The number of the next message, from 1; `None` when all are given out.
    pub fn claim(&self, messages: u64) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        (number <= messages).then_some(number)
    }

    /// A message was accepted.
    pub fn count_accepted(&self) {
        // Mostly a read: a write would send the line from core to core with every message.
        if self.errors_in_a_row.load(Ordering::Relaxed) != 0 {
            self.errors_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// An error happened; more than `most` in a row end the run.
    pub fn count_error(&self, most: Option<u64>) {
        let in_a_row = self.errors_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if most.is_some_and(|most| in_a_row > most) {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    /// The server answered a message, whatever it said.
    pub fn count_answer(&self) {
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    /// A session is greeted, until what this gives is dropped.
    pub fn open_session(self: &Arc<Self>) -> OpenSession {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenSession(Arc::clone(self))
    }

    /// A session ended by an error. Where no message was ever answered and no session is open that may yet bring an answer,
    /// more than `most` of them end the run: waiting would show nothing else. A server that has answered once may go away for
    /// as long as it likes.
    pub fn count_fruitless(&self, most: Option<u64>) {
        if self.answered.load(Ordering::Relaxed) {
            return;
        }
        let count = self.fruitless.fetch_add(1, Ordering::Relaxed) + 1;
        let nobody = self.open.load(Ordering::Relaxed) == 0;
        if nobody && most.is_some_and(|most| count > most) {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    /// Whether too many errors happened in a row.
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    /// Asks all threads to begin nothing more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Nothing can be sent any more.
    pub fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
    }

    /// An idle session is open.
    pub fn count_idle(&self) {
        self.idle_opened.fetch_add(1, Ordering::Relaxed);
        self.idle_failures.store(0, Ordering::Relaxed);
    }

    /// An idle session could not be opened; `most` in a row end the opening.
    pub fn count_idle_failure(&self, most: u64) {
        if self.idle_failures.fetch_add(1, Ordering::Relaxed) + 1 >= most {
            self.idle_full.store(true, Ordering::Relaxed);
        }
    }

    /// Whether no more idle sessions are to be opened.
    pub fn is_idle_full(&self) -> bool {
        self.idle_full.load(Ordering::Relaxed)
    }

    /// Idle sessions of all threads so far.
    pub fn idle_opened(&self) -> u64 {
        self.idle_opened.load(Ordering::Relaxed)
    }

    /// Idle sessions are about to be ended by this side.
    pub fn end_idle(&self) {
        self.idle_over.store(true, Ordering::Relaxed);
    }

    /// Whether idle sessions end by this side.
    pub fn is_idle_over(&self) -> bool {
        self.idle_over.load(Ordering::Relaxed)
    }

    /// Whether nothing more is to begin, for a signal or for too many errors.
    pub fn is_over(&self) -> bool {
        self.gave_up() || self.stopped.load(Ordering::Relaxed)
    }
}

/// See [`Live::open_session`].
pub struct OpenSession(Arc<Live>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_end_a_run_in_which_nothing_was_answered_and_nobody_waits() {
        let live: Arc<Live> = Arc::default();
        let waiting = live.open_session();
        (0..9).for_each(|_| live.count_fruitless(Some(2)));
        assert!(!live.gave_up(), "a session may yet be answered");
        drop(waiting);
        live.count_fruitless(None);
        assert!(!live.gave_up());
        live.count_fruitless(Some(2));
        assert!(live.gave_up());
        let live: Arc<Live> = Arc::default();
        live.count_answer();
        (0..9).for_each(|_| live.count_fruitless(Some(2)));
        assert!(!live.gave_up(), "it answered once");
    }

    #[test]
    fn phases_are_listed_in_the_order_of_their_numbers() {
        for (number, (phase, _)) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, number);
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
            live.count_error(Some(2));
            live.count_error(Some(2));
            live.count_accepted();
        }
        (0..9).for_each(|_| live.count_error(None));
        assert!(!live.gave_up() && !live.is_over());
        live.count_error(Some(2));
        assert!(live.gave_up() && live.is_over());
    }

    #[test]
    fn the_longest_time_away_is_kept() {
        let (mut tally, at) = (Tally::new(), Instant::now());
        let after = |milliseconds| at + Duration::from_millis(milliseconds);
        tally.end_away(after(1));
        tally.count_failure(ErrorKind::Unsupported, after(2));
        tally.end_away(after(900));
        assert_eq!((tally.away, tally.away_errors), (Duration::ZERO, 0));
        for (kind, milliseconds) in [(ErrorKind::Closed, 1000), (ErrorKind::Connect, 1500)] {
            tally.count_failure(kind, after(milliseconds));
        }
        tally.end_away(after(3000));
        tally.count_failure(ErrorKind::Reply421, after(4000));
        tally.end_away(after(4010));
        let mut sum = Tally::new();
        sum.merge(&tally);
        assert_eq!((sum.away, sum.away_errors), (Duration::from_secs(2), 3));
    }

    #[test]
    fn merging_adds_every_count() {
        let mut one = Tally::new();
        let mut two = Tally::new();
        one.accepted = 2;
        two.accepted = 3;
        two.errors[ErrorKind::Timeout as usize] = 4;
        two.refused_by[451] = 5;
        one.record(Phase::Reply, Duration::from_micros(10));
        two.record(Phase::Reply, Duration::from_secs(2 * 3600));
        one.merge(&two);
        assert_eq!(
            (one.accepted, one.errors_total(), one.refused_by[451]),
            (5, 4, 5)
        );
        assert_eq!(one.phase(Phase::Reply).len(), 2);
        assert!(one.phase(Phase::Reply).max() >= LONGEST);
    }
}
