//! The parts of a report, each from what was counted of it.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::data::{
    GivenUp, Greeted, Handshakes, Idle, LoopKind, Machine, Messages, Own, Percentiles,
};
use super::data::{SeriesPoint, Server, Setting, Verified};
use crate::fault::harmless;
use crate::measure::host::Host;
use crate::plan::{Plan, Profile};
use crate::tally::{self, Greeting, Outcome, Point, ServerUse, Tally, Verdict};
use crate::units::{grouped, show_bytes};

/// Bytes that hardly any server can keep a session in: its socket's entry, its state, its buffers. Less growth than that says that it
/// used memory which it had already.
const LEAST_OF_A_SESSION: f64 = 512.0;

impl Setting {
    /// From the options.
    pub(crate) fn new(plan: &Plan) -> Setting {
        let options = &plan.options;
        Setting {
            loop_kind: match plan.is_open_loop() {
                true => LoopKind::Open,
                false => LoopKind::Closed,
            },
            rate: options.rate,
            connection_rate: options.connection_rate,
            ramp_seconds: options.ramp.as_secs_f64(),
            duration_seconds: options.duration.map(|duration| duration.as_secs_f64()),
            connections: options.connections,
            messages: options.most_messages(),
            message_octets_mean: plan.mean_size(),
            threads: options.threads,
            shapes: plan.profiles.len(),
            allow_less: options.allow_less,
        }
    }
}

impl Machine {
    /// From what was read of it.
    pub(crate) fn new(host: Host) -> Machine {
        Machine {
            cpu: host.cpu,
            cpus: host.cpus,
            cpus_usable: host.cpus_usable,
            kernel: host.kernel,
            memory_bytes: host.memory,
        }
    }

