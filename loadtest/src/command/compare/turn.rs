//! One server's turn: it is started where that was asked for, loaded, and stopped.

use std::sync::Arc;

use clap::Parser;

use super::options::Comparison;
use super::result::Turn;
use super::started::{ServerLog, Started, as_unprivileged};
use crate::command::run::{Ran, run_plan};
use crate::failure::{Blame, Blamed, Failure, Wrong};
use crate::fault::Reason;
use crate::options::Options;
use crate::plan::{Plan, resolve};
use crate::report::Report;
use crate::tally::Phase;
use crate::view::View;

/// Another process's CPU time comes in clock ticks; a figure of fewer is mostly rounding.
const LEAST_TICKS: f64 = 20.0;

/// One of the two servers.
pub(super) struct Side<'a> {
    /// What it is called in the report.
    pub name: &'a str,
    /// Where it is.
    pub target: &'a str,
    start: Option<String>,
    pids: &'a [u32],
    /// What it says, if it is started here.
    pub log: Option<ServerLog>,
}

/// The load could not begin at one of the servers.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {failure}{said}")]
struct NotLoaded {
    name: String,
    failure: Failure,
    /// The end of what the server said.
    said: String,
}

impl Blamed for NotLoaded {
    fn blame(&self) -> Blame {
        self.failure.blame()
    }
}

impl<'a> Side<'a> {
    /// The first server.
    pub(super) fn a(options: &'a Comparison) -> Result<Side<'a>, Failure> {
        let start = options.a_start.as_deref();
        Side::new(&options.a_name, &options.a, start, &options.a_pid, "a")
    }

    /// The second server.
    pub(super) fn b(options: &'a Comparison) -> Result<Side<'a>, Failure> {
        let start = options.b_start.as_deref();
        Side::new(&options.b_name, &options.b, start, &options.b_pid, "b")
    }

    fn new(
        name: &'a str,
        target: &'a str,
        start: Option<&str>,
        pids: &'a [u32],
        letter: &str,
    ) -> Result<Side<'a>, Failure> {
        let root = rustix::process::geteuid().is_root();
        let start = start.map(|command| {
            let as_nobody = root.then(|| as_unprivileged(command)).flatten();
            if let Some(changed) = &as_nobody {
                eprintln!("{name}: smtp-sink does not run as root; starting {changed:?}");
            }
            as_nobody.unwrap_or_else(|| command.to_owned())
        });
        let log = start.as_ref().map(|_| ServerLog::create(letter));
        Ok(Side {
            name,
            target,
            start,
            pids,
            log: log.transpose()?,
        })
    }

    /// The options of its load; an error is one of the command line.
    pub(super) fn load(&self, pids: &[u32], words: &[String]) -> Result<Options, Wrong> {
        let first = ["ringpost-loadtest".to_owned(), self.target.to_owned()];
        let mut options = Options::try_parse_from(first.iter().chain(words))
            .map_err(|error| Wrong::at("").source(error))?;
        options.pid = pids.to_vec();
        options.quiet = true;
        Ok(options)
    }

    /// Its turn.
    pub(super) fn turn(&self, options: &Comparison) -> Result<Turn, Failure> {
        let mut started = match self.start.as_deref().zip(self.log.as_ref()) {
            Some((command, log)) => Some(Started::new(command, log)?),
            None => None,
        };
        let pids = match &started {
            Some(started) => vec![started.id()],
            None => self.pids.to_vec(),
        };
        let load = self.load(&pids, &options.load)?;
        let address = resolve(self.target, load.allow_remote)?[0];
        if let Some(started) = &mut started {
            started.wait_for_banner(address, options.start_wait)?;
        }
        let plan = Arc::new(Plan::new(load)?);
        let ran = run_plan(plan, &mut View::Silent)?;
        if let Some(started) = &mut started {
            started.must_run()?;
        }
        let Ran {
            report,
            start_error,
            ..
        } = ran;
        if let Some(failure) = start_error {
            let said = started.as_ref().map_or(String::new(), Started::last_words);
            let name = self.name.to_owned();
            return Err(NotLoaded {
                name,
                failure,
                said,
            }
            .into());
        }
        self.say_reason(&report);
        Ok(turn_of(&report))
    }

    /// What most failures said, if there were any.
    fn say_reason(&self, report: &Report) {
        if let Some(reason) = report.reasons.first() {
            eprintln!("{}: {}", self.name, reason.counted());
            if let Some(hint) = &reason.hint {
                eprintln!("  hint: {hint}");
            }
        }
    }
}

fn turn_of(report: &Report) -> Turn {
    let reply = report.phase(Phase::Reply);
    let messages = &report.messages;
    let server = report.server.as_ref();
    Turn {
        messages_per_second: report.messages_per_second,
        accepted: messages.accepted,
        not_accepted: messages.refused + messages.unanswered + messages.unsent,
        errors: report.errors_total,
        server_cpu_microseconds_per_message: server
            .and_then(|server| server.cpu_microseconds_per_message),
        server_cpu_too_small: server.is_some_and(|server| is_too_small(server.cpu_seconds)),
        server_peak_rss_bytes: server.map(|server| server.peak_rss_bytes),
        own_cpu_microseconds_per_message: report.own.cpu_microseconds_per_message,
        reply_p50_microseconds: reply.p50,
        reply_p99_microseconds: reply.p99,
        limit: report.limit.by,
        reason: report.reasons.first().map(Reason::line),
    }
}

/// Whether a CPU time is too few clock ticks for a ratio.
fn is_too_small(seconds: f64) -> bool {
    seconds * (rustix::param::clock_ticks_per_second() as f64) < LEAST_TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_clock_ticks_are_too_small() {
        assert!(is_too_small(0.01) && !is_too_small(10.0));
    }
}
