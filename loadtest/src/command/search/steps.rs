//! A search, step by step.
//!
//! Invariant: a step that was cut short by a signal, that could not begin, or in which the server said nothing to any message is
//! in no result. Such silence ends the search when a second run finds it too.

use std::time::Duration;

use super::found::{AGREE, Found, Step};
use crate::command::output::write_file;
use crate::command::run::{Ran, run};
use crate::failure::{Failure, Wrong};
use crate::options::Options;
use crate::options::assertion::Assertion;
use crate::report::{Report, html};
use crate::signals::{self, Stopped};
use crate::units::show_number;
use crate::view::View;

/// The default duration of a step.
const STEP: Duration = Duration::from_secs(5);
/// The search ends when the gap is this share of the rate.
const PRECISION: f64 = 0.03;
/// Most rates that are tried.
const MOST_RATES: usize = 24;
/// The rate is halved only while a step still has this many messages.
const LEAST_MESSAGES: f64 = 20.0;
/// ... and down to this share of the first.
const LOWEST: f64 = 1.0 / 64.0;
/// A rate counts from this share of it on.
const REACHED: f64 = 0.99;

/// Searches; whether any rate holds the bound.
pub(crate) fn main(mut options: Options, view: &mut View) -> Result<bool, Failure> {
    let bound = bound(&options)?;
    let duration = *options.duration.get_or_insert(STEP);
    let Some(first) = options.rate else {
        let wrong = Wrong::at("--search");
        return Err(wrong.fix("needs --rate to begin with").into());
    };
    let mut search = Search::new(&options, view, bound);
    search.find(first, duration)?;
    search.write_out()?;
    match search.no_result {
        Some(failure) => Err(failure),
        None => Ok(search.found.passed()),
    }
}

/// The bound, if it is one that a search can use.
fn bound(options: &Options) -> Result<Assertion, Failure> {
    let text = options.search.as_deref().unwrap_or("");
    let bound = match Assertion::parse(text) {
        Ok(bound) => bound,
        Err(error) => return Err(Wrong::at("--search").given(error).into()),
    };
    let wrong = Wrong::at("--search").given(&bound.text);
    if !bound.is_upper() {
        let fix = "give an upper bound, which a rate that is too high breaks, e.g. p99<20ms";
        return Err(wrong.fix(fix).into());
    }
    let missing = if bound.needs_verify() && !options.verify {
        "--verify"
    } else if bound.needs_pid() && options.pid.is_empty() {
        "--pid"
    } else {
        return Ok(bound);
    };
    let wrong = wrong.problem("nobody measures that");
    Err(wrong.fix(format_args!("add {missing}")).into())
}

/// A search on its way.
struct Search<'a> {
    options: &'a Options,
    view: &'a mut View,
    bound: Assertion,
    found: Found,
    /// The report of the highest rate that held, or of the last that broke, and whether it held.
    page: Option<(Report, bool)>,
    /// Why there is no step at all.
    no_result: Option<Failure>,
}

