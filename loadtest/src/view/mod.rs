//! What is shown while a run goes on: nothing, plain lines, or a picture in a terminal.

mod colors;
mod snapshot;
mod terminal;

use std::io::IsTerminal;

use crate::units::{grouped, show_microseconds, show_number};
use colors::Colors;
pub(crate) use snapshot::Snapshot;
use terminal::Screen;

/// Terminals that cannot move the cursor.
const DUMB: &str = "dumb";

/// How to show it.
pub(crate) enum View {
    /// Not at all.
    Silent,
    /// A line a second on standard error; the hint that was printed last.
    Lines(String),
    /// On the terminal that standard error is.
    Terminal(Box<Option<Screen>>),
}

impl View {
    /// The picture where standard error is a terminal that can show it, unless something else was asked for.
    pub(crate) fn new(quiet: bool, plain: bool) -> View {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == DUMB);
        if quiet {
            View::Silent
        } else if plain || is_dumb || !std::io::stderr().is_terminal() {
            View::Lines(String::new())
        } else {
            View::Terminal(Box::new(None))
        }
    }

    /// Shows a run.
    pub(crate) fn show(&mut self, snapshot: &Snapshot<'_>) {
        match self {
            View::Silent => {}
            // It would repeat the line before.
            View::Lines(_) if snapshot.rest => {}
            View::Lines(hint) => {
                eprintln!("{}", line(snapshot));
                say_hint(hint, snapshot);
            }
            View::Terminal(screen) => {
                if screen.is_none() {
                    **screen = Screen::open(Colors::of_environment());
                }
                let drawn = screen
                    .as_mut()
                    .as_mut()
                    .is_some_and(|screen| screen.draw(snapshot));
                if !drawn {
                    // On a terminal that cannot be drawn on, lines are printed instead.
                    self.finish();
                    *self = View::Lines(String::new());
                    self.show(snapshot);
                }
            }
        }
    }

    /// The picture stays as it is, and what is printed next comes below it.
    pub(crate) fn finish(&mut self) {
        if let View::Terminal(screen) = self
            && let Some(screen) = screen.take()
        {
            screen.close();
        }
    }

    /// The picture goes, and what is printed next takes its place: between the runs of a search.
    pub(crate) fn clear(&mut self) {
        if let View::Terminal(screen) = self
            && let Some(screen) = screen.take()
        {
            screen.remove();
        }
    }

    /// Prints a line.
    pub(crate) fn note(&self, text: &str) {
        if !matches!(self, View::Silent) {
            eprintln!("{text}");
        }
    }
}

/// What to do about what most failures said, where nothing was accepted; once, since a line comes every second.
fn say_hint(said: &mut String, snapshot: &Snapshot<'_>) {
    let hint = snapshot
        .trouble()
        .and_then(|trouble| trouble.hint)
        .filter(|_| snapshot.total.accepted == 0);
    if let Some(hint) = hint
        && *said != hint
    {
        eprintln!("  hint: {hint}");
        *said = hint;
    }
}

/// One line: totals, the last second's rate and percentiles, and what most failures said.
fn line(snapshot: &Snapshot<'_>) -> String {
    let total = snapshot.total;
    let mut line = format!(
        "{:.1} s  accepted {}  refused {}  errors {}",
        snapshot.elapsed.as_secs_f64(),
        grouped(total.accepted),
        grouped(total.refused),
        grouped(total.errors)
    );
    if let Some(point) = snapshot.series.points().last() {
        line.push_str(&format!("  {} messages/s", show_number(point.rate())));
        if !point.interval.whole.is_empty() {
            let whole = &point.interval.whole;
            let at = |quantile| show_microseconds(whole.value_at_quantile(quantile) as f64);
            line.push_str(&format!("  p50 {}  p99 {}", at(0.5), at(0.99)));
        }
    }
    if let Some(trouble) = snapshot.trouble() {
        line.push_str(&format!("  ({})", trouble.counted()));
    }
    if snapshot.gave_up {
        line.push_str("  giving up: too many errors");
    }
    line
}
