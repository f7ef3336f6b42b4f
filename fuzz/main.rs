//! Fuzzing on stable Rust: `cargo run --release --example fuzz -- TARGET|all [--executions N] [--seed N] [--first N]
//! [--threads N]`.
//!
//! A target asserts; an input that it falls over is printed with the one command that executes it alone.

#[path = "../proto/tests/support/driver.rs"]
mod driver;
mod harness;
mod mutate;
#[path = "../proto/tests/support/random.rs"]
mod random;
mod targets;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use harness::Range;

/// Runs the fuzz targets.
#[derive(Debug, Parser)]
struct Options {
    /// A target by its name, or `all`
    target: String,
    /// How many inputs, for each target
    #[arg(long, default_value_t = 1_000_000)]
    executions: u64,
    /// Which inputs: another seed, other inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first input
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads that share the work
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    threads: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let chosen: Vec<_> = targets::ALL
        .iter()
        .filter(|target| options.target == "all" || options.target == target.name)
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!(
            "{}: no such target; there are: all {}",
            options.target,
            names.join(" ")
        );
        return ExitCode::from(2);
    }
    let (start, mut total) = (Instant::now(), 0);
    for target in chosen {
        let began = Instant::now();
        let range = Range {
            seed: options.seed,
            first: options.first,
            executions: options.executions,
            threads: options.threads,
        };
        match harness::run(target, range) {
            Ok(executions) => {
                total += executions;
                println!(
                    "{}: {executions} executions in {:.1?}, no finding",
                    target.name,
                    began.elapsed()
                );
            }
            Err(finding) => {
                println!(
                    "{}: execution {} of seed {}",
                    target.name, finding.number, options.seed
                );
                println!("input: {}", finding.input.escape_ascii());
                println!(
                    "again: cargo run --release --example fuzz -- {} --seed {} --first {} --executions 1",
                    target.name, options.seed, finding.number
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{total} executions in {:.1?}, no finding", start.elapsed());
    ExitCode::SUCCESS
}