impl<'a> Search<'a> {
    fn new(options: &'a Options, view: &'a mut View, bound: Assertion) -> Search<'a> {
        Search {
            options,
            view,
            found: Found::new(bound.text.clone(), bound.unit()),
            bound,
            page: None,
            no_result: None,
        }
    }

    /// Doubles the rate until the bound breaks, then halves the gap.
    fn find(&mut self, first: f64, duration: Duration) -> Result<(), Failure> {
        let lowest = (first * LOWEST).max(LEAST_MESSAGES / duration.as_secs_f64().max(1e-3));
        let mut rate = first;
        for _ in 0..MOST_RATES {
            match self.decide(rate)? {
                None => break,
                Some(true) => self.found.highest_rate = Some(rate),
                Some(false) => self.found.broken(rate),
            }
            rate = match (self.found.highest_rate, self.found.broken_at) {
                (Some(good), None) => good * 2.0,
                (None, Some(broken)) if broken / 2.0 >= lowest => broken / 2.0,
                (Some(good), Some(broken)) if (broken - good) / broken > PRECISION => {
                    (good + broken) / 2.0
                }
                _ => break,
            };
        }
        let gap = self.found.highest_rate.zip(self.found.broken_at);
        assert!(
            gap.is_none_or(|(good, broken)| good < broken),
            "what holds is below what breaks"
        );
        Ok(())
    }

    /// Whether the bound holds at a rate, by the runs that agree; `None` where the search has to end.
    fn decide(&mut self, rate: f64) -> Result<Option<bool>, Failure> {
        let (mut held, mut broke, mut attempt) = (0, 0, 0);
        loop {
            attempt += 1;
            match self.step(rate, attempt)? {
                None => return Ok(None),
                Some(true) => held += 1,
                Some(false) => broke += 1,
            }
            // What holds at the first run needs no second: only a break can be chance.
            if held == attempt || held == AGREE {
                return Ok(Some(true));
            }
            if broke == AGREE {
                return Ok(Some(false));
            }
        }
    }

    /// One run, and another where the server said nothing; whether the bound held.
    fn step(&mut self, rate: f64, attempt: usize) -> Result<Option<bool>, Failure> {
        let mut ran = self.run(rate)?;
        if ran.start_error.is_none() && is_silence(&ran.report) && !signals::stopped() {
            ran = self.run(rate)?;
        }
        let report = ran.report;
        if signals::stopped() {
            self.found.ended_early = Some("stopped by a signal".to_owned());
            self.no_result = self.found.steps.is_empty().then(|| Stopped.into());
            return Ok(None);
        }
        if let Some(failure) = ran.start_error {
            self.found.ended_early = Some(failure.to_string());
            if self.found.steps.is_empty() {
                self.page = Some((report, false));
                self.no_result = Some(failure);
            }
            return Ok(None);
        }
        if is_silence(&report) {
            return Ok(self.fell_silent(report, rate));
        }
        let step = step_of(&report, &self.bound, rate, attempt);
        self.note(&step);
        let holds = step.holds;
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

    fn run(&mut self, rate: f64) -> Result<Ran, Failure> {
        let mut options = self.options.clone();
        options.rate = Some(rate);
        run(options, self.view)
    }

    /// No message was answered, twice in a row: the search ends.
    fn fell_silent(&mut self, report: Report, rate: f64) -> Option<bool> {
        let why = match report.reasons.first() {
            Some(reason) => reason.line(),
            None => "no reply came in time".to_owned(),
        };
        let rate = show_number(rate);
        self.found.ended_early = Some(format!(
            "at {rate}/s no message was answered, in two runs: {why}"
        ));
        self.found.reasons = report.reasons.clone();
        self.page.get_or_insert((report, false));
        None
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
            step.limit.name()
        ));
    }

    /// In the forms that were asked for.
    fn write_out(&self) -> Result<(), Failure> {
        let json = serde_json::to_string(&self.found).expect("plain numbers and texts");
        if self.options.json {
            println!("{json}");
        } else if self.no_result.is_none() {
            print!("{}", self.found.text());
        }
        if let Some(path) = &self.options.json_file {
            write_file("--json-file", path, &(json + "\n"))?;
        }
        if let Some(path) = &self.options.csv {
            write_file("--csv", path, &self.found.csv())?;
        }
        if let (Some(path), Some((report, held))) = (&self.options.html, &self.page) {
            let page = html::page_with(report, Some(self.found.section(*held)));
            write_file("--html", path, &page)?;
        }
        Ok(())
    }
}

/// Whether nothing came of any message.
fn is_silence(report: &Report) -> bool {
    let messages = &report.messages;
    messages.accepted + messages.refused + messages.misbehaved == 0
}

/// What a run at a rate showed.
fn step_of(report: &Report, bound: &Assertion, rate: f64, attempt: usize) -> Step {
    let value = report.value(bound.measure);
    let messages = &report.messages;
    let due = messages.accepted
        + messages.refused
        + messages.unanswered
        + messages.unsent
        + messages.misbehaved;
    let done = (messages.accepted + messages.misbehaved) as f64;
    let reached = due > 0 && done >= REACHED * due as f64 && report.rate_reached != Some(false);
    Step {
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
        holds: reached && value.is_some_and(|value| bound.holds(value)),
    }
}
