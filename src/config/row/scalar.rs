//! The kinds of options that take one value.
//!
//! Owns ranges and words, and the checks by them. Must not know: how numbers and units are written (`value`).

use std::fmt::Debug;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ringpost_proto::smtp::access::Network;

use super::kind::{Scalar, Shape};
use super::several::List;
use crate::config::reason::Reason;
use crate::config::value;

/// Bytes of a KiB.
pub(crate) const KIB: u64 = 1 << 10;
/// Bytes of a GiB.
pub(crate) const GIB: u64 = 1 << 30;

/// This many milliseconds.
pub(crate) const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// This many minutes.
pub(crate) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// This many hours.
pub(crate) const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

/// `true` or `false`.
pub(crate) struct Switch;

impl Scalar for Switch {
    type Value = bool;
    const SHAPE: Shape = Shape::Switch;

    fn range(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn parse(&self, text: &str, _default: &'static str) -> Result<bool, Reason> {
        value::switch(text)
    }

    fn plain(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number within this range.
pub(crate) struct Count(pub RangeInclusive<usize>);

impl Scalar for Count {
    type Value = usize;
    const SHAPE: Shape = Shape::Count;

    fn range(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn parse(&self, text: &str, default: &'static str) -> Result<usize, Reason> {
        let number = value::count(text).ok_or_else(|| Reason::NotAWholeNumber {
            allowed: self.range(),
        })?;
        within(&self.0, number, || self.range(), default)
    }

    fn plain(&self, value: &usize) -> String {
        value.to_string()
    }
}

/// A number of bytes within this range.
pub(crate) struct Size(pub RangeInclusive<u64>);

impl Scalar for Size {
    type Value = u64;
    const SHAPE: Shape = Shape::Size;

    fn range(&self) -> String {
        let [least, most] = [self.0.start(), self.0.end()].map(|end| value::size_text(*end));
        format!("{least} to {most}")
    }

    fn parse(&self, text: &str, default: &'static str) -> Result<u64, Reason> {
        within(&self.0, value::size(text)?, || self.range(), default)
    }

    fn plain(&self, value: &u64) -> String {
        value::size_text(*value)
    }
}

/// A duration within this range.
pub(crate) struct Time(pub RangeInclusive<Duration>);

impl Scalar for Time {
    type Value = Duration;
    const SHAPE: Shape = Shape::Time;

    fn range(&self) -> String {
        let [least, most] = [self.0.start(), self.0.end()].map(|end| value::time_text(*end));
        format!("{least} to {most}")
    }

    fn parse(&self, text: &str, default: &'static str) -> Result<Duration, Reason> {
        within(&self.0, value::time(text)?, || self.range(), default)
    }

    fn plain(&self, value: &Duration) -> String {
        value::time_text(*value)
    }
}

fn within<T: PartialOrd>(
    range: &RangeInclusive<T>,
    value: T,
    allowed: impl Fn() -> String,
    default: &'static str,
) -> Result<T, Reason> {
    if range.contains(&value) {
        return Ok(value);
    }
    let allowed = allowed();
    Err(Reason::OutOfRange { allowed, default })
}

/// One of these words, each with its value.
pub(crate) struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy + PartialEq + Debug> Scalar for Choice<T> {
    type Value = T;
    const SHAPE: Shape = Shape::Text;

    fn range(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(", ")
    }

    fn parse(&self, text: &str, _default: &'static str) -> Result<T, Reason> {
        let chosen = self.0.iter().find(|(word, _)| *word == text.trim());
        chosen
            .map(|(_, value)| *value)
            .ok_or_else(|| Reason::NoneOf {
                allowed: self.range(),
            })
    }

    fn plain(&self, value: &T) -> String {
        let shown = self.0.iter().find(|(_, known)| known == value);
        let (word, _) = shown.unwrap_or_else(|| panic!("no word of the row means {value:?}"));
        (*word).to_owned()
    }
}

/// A text of this description, and what reads it.
pub(crate) struct Text<T>(pub &'static str, pub fn(&str) -> Result<T, Reason>);

impl<T: PartialEq + Shown> Scalar for Text<T> {
    type Value = T;
    const SHAPE: Shape = Shape::Text;

    fn range(&self) -> String {
        self.0.to_owned()
    }

    fn parse(&self, text: &str, _default: &'static str) -> Result<T, Reason> {
        (self.1)(text)
    }

    fn plain(&self, value: &T) -> String {
        value.shown()
    }

    fn show(&self, value: &T) -> String {
        self.literal_of(value)
    }
}

/// A list of networks.
pub(crate) const NETWORKS: List<Text<Network>> = List(Text(
    "networks, such as `192.0.2.0/24` or `2001:db8::/32`, or addresses",
    value::network,
));

/// What can be shown as the text that is read as it.
pub(crate) trait Shown {
    /// The text, without quotes.
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl Shown for SocketAddr {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Network {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

/// Nothing is the empty text.
impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or(String::new(), T::shown)
    }
}
