//! `--search`: the highest rate at which a bound holds.
//!
//! The rate doubles from `--rate` on until the bound breaks, then the gap is halved until it is small. A rate counts only if
//! it was reached: a server that falls behind has not held the bound, whatever the percentile says of what it did. A step
//! that breaks is run again: only one that breaks twice in three runs decides, so that one pause of the machine does not.
//!
//! Invariant: a step that was cut short by a signal, or that could not begin, is in no result.
//!
//! # BUGS
//! - A bound that breaks at a low rate and holds at a higher one is not understood.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::options::Options;
use crate::options::assertion::Assertion;
use crate::report::{Reason, Report, html};
use crate::units::{grouped, show_microseconds, show_number, show_octets};
use crate::view::View;

/// How long a step runs unless told otherwise.
const STEP: Duration = Duration::from_secs(5);
/// The search ends when the gap is this share of the rate.
const PRECISION: f64 = 0.03;
/// Most rates that are tried.
const MOST_RATES: usize = 24;
/// A rate decides when so many of its runs agree.
const AGREE: usize = 2;
/// The rate is halved at most so often that a step still has so many messages.
const LEAST_MESSAGES: f64 = 20.0;
/// ... and down to this share of the first.
const LOWEST: f64 = 1.0 / 64.0;

/// Reasons that are listed.
const MOST_REASONS: usize = 4;
/// A rate counts from this share of it on.
const REACHED: f64 = 0.99;
/// Columns of an ordinary terminal.
const TERMINAL: usize = 80;

/// One run at one rate.
#[derive(Debug, Clone, Serialize)]
struct Step {
    rate: f64,
    /// From 1; more than 1 where the runs before did not decide.
    attempt: usize,
    reached_per_second: f64,
    value: Option<f64>,
    accepted: u64,
    refused: u64,
    unsent: u64,
    errors: u64,
    limit: &'static str,
    /// Whether 99 % of the messages that were due were accepted, in time.
    rate_reached: bool,
    holds: bool,
}

impl Step {
    fn verdict(&self) -> &'static str {
        match (self.holds, self.rate_reached) {
            (true, _) => "holds",
            (false, true) => "breaks",
            (false, false) => "not reached",
        }
    }
}

/// The result; its fields are those of the JSON.
#[derive(Debug, Serialize)]
struct Found {
    bound: String,
    /// Of `value`: `microseconds`, `octets` or nothing.
    unit: Option<&'static str>,
    highest_rate: Option<f64>,
    broken_at: Option<f64>,
    /// Why the search ended before it was done.
    ended_early: Option<String>,
    /// What the server said to the last rate that broke, if it refused or failed anything there.
    reasons: Vec<Reason>,
    steps: Vec<Step>,
}

/// Searches; whether any rate holds the bound.
pub fn main(mut options: Options, view: &mut View) -> Result<bool, Failure> {
    let bound = Assertion::parse(options.search.as_deref().unwrap_or(""))
        .map_err(|error| Failure::Usage(format!("--search {error}")))?;
    if !bound.is_upper() {
        return Err(Failure::Usage(format!(
            "--search {}: give an upper bound, which a rate that is too high breaks, e.g. p99<20ms",
            bound.text
        )));
    }
    if bound.needs_verify() && !options.verify {
        return Err(missing(&bound, "--verify"));
    }
    if bound.name.starts_with("server_") && options.pid.is_empty() {
        return Err(missing(&bound, "--pid"));
    }
    let duration = *options.duration.get_or_insert(STEP);
    let first = options
        .rate
        .ok_or_else(|| Failure::Usage("--search: needs --rate to begin with".to_owned()))?;
    let lowest = (first * LOWEST).max(LEAST_MESSAGES / duration.as_secs_f64().max(1e-3));
    let mut search = Search {
        options: &options,
        view,
        found: Found {
            bound: bound.text.clone(),
            unit: bound.unit(),
            highest_rate: None,
            broken_at: None,
            ended_early: None,
            reasons: Vec::new(),
            steps: Vec::new(),
        },
        bound,
        page: None,
    };
    let mut rate = first;
    for _ in 0..MOST_RATES {
        let Some(holds) = search.decide(rate)? else {
            break;
        };
        if holds {
            search.found.highest_rate = Some(rate);
        } else {
            search.found.broken_at = Some(rate);
        }
        rate = match (search.found.highest_rate, search.found.broken_at) {
            (Some(good), None) => good * 2.0,
            (None, Some(broken)) if broken / 2.0 >= lowest => broken / 2.0,
            (Some(good), Some(broken)) if (broken - good) / broken > PRECISION => {
                (good + broken) / 2.0
            }
            _ => break,
        };
    }
    search.write_out()?;
    if let (Some(why), []) = (&search.found.ended_early, &search.found.steps[..]) {
        return Err(Failure::Run(why.clone()));
    }
    Ok(search.found.passed())
}

