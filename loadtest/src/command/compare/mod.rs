//! `ringpost-loadtest compare`: two servers in turn, A B A B ..., with the same load; the ratios of throughput and of CPU
//! time a message, with their spread.
//!
//! Because the servers take turns, changes of the machine's speed affect both; ratios are taken within a round, so that they
//! mostly cancel. A server can be
//! started for its turn and stopped after it, so that the other one has the machine for itself; what it says goes to a file.

mod options;
mod result;
mod started;
mod turn;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::output::{must_be_writable, write_file};
use crate::failure::Failure;
use crate::report::command_line;
use crate::signals::{self, Stopped};
use crate::units::{grouped, show_number};
use options::Comparison;
use result::{Compared, Server, Turn, compare, show, text};
use turn::Side;

/// Its name among the commands.
pub(crate) const NAME: &str = options::NAME;

/// Its command line.
pub(crate) fn command() -> clap::Command {
    Comparison::command()
}

/// Compares; whether every message of every round was accepted.
pub(crate) fn main(words: &ArgMatches) -> Result<bool, Failure> {
    let options = Comparison::from_arg_matches(words).unwrap_or_else(|error| error.exit());
    signals::watch()?;
    must_be_writable("--json-file", options.json_file.as_deref())?;
    let sides = [Side::a(&options)?, Side::b(&options)?];
    for side in &sides {
        // Only whether the words are right: the processes are known later.
        side.load(&[], &options.load)?;
        if let Some(log) = &side.log {
            eprintln!(
                "what {} says goes to {}, of its last turn",
                side.name,
                log.path().display()
            );
        }
    }
    let turns = take_turns(&sides, &options)?;
    let mut servers = sides.iter().zip(turns).map(|(side, turns)| Server {
        name: side.name.to_owned(),
        target: side.target.to_owned(),
        turns,
    });
    let (a, b) = (servers.next(), servers.next());
    let (a, b) = a.zip(b).expect("two servers");
    let compared = compare(a, b, command_line(std::env::args()));
    write_out(&options, &compared)?;
    Ok(compared.failures().is_empty())
}

/// All rounds; returns each server's turns that count.
fn take_turns(sides: &[Side<'_>; 2], options: &Comparison) -> Result<[Vec<Turn>; 2], Failure> {
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for round in 0..options.warmup + options.rounds {
        for (side, turns) in sides.iter().zip(&mut turns) {
            let turn = side.turn(options)?;
            let counts = round >= options.warmup;
            say(side, &turn, round, counts);
            if counts {
                turns.push(turn);
            }
            if signals::stopped() {
                return Err(Stopped.into());
            }
        }
    }
    Ok(turns)
}

fn say(side: &Side<'_>, turn: &Turn, round: u32, counts: bool) {
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
        turn.limit.name()
    );
}

fn write_out(options: &Comparison, compared: &Compared) -> Result<(), Failure> {
    let json = serde_json::to_string(compared).expect("plain numbers and texts");
    if let Some(path) = &options.json_file {
        write_file("--json-file", path, &(json.clone() + "\n"))?;
    }
    if options.json {
        println!("{json}");
    } else {
        print!("{}", text(compared));
    }
    Ok(())
}
