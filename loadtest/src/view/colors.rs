//! The colours of the picture, or none (<https://no-color.org>).
//!
//! Invariant: no colour is the only sign of anything: numbers have their names, and lines without colours are drawn of different
//! dots.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;

/// What a line or a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A count that is as it should be.
    Good,
    /// A count or a text that is not.
    Bad,
    /// The rate.
    Rate,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// How far the run is.
    Progress,
}

/// How parts are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colors {
    allowed: bool,
}

impl Colors {
    /// None where NO_COLOR is set to anything.
    pub(super) fn of_environment() -> Colors {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Colors::new(!no_color)
    }

    /// With colours, or without.
    pub(super) fn new(allowed: bool) -> Colors {
        Colors { allowed }
    }

    /// The style of a part.
    pub(super) fn style(self, part: Part) -> Style {
        if !self.allowed {
            return match part {
                Part::Bad => Style::new().add_modifier(Modifier::BOLD),
                Part::Good | Part::Rate | Part::P50 | Part::P90 | Part::P99 | Part::Progress => {
                    Style::new()
                }
            };
        }
        Style::new().fg(match part {
            Part::Good | Part::P50 => Color::Green,
            Part::Bad | Part::P99 => Color::Red,
            Part::Rate => Color::Cyan,
            Part::P90 => Color::Yellow,
            Part::Progress => Color::Blue,
        })
    }

    /// What a line is drawn of.
    pub(super) fn marker(self, part: Part) -> Marker {
        match part {
            Part::P50 if !self.allowed => Marker::Dot,
            Part::P99 if !self.allowed => Marker::Block,
            Part::Good
            | Part::Bad
            | Part::Rate
            | Part::P50
            | Part::P90
            | Part::P99
            | Part::Progress => Marker::Braille,
        }
    }

    /// A sign for a line beside its name; nothing where its colour says which one it is.
    pub(super) fn sign(self, part: Part) -> &'static str {
        match (self.allowed, part) {
            (false, Part::P50) => "\u{2022} ",
            (false, Part::P90) => "\u{2812} ",
            (false, Part::P99) => "\u{2588} ",
            (true, _) | (false, Part::Good | Part::Bad | Part::Rate | Part::Progress) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [Part; 7] = [
        Part::Good,
        Part::Bad,
        Part::Rate,
        Part::P50,
        Part::P90,
        Part::P99,
        Part::Progress,
    ];

    #[test]
    fn without_colours_nothing_has_one_and_lines_differ() {
        let none = Colors::new(false);
        for part in PARTS {
            assert_eq!((none.style(part).fg, none.style(part).bg), (None, None));
        }
        let lines = [Part::P50, Part::P90, Part::P99];
        for (index, part) in lines.iter().enumerate() {
            for other in &lines[index + 1..] {
                assert_ne!(none.marker(*part), none.marker(*other));
                assert_ne!(none.sign(*part), none.sign(*other));
            }
        }
        let all = Colors::new(true);
        assert!(PARTS.iter().all(|part| all.style(*part).fg.is_some()));
    }
}
