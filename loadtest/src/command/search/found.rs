//! What a search found: its steps, and what they say together.

use std::fmt::Write;

use serde::Serialize;

use crate::fault::Reason;
use crate::options::assertion::Unit;
use crate::report::{LimitedBy, csv};
use crate::units::{grouped, show_bytes, show_microseconds, show_number};

/// A rate is decided when this many of its runs agree.
pub(super) const AGREE: usize = 2;

/// One run at one rate.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub rate: f64,
    /// From 1; more than 1 where the runs before did not decide.
    pub attempt: usize,
    pub reached_per_second: f64,
    pub value: Option<f64>,
    pub accepted: u64,
    pub refused: u64,
    pub unsent: u64,
    pub errors: u64,
    pub limit: LimitedBy,
    /// Whether 99 % of the messages that were due were accepted, in time.
    pub rate_reached: bool,
    pub holds: bool,
}

impl Step {
    /// In a word.
    pub(super) fn verdict(&self) -> &'static str {
        match (self.holds, self.rate_reached) {
            (true, _) => "holds",
            (false, true) => "breaks",
            (false, false) => "not reached",
        }
    }

    /// That something other than the server broke it, if that is so.
    fn not_the_server(&self) -> Option<String> {
        let by = match self.limit {
            LimitedBy::Tester => "this program",
            LimitedBy::Machine => "this machine, which both share",
            LimitedBy::Server | LimitedBy::Rate | LimitedBy::None => return None,
        };
        Some(format!(
            "What broke it, at least in one run, was {by}, not the server: the server may be able to do more"
        ))
    }
}

/// The result; its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub bound: String,
    /// Of `value`: `microseconds`, `bytes` or nothing.
    pub unit: Option<Unit>,
    pub highest_rate: Option<f64>,
    pub broken_at: Option<f64>,
    /// Why the rate that broke is one: what its runs measured.
    pub broken_because: Option<String>,
    /// How a rate is decided.
    pub rule: String,
    /// Why the search ended before it was done.
    pub ended_early: Option<String>,
    /// What the server said to the last rate that broke, if it refused or failed anything there.
    pub reasons: Vec<Reason>,
    pub steps: Vec<Step>,
}

impl Found {
    /// Nothing was tried yet.
    pub(super) fn new(bound: String, unit: Option<Unit>) -> Found {
        Found {
            bound,
            unit,
            highest_rate: None,
            broken_at: None,
            broken_because: None,
            rule: format!(
                "A rate counts as broken when {AGREE} of up to {} runs break the bound, or have less than 99 % of the rate \
                 accepted; one run that holds is enough where none broke before it",
                2 * AGREE - 1
            ),
            ended_early: None,
            reasons: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A rate broke: it is the limit, until a lower one breaks.
    pub(super) fn broken(&mut self, rate: f64) {
        self.broken_at = Some(rate);
        self.broken_because = Some(self.why_broken(rate));
    }

    /// What the runs at a rate measured: `at 2,000/s run 1: p99 45 ms; run 2: only 1,850/s accepted`.
    fn why_broken(&self, rate: f64) -> String {
        let mut text = format!("at {}/s", show_number(rate));
        for (index, step) in self
            .steps
            .iter()
            .filter(|step| step.rate == rate)
            .enumerate()
        {
            let stop = if index == 0 { " " } else { "; " };
            let _ = write!(text, "{stop}run {}: {}", step.attempt, self.measured(step));
        }
        text
    }

    /// What a run measured, in the words that decided it.
    fn measured(&self, step: &Step) -> String {
        let reached = show_number(step.reached_per_second);
        match step.rate_reached {
            true => format!("{} {}", self.name(), self.show(step.value)),
            false => format!("only {reached} messages/s accepted"),
        }
    }

    /// What is bounded.
    fn name(&self) -> &str {
        let name = self.bound.split(['<', '>', '=']).next().unwrap_or("");
        name.trim()
    }

    /// All runs as comma-separated values, with units in the headings.
    pub(super) fn csv(&self) -> String {
        let unit = match self.unit {
            None => "",
            Some(Unit::Microseconds) => "_microseconds",
            Some(Unit::Octets) => "_bytes",
        };
        let value = format!("{}{unit}", self.name());
        let headings = [
            "asked_messages_per_second",
            "run",
            "reached_messages_per_second",
            &value[..],
            "accepted_messages",
            "refused_messages",
            "unsent_messages",
            "errors",
            "limit",
            "verdict",
        ];
        let rows = self.steps.iter().map(|step| {
            [
                format!("{:.3}", step.rate),
                step.attempt.to_string(),
                format!("{:.3}", step.reached_per_second),
                csv::measured(step.value),
                step.accepted.to_string(),
                step.refused.to_string(),
                step.unsent.to_string(),
                step.errors.to_string(),
                step.limit.name().to_owned(),
                step.verdict().to_owned(),
            ]
        });
        csv::table(&headings, rows)
    }

    /// Whether a rate held the bound, and the search came to its end.
    pub(super) fn passed(&self) -> bool {
        self.highest_rate.is_some() && self.ended_early.is_none()
    }

    /// A value with its unit.
    pub(super) fn show(&self, value: Option<f64>) -> String {
        match (value, self.unit) {
            (None, _) => "-".to_owned(),
            (Some(value), Some(Unit::Microseconds)) => show_microseconds(value),
            (Some(value), Some(Unit::Octets)) => show_bytes(value),
            (Some(value), None) => show_number(value),
        }
    }

    /// The headings of the table of steps.
    pub(super) fn headings(&self) -> [&str; 9] {
        [
            "asked/s",
            "reached/s",
            self.name(),
            "refused",
            "unsent",
            "errors",
            "limit",
            "run",
            "verdict",
        ]
    }

    /// A step as a row of that table.
    pub(super) fn row(&self, step: &Step) -> [String; 9] {
        [
            show_number(step.rate),
            show_number(step.reached_per_second),
            self.show(step.value),
            grouped(step.refused),
            grouped(step.unsent),
            grouped(step.errors),
            step.limit.name().to_owned(),
            step.attempt.to_string(),
            step.verdict().to_owned(),
        ]
    }

    /// The result in sentences.
    pub(super) fn sentences(&self) -> Vec<String> {
        let bound = &self.bound;
        if self.steps.is_empty() {
            return self.ended_early.iter().cloned().collect();
        }
        let mut sentences = vec![match (self.highest_rate, self.broken_at) {
            (Some(good), Some(broken)) => format!(
                "{bound} holds at {} messages/s and breaks at {}/s",
                show_number(good),
                show_number(broken)
            ),
            (Some(good), None) => format!(
                "{bound} holds at {} messages/s, the highest rate that was tried",
                show_number(good)
            ),
            (None, _) => format!("{bound} does not hold at any rate that was tried"),
        }];
        let last_broken = self.steps.iter().rfind(|step| !step.holds);
        if let Some(step) = last_broken {
            let why = self.broken_because.iter();
            sentences.extend(why.map(|why| format!("Why it is the limit: {why}")));
            let mut at_limit = self.steps.iter().filter(|run| run.rate == step.rate);
            sentences.extend(at_limit.find_map(Step::not_the_server));
            sentences.push(self.rule.clone());
        }
        if let Some(why) = &self.ended_early {
            sentences.push(format!("The search ended early: {why}"));
        }
        sentences
    }
}
