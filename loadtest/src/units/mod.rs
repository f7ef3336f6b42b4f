//! Sizes, durations, shares and rates as people write them.
//!
//! Owns parsing, whose errors say what is allowed, and how values are shown.

pub mod axis;

use std::time::Duration;

/// The largest message, in octets. Each size is in memory a few times, so this bounds memory too.
pub const MAX_SIZE: u64 = 1 << 30;
/// The longest duration that an option takes.
const MAX_DURATION: Duration = Duration::from_secs(30 * 86_400);

/// Parses a size: a whole number and an optional unit, of 1000 (k, M, G, kB ...) or of 1024 (Ki, KiB, Mi ...).
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1,
        "k" => 1000,
        "ki" => 1 << 10,
        "m" => 1_000_000,
        "mi" => 1 << 20,
        "g" => 1_000_000_000,
        "gi" => 1 << 30,
        _ => {
            return Err(format!(
                "unknown unit {unit:?}; known are k, M, G (1000) and KiB, MiB, GiB (1024)"
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|size| (1..=MAX_SIZE).contains(size))
        .ok_or_else(|| {
            format!("give a size from 1 to {MAX_SIZE} octets (1GiB), e.g. 4096, 50k, 4KiB")
        })
}

/// Parses a duration: a number and a unit, seconds where there is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
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
        _ => return Err(format!("unknown unit {unit:?}; known are us, ms, s, m, h")),
    };
    number
        .parse::<f64>()
        .ok()
        .map(|number| number * factor)
        .filter(|seconds| *seconds <= MAX_DURATION.as_secs_f64())
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give a duration up to 30 days, e.g. 500ms, 30s, 5m".to_owned())
}

/// Parses a share: `2%`, or a number from 0 to 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
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
        .ok_or_else(|| format!("{text:?}: give a share from 0 to 1, or from 0% to 100%"))
}

/// Parses a rate per second.
pub fn parse_rate(text: &str) -> Result<f64, String> {
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
        .ok_or_else(|| "give a rate from 0.001 to 10000000 a second, e.g. 500 or 20k".to_owned())
}

/// Words as a shell would read them again.
pub fn shell_words(words: &[String]) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A number for people, its digits in groups of three: `15,000`. There is no other way of writing thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The same for a number that was measured: rounded, with one decimal below 100.
pub fn show_number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(value.abs().round() as u64))
    } else {
        format!("{value:.1}")
    }
}

/// Octets with the unit that fits.
pub fn show_octets(octets: f64) -> String {
    match octets {
        _ if octets < 1000.0 => format!("{octets:.0} bytes"),
        _ if octets < 1_048_576.0 => format!("{:.1} KiB", octets / 1024.0),
        _ => format!("{} MiB", show_number((octets / 104_857.6).round() / 10.0)),
    }
}

/// A duration with the unit that fits it: `1.2 ms`.
pub fn show_microseconds(microseconds: f64) -> String {
    match microseconds {
        _ if microseconds < 1000.0 => format!("{microseconds:.0} \u{b5}s"),
        _ if microseconds < 1e4 => format!("{:.2} ms", microseconds / 1e3),
        _ if microseconds < 1e6 => format!("{:.0} ms", microseconds / 1e3),
        _ if microseconds < 1e9 => format!("{:.2} s", microseconds / 1e6),
        _ => format!("{} s", grouped((microseconds / 1e6) as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn words_can_be_pasted_into_a_shell() {
        let words = ["x", "--mix", "50% --tls starttls", "p99<20ms", "", "it's"];
        assert_eq!(
            shell_words(&words.map(str::to_owned)),
            r"x --mix '50% --tls starttls' 'p99<20ms' '' 'it'\''s'"
        );
    }

    #[test]
    fn numbers_are_written_in_one_way() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (15_000, "15,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
            assert_eq!(show_number(number as f64), text);
        }
        assert_eq!(show_number(45_100.4), "45,100");
        assert_eq!(show_number(-1500.0), "-1,500");
        assert_eq!(show_number(7.25), "7.2");
        assert_eq!(show_octets(999.0), "999 bytes");
        assert_eq!(show_octets(2048.0), "2.0 KiB");
        assert_eq!(show_octets(1500.0 * 1_048_576.0), "1,500 MiB");
        assert_eq!(show_microseconds(1500e6), "1,500 s");
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
