//! Axes for people: round marks, and one unit for a whole axis; a logarithmic one has the unit that fits each mark.
//!
//! Must not know what draws them. Invariant: marks are multiples of 1, 2 or 5 times a power of ten in the axis' unit, from 0
//! on; of a logarithmic axis they are powers of ten, and where that is one alone, 2 and 5 times it.

use super::show::grouped;

/// What an axis measures, with the unit its values come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Things, or things a second.
    Number,
    /// Seconds.
    Time,
    /// Microseconds.
    Latency,
    /// Bytes.
    Memory,
}

/// The unit of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unit {
    name: &'static str,
    /// How much of the values' own unit it is.
    size: f64,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Its places with their texts, in order.
    pub marks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to the first mark at or above `top`, with at most `most` steps.
    pub(crate) fn up_to(quantity: Quantity, top: f64, most: u32) -> Axis {
        let unit = unit(quantity, top);
        let step = step(top / unit.size, most);
        let count = (top / unit.size / step - 1e-9).ceil().max(1.0) as u32;
        Axis::of(unit, step, count)
    }

    /// From 0 to the last mark at or below `end`, or hardly above it.
    pub(crate) fn within(quantity: Quantity, end: f64, most: u32) -> Axis {
        let unit = unit(quantity, end);
        let step = step(end / unit.size, most);
        // A run of 3 s may end some milliseconds before that.
        Axis::of(unit, step, (end / unit.size / step + 0.05) as u32)
    }

    /// Powers of ten, from one to another.
    pub(crate) fn powers(quantity: Quantity, from: i32, to: i32) -> Axis {
        // One power of ten alone would leave the axis bare.
        let digits: &[f64] = if to - from > 1 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let places = (from..=to).flat_map(|power| {
            let digits = if power < to { digits } else { &[1.0] };
            digits.iter().map(move |digit| digit * 10f64.powi(power))
        });
        let mark = |place: f64| {
            // Each has the unit that fits it: powers of ten are far apart.
            let unit = unit(quantity, place * 1.000_001);
            let value = place / unit.size;
            let decimals = (-value.log10()).ceil().max(0.0) as i32;
            (place, text(value, unit, decimals))
        };
        Axis {
            marks: places.map(mark).collect(),
        }
    }

    /// The last mark.
    pub(crate) fn end(&self) -> f64 {
        self.marks.last().map_or(0.0, |(place, _)| *place)
    }

    fn of(unit: Unit, step: f64, count: u32) -> Axis {
        let digits = (-step.log10().floor()).max(0.0) as i32;
        let marks = (0..=count).map(|number| {
            let value = step * f64::from(number);
            (value * unit.size, text(value, unit, digits))
        });
        Axis {
            marks: marks.collect(),
        }
    }
}

/// The largest step of 1, 2 or 5 times a power of ten with at most `most` steps to `top`.
fn step(top: f64, most: u32) -> f64 {
    let least = top.max(1e-9) / f64::from(most);
    let power = 10f64.powf(least.log10().floor());
    let found = [1.0, 2.0, 5.0]
        .iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// The unit in which values around this one are easy to read.
fn unit(quantity: Quantity, value: f64) -> Unit {
    let unit = |name, size| Unit { name, size };
    match quantity {
        Quantity::Number => unit("", 1.0),
        Quantity::Time if value >= 5.0 * 3600.0 => unit("h", 3600.0),
        Quantity::Time if value >= 300.0 => unit("min", 60.0),
        Quantity::Time => unit("s", 1.0),
        Quantity::Latency if value < 1e3 => unit("\u{b5}s", 1.0),
        Quantity::Latency if value < 1e6 => unit("ms", 1e3),
        Quantity::Latency => unit("s", 1e6),
        Quantity::Memory if value < 10_737_418_240.0 => unit("MiB", 1_048_576.0),
        Quantity::Memory => unit("GiB", 1_073_741_824.0),
    }
}

fn text(value: f64, unit: Unit, digits: i32) -> String {
    let rounded = value.round();
    let number = if (value - rounded).abs() < 1e-9 * rounded.max(1.0) {
        grouped(rounded as u64)
    } else {
        let text = format!("{value:.0$}", digits as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if unit.name.is_empty() {
        number
    } else {
        format!("{number} {}", unit.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, text)| &text[..]).collect()
    }

    #[test]
    fn marks_are_round_and_end_at_or_above_the_top() {
        for (top, expected) in [
            (0.038, &["0", "0.01", "0.02", "0.03", "0.04"][..]),
            (1.0, &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (7.5, &["0", "2", "4", "6", "8"]),
            (
                45_100.0,
                &["0", "10,000", "20,000", "30,000", "40,000", "50,000"],
            ),
            (0.3, &["0", "0.1", "0.2", "0.3"]),
        ] {
            assert_eq!(
                texts(&Axis::up_to(Quantity::Number, top, 5)),
                expected,
                "{top}"
            );
        }
        for exponent in -60..60 {
            let top = 10f64.powf(f64::from(exponent) / 10.0);
            let axis = Axis::up_to(Quantity::Number, top, 5);
            assert!(axis.end() >= top * (1.0 - 1e-9), "{top}: {axis:?}");
            assert!(axis.end() <= top * 2.0, "{top}: {axis:?}");
            assert!((2..=6).contains(&axis.marks.len()), "{top}: {axis:?}");
        }
    }

    #[test]
    fn an_axis_has_one_unit() {
        let seconds = Axis::within(Quantity::Time, 30.02, 5);
        assert_eq!(texts(&seconds), ["0 s", "10 s", "20 s", "30 s"]);
        let minutes = Axis::within(Quantity::Time, 3600.0, 5);
        assert_eq!(texts(&minutes), ["0 min", "20 min", "40 min", "60 min"]);
        let hours = Axis::within(Quantity::Time, 90_000.0, 5);
        assert_eq!(
            texts(&hours),
            ["0 h", "5 h", "10 h", "15 h", "20 h", "25 h"]
        );
        let latency = Axis::powers(Quantity::Latency, 2, 6);
        assert_eq!(
            texts(&latency),
            ["100 \u{b5}s", "1 ms", "10 ms", "100 ms", "1 s"]
        );
        let latency = Axis::powers(Quantity::Latency, 1, 6);
        assert_eq!(
            texts(&latency),
            [
                "10 \u{b5}s",
                "100 \u{b5}s",
                "1 ms",
                "10 ms",
                "100 ms",
                "1 s"
            ]
        );
        let latency = Axis::powers(Quantity::Latency, 5, 6);
        assert_eq!(texts(&latency), ["100 ms", "200 ms", "500 ms", "1 s"]);
        let latency = Axis::powers(Quantity::Latency, 1, 3);
        assert_eq!(texts(&latency), ["10 \u{b5}s", "100 \u{b5}s", "1 ms"]);
        let memory = Axis::up_to(Quantity::Memory, 37.0 * 1_048_576.0, 5);
        assert_eq!(
            texts(&memory),
            ["0 MiB", "10 MiB", "20 MiB", "30 MiB", "40 MiB"]
        );
    }

    #[test]
    fn nothing_and_single_values_have_an_axis() {
        for top in [0.0, 1e-12, 1e12] {
            let axis = Axis::up_to(Quantity::Latency, top, 2);
            assert!(axis.marks.len() >= 2 && axis.end() >= top, "{axis:?}");
        }
    }
}
