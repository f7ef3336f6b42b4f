//! `ringpost-loadtest compare`: two servers in turn, A B A B ..., with the same load; the ratios of throughput and of CPU
//! time a message, with their spread.
//!
//! Turns make the machine's moods fall on both; ratios are taken within a round, so that they mostly cancel. A server can be
//! started for its turn and stopped after it, so that the other one has the machine for itself; what it says goes to a file.

mod started;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use crate::command::output::{must_be_writable, write_file};
use crate::engine;
use crate::failure::Failure;
use crate::options::Options;
use crate::plan::{Plan, resolve};
use crate::report::Report;
use crate::units::{grouped, parse_duration, show_number};
use crate::view::View;
use started::{ServerLog, Started, as_unprivileged};

/// Two servers in turn, A B A B ..., with the same load; ratios of throughput and CPU time a message
#[derive(Debug, Parser)]
#[command(
    name = "ringpost-loadtest compare",
    bin_name = "ringpost-loadtest compare",
    after_help = "Example:\n  ringpost-loadtest compare --a 127.0.0.1:2525 --b 127.0.0.1:2600 \\\n    \
                  --a-start 'ringpost serve --brokers discard' --b-start 'smtp-sink 127.0.0.1:2600 1000' \\\n    \
                  --rounds 5 -- --connections 50 --messages 20000"
)]
struct Comparison {
    /// The first server, as host:port
    #[arg(long, value_name = "HOST:PORT")]
    a: String,
    /// The second server
    #[arg(long, value_name = "HOST:PORT")]
    b: String,
    /// What the first is called in the report
    #[arg(long, value_name = "NAME", default_value = "A")]
    a_name: String,
    /// What the second is called in the report
    #[arg(long, value_name = "NAME", default_value = "B")]
    b_name: String,
    /// Start the first for each of its turns with this shell command, and stop it after that (SIGTERM). What it says goes to
    /// a file, whose path is said. As root, smtp-sink gets -u nobody
    #[arg(long, value_name = "COMMAND")]
    a_start: Option<String>,
    /// The same for the second
    #[arg(long, value_name = "COMMAND")]
    b_start: Option<String>,
    /// Processes of the first, which runs already
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "a_start"
    )]
    a_pid: Vec<u32>,
    /// Processes of the second, which runs already
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "b_start"
    )]
    b_pid: Vec<u32>,
    /// Rounds that count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Rounds before those, that do not count
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u32,
    /// How long a server that is started may take to greet
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "20s")]
    start_wait: Duration,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Write that object to a file
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// The load: options of a run, without its target
    #[arg(last = true, value_name = "OPTIONS OF A RUN")]
    load: Vec<String>,
}

/// Another process's CPU time comes in clock ticks; a figure of fewer is mostly rounding.
const LEAST_TICKS: f64 = 20.0;

struct Side<'a> {
    name: &'a str,
    target: &'a str,
    start: Option<String>,
    pids: &'a [u32],
    /// What it says, if it is started here.
    log: Option<ServerLog>,
}

#[derive(Debug, Clone, Serialize)]
struct Turn {
    messages_per_second: f64,
    accepted: u64,
    not_accepted: u64,
    errors: u64,
    server_cpu_microseconds_per_message: Option<f64>,
    /// So few clock ticks that the figure is mostly rounding.
    server_cpu_too_small: bool,
    server_peak_rss_bytes: Option<u64>,
    own_cpu_microseconds_per_message: Option<f64>,
    reply_p50_microseconds: u64,
    reply_p99_microseconds: u64,
    limit: &'static str,
}

impl Turn {
    /// The server's CPU time a message, where it is long enough to say something.
    fn server_cpu(&self) -> Option<f64> {
        self.server_cpu_microseconds_per_message
            .filter(|_| !self.server_cpu_too_small)
    }
}

#[derive(Debug, Serialize)]
struct Server {
    name: String,
    target: String,
    turns: Vec<Turn>,
}

/// A to B, round by round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

#[derive(Debug, Serialize)]
struct Compared {
    command_line: Vec<String>,
    a: Server,
    b: Server,
    /// Throughput of A divided by that of B.
    throughput_ratio: Option<Spread>,
    /// The server's CPU time a message of A divided by that of B.
    server_cpu_ratio: Option<Spread>,
}

