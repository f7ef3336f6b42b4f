//! Numbers, sizes, durations and switches.
//!
//! Owns their units. Knows no ranges: those are the option's.

use std::time::Duration;

use crate::config::reason::Reason;

/// Units of sizes with their bytes, the smallest last.
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

/// Bytes out of `25MiB`, `1 GB` or `1048576`. The B of a unit may be left out, and case makes no difference; docs/configuration.md
/// has the grammar, tests/vectors/sizes.txt its examples.
///
/// # Errors
/// It is no size, or one that cannot be counted.
pub fn size(text: &str) -> Result<u64, Reason> {
    let (number, unit) = number_and_unit(text).ok_or(Reason::NotASize)?;
    let is_unit = |name: &str| {
        let short = name.strip_suffix('B').unwrap_or(name);
        name.eq_ignore_ascii_case(unit) || short.eq_ignore_ascii_case(unit)
    };
    let known = SIZE_UNITS.iter().find(|(name, _)| is_unit(name));
    let (_, factor) = known.ok_or(Reason::NotASize)?;
    number.checked_mul(*factor).ok_or(Reason::UncountableSize)
}

/// The shortest exact form of a size: `25MiB`.
pub(in crate::config) fn size_text(bytes: u64) -> String {
    with_unit(bytes, &SIZE_UNITS)
}

/// A duration out of `250ms`, `30s`, `5min`, `5m` or `1h`.
///
/// # Errors
/// It is no duration, or one that cannot be counted.
pub fn time(text: &str) -> Result<Duration, Reason> {
    let (number, unit) = number_and_unit(text).ok_or(Reason::NotADuration)?;
    // No duration is in months, and case counts: `m` can only be minutes.
    let unit = if unit == "m" { "min" } else { unit };
    let known = TIME_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, factor) = known.ok_or(Reason::NotADuration)?;
    let milliseconds = number.checked_mul(*factor);
    milliseconds
        .map(Duration::from_millis)
        .ok_or(Reason::UncountableDuration)
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

/// A whole number as written in the environment or after a flag; none where it is not one.
pub(in crate::config) fn count(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

/// `true` or `false`.
pub(in crate::config) fn switch(text: &str) -> Result<bool, Reason> {
    text.trim().parse().map_err(|_| Reason::NotASwitch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_shared_examples() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sizes.txt");
        let examples = std::fs::read_to_string(path).expect("the examples are there");
        let mut seen = 0;
        for line in examples.lines().filter(|line| !line.starts_with('#')) {
            let (text, expected) = line.rsplit_once(' ').expect("a text and its bytes");
            let text = text.trim_matches('"');
            match expected {
                "refused" => assert!(size(text).is_err(), "{text:?}"),
                bytes => assert_eq!(size(text), Ok(bytes.parse().expect("bytes")), "{text:?}"),
            }
            seen += 1;
        }
        assert!(seen > 30, "{seen} examples");
        assert_eq!(size("25MiBs"), Err(Reason::NotASize));
        assert_eq!(
            size("18446744073709551615TiB"),
            Err(Reason::UncountableSize)
        );
    }

    #[test]
    fn a_size_is_shown_in_its_shortest_exact_form() {
        for (bytes, shown) in [
            (0, "0B"),
            (1, "1B"),
            (1 << 20, "1MiB"),
            (25 << 20, "25MiB"),
            (1_000_000_000, "1GB"),
            (1 << 30, "1GiB"),
            (2 << 40, "2TiB"),
            (1_500_000, "1500KB"),
            (7, "7B"),
        ] {
            assert_eq!(size_text(bytes), shown);
            assert_eq!(size(shown), Ok(bytes), "{shown}");
        }
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
            ("5m", 300_000, "5min"),
            ("1h", 3_600_000, "1h"),
        ];
        for (text, milliseconds, shown) in cases {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(time(text), Ok(duration), "{text}");
            assert_eq!(time_text(duration), shown, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in ["", "30", "s", "5M", "1.5s", "-1s", "1h30min", "30S"] {
            assert_eq!(time(text), Err(Reason::NotADuration), "{text}");
        }
        let beyond = time("18446744073709551615h");
        assert_eq!(beyond, Err(Reason::UncountableDuration));
    }
}
