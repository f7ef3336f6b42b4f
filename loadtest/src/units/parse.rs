//! Sizes, durations, shares and rates as people write them.
//!
//! Owns what is allowed, and says it in its errors. Must not know which option a value is for.

use std::time::Duration;

use thiserror::Error;

/// The largest message, in bytes. Each size is in memory a few times, so this bounds memory too.
pub(crate) const MAX_SIZE: u64 = 1 << 30;
/// The longest duration that an option takes.
const MAX_DURATION: Duration = Duration::from_secs(30 * 86_400);

/// Units of sizes with their bytes. The B of a unit may be left out, and case makes no difference.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Parses a size: a whole number and an optional unit, of 1000 (k, M, G, kB ...) or of 1024 (Ki, KiB, Mi ...).
pub(crate) fn parse_size(text: &str) -> Result<u64, ValueError> {
    bytes(text).and_then(|size| {
        let fits = (1..=MAX_SIZE).contains(&size);
        fits.then_some(size).ok_or(ValueError::Size)
    })
}

/// The grammar of sizes, which the server has too: docs/configuration.md has it in words, tests/vectors/sizes.txt in
/// examples.
fn bytes(text: &str) -> Result<u64, ValueError> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let is_unit = |name: &str| {
        let short = name.strip_suffix('B').unwrap_or(name);
        name.eq_ignore_ascii_case(unit) || short.eq_ignore_ascii_case(unit)
    };
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| is_unit(name)) else {
        return Err(ValueError::Unit {
            given: unit.to_ascii_lowercase(),
            known: "k, M, G, T (1000) and KiB, MiB, GiB, TiB (1024)",
        });
    };
    let number: Option<u64> = number.parse().ok();
    let size = number.and_then(|number| number.checked_mul(*factor));
    size.ok_or(ValueError::Size)
}

/// Parses a duration: a number and a unit, seconds where there is none.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(ValueError::Unit {
                given: unit.to_owned(),
                known: "us, ms, s, m, h",
            });
        }
    };
    number
        .parse::<f64>()
        .ok()
        .map(|number| number * factor)
        .filter(|seconds| *seconds <= MAX_DURATION.as_secs_f64())
        .map(Duration::from_secs_f64)
        .ok_or(ValueError::Duration)
}

/// Parses a share: `2%`, or a number from 0 to 1.
pub(crate) fn parse_share(text: &str) -> Result<f64, ValueError> {
    let (number, factor) = match text.trim().strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text.trim(), 1.0),
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * factor)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| ValueError::Share(text.to_owned()))
}

/// Parses a rate per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, ValueError> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let (number, factor) = match number.strip_suffix('k') {
        Some(number) => (number, 1000.0),
        None => (number, 1.0),
    };
    number
        .parse::<f64>()
        .ok()
        .map(|number| number * factor)
        .filter(|rate| (0.001..=10_000_000.0).contains(rate))
        .ok_or(ValueError::Rate)
}

/// Why a text is no value of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ValueError {
    /// The letters after the number are no unit of this kind.
    #[error("unknown unit {given:?}; known are {known}")]
    Unit {
        /// What stands there.
        given: String,
        /// The units.
        known: &'static str,
    },
    /// No size, or one that is out of range.
    #[error("give a size from 1 to {MAX_SIZE} bytes (1GiB), e.g. 4096, 50k, 4KiB")]
    Size,
    /// No duration, or one that is out of range.
    #[error("give a duration up to 30 days, e.g. 500ms, 30s, 5m")]
    Duration,
    /// No share, or one that is out of range.
    #[error("{0:?}: give a share from 0 to 1, or from 0% to 100%")]
    Share(String),
    /// No rate, or one that is out of range.
    #[error("give a rate from 0.001 to 10000000 a second, e.g. 500 or 20k")]
    Rate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_shared_examples() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sizes.txt");
        let examples = std::fs::read_to_string(path).expect("the examples are there");
        let mut seen = 0;
        for line in examples.lines().filter(|line| !line.starts_with('#')) {
            let (text, expected) = line.rsplit_once(' ').expect("a text and its bytes");
            let text = text.trim_matches('"');
            match expected {
                "refused" => assert!(bytes(text).is_err(), "{text:?}"),
                size => assert_eq!(bytes(text), Ok(size.parse().expect("bytes")), "{text:?}"),
            }
            seen += 1;
        }
        assert!(seen > 30, "{seen} examples");
    }

    #[test]
    fn sizes_are_plain_decimal_or_binary() {
        for (text, size) in [
            ("1", 1),
            ("4096", 4096),
            ("50k", 50_000),
            ("50K", 50_000),
            ("50kB", 50_000),
            ("4KiB", 4096),
            ("4ki", 4096),
            ("512b", 512),
            ("1M", 1_000_000),
            ("1 MiB", 1 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "k",
            "0",
            "-1",
            "4x",
            "4KiBB",
            "1.5k",
            "2GiB",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_shares_and_rates() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "s", "1x", "-1s", "1.2.3s", "9999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_share("2%"), Ok(0.02));
        assert_eq!(parse_share("0.5"), Ok(0.5));
        for text in ["", "%", "101%", "2", "-1%", "NaN"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
        assert_eq!(parse_rate("20k"), Ok(20_000.0));
        assert_eq!(parse_rate("500/s"), Ok(500.0));
        for text in ["", "0", "-3", "inf", "NaN", "1e9"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