/// Compares; whether every message of every round was accepted.
pub fn main(words: &[String]) -> Result<bool, Failure> {
    let options = Comparison::parse_from(words);
    crate::signals::watch().map_err(Failure::Run)?;
    must_be_writable("--json-file", options.json_file.as_deref())?;
    let sides = [
        Side::new(
            &options.a_name,
            &options.a,
            options.a_start.as_deref(),
            &options.a_pid,
            "a",
        )?,
        Side::new(
            &options.b_name,
            &options.b,
            options.b_start.as_deref(),
            &options.b_pid,
            "b",
        )?,
    ];
    for side in &sides {
        load_of(side, side.pids, &options.load)?;
        if let Some(log) = &side.log {
            eprintln!(
                "what {} says goes to {}, of its last turn",
                side.name,
                log.path().display()
            );
        }
    }
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for round in 0..options.warmup + options.rounds {
        for (side, turns) in sides.iter().zip(&mut turns) {
            let turn = turn(side, &options)?;
            let counts = round >= options.warmup;
            eprintln!(
                "round {round}{} {}: {} messages/s, server CPU {} \u{b5}s a message{}, {} accepted, limit: {}",
                if counts { "" } else { " (warm-up)" },
                side.name,
                show_number(turn.messages_per_second),
                show(turn.server_cpu_microseconds_per_message),
                if turn.server_cpu_too_small {
                    " (too few clock ticks to compare)"
                } else {
                    ""
                },
                grouped(turn.accepted),
                turn.limit
            );
            if counts {
                turns.push(turn);
            }
            if crate::signals::stopped() {
                return Err(Failure::Run("stopped by a signal".to_owned()));
            }
        }
    }
    let compared = compare(&sides, turns);
    let json = serde_json::to_string(&compared).expect("plain numbers and texts");
    if let Some(path) = &options.json_file {
        write_file("--json-file", path, &(json.clone() + "\n"))?;
    }
    if options.json {
        println!("{json}");
    } else {
        print!("{}", text(&compared));
    }
    Ok([&compared.a, &compared.b]
        .iter()
        .all(|server| server.turns.iter().all(|turn| turn.not_accepted == 0)))
}

impl<'a> Side<'a> {
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
}

fn load_of(side: &Side<'_>, pids: &[u32], words: &[String]) -> Result<Options, Failure> {
    let first = ["ringpost-loadtest".to_owned(), side.target.to_owned()];
    let mut options = Options::try_parse_from(first.iter().chain(words))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    options.pid = pids.to_vec();
    options.quiet = true;
    Ok(options)
}

/// One server's turn.
fn turn(side: &Side<'_>, options: &Comparison) -> Result<Turn, Failure> {
    let mut started = match side.start.as_deref().zip(side.log.as_ref()) {
        Some((command, log)) => Some(Started::new(command, log)?),
        None => None,
    };
    let pids = match &started {
        Some(started) => vec![started.id()],
        None => side.pids.to_vec(),
    };
    let load = load_of(side, &pids, &options.load)?;
    let address = resolve(side.target, load.allow_remote)?[0];
    if let Some(started) = &mut started {
        started.wait_for_banner(address, options.start_wait)?;
    }
    let plan = Arc::new(Plan::new(load)?);
    let outcome = engine::run(&plan, &mut View::Silent).map_err(Failure::Run)?;
    let report = Report::new(&plan, &outcome);
    if let Some(started) = &mut started {
        started.must_run()?;
    }
    if let Some(error) = &report.start_error {
        let said = started.as_ref().map_or(String::new(), Started::last_words);
        return Err(Failure::Run(format!("{}: {error}{said}", side.name)));
    }
    if let Some(reason) = report.reasons.first() {
        eprintln!("{}: {}", side.name, reason.counted());
        if let Some(hint) = &reason.hint {
            eprintln!("  hint: {hint}");
        }
    }
    let reply = &report.latency_microseconds["reply"];
    let messages = &report.messages;
    Ok(Turn {
        messages_per_second: report.messages_per_second,
        accepted: messages.accepted,
        not_accepted: messages.refused + messages.unanswered + messages.unsent,
        errors: report.errors_total,
        server_cpu_microseconds_per_message: report.value("server_cpu"),
        server_cpu_too_small: report
            .server
            .as_ref()
            .is_some_and(|server| is_too_small(server.cpu_seconds)),
        server_peak_rss_bytes: report.server.as_ref().map(|server| server.peak_rss_bytes),
        own_cpu_microseconds_per_message: report.own.cpu_microseconds_per_message,
        reply_p50_microseconds: reply.p50,
        reply_p99_microseconds: reply.p99,
        limit: report.limit.by,
    })
}

/// Whether a CPU time is too few clock ticks for a ratio.
fn is_too_small(seconds: f64) -> bool {
    seconds * (rustix::param::clock_ticks_per_second() as f64) < LEAST_TICKS
}

