//! What a search found: its steps, and what they say together.

use serde::Serialize;

use crate::fault::Reason;
use crate::options::assertion::Unit;
use crate::report::LimitedBy;
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
            "What broke it was {by}, not the server: the server may be able to do more"
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
    /// Why the search ended before it was done.
    pub ended_early: Option<String>,
    /// What the server said to the last rate that broke, if it refused or failed anything there.
    pub reasons: Vec<Reason>,
    pub steps: Vec<Step>,
}

impl Found {
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
            sentences.extend(step.not_the_server());
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
}
