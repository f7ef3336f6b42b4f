//! How values are shown to people, and words to a shell.
//!
//! Invariant: a value is written in one way everywhere: digits in groups of three, a time and a size with the unit that fits.

/// Words as a shell would read them again.
pub(crate) fn shell_words(words: &[String]) -> String {
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
pub(crate) fn grouped(number: u64) -> String {
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
pub(crate) fn show_number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(value.abs().round() as u64))
    } else {
        format!("{value:.1}")
    }
}

/// Bytes with the unit that fits.
pub(crate) fn show_bytes(bytes: f64) -> String {
    match bytes {
        _ if bytes < 1000.0 => format!("{bytes:.0} bytes"),
        _ if bytes < 1_048_576.0 => format!("{:.1} KiB", bytes / 1024.0),
        _ if bytes < 2.0 * 1_073_741_824.0 => {
            format!("{} MiB", show_number((bytes / 104_857.6).round() / 10.0))
        }
        _ => format!("{:.1} GiB", bytes / 1_073_741_824.0),
    }
}

/// A duration with the unit that fits it: `1.2 ms`.
pub(crate) fn show_microseconds(microseconds: f64) -> String {
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
        assert_eq!(show_bytes(999.0), "999 bytes");
        assert_eq!(show_bytes(2048.0), "2.0 KiB");
        assert_eq!(show_bytes(1500.0 * 1_048_576.0), "1,500 MiB");
        assert_eq!(show_bytes(16.0 * 1_073_741_824.0), "16.0 GiB");
        assert_eq!(show_microseconds(1500e6), "1,500 s");
    }
}
