//! Figures for people: numbers, rates, sizes and times, in a few characters.
//!
//! Must not know: what is measured.
//!
//! Invariant: a figure takes at most twelve characters, so that columns keep their width.

/// What there is nothing of.
pub const NONE: &str = "–";

const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
const BYTES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// A number, whole where it is small enough to read: `1,234,567`.
pub fn count(value: f64) -> String {
    if value >= 1e8 {
        return scaled(value, 1000.0, &UNITS).trim_end().to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: more digits where it is small.
pub fn rate(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 0.01 => "<0.01".to_owned(),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => count(value),
    }
}

/// Bytes, by powers of 1024.
pub fn bytes(value: f64) -> String {
    match value < 1024.0 {
        true => format!("{value:.0} B"),
        false => scaled(value, 1024.0, &BYTES),
    }
}

/// A figure of this unit of the snapshot.
pub fn of_unit(unit: &str, value: f64) -> String {
    match unit {
        "bytes" => bytes(value),
        "seconds" => duration(value),
        _ => count(value),
    }
}

/// A rate of this unit.
pub fn rate_of_unit(unit: &str, value: f64) -> String {
    match unit {
        "bytes" if value > 0.0 => bytes(value),
        _ => rate(value),
    }
}

/// A short time: `0.8 ms`, `12 ms`, `1.5 s`.
pub fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => NONE.to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        Some(seconds) if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        Some(seconds) if seconds < 100.0 => format!("{seconds:.1} s"),
        Some(seconds) => duration(seconds),
    }
}

/// A long time, by its two largest units: `3 d 4 h`, `12 min 3 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

/// A part of a whole, in per cent.
pub fn share(part: f64) -> String {
    match part {
        part if part > 0.0 && part < 0.01 => "<1 %".to_owned(),
        part => format!("{:.0} %", part * 100.0),
    }
}

/// A time stamp of the snapshot to the second, and without its zone: all are UTC.
pub fn moment(rfc3339: &str) -> String {
    let to_the_second = rfc3339.split('.').next().unwrap_or_default();
    to_the_second.trim_end_matches('Z').replace('T', " ")
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let (mut value, mut place) = (value, 0);
    while value >= step && place + 1 < units.len() {
        (value, place) = (value / step, place + 1);
    }
    match value < 10.0 {
        true => format!("{value:.1} {}", units[place]),
        false => format!("{value:.0} {}", units[place]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_say_their_unit() {
        for (text, expected) in [
            (count(0.0), "0"),
            (count(999.0), "999"),
            (count(1234.0), "1,234"),
            (count(12_345_678.0), "12,345,678"),
            (count(2.5e9), "2.5 G"),
            (rate(0.0), "0"),
            (rate(0.001), "<0.01"),
            (rate(1.234), "1.23"),
            (rate(99.44), "99.4"),
            (rate(4321.0), "4,321"),
            (bytes(0.0), "0 B"),
            (bytes(1536.0), "1.5 KiB"),
            (bytes(25.0 * 1024.0 * 1024.0), "25 MiB"),
            (latency(None), "–"),
            (latency(Some(0.0002)), "200 µs"),
            (latency(Some(0.0025)), "2.5 ms"),
            (latency(Some(0.25)), "250 ms"),
            (latency(Some(2.5)), "2.5 s"),
            (duration(59.9), "59 s"),
            (duration(3_700.0), "1 h 1 min"),
            (duration(200_000.0), "2 d 7 h"),
            (share(0.0), "0 %"),
            (share(0.001), "<1 %"),
            (share(0.5), "50 %"),
            (moment("2026-11-28T10:15:00.123Z"), "2026-11-28 10:15:00"),
            (moment("2026-11-28T10:15:00Z"), "2026-11-28 10:15:00"),
            (of_unit("bytes", 2048.0), "2.0 KiB"),
            (rate_of_unit("bytes", 0.0), "0"),
        ] {
            assert_eq!(text, expected);
        }
        for value in [0.0_f64, 1e3, 1e6, 99_999_999.0, 1e12, 1e15] {
            // A hundred years are enough.
            let time = duration(value.min(3e9));
            for text in [count(value), rate(value), bytes(value), time] {
                assert!(text.chars().count() <= 12, "{text}");
            }
        }
    }
}
