//! Who set the pace: the server, this program, the machine under both, or the rate that was asked for. A figure of a
//! server is worth nothing if the load tester was the limit.

use std::time::Duration;

use serde::Serialize;

use crate::plan::Plan;
use crate::tally::{Outcome, Phase};
use crate::units::{grouped, show_microseconds};

/// A thread that is this busy is at its limit.
const BUSY_THREAD: f64 = 0.9;
/// CPUs that are this busy are at their limit.
const BUSY_MACHINE: f64 = 0.95;
/// The rate counts as reached from this share of it on.
const REACHED: f64 = 0.99;
/// A start is late for reasons of this program if a hundredth of them is later than this, in microseconds.
const LATE_START: u64 = 2000;

/// A late start matters from this share of the 99th percentile on.
const LATE_SHARE: f64 = 0.1;
/// A server that gave no answer for this long, while connections failed, was away.
const AWAY: Duration = Duration::from_millis(300);
/// The last start may be this late, and the rate still counts as reached.
const BEHIND: Duration = Duration::from_millis(100);

/// Who was the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LimitedBy {
    /// The server.
    Server,
    /// This program.
    Tester,
    /// The machine under both.
    Machine,
    /// The rate that was asked for, and reached.
    Rate,
    /// Not found, where nothing was accepted.
    None,
}

impl LimitedBy {
    /// As in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LimitedBy::Server => "server",
            LimitedBy::Tester => "tester",
            LimitedBy::Machine => "machine",
            LimitedBy::Rate => "rate",
            LimitedBy::None => "none",
        }
    }
}

/// The verdict.
#[derive(Debug, Serialize, PartialEq)]
pub(crate) struct Limit {
    /// Who it was.
    pub by: LimitedBy,
    /// For people.
    pub text: String,
}

impl Limit {
    /// Judges a run.
    pub(crate) fn find(plan: &Plan, outcome: &Outcome) -> Limit {
        if outcome.tally.accepted == 0 {
            return Limit {
                by: LimitedBy::None,
                text: "not found, since no message was accepted".to_owned(),
            };
        }
        Limit::judge(&Signs::of(plan, outcome))
    }

    fn judge(signs: &Signs) -> Limit {
        let rate_held = signs.open_loop && signs.reached;
        let (by, text) = if signs.away >= AWAY {
            (LimitedBy::Server, signs.away_text())
        } else if rate_held && signs.is_late() {
            (LimitedBy::Tester, signs.late_text())
        } else if rate_held {
            (LimitedBy::Rate, signs.rate_text())
        } else if signs.busiest >= BUSY_THREAD {
            (LimitedBy::Tester, signs.tester_text())
        } else if signs.machine >= BUSY_MACHINE {
            (LimitedBy::Machine, signs.machine_text())
        } else {
            (LimitedBy::Server, signs.server_text())
        };
        Limit { by, text }
    }
}

/// Whether 99 % of what was due was sent, and answered, about when it was due; `None` in the closed loop.
pub(super) fn rate_reached(plan: &Plan, outcome: &Outcome) -> Option<bool> {
    plan.options.rate.or(plan.options.connection_rate)?;
    let tally = &outcome.tally;
    let answered = tally.accepted + tally.refused + tally.misdeeds.total();
    let due = answered + tally.unanswered + tally.overdue;
    let in_time = tally.behind <= BEHIND.max(outcome.elapsed.mul_f64(1.0 - REACHED));
    Some(in_time && answered as f64 >= REACHED * due as f64)
}

/// What a verdict rests on.
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

impl Signs {
    fn of(plan: &Plan, outcome: &Outcome) -> Signs {
        let tally = &outcome.tally;
        let asked = plan.options.rate.or(plan.options.connection_rate);
        let own_share =
            outcome.own_cpu.as_secs_f64() / outcome.own_cpu_over.as_secs_f64().max(1e-9);
        let quantile = |phase| tally.phase(phase).value_at_quantile(0.99);
        Signs {
            open_loop: asked.is_some(),
            reached: rate_reached(plan, outcome) != Some(false),
            late: quantile(Phase::StartLag),
            p99: quantile(Phase::Whole),
            away: tally.away,
            away_errors: tally.away_errors,
            waited: tally.waited as f64 / tally.tried().max(1) as f64,
            busiest: outcome.threads_busy.iter().copied().fold(0.0, f64::max),
            own_share,
            machine: outcome.machine_busy.unwrap_or(0.0),
        }
    }

    /// Whether late starts of this program are a part of what was measured that matters.
    fn is_late(&self) -> bool {
        self.late > LATE_START && self.late as f64 > LATE_SHARE * self.p99 as f64
    }

    fn away_text(&self) -> String {
        format!(
            "the server: it was away for about {}, and {} connection{} failed; what the run measured includes this",
            show_microseconds(self.away.as_secs_f64() * 1e6),
            grouped(self.away_errors),
            if self.away_errors == 1 { "" } else { "s" },
        )
    }

    fn late_text(&self) -> String {
        format!(
            "this program: the rate was reached, but 1 % of the messages began {} late or later because it was busy; the \
             percentiles include this",
            show_microseconds(self.late as f64)
        )
    }

    fn rate_text(&self) -> String {
        format!(
            "the rate that was asked for; {:.1} % of messages waited for a connection",
            self.waited * 100.0
        )
    }

    fn tester_text(&self) -> String {
        format!(
            "this program, not the server: its busiest thread ran {:.0} % of the time; add --threads, or run it on other \
             CPUs than the server",
            self.busiest * 100.0
        )
    }

    fn machine_text(&self) -> String {
        format!(
            "this machine: its CPUs were {:.0} % busy, this program took {:.2} of them; compare CPU time, not rates",
            self.machine * 100.0,
            self.own_share
        )
    }

    fn server_text(&self) -> String {
        format!(
            "the server, or too few connections: {}this program's busiest thread ran {:.0} % of the time",
            if self.open_loop {
                "the rate was not reached, and "
            } else {
                ""
            },
            self.busiest * 100.0
        )
    }
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
    fn each_limit_is_found() {
        let by = |signs: Signs| Limit::judge(&signs).by;
        assert_eq!(by(CALM), LimitedBy::Server);
        assert_eq!(
            by(Signs {
                busiest: 0.97,
                ..CALM
            }),
            LimitedBy::Tester
        );
        assert_eq!(
            by(Signs {
                machine: 0.99,
                ..CALM
            }),
            LimitedBy::Machine
        );
        assert_eq!(
            by(Signs {
                open_loop: true,
                ..CALM
            }),
            LimitedBy::Rate
        );
        let late = Signs {
            open_loop: true,
            late: 5000,
            ..CALM
        };
        assert_eq!(by(late), LimitedBy::Tester);
        let matters_not = Signs {
            open_loop: true,
            late: 5000,
            p99: 50_001,
            ..CALM
        };
        assert_eq!(by(matters_not), LimitedBy::Rate);
        let away = Signs {
            open_loop: true,
            late: 5000,
            away: Duration::from_secs(2),
            away_errors: 1234,
            ..CALM
        };
        let verdict = Limit::judge(&away);
        assert_eq!(verdict.by, LimitedBy::Server);
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
        assert_eq!(verdict.by, LimitedBy::Server);
        assert!(
            verdict.text.contains("the rate was not reached"),
            "{verdict:?}"
        );
    }
}
