//! The dates of a mail as texts, made once per second.
//!
//! Owns: their forms (RFC 5322 3.3, RFC 3339). Must not know: the clock; the time comes in.

use jiff::Timestamp;

/// The texts of one second.
#[derive(Debug, Default)]
pub struct Dates {
    second: Option<i64>,
    rfc5322: String,
    /// Up to the seconds.
    rfc3339: String,
}

/// Characters of an RFC 3339 time with milliseconds: `2026-01-01T00:00:00.000Z`.
pub const RFC3339_LENGTH: usize = 24;

/// Characters of an RFC 5322 date: `Thu, 01 Jan 2026 00:00:00 +0000`.
pub const RFC5322_LENGTH: usize = 31;

impl Dates {
    /// `Thu, 01 Jan 2026 00:00:00 +0000`.
    pub fn rfc5322(&mut self, time: Timestamp) -> &str {
        self.refresh(time);
        &self.rfc5322
    }

    /// `2026-01-01T00:00:00.000Z`.
    pub fn rfc3339(&mut self, time: Timestamp) -> [u8; RFC3339_LENGTH] {
        self.refresh(time);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let seconds = self.rfc3339.as_bytes();
        text[..seconds.len()].copy_from_slice(seconds);
        let milliseconds = time.as_millisecond().rem_euclid(1000);
        for (place, divisor) in [(20, 100), (21, 10), (22, 1)] {
            text[place] = b'0' + (milliseconds / divisor % 10) as u8;
        }
        text
    }

    fn refresh(&mut self, time: Timestamp) {
        let second = time.as_millisecond().div_euclid(1000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.rfc5322 = time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
            self.rfc3339 = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            assert_eq!(self.rfc3339.len(), 19, "a year has four digits");
            assert_eq!(self.rfc5322.len(), RFC5322_LENGTH, "a date has one length");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_follow_the_time() {
        let mut dates = Dates::default();
        for (milliseconds, rfc5322, rfc3339) in [
            (
                1_767_225_600_000,
                "Thu, 01 Jan 2026 00:00:00 +0000",
                "2026-01-01T00:00:00.000Z",
            ),
            (
                1_767_225_600_987,
                "Thu, 01 Jan 2026 00:00:00 +0000",
                "2026-01-01T00:00:00.987Z",
            ),
            (
                1_767_225_661_009,
                "Thu, 01 Jan 2026 00:01:01 +0000",
                "2026-01-01T00:01:01.009Z",
            ),
            (
                -1,
                "Wed, 31 Dec 1969 23:59:59 +0000",
                "1969-12-31T23:59:59.999Z",
            ),
        ] {
            let time = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(dates.rfc5322(time), rfc5322);
            assert_eq!(dates.rfc3339(time), rfc3339.as_bytes());
        }
    }
}