fn missing(bound: &Assertion, option: &str) -> Failure {
    Failure::Usage(format!(
        "--search {}: nobody measures that; add {option}",
        bound.text
    ))
}

/// A search on its way.
struct Search<'a> {
    options: &'a Options,
    view: &'a mut View,
    bound: Assertion,
    found: Found,
    /// The report of the highest rate that held, or of the last that broke, and whether it held.
    page: Option<(Report, bool)>,
}

impl Search<'_> {
    /// Whether the bound holds at a rate, by the runs that agree; `None` where the search has to end.
    fn decide(&mut self, rate: f64) -> Result<Option<bool>, Failure> {
        let (mut held, mut broke) = (0, 0);
        for attempt in 1.. {
            let Some(holds) = self.step(rate, attempt)? else {
                return Ok(None);
            };
            held += usize::from(holds);
            broke += usize::from(!holds);
            // What holds at the first run needs no second: only a break can be a mood of the machine.
            if held == attempt || held == AGREE {
                return Ok(Some(true));
            }
            if broke == AGREE {
                return Ok(Some(false));
            }
        }
        unreachable!("three runs decide")
    }

    /// One run; whether the bound held.
    fn step(&mut self, rate: f64, attempt: usize) -> Result<Option<bool>, Failure> {
        let mut options = self.options.clone();
        options.rate = Some(rate);
        let (_, report, _) = super::run::run(options, self.view)?;
        if crate::signals::stopped() {
            self.found.ended_early = Some("stopped by a signal".to_owned());
            return Ok(None);
        }
        if let Some(error) = &report.start_error {
            self.found.ended_early = Some(error.clone());
            if self.found.steps.is_empty() {
                self.page = Some((report, false));
            }
            return Ok(None);
        }
        let value = report.value(&self.bound.name);
        let messages = &report.messages;
        let due = messages.accepted
            + messages.refused
            + messages.unanswered
            + messages.unsent
            + messages.misbehaved;
        let done = (messages.accepted + messages.misbehaved) as f64;
        let reached = due > 0 && done >= REACHED * due as f64 && report.rate_reached != Some(false);
        let holds = reached && value.is_some_and(|value| self.bound.holds(value));
        let step = Step {
            rate,
            attempt,
            reached_per_second: report.messages_per_second,
            value,
            accepted: messages.accepted,
            refused: messages.refused,
            unsent: messages.unsent,
            errors: report.errors_total,
            limit: report.limit.by,
            rate_reached: reached,
            holds,
        };
        self.note(&step);
        let refused = step.accepted == 0 && step.refused > 0;
        self.found.steps.push(step);
        if !holds {
            self.found.reasons = report.reasons.clone();
        }
        if refused {
            self.found.ended_early = Some("the server refuses every message".to_owned());
        }
        if holds || self.page.as_ref().is_none_or(|(_, held)| !held) {
            self.page = Some((report, holds));
        }
        Ok((!refused).then_some(holds))
    }

    fn note(&self, step: &Step) {
        self.view.note(&format!(
            "search: {}/s {}{} ({} {}, {}/s reached, limit: {})",
            show_number(step.rate),
            step.verdict(),
            if step.attempt > 1 {
                format!(", run {}", step.attempt)
            } else {
                String::new()
            },
            self.bound.name,
            self.found.show(step.value),
            show_number(step.reached_per_second),
            step.limit
        ));
    }

    /// In the forms that were asked for.
    fn write_out(&self) -> Result<(), Failure> {
        let json = serde_json::to_string(&self.found).expect("plain numbers and texts");
        if self.options.json {
            println!("{json}");
        } else if !self.found.steps.is_empty() {
            print!("{}", self.found.text());
        }
        if let Some(path) = &self.options.json_file {
            super::output::write_file("--json-file", path, &(json + "\n"))?;
        }
        if let (Some(path), Some((report, held))) = (&self.options.html, &self.page) {
            let page = html::page_with(report, &self.found.section(*held));
            super::output::write_file("--html", path, &page)?;
        }
        Ok(())
    }
}

impl Found {
    fn passed(&self) -> bool {
        self.highest_rate.is_some() && self.ended_early.is_none()
    }

    /// A value with its unit.
    fn show(&self, value: Option<f64>) -> String {
        match (value, self.unit) {
            (None, _) => "-".to_owned(),
            (Some(value), Some("microseconds")) => show_microseconds(value),
            (Some(value), Some(_)) => show_octets(value),
            (Some(value), None) => show_number(value),
        }
    }

    fn headings(&self) -> [&str; 9] {
        let name = self.bound.split(['<', '>', '=']).next().unwrap_or("");
        [
            "asked/s",
            "reached/s",
            name.trim(),
            "refused",
            "unsent",
            "errors",
            "limit",
            "run",
            "",
        ]
    }

