//! Who set the pace: the server, this program, the machine under both, or the rate that was asked for. A figure of a server
//! is worth nothing when the one who measured was the limit.

use std::time::Duration;

use serde::Serialize;

use crate::engine::Outcome;
use crate::plan::Plan;
use crate::tally::Phase;
use crate::units::{grouped, show_microseconds};

/// A thread this busy has no room.
const BUSY_THREAD: f64 = 0.9;
/// CPUs this busy have no room.
const BUSY_MACHINE: f64 = 0.95;
/// The rate counts as reached from this share of it on.
const REACHED: f64 = 0.99;
/// A start is late for reasons of this program if a hundredth of them is later than this, in microseconds.
const LATE_START: u64 = 2000;

/// A late start matters from this share of the 99th percentile on.
const LATE_SHARE: f64 = 0.1;
/// A server that gave no answer for so long, while connections failed, was away.
const AWAY: Duration = Duration::from_millis(300);
/// The last start may be so late, and the rate counts as reached.
const BEHIND: Duration = Duration::from_millis(100);

/// The verdict.
#[derive(Debug, Serialize, PartialEq)]
pub struct Limit {
    /// `server`, `tester`, `machine`, `rate`, or `none` where nothing was accepted.
    pub by: &'static str,
    /// For people.
    pub text: String,
}

impl Limit {
    /// Judges a run.
    pub fn find(plan: &Plan, outcome: &Outcome) -> Limit {
        let tally = &outcome.tally;
        if tally.accepted == 0 {
            return Limit {
                by: "none",
                text: "not found, since no message was accepted".to_owned(),
            };
        }
        let asked = plan.options.rate.or(plan.options.connection_rate);
        let busiest = outcome.threads_busy.iter().copied().fold(0.0, f64::max);
        let own_share =
            outcome.own_cpu.as_secs_f64() / outcome.own_cpu_over.as_secs_f64().max(1e-9);
        let started = tally.accepted + tally.refused + tally.unanswered + tally.misdeeds.total();
        let quantile = |phase| tally.phase(phase).value_at_quantile(0.99);
        Limit::judge(&Signs {
            open_loop: asked.is_some(),
            reached: rate_reached(plan, outcome) != Some(false),
            late: quantile(Phase::StartLag),
            p99: quantile(Phase::Whole),
            away: tally.away,
            away_errors: tally.away_errors,
            waited: tally.waited as f64 / started.max(1) as f64,
            busiest,
            own_share,
            machine: outcome.machine_busy.unwrap_or(0.0),
        })
    }

    fn judge(signs: &Signs) -> Limit {
        let busiest = signs.busiest * 100.0;
        let verdict = |by, text: String| Limit { by, text };
        let own = || {
            verdict(
                "tester",
                format!(
                    "this program, not the server: its busiest thread ran {busiest:.0} % of the time; add --threads, or \
                     run it on other CPUs than the server"
                ),
            )
        };
        if signs.away >= AWAY {
            return verdict(
                "server",
                format!(
                    "the server: it was away for about {}, and {} connection{} failed; what the run measured includes this",
                    show_microseconds(signs.away.as_secs_f64() * 1e6),
                    grouped(signs.away_errors),
                    if signs.away_errors == 1 { "" } else { "s" },
                ),
            );
        }
        if signs.open_loop && signs.reached {
            if signs.late > LATE_START && signs.late as f64 > LATE_SHARE * signs.p99 as f64 {
                return verdict(
                    "tester",
                    format!(
                        "this program: the rate was reached, but 1 % of the messages began {} late or later because it was busy; the \
                         percentiles include this",
                        show_microseconds(signs.late as f64)
                    ),
                );
            }
            return verdict(
                "rate",
                format!(
                    "the rate that was asked for; {:.1} % of messages waited for a connection",
                    signs.waited * 100.0
                ),
            );
        }
        if signs.busiest >= BUSY_THREAD {
            return own();
        }
        if signs.machine >= BUSY_MACHINE {
            return verdict(
                "machine",
                format!(
                    "this machine: its CPUs were {:.0} % busy, this program took {:.2} of them; compare CPU time, not rates",
                    signs.machine * 100.0,
                    signs.own_share
                ),
            );
        }
        verdict(
            "server",
            format!(
                "the server, or too few connections: {}this program's busiest thread ran {busiest:.0} % of the time",
                if signs.open_loop {
                    "the rate was not reached, and "
                } else {
                    ""
                }
            ),
        )
    }
}

/// Whether 99 % of what was due was sent, and answered, about when it was due; `None` in the closed loop.
pub fn rate_reached(plan: &Plan, outcome: &Outcome) -> Option<bool> {
    plan.options.rate.or(plan.options.connection_rate)?;
    let tally = &outcome.tally;
    let answered = tally.accepted + tally.refused + tally.misdeeds.total();
    let due = answered + tally.unanswered + tally.overdue;
    let in_time = tally.behind <= BEHIND.max(outcome.elapsed.mul_f64(1.0 - REACHED));
    Some(in_time && answered as f64 >= REACHED * due as f64)
}

struct Signs {
    open_loop: bool,
    reached: bool,
    /// How late the latest hundredth of the starts was, and the latency's 99th percentile, in microseconds.
    late: u64,
    p99: u64,
    away: Duration,
    away_errors: u64,
    waited: f64,
    busiest: f64,
    own_share: f64,
    machine: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Signs = Signs {
        open_loop: false,
        reached: true,
        late: 0,
        p99: 3000,
        away: Duration::ZERO,
        away_errors: 0,
        waited: 0.0,
        busiest: 0.2,
        own_share: 0.2,
        machine: 0.5,
    };

    #[test]
    fn each_limit_is_told() {
        let by = |signs: Signs| Limit::judge(&signs).by;
        assert_eq!(by(CALM), "server");
        assert_eq!(
            by(Signs {
                busiest: 0.97,
                ..CALM
            }),
            "tester"
        );
        assert_eq!(
            by(Signs {
                machine: 0.99,
                ..CALM
            }),
            "machine"
        );
        assert_eq!(
            by(Signs {
                open_loop: true,
                ..CALM
            }),
            "rate"
        );
        let late = Signs {
            open_loop: true,
            late: 5000,
            ..CALM
        };
        assert_eq!(by(late), "tester");
        let matters_not = Signs {
            open_loop: true,
            late: 5000,
            p99: 50_001,
            ..CALM
        };
        assert_eq!(by(matters_not), "rate");
        let away = Signs {
            open_loop: true,
            late: 5000,
            away: Duration::from_secs(2),
            away_errors: 1234,
            ..CALM
        };
        let verdict = Limit::judge(&away);
        assert_eq!(verdict.by, "server");
        assert!(
            verdict
                .text
                .contains("away for about 2.00 s, and 1,234 connections failed"),
            "{verdict:?}"
        );
        let missed = Signs {
            open_loop: true,
            reached: false,
            ..CALM
        };
        let verdict = Limit::judge(&missed);
        assert_eq!(verdict.by, "server");
        assert!(
            verdict.text.contains("the rate was not reached"),
            "{verdict:?}"
        );
    }
}
