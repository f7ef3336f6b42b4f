//! A point in time as an operator writes it: a time or a date of RFC 3339, or how long ago.
//!
//! Owns: the notation. Must not know: the clock, and what begins at that point.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config;

/// Seconds of a day.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// Characters of a date such as `2026-11-28`.
const DATE_OCTETS: usize = 10;

/// Why a text is not a point in time. Its text is the end of a sentence: what is wrong and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAMoment {
    /// It has none of the forms.
    Notation,
    /// It is before the first time that can be counted.
    TooLongAgo,
}

impl fmt::Display for NotAMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notation => {
                "is not a point in time: write 2026-11-28T03:12:01Z, 2026-11-28 (its midnight, UTC), or how long ago as one \
                 number and one unit, such as 90s, 30min, 1h or 7d"
            }
            Self::TooLongAgo => "is longer ago than times are counted: write a date, such as 2026-11-28",
        })
    }
}

impl std::error::Error for NotAMoment {}

/// The point in time that a text names; `now` is where it counts back from.
///
/// # Errors
/// Why it names none.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, NotAMoment> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // A date is this long: longer texts would be dates to the library as well, and lose their time.
    if text.len() == DATE_OCTETS
        && let Ok(date) = text.parse::<Date>()
        && let Ok(midnight) = date.to_zoned(TimeZone::UTC)
    {
        return Ok(midnight.timestamp());
    }
    let ago = ago(text)?;
    now.checked_sub(ago).map_err(|_| NotAMoment::TooLongAgo)
}

/// `7d`, or a duration as in the configuration.
fn ago(text: &str) -> Result<SignedDuration, NotAMoment> {
    if let Some(days) = text.strip_suffix('d') {
        let days = days.trim_end();
        let is_number = !days.is_empty() && days.bytes().all(|octet| octet.is_ascii_digit());
        if !is_number {
            return Err(NotAMoment::Notation);
        }
        let seconds = days
            .parse()
            .ok()
            .and_then(|days: i64| days.checked_mul(DAY_SECONDS));
        return Ok(SignedDuration::from_secs(
            seconds.ok_or(NotAMoment::TooLongAgo)?,
        ));
    }
    let duration = config::time(text).map_err(|_| NotAMoment::Notation)?;
    SignedDuration::try_from(duration).map_err(|_| NotAMoment::TooLongAgo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_dates_and_how_long_ago() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-28T03:12:01.5Z", "2026-11-28T03:12:01.5Z"),
            ("2026-11-28T03:12:01+02:00", "2026-11-28T01:12:01Z"),
            ("2026-11-27", "2026-11-27T00:00:00Z"),
            ("1h", "2026-11-28T11:00:00Z"),
            ("90s", "2026-11-28T11:58:30Z"),
            ("30min", "2026-11-28T11:30:00Z"),
            ("30m", "2026-11-28T11:30:00Z"),
            ("5 min", "2026-11-28T11:55:00Z"),
            ("7 d", "2026-11-21T12:00:00Z"),
            ("250ms", "2026-11-28T11:59:59.75Z"),
            ("7d", "2026-11-21T12:00:00Z"),
            ("0s", "2026-11-28T12:00:00Z"),
        ] {
            let expected = expected.parse().unwrap();
            assert_eq!(moment(text, now), Ok(expected), "{text}");
        }
        for text in [
            "",
            "d",
            "1",
            "-1h",
            "1 fortnight",
            "yesterday",
            "2026-11-28T03:12",
            "2026-11-31",
            "2026-13-01",
            "+1d",
            "1M",
            "1h30min",
            "2026-11-28 17:43",
        ] {
            assert_eq!(moment(text, now), Err(NotAMoment::Notation), "{text}");
        }
        for text in ["9999999d", "99999999999999999999d", "9223372036854775807s"] {
            let found = moment(text, now);
            assert!(
                matches!(found, Err(NotAMoment::TooLongAgo | NotAMoment::Notation)),
                "{text}: {found:?}"
            );
        }
    }
}