    /// For people: `4 CPUs (AMD EPYC 7763), Linux 6.18.5, 15.6 GiB of memory`.
    pub(crate) fn line(&self) -> String {
        let cpus = match (self.cpus, self.cpus_usable) {
            (None, None) => self.cpu.clone(),
            (Some(all), Some(usable)) if usable < all => {
                let (all, usable) = (grouped(all.into()), grouped(usable.into()));
                format!("{usable} of {all} CPUs ({})", self.cpu)
            }
            (Some(1), _) | (None, Some(1)) => format!("1 CPU ({})", self.cpu),
            (Some(count), _) | (None, Some(count)) => {
                format!("{} CPUs ({})", grouped(count.into()), self.cpu)
            }
        };
        let memory = self
            .memory_bytes
            .map(|bytes| format!("{} of memory", show_bytes(bytes as f64)));
        let parts = [Some(cpus), self.kernel.clone(), memory];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

impl Greeted {
    /// From what was kept of it.
    pub(crate) fn new(greeting: &Greeting) -> Greeted {
        Greeted {
            banner: greeting.banner.clone(),
            extensions: greeting.extensions.clone(),
        }
    }

    /// What it offers, in one line.
    pub(crate) fn offers(&self) -> String {
        match &self.extensions[..] {
            [] => "no extensions".to_owned(),
            extensions => extensions.join(", "),
        }
    }
}

impl Messages {
    /// In the closed loop with `--duration` alone there is no planned number of messages, so none is unsent.
    pub(crate) fn new(plan: &Plan, tally: &Tally) -> Messages {
        let misbehaved = tally.misdeeds.total();
        let tried = tally.accepted + tally.refused + tally.unanswered + misbehaved;
        let unsent = match plan.options.duration {
            None => plan.options.most_messages().saturating_sub(tried),
            Some(_) => tally.overdue,
        };
        Messages {
            accepted: tally.accepted,
            refused: tally.refused,
            unanswered: tally.unanswered,
            unsent,
            misbehaved,
        }
    }
}

impl Handshakes {
    /// From a run's counts.
    pub(crate) fn new(tally: &Tally) -> Handshakes {
        Handshakes {
            handshakes: tally.handshakes,
            resumed: tally.resumed,
        }
    }
}

impl GivenUp {
    /// A shape, and why it was given up.
    pub(crate) fn new(profile: &Profile, given_up: &tally::GivenUp) -> GivenUp {
        GivenUp {
            shape: profile.text.clone(),
            errors: given_up.failures,
            reason: harmless(&given_up.fault.words),
        }
    }
}

impl Idle {
    /// What became of the sessions that were asked for; nothing where none were.
    pub(crate) fn new(asked: u32, outcome: &Outcome) -> Option<Idle> {
        let opened = outcome.tally.idle_opened;
        let (each, note) = match outcome.server {
            Some(server) if opened > 0 => growth(&server, opened),
            _ => (None, None),
        };
        (asked > 0).then_some(Idle {
            asked,
            opened,
            closed_by_server: outcome.tally.idle_closed,
            server_rss_bytes_per_session: each,
            server_rss_note: note,
        })
    }
}

/// How much the server's memory grew for each session, or why that is not known.
fn growth(server: &ServerUse, sessions: u64) -> (Option<f64>, Option<String>) {
    let (before, start) = (server.before.rss as f64, server.start.rss as f64);
    let each = (start - before) / sessions as f64;
    if each >= LEAST_OF_A_SESSION {
        return (Some(each), None);
    }
    let note = format!(
        "no growth worth a figure above the {} that the server had already: sessions before these left memory free in \
         it; restart it for a figure",
        show_bytes(before)
    );
    (None, Some(note))
}

impl Percentiles {
    /// Of a histogram of microseconds; all zero for an empty one.
    pub(crate) fn new(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles {
            count: histogram.len(),
            min: if histogram.is_empty() {
                0
            } else {
                histogram.min()
            },
            mean: histogram.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        }
    }
}

impl SeriesPoint {
    /// From a point of the series.
    pub(crate) fn new(point: &Point) -> SeriesPoint {
        let whole = &point.interval.whole;
        let at = |quantile| (!whole.is_empty()).then(|| whole.value_at_quantile(quantile));
        SeriesPoint {
            end_seconds: point.end.as_secs_f64(),
            seconds: point.length.as_secs_f64(),
            accepted: point.interval.accepted,
            refused: point.interval.refused,
            errors: point.interval.errors,
            p50_microseconds: at(0.5),
            p90_microseconds: at(0.9),
            p99_microseconds: at(0.99),
            max_microseconds: at(1.0),
            own_cpu_seconds: point.own_cpu.as_secs_f64(),
            server_cpu_seconds: point.server_cpu.map(|cpu| cpu.as_secs_f64()),
            server_rss_bytes: point.server.map(|server| server.rss),
        }
    }
}

/// CPU time of a message, over those that were answered.
fn per_message(time: Duration, tally: &Tally) -> Option<f64> {
    let answered = tally.accepted + tally.refused;
    (answered > 0).then(|| time.as_secs_f64() * 1e6 / answered as f64)
}

impl Own {
    /// From the outcome of a run.
    pub(crate) fn new(outcome: &Outcome) -> Own {
        Own {
            io: outcome.io,
            cpu_seconds: outcome.own_cpu.as_secs_f64(),
            cpu_microseconds_per_message: per_message(outcome.own_cpu, &outcome.tally),
            threads_busy: outcome.threads_busy.clone(),
            machine_busy: outcome.machine_busy,
        }
    }
}

impl Server {
    /// From the samples of these processes.
    pub(crate) fn new(pids: &[u32], server: &ServerUse, tally: &Tally) -> Server {
        Server {
            pids: pids.to_vec(),
            processes: server.end.processes,
            cpu_seconds: server.cpu.as_secs_f64(),
            cpu_microseconds_per_message: per_message(server.cpu, tally),
            rss_bytes: server.end.rss,
            peak_rss_bytes: server.end.peak_rss,
        }
    }
}

impl Verified {
    /// From what the reader of the topic found.
    pub(crate) fn new(verdict: &Verdict) -> Verified {
        Verified {
            complete: verdict.complete,
            records: verdict.records,
            lost: verdict.complete.then_some(verdict.missing),
            not_found: verdict.missing,
            lost_message_ids: verdict.lost_ids.clone(),
            duplicated: verdict.duplicated_same_id + verdict.duplicated_other_id,
            duplicated_same_id: verdict.duplicated_same_id,
            altered: verdict.altered,
            envelope_differs: verdict.envelope_differs,
            stored_without_reply: verdict.stored_without_reply,
            foreign: verdict.foreign,
            readable_microseconds: Percentiles::new(&verdict.readable),
            kafka_errors: verdict.errors,
            kafka_last_error: verdict.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Phase;

    #[test]
    fn a_machine_is_said_in_one_line() {
        let machine = |cpus, cpus_usable| {
            let machine = Machine {
                cpu: "x86_64".to_owned(),
                cpus,
                cpus_usable,
                kernel: Some("Linux 6.18.5".to_owned()),
                memory_bytes: Some(2 << 30),
            };
            machine.line()
        };
        let rest = "(x86_64), Linux 6.18.5, 2.0 GiB of memory";
        assert_eq!(machine(Some(4), Some(4)), format!("4 CPUs {rest}"));
        assert_eq!(machine(Some(1), None), format!("1 CPU {rest}"));
        assert_eq!(machine(Some(64), Some(2)), format!("2 of 64 CPUs {rest}"));
        assert!(machine(None, None).starts_with("x86_64, Linux"));
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let percentiles = Percentiles::new(Tally::new().phase(Phase::Reply));
        assert_eq!(
            (
                percentiles.count,
                percentiles.min,
                percentiles.p99_9,
                percentiles.max
            ),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn cpu_per_message_counts_answered_messages() {
        let mut tally = Tally::new();
        assert_eq!(per_message(Duration::from_secs(1), &tally), None);
        (tally.accepted, tally.refused, tally.unanswered) = (3, 1, 7);
        assert_eq!(per_message(Duration::from_secs(1), &tally), Some(250_000.0));
    }
}
