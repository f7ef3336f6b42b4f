//! Fuzzing on stable Rust: `cargo run --release -p ringpost-fuzz -- TARGET|all [--executions N] [--seed N] [--first N]
//! [--threads N]`. A target asserts; an input that it falls over is printed with the one command that executes it alone.
//!
//! `cargo run -p ringpost-fuzz -- seeds FOLDER` writes corpus and words as libFuzzer reads them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ringpost_fuzz::bytes_of;
use ringpost_fuzz::harness::{self, Range};
use ringpost_fuzz::random::Random;
use ringpost_fuzz::targets::{self, Target};

const USAGE: &str =
    "usage: ringpost-fuzz TARGET|all [--executions N] [--seed N] [--first N] [--threads N]
       ringpost-fuzz seeds FOLDER";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["seeds", folder] => {
            write_seeds(Path::new(folder)).expect("the folder can be written");
            ExitCode::SUCCESS
        }
        [name, options @ ..] => match (chosen(name), range(options)) {
            (Some(targets), Some(range)) => run(&targets, range),
            _ => usage(),
        },
        [] => usage(),
    }
}

fn usage() -> ExitCode {
    let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
    eprintln!("{USAGE}\ntargets: {}", names.join(" "));
    ExitCode::from(2)
}

fn chosen(name: &str) -> Option<Vec<&'static Target>> {
    if name == "all" {
        return Some(targets::ALL.iter().collect());
    }
    targets::named(name).map(|target| vec![target])
}

fn range(options: &[&str]) -> Option<Range> {
    let mut range = Range {
        seed: 1,
        first: 0,
        executions: 1_000_000,
        threads: 1,
    };
    for option in options.chunks(2) {
        let [name, number] = option else { return None };
        let number = number.parse().ok()?;
        match *name {
            "--executions" => range.executions = number,
            "--seed" => range.seed = number,
            "--first" => range.first = number,
            "--threads" if number > 0 => range.threads = number,
            _ => return None,
        }
    }
    Some(range)
}

fn run(chosen: &[&Target], range: Range) -> ExitCode {
    let (start, mut total) = (Instant::now(), 0);
    for target in chosen {
        let began = Instant::now();
        match harness::run(target, range) {
            Ok(executions) => {
                total += executions;
                let took = began.elapsed();
                println!(
                    "{}: {executions} executions in {took:.1?}, no finding",
                    target.name
                );
            }
            Err(finding) => {
                let (name, number, seed) = (target.name, finding.number, range.seed);
                println!("{name}: execution {number} of seed {seed}");
                println!("input: {}", finding.input.escape_ascii());
                println!(
                    "again: cargo run --release -p ringpost-fuzz -- {name} --seed {seed} --first {number} --executions 1"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{total} executions in {:.1?}, no finding", start.elapsed());
    ExitCode::SUCCESS
}

/// For each target a folder of inputs, each with a tape, and a dictionary.
fn write_seeds(folder: &Path) -> std::io::Result<()> {
    for target in targets::ALL {
        let corpus = (target.corpus)();
        let inputs = folder.join(target.name);
        std::fs::create_dir_all(&inputs)?;
        for (number, entry) in corpus.entries.iter().enumerate() {
            let mut random = Random::part(1, number as u64);
            let tape: Vec<u8> = (0..24).map(|_| random.next() as u8).collect();
            let path = inputs.join(format!("seed-{number}"));
            std::fs::write(path, bytes_of(entry, &tape))?;
        }
        let mut dictionary = String::new();
        for word in corpus.words {
            let bytes: String = word.bytes().fold(String::new(), |mut text, byte| {
                write!(text, "\\x{byte:02x}").expect("a String takes all");
                text
            });
            writeln!(dictionary, "\"{bytes}\"").expect("a String takes all");
        }
        std::fs::write(folder.join(format!("{}.dict", target.name)), dictionary)?;
    }
    Ok(())
}
