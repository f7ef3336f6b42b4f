//! What a search found, for a terminal and for a page.

use std::fmt::Write;

use maud::{Markup, html};

use super::found::Found;
use crate::report::html::grid;

/// Reasons that are listed.
const MOST_REASONS: usize = 4;
/// Columns of an ordinary terminal.
const TERMINAL: usize = 80;

impl Found {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut rows = vec![self.headings().map(str::to_owned)];
        rows.extend(self.steps.iter().map(|step| self.row(step)));
        let mut text = match self.steps.is_empty() {
            true => String::new(),
            false => table(&rows),
        };
        for sentence in self.sentences() {
            wrap(&mut text, &sentence);
        }
        for reason in self.reasons.iter().take(MOST_REASONS) {
            let _ = writeln!(text, "  {}", reason.counted());
            if let Some(hint) = &reason.hint {
                let _ = writeln!(text, "    hint: {hint}");
            }
        }
        text
    }

    /// For the page of one of its steps.
    pub(super) fn section(&self, held: bool) -> Markup {
        let (class, word) = match self.passed() {
            true => ("passed", "\u{2713} found"),
            false => ("failed", "\u{2717} failed"),
        };
        let rows: Vec<Vec<String>> = self
            .steps
            .iter()
            .map(|step| self.row(step).to_vec())
            .collect();
        html! {
            section {
                h2 { "Search for the highest rate" }
                @for (index, sentence) in self.sentences().iter().enumerate() {
                    @let stop = if sentence.ends_with('?') { "" } else { "." };
                    @if index == 0 {
                        p.verdict { b class=(class) { (word) } " " span { (sentence) (stop) } }
                    } @else {
                        p.limit { (sentence) (stop) }
                    }
                }
                @if !rows.is_empty() {
                    (grid(&self.headings(), &rows))
                    h2 {
                        @if held { "The highest rate that held" }
                        @else { "The last run: no rate held" }
                    }
                }
            }
        }
    }
}

/// A sentence in lines of a terminal's width, broken between words.
fn wrap(text: &mut String, sentence: &str) {
    let mut used = 0;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if used > 0 {
            let fits = used + 1 + length <= TERMINAL;
            text.push(if fits { ' ' } else { '\n' });
            used = if fits { used + 1 } else { 0 };
        }
        text.push_str(word);
        used += length;
    }
    text.push('\n');
}

/// Columns as wide as what is in them, so that the table fits a terminal.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let whole = widths.iter().sum::<usize>() + 2 * (COLUMNS - 1);
    let gap = if whole <= TERMINAL { 2 } else { 1 };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = if index == 0 { 0 } else { gap };
            let _ = write!(line, "{:gap$}{cell:>width$}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::found::Step;
    use super::*;
    use crate::options::assertion::Unit;
    use crate::report::LimitedBy;

    fn step(rate: f64, attempt: usize, value: f64, holds: bool) -> Step {
        Step {
            rate,
            attempt,
            reached_per_second: rate,
            value: Some(value),
            accepted: 10,
            refused: 0,
            unsent: 0,
            errors: 0,
            limit: if holds {
                LimitedBy::Rate
            } else {
                LimitedBy::Tester
            },
            rate_reached: true,
            holds,
        }
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let found = |bound: &str| Found {
            steps: vec![Step {
                refused: 1_234_567,
                unsent: 12_345,
                errors: 1234,
                ..step(123_456.0, 3, 12_345_678.0, false)
            }],
            ..Found::new(bound.to_owned(), Some(Unit::Microseconds))
        };
        for bound in ["p99<20ms", "envelope.p99.9<20ms"] {
            let text = found(bound).text();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines.len() > 3 && lines.iter().all(|line| line.len() <= TERMINAL),
                "{text}"
            );
            let words = |line: &str| line.split_whitespace().count();
            assert_eq!((words(lines[0]), words(lines[1])), (9, 10), "{text}");
        }
    }

    #[test]
    fn the_table_has_units_and_says_who_was_the_limit() {
        let mut found = Found {
            highest_rate: Some(1500.0),
            steps: vec![
                step(1500.0, 1, 1234.0, true),
                step(2000.0, 1, 45_000.0, false),
                Step {
                    rate_reached: false,
                    reached_per_second: 1850.0,
                    ..step(2000.0, 2, 2_500_000.0, false)
                },
            ],
            ..Found::new("p99<20ms".to_owned(), Some(Unit::Microseconds))
        };
        found.broken(2000.0);
        let text = found.text();
        for part in [
            "p99",
            "1.23 ms",
            "45 ms",
            "2.50 s",
            "1,500",
            "p99<20ms holds at 1,500 messages/s and breaks at 2,000/s",
            "Why it is the limit: at 2,000/s run 1: p99 45 ms; run 2: only",
            "was this program, not the server",
            "2 of up to 3 runs",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let section = found.section(true).into_string();
        assert!(
            section.contains("p99&lt;20ms holds at 1,500 messages/s"),
            "{section}"
        );
        let csv = found.csv();
        assert!(
            csv.starts_with("asked_messages_per_second,run,reached_messages_per_second,p99_microseconds,accepted"),
            "{csv}"
        );
        assert!(
            csv.contains("\n2000.000,2,1850.000,2500000,10,0,0,0,tester,not reached\n"),
            "{csv}"
        );
    }
}
