//! `--search`: the highest rate at which a bound holds.
//!
//! The rate doubles from `--rate` on until the bound breaks, then the gap is halved until it is small. A rate counts only if
//! it was reached: a server that falls behind has not held the bound, whatever the percentile says of what it did.
//!
//! # BUGS
//! - A bound that breaks at a low rate and holds at a higher one is not understood.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::Failure;
use crate::assertion::Assertion;
use crate::engine;
use crate::options::Options;
use crate::plan::Plan;
use crate::report::Report;
use crate::view::View;

/// How long a step runs unless told otherwise.
const STEP: Duration = Duration::from_secs(5);
/// The search ends when the gap is this share of the rate.
const PRECISION: f64 = 0.03;
/// Most steps.
const MOST_STEPS: usize = 24;

#[derive(Debug, Serialize)]
struct Step {
    rate: f64,
    reached_per_second: f64,
    value: Option<f64>,
    unsent: u64,
    errors: u64,
    limit: &'static str,
    holds: bool,
}

#[derive(Debug, Serialize)]
struct Found {
    bound: String,
    highest_rate: Option<f64>,
    broken_at: Option<f64>,
    steps: Vec<Step>,
}

/// Searches; whether any rate holds the bound.
pub fn main(mut options: Options, view: &mut View) -> Result<bool, Failure> {
    let bound = Assertion::parse(options.search.as_deref().unwrap_or(""))
        .map_err(|error| Failure::Usage(format!("--search {error}")))?;
    options.duration.get_or_insert(STEP);
    let first = options
        .rate
        .ok_or_else(|| Failure::Usage("--search: needs --rate to begin with".to_owned()))?;
    let (mut good, mut broken): (Option<f64>, Option<f64>) = (None, None);
    let mut steps = Vec::new();
    let mut rate = first;
    while steps.len() < MOST_STEPS && !crate::signals::stopped() {
        let step = step(&options, rate, &bound, view)?;
        view.note(&format!(
            "search: {rate:.0}/s {} ({} = {}, {:.0}/s reached, limit: {})",
            if step.holds { "holds" } else { "breaks" },
            bound.name,
            step.value
                .map_or("-".to_owned(), |value| format!("{value:.0}")),
            step.reached_per_second,
            step.limit
        ));
        if step.holds {
            good = Some(rate);
        } else {
            broken = Some(rate);
        }
        steps.push(step);
        rate = match (good, broken) {
            (Some(good), None) => good * 2.0,
            (None, Some(broken)) if broken > first / 64.0 => broken / 2.0,
            (Some(good), Some(broken)) if (broken - good) / broken > PRECISION => {
                (good + broken) / 2.0
            }
            _ => break,
        };
    }
    let found = good.is_some();
    let result = Found {
        bound: bound.text.clone(),
        highest_rate: good,
        broken_at: broken,
        steps,
    };
    print_result(&options, &result);
    Ok(found)
}

fn step(options: &Options, rate: f64, bound: &Assertion, view: &mut View) -> Result<Step, Failure> {
    let mut options = options.clone();
    options.rate = Some(rate);
    let plan = Arc::new(Plan::new(options).map_err(Failure::Usage)?);
    let outcome = engine::run(&plan, view).map_err(Failure::Run)?;
    let report = Report::new(&plan, &outcome);
    let value = report.value(&bound.name);
    let started = report.messages.accepted + report.messages.refused + report.messages.unanswered;
    let reached = report.messages.unsent as f64 <= 0.01 * started as f64;
    let step = Step {
        rate,
        reached_per_second: report.messages_per_second,
        value,
        unsent: report.messages.unsent,
        errors: report.errors_total,
        limit: report.limit.by,
        holds: reached && started > 0 && value.is_some_and(|value| bound.holds(value)),
    };
    Ok(step)
}

fn print_result(options: &Options, result: &Found) {
    if options.json {
        println!(
            "{}",
            serde_json::to_string(result).expect("plain numbers and texts")
        );
        return;
    }
    println!("      rate/s   reached/s       value      unsent      errors  limit");
    for step in &result.steps {
        println!(
            "{:>12.0}{:>12.0}{:>12}{:>12}{:>12}  {:<8} {}",
            step.rate,
            step.reached_per_second,
            step.value
                .map_or("-".to_owned(), |value| format!("{value:.0}")),
            step.unsent,
            step.errors,
            step.limit,
            if step.holds { "holds" } else { "breaks" }
        );
    }
    match (result.highest_rate, result.broken_at) {
        (Some(good), Some(broken)) => println!(
            "{} holds at {good:.0}/s and breaks at {broken:.0}/s",
            result.bound
        ),
        (Some(good), None) => println!(
            "{} holds at {good:.0}/s, the highest rate that was tried",
            result.bound
        ),
        (None, _) => println!("{} does not hold at any rate that was tried", result.bound),
    }
}