    fn row(&self, step: &Step) -> [String; 9] {
        [
            show_number(step.rate),
            show_number(step.reached_per_second),
            self.show(step.value),
            grouped(step.refused),
            grouped(step.unsent),
            grouped(step.errors),
            step.limit.to_owned(),
            step.attempt.to_string(),
            step.verdict().to_owned(),
        ]
    }

    /// For people.
    fn text(&self) -> String {
        let mut rows = vec![self.headings().map(str::to_owned)];
        rows.extend(self.steps.iter().map(|step| self.row(step)));
        let mut text = table(&rows);
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

    /// The result in sentences.
    fn sentences(&self) -> Vec<String> {
        let bound = &self.bound;
        if self.steps.is_empty() {
            return self.ended_early.iter().cloned().collect();
        }
        let mut sentences = vec![match (self.highest_rate, self.broken_at) {
            (Some(good), Some(broken)) => format!(
                "{bound} holds at {}/s and breaks at {}/s",
                show_number(good),
                show_number(broken)
            ),
            (Some(good), None) => format!(
                "{bound} holds at {}/s, the highest rate that was tried",
                show_number(good)
            ),
            (None, _) => format!("{bound} does not hold at any rate that was tried"),
        }];
        let last_broken = self.steps.iter().rfind(|step| !step.holds);
        if let Some(step) = last_broken {
            if matches!(step.limit, "tester" | "machine") {
                let by = if step.limit == "tester" {
                    "this program"
                } else {
                    "this machine, which both share"
                };
                sentences.push(format!(
                    "What broke it was {by}, not the server: the server may be able to do more"
                ));
            }
            sentences.push(format!(
                "A rate counts as broken when {AGREE} of up to {} runs break the bound, or have less than 99 % of the rate accepted",
                2 * AGREE - 1
            ));
        }
        if let Some(why) = &self.ended_early {
            sentences.push(format!("The search ended early: {why}"));
        }
        sentences
    }

    /// For the page of one of its steps.
    fn section(&self, held: bool) -> String {
        let mut out = String::from("<section>\n<h2>Search for the highest rate</h2>\n");
        let (class, word) = match self.passed() {
            true => ("passed", "\u{2713} found"),
            false => ("failed", "\u{2717} failed"),
        };
        for (index, sentence) in self.sentences().iter().enumerate() {
            let sentence = html::escape(sentence);
            let stop = if sentence.ends_with('?') { "" } else { "." };
            let _ = match index {
                0 => writeln!(
                    out,
                    "<p class=\"verdict\"><b class=\"{class}\">{word}</b> <span>{sentence}{stop}</span></p>"
                ),
                _ => writeln!(out, "<p class=\"limit\">{sentence}{stop}</p>"),
            };
        }
        let rows: Vec<Vec<String>> = self
            .steps
            .iter()
            .map(|step| self.row(step).to_vec())
            .collect();
        if !rows.is_empty() {
            let _ = html::grid(&mut out, &self.headings(), &rows);
        }
        if self.steps.is_empty() {
            out.push_str("</section>\n");
            return out;
        }
        let which = if held {
            "The highest rate that held"
        } else {
            "The last run: no rate held"
        };
        let _ = writeln!(out, "<h2>{which}</h2>\n</section>");
        out
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
    use super::*;

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
            limit: if holds { "rate" } else { "tester" },
            rate_reached: true,
            holds,
        }
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let found = |bound: &str| Found {
            bound: bound.to_owned(),
            unit: Some("microseconds"),
            highest_rate: None,
            broken_at: None,
            ended_early: None,
            reasons: Vec::new(),
            steps: vec![Step {
                refused: 1_234_567,
                unsent: 12_345,
                errors: 1234,
                ..step(123_456.0, 3, 12_345_678.0, false)
            }],
        };
        for bound in ["p99<20ms", "envelope.p99.9<20ms"] {
            let text = found(bound).text();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines.len() > 3 && lines.iter().all(|line| line.len() <= TERMINAL),
                "{text}"
            );
            let words = |line: &str| line.split_whitespace().count();
            assert_eq!((words(lines[0]), words(lines[1])), (8, 10), "{text}");
        }
    }

    #[test]
    fn the_table_has_units_and_says_who_was_the_limit() {
        let found = Found {
            bound: "p99<20ms".to_owned(),
            unit: Some("microseconds"),
            highest_rate: Some(1500.0),
            broken_at: Some(2000.0),
            ended_early: None,
            reasons: Vec::new(),
            steps: vec![
                step(1500.0, 1, 1234.0, true),
                step(2000.0, 1, 45_000.0, false),
                step(2000.0, 2, 2_500_000.0, false),
            ],
        };
        let text = found.text();
        for part in [
            "p99",
            "1.23 ms",
            "45 ms",
            "2.50 s",
            "1,500",
            "p99<20ms holds at 1,500/s and breaks at 2,000/s",
            "this program, not the server",
            "2 of up to 3 runs",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let section = found.section(true);
        assert!(
            section.contains("p99&lt;20ms holds at 1,500/s"),
            "{section}"
        );
    }
}
