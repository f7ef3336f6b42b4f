//! Who set the pace: the server, this program, the machine under both, or the rate that was asked for. A figure of a server
//! is worth nothing when the one who measured was the limit.

use serde::Serialize;

use crate::engine::Outcome;
use crate::plan::Plan;
use crate::tally::Phase;
use crate::units::show_microseconds;

/// A thread this busy has no room.
const BUSY_THREAD: f64 = 0.9;
/// CPUs this busy have no room.
const BUSY_MACHINE: f64 = 0.95;
/// The rate counts as reached from this share of it on.
const REACHED: f64 = 0.99;
/// A start is late for reasons of this program if a hundredth of them is later than this, in microseconds.
const LATE_START: u64 = 2000;

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
        let reached = tally.overdue as f64 <= (1.0 - REACHED) * (started + tally.overdue) as f64;
        Limit::judge(&Signs {
            open_loop: asked.is_some(),
            reached,
            late: tally.phase(Phase::StartLag).value_at_quantile(0.99),
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
        if signs.open_loop && signs.reached {
            if signs.late > LATE_START {
                return verdict(
                    "tester",
                    format!(
                        "this program: the rate was reached, but one start in a hundred was {} late because of it, which \
                         is part of the percentiles",
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
                "the server, or too few connections: this program's busiest thread ran {busiest:.0} % of the time"
            ),
        )
    }
}

struct Signs {
    open_loop: bool,
    reached: bool,
    late: u64,
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
        let missed = Signs {
            open_loop: true,
            reached: false,
            ..CALM
        };
        assert_eq!(by(missed), "server");
    }
}