fn compare(sides: &[Side<'_>; 2], turns: [Vec<Turn>; 2]) -> Compared {
    let ratio = |of: fn(&Turn) -> Option<f64>| {
        let pairs = turns[0].iter().zip(&turns[1]);
        let ratios: Option<Vec<f64>> = pairs
            .map(|(a, b)| Some(of(a)? / of(b).filter(|value| *value > 0.0)?))
            .collect();
        ratios.and_then(spread)
    };
    let (throughput_ratio, server_cpu_ratio) = (
        ratio(|turn| Some(turn.messages_per_second)),
        ratio(Turn::server_cpu),
    );
    let [a, b] = turns;
    let server = |side: &Side<'_>, turns| Server {
        name: side.name.to_owned(),
        target: side.target.to_owned(),
        turns,
    };
    Compared {
        command_line: std::env::args().collect(),
        a: server(&sides[0], a),
        b: server(&sides[1], b),
        throughput_ratio,
        server_cpu_ratio,
    }
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (lowest, highest) = (*values.first()?, *values.last()?);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some(Spread {
        median: (low + high) / 2.0,
        lowest,
        highest,
    })
}

fn text(compared: &Compared) -> String {
    let mut text = format!(
        "{:<24}{:>26}{:>26}{:>12}{:>12}{:>12}\n",
        "median (lowest-highest)",
        "messages/s",
        "server CPU \u{b5}s a message",
        "p50 \u{b5}s",
        "p99 \u{b5}s",
        "limit"
    );
    for server in [&compared.a, &compared.b] {
        let of = |of: fn(&Turn) -> Option<f64>| {
            let values: Option<Vec<f64>> = server.turns.iter().map(of).collect();
            values.and_then(spread)
        };
        let reply = |of: fn(&Turn) -> u64| {
            let values = server.turns.iter().map(|turn| of(turn) as f64).collect();
            spread(values).map_or(0.0, |spread| spread.median)
        };
        text.push_str(&format!(
            "{:<24}{:>26}{:>26}{:>12}{:>12}{:>12}\n",
            server.name,
            show_spread(of(|turn| Some(turn.messages_per_second)), 0),
            show_cpu(of(Turn::server_cpu), 1, &[server]),
            show_number(reply(|turn| turn.reply_p50_microseconds).round()),
            show_number(reply(|turn| turn.reply_p99_microseconds).round()),
            server.turns.last().map_or("", |turn| turn.limit)
        ));
    }
    let names = format!("{} / {}", compared.a.name, compared.b.name);
    text.push_str(&format!(
        "{:<24}{:>26}{:>26}\n",
        names,
        show_spread(compared.throughput_ratio, 3),
        show_cpu(compared.server_cpu_ratio, 3, &[&compared.a, &compared.b])
    ));
    text
}

/// CPU times, or that they are too small to compare.
fn show_cpu(spread: Option<Spread>, digits: usize, servers: &[&Server]) -> String {
    let mut turns = servers.iter().flat_map(|server| &server.turns);
    if spread.is_none() && turns.any(|turn| turn.server_cpu_too_small) {
        return "too small to compare".to_owned();
    }
    show_spread(spread, digits)
}

fn show(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}

fn show_spread(spread: Option<Spread>, digits: usize) -> String {
    let show = |value: f64| {
        if digits == 0 {
            grouped(value.round() as u64)
        } else {
            format!("{value:.digits$}")
        }
    };
    spread.map_or("-".to_owned(), |spread| {
        format!(
            "{} ({}-{})",
            show(spread.median),
            show(spread.lowest),
            show(spread.highest)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median() {
        let of = |values: &[f64]| {
            spread(values.to_vec()).map(|spread| (spread.median, spread.lowest, spread.highest))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some((2.0, 2.0, 2.0)));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let turn = |rate: f64, cpu: Option<f64>| Turn {
            messages_per_second: rate,
            accepted: 1,
            not_accepted: 0,
            errors: 0,
            server_cpu_microseconds_per_message: cpu,
            server_cpu_too_small: cpu.is_some_and(|cpu| cpu < 1.0),
            server_peak_rss_bytes: None,
            own_cpu_microseconds_per_message: None,
            reply_p50_microseconds: 1,
            reply_p99_microseconds: 1,
            limit: "server",
        };
        let side = |name| Side {
            name,
            target: "",
            start: None,
            pids: &[],
            log: None,
        };
        let a = vec![turn(100.0, Some(10.0)), turn(300.0, Some(30.0))];
        let b = vec![turn(50.0, Some(20.0)), turn(100.0, None)];
        let compared = compare(&[side("A"), side("B")], [a, b]);
        let throughput = compared.throughput_ratio.expect("rates");
        assert_eq!((throughput.lowest, throughput.highest), (2.0, 3.0));
        assert_eq!(
            compared.server_cpu_ratio, None,
            "not measured in each round"
        );
        assert!(text(&compared).contains("2.500 (2.000-3.000)"));
        assert!(is_too_small(0.01) && !is_too_small(10.0));
        let (a, b) = (vec![turn(100.0, Some(0.2))], vec![turn(50.0, Some(10.0))]);
        let compared = compare(&[side("A"), side("B")], [a, b]);
        assert_eq!(compared.server_cpu_ratio, None);
        assert_eq!(text(&compared).matches("too small to compare").count(), 2);
    }
}
