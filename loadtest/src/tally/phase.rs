//! The phases of a message's way, and the histograms that hold their times.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time in a histogram, in microseconds: one hour. Longer times count as this.
pub(super) const LONGEST: u64 = 3_600_000_000;
/// Significant decimal digits of a histogram of the whole run, and of one interval.
const DIGITS: u8 = 3;
const INTERVAL_DIGITS: u8 = 2;

/// A part of a message's way that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// TCP connects.
    Connect,
    /// From the connection (after TLS, if implicit) to the banner.
    Banner,
    /// The TLS handshake, STARTTLS included.
    Tls,
    /// From EHLO to its reply.
    Ehlo,
    /// From MAIL to 354, or to the last reply to RCPT with BDAT.
    Envelope,
    /// From just before the write of a message's last byte to its final reply.
    Reply,
    /// From the intended start (closed loop: from the actual one) to the final reply.
    Whole,
    /// How late this program began a message for which a connection was free.
    StartLag,
}

impl Phase {
    /// All phases with their names in reports, in the order of their numbers.
    pub(crate) const ALL: [(Phase, &'static str); 8] = [
        (Phase::Connect, "connect"),
        (Phase::Banner, "banner"),
        (Phase::Tls, "tls"),
        (Phase::Ehlo, "ehlo"),
        (Phase::Envelope, "envelope"),
        (Phase::Reply, "reply"),
        (Phase::Whole, "whole"),
        (Phase::StartLag, "start_lag"),
    ];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        Phase::ALL[self as usize].1
    }
}

/// An empty histogram for the times of a whole run.
pub(crate) fn histogram_of_run() -> Histogram<u64> {
    histogram(DIGITS)
}

/// An empty histogram for the times of one interval.
pub(super) fn histogram_of_interval() -> Histogram<u64> {
    histogram(INTERVAL_DIGITS)
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, digits).expect("constant bounds that fit each other")
}

/// Records a time in microseconds.
pub(crate) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_listed_in_the_order_of_their_numbers() {
        for (number, (phase, _)) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, number);
        }
    }
}
