//! Values of flags that have a range: numbers, times and addresses.
//!
//! Owns: how such a value is read, and the text that says what is allowed. Must not know: which flag it is for.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config;

/// Why a value is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoValue {
    /// Not a whole number, or not in its range.
    #[error("a whole number from {least} to {most} is allowed")]
    Number {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// Not a time.
    #[error("it {0}")]
    NoTime(config::Reason),
    /// A time that is not in its range.
    #[error("a time from {least} to {most} is allowed")]
    Time {
        /// The shortest.
        least: &'static str,
        /// The longest.
        most: &'static str,
    },
    /// Not an address with a port.
    #[error(
        "it is not an IP address with a port: write 127.0.0.1:9925, or 0.0.0.0:9925 for every interface; port 0 is any free one"
    )]
    Address,
}

/// A whole number in this range.
pub(super) fn number<N: TryFrom<u32>>(
    least: u32,
    most: u32,
) -> impl Fn(&str) -> Result<N, NoValue> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.trim().parse().ok();
        let number = number.filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or(NoValue::Number { least, most })
    }
}

/// A time in this range, whose ends are written as an operator writes them.
pub(super) fn time(
    least: &'static str,
    most: &'static str,
) -> impl Fn(&str) -> Result<Duration, NoValue> + Clone + Send + Sync + 'static {
    let end = |text| config::time(text).expect("the end of a range is a time");
    let range = end(least)..=end(most);
    move |text| {
        let time = config::time(text).map_err(NoValue::NoTime)?;
        match range.contains(&time) {
            true => Ok(time),
            false => Err(NoValue::Time { least, most }),
        }
    }
}

/// Where a page is served.
pub(super) fn address(text: &str) -> Result<SocketAddr, NoValue> {
    text.trim().parse().map_err(|_| NoValue::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_of_its_range_is_told_the_range() {
        let read = number::<u16>(1, 10_000);
        assert_eq!((read("1"), read(" 10000 ")), (Ok(1), Ok(10_000)));
        for text in ["0", "10001", "-1", "", "many", "1.5", "99999999999"] {
            let error = read(text).unwrap_err().to_string();
            assert_eq!(error, "a whole number from 1 to 10000 is allowed", "{text}");
        }
    }

    #[test]
    fn a_time_outside_of_its_range_is_told_the_range() {
        let read = time("1ms", "1h");
        assert_eq!(read("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(read("60min"), Ok(Duration::from_secs(3600)));
        for text in ["0s", "0ms", "3601s", "18446744073709551615ms"] {
            let error = read(text).unwrap_err().to_string();
            assert_eq!(error, "a time from 1ms to 1h is allowed", "{text}");
        }
        assert!(matches!(read("-1s"), Err(NoValue::NoTime(_))));
    }

    #[test]
    fn a_port_alone_is_not_an_address_and_an_example_is_given() {
        assert!(address("127.0.0.1:0").is_ok() && address("[::1]:9925").is_ok());
        for text in [
            "9925",
            ":9925",
            "localhost:9925",
            "127.0.0.1",
            "127.0.0.1:99999",
            "",
        ] {
            let error = address(text).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:9925"), "{error}");
        }
    }
}
