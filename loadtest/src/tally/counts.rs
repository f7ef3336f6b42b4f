//! One thread's counts of the whole run.
//!
//! Invariants: memory does not grow with the run; merging adds every count.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::misdeeds::Misdeeds;
use super::phase::{Phase, histogram_of_run, record};
use crate::fault::ErrorKind;

/// Reply codes are below this.
const CODES: usize = 600;

/// One thread's counts.
pub(crate) struct Tally {
    /// Messages that got a positive reply.
    pub accepted: u64,
    /// Bytes of those, before transparency.
    pub accepted_bytes: u64,
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
    pub(crate) fn new() -> Tally {
        Tally {
            accepted: 0,
            accepted_bytes: 0,
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
            phases: std::array::from_fn(|_| histogram_of_run()),
            misdeeds: Misdeeds::default(),
            last_result: None,
        }
    }

    /// Adds another thread's counts.
    pub(crate) fn merge(&mut self, other: &Tally) {
        let add = |into: &mut [u64], from: &[u64]| {
            into.iter_mut()
                .zip(from)
                .for_each(|(into, from)| *into += from)
        };
        self.accepted += other.accepted;
        self.accepted_bytes += other.accepted_bytes;
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
        self.assert_consistent();
    }

    /// A message got a positive final reply at that time; `bytes` is its size before transparency.
    pub(crate) fn count_accepted(&mut self, bytes: u64, at: Instant) {
        self.accepted += 1;
        self.accepted_bytes += bytes;
        self.end_away(at);
        self.last_result = Some(at);
    }

    /// A message was refused with this code.
    pub(crate) fn count_refused(&mut self, code: u16, at: Instant) {
        self.refused += 1;
        self.refused_by[usize::from(code)] += 1;
        self.last_result = Some(at);
    }

    /// Data of a message was sent, and no final reply came, or one that says nothing.
    pub(crate) fn count_unanswered(&mut self, at: Instant) {
        self.unanswered += 1;
        self.last_result = Some(at);
    }

    /// A message that was due has not begun; how long it had waited, which is the least that its latency can be.
    pub(crate) fn count_overdue(&mut self, waited: Duration) {
        self.overdue += 1;
        self.record(Phase::Whole, waited);
    }

    /// A reply was read.
    pub(crate) fn count_reply(&mut self, code: u16) {
        self.replies[usize::from(code)] += 1;
    }

    /// An error happened, in the run or before it.
    pub(crate) fn count_error(&mut self, kind: ErrorKind) {
        self.errors[kind as usize] += 1;
    }

    /// A TLS handshake was done.
    pub(crate) fn count_handshake(&mut self, is_resumed: bool) {
        self.handshakes += 1;
        self.resumed += u64::from(is_resumed);
    }

    /// A connection failed in the run.
    pub(crate) fn count_failure(&mut self, kind: ErrorKind, at: Instant) {
        self.last_result = Some(at);
        if is_away(kind) {
            self.away_errors += 1;
            self.away_since.get_or_insert(at);
        }
    }

    /// A message was accepted, or the run is over: a server that was away is back, or was away until now.
    pub(crate) fn end_away(&mut self, at: Instant) {
        if let Some(since) = self.away_since.take() {
            self.away = self.away.max(at.saturating_duration_since(since));
        }
    }

    /// Asserts that sums and their parts agree.
    fn assert_consistent(&self) {
        let refused: u64 = self.refused_by.iter().sum();
        assert!(refused == self.refused, "each refusal has a code");
        let greeted = self.connections + self.idle_opened;
        assert!(
            greeted == 0 || self.phase(Phase::Banner).len() >= greeted,
            "each connection that was greeted has sent its banner"
        );
        assert!(
            self.resumed <= self.handshakes,
            "what was resumed was a handshake"
        );
        assert!(
            self.idle_closed <= self.idle_opened,
            "what was closed was open"
        );
        assert!(
            self.away_errors <= self.errors_total(),
            "a failure is an error"
        );
        let answered = self.phase(Phase::Reply).len();
        assert!(
            answered >= self.accepted,
            "each accepted message has a time"
        );
    }

    /// Messages whose outcome is known.
    pub(crate) fn tried(&self) -> u64 {
        self.accepted + self.refused + self.unanswered + self.misdeeds.total()
    }

    /// All errors.
    pub(crate) fn errors_total(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Records a time.
    pub(crate) fn record(&mut self, phase: Phase, time: Duration) {
        record(&mut self.phases[phase as usize], time);
    }

    /// The times of a phase.
    pub(crate) fn phase(&self, phase: Phase) -> &Histogram<u64> {
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

#[cfg(test)]
mod tests {
    use super::super::phase::LONGEST;
    use super::*;

    #[test]
    fn the_longest_time_away_is_kept() {
        let (mut tally, at) = (Tally::new(), Instant::now());
        let after = |milliseconds| at + Duration::from_millis(milliseconds);
        tally.end_away(after(1));
        let fail = |tally: &mut Tally, kind, milliseconds| {
            tally.count_error(kind);
            tally.count_failure(kind, after(milliseconds));
        };
        fail(&mut tally, ErrorKind::Unsupported, 2);
        tally.end_away(after(900));
        assert_eq!((tally.away, tally.away_errors), (Duration::ZERO, 0));
        for (kind, milliseconds) in [(ErrorKind::Closed, 1000), (ErrorKind::Connect, 1500)] {
            fail(&mut tally, kind, milliseconds);
        }
        tally.end_away(after(3000));
        fail(&mut tally, ErrorKind::Reply421, 4000);
        tally.end_away(after(4010));
        let mut sum = Tally::new();
        sum.merge(&tally);
        assert_eq!((sum.away, sum.away_errors), (Duration::from_secs(2), 3));
    }

    #[test]
    fn merging_adds_every_count() {
        let mut one = Tally::new();
        let mut two = Tally::new();
        for (tally, accepted) in [(&mut one, 2), (&mut two, 3)] {
            for _ in 0..accepted {
                tally.count_accepted(7, Instant::now());
                tally.record(Phase::Reply, Duration::from_micros(10));
            }
        }
        (0..4).for_each(|_| two.count_error(ErrorKind::Timeout));
        (0..5).for_each(|_| two.count_refused(451, Instant::now()));
        two.record(Phase::Reply, Duration::from_secs(2 * 3600));
        one.merge(&two);
        assert_eq!(
            (one.accepted, one.errors_total(), one.refused_by[451]),
            (5, 4, 5)
        );
        assert_eq!((one.refused, one.accepted_bytes), (5, 35));
        assert_eq!(one.phase(Phase::Reply).len(), 6);
        assert!(one.phase(Phase::Reply).max() >= LONGEST);
    }
}
