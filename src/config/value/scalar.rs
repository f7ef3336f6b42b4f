//! Numbers, sizes, durations and switches.
//!
//! Owns their units. Knows no ranges: those are the option's.

use std::time::Duration;

/// Units of sizes with their octets, the smallest last.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Units of durations with their milliseconds, the smallest last.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Octets out of `25MiB`, `1 GB` or `1048576`.
pub(in crate::config) fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        "is not a size: write octets, or a whole number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 25MiB"
            .to_owned()
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let factor = match unit {
        "" => 1,
        _ => {
            let known = SIZE_UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or_else(wrong)?.1
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| "is more octets than can be counted".to_owned())
}

/// The shortest exact form of a size: `25MiB`.
pub(in crate::config) fn size_text(octets: u64) -> String {
    with_unit(octets, &SIZE_UNITS)
}

/// A duration out of `250ms`, `30s`, `5min` or `1h`.
pub(in crate::config) fn time(text: &str) -> Result<Duration, String> {
    let wrong =
        || "is not a duration: write a whole number with ms, s, min or h, such as 30s".to_owned();
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let (_, factor) = TIME_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let milliseconds = number.checked_mul(*factor);
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| "is longer than can be counted".to_owned())
}

/// The shortest exact form of a duration of whole milliseconds: `5min`.
pub(in crate::config) fn time_text(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis())
        .expect("durations are read from 64 bits of milliseconds");
    with_unit(milliseconds, &TIME_UNITS)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// The form with the fewest digits among the units that divide the number.
fn with_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    let smallest = units.last().expect("a table of units has a unit");
    let (name, factor) = units
        .iter()
        .filter(fits)
        .max_by_key(|(_, factor)| *factor)
        .unwrap_or(smallest);
    format!("{}{name}", number / factor)
}

/// A whole number as written in the environment or after a flag.
pub(in crate::config) fn count(text: &str) -> Result<usize, String> {
    text.trim()
        .parse()
        .map_err(|_| "is not a whole number".to_owned())
}

/// `true` or `false`.
pub(in crate::config) fn switch(text: &str) -> Result<bool, String> {
    text.trim()
        .parse()
        .map_err(|_| "is neither true nor false".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        let cases = [
            ("0", 0, "0B"),
            ("1", 1, "1B"),
            ("1048576", 1 << 20, "1MiB"),
            ("25MiB", 25 << 20, "25MiB"),
            (" 25 mib ", 25 << 20, "25MiB"),
            ("64KiB", 64 << 10, "64KiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("1GiB", 1 << 30, "1GiB"),
            ("2TiB", 2 << 40, "2TiB"),
            ("1500KB", 1_500_000, "1500KB"),
            ("7B", 7, "7B"),
        ];
        for (text, octets, shown) in cases {
            assert_eq!(size(text), Ok(octets), "{text}");
            assert_eq!(size_text(octets), shown, "{text}");
            assert_eq!(size(shown), Ok(octets), "{shown}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in [
            "",
            "MiB",
            "25M",
            "25k",
            "1.5GiB",
            "-1",
            "+1",
            "1 000",
            "18446744073709551616",
            "25MiBs",
            "1e6",
        ] {
            let why = size(text).expect_err(text);
            assert!(why.starts_with("is not a size: write"), "{text}: {why}");
        }
        assert_eq!(
            size("18446744073709551615TiB"),
            Err("is more octets than can be counted".to_owned())
        );
    }

    #[test]
    fn durations_are_read_and_shown() {
        let cases = [
            ("0s", 0, "0ms"),
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "90s"),
            ("300s", 300_000, "5min"),
            ("5 min", 300_000, "5min"),
            ("1h", 3_600_000, "1h"),
        ];
        for (text, milliseconds, shown) in cases {
            assert_eq!(
                time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
            assert_eq!(
                time_text(Duration::from_millis(milliseconds)),
                shown,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["", "30", "s", "5m", "1.5s", "-1s", "1h30min", "30S"] {
            let why = time(text).expect_err(text);
            assert!(why.starts_with("is not a duration: write"), "{text}: {why}");
        }
        assert_eq!(
            time("18446744073709551615h"),
            Err("is longer than can be counted".to_owned())
        );
    }
}
