//! The deterministic simulation: production session, connection driver, hub, budget and ledger, with the transport, Kafka and
//! time replaced. One seed is one run, the same on every machine.
//!
//! `cargo test --test simulation` runs 500 seeds. `RINGPOST_SEEDS=1000..21000 cargo test --release --test simulation --
//! --ignored --nocapture many` runs any number of them. A seed that fails prints the command that runs it alone.

#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/clock.rs"]
mod clock;
#[path = "../proto/tests/support/driver.rs"]
mod driver;
#[path = "simulation/executor.rs"]
mod executor;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/kafka.rs"]
mod kafka;
#[path = "simulation/kind.rs"]
mod kind;
#[path = "simulation/mail.rs"]
mod mail;
#[path = "simulation/names.rs"]
mod names;
#[path = "simulation/objects.rs"]
mod objects;
#[path = "simulation/races.rs"]
mod races;
#[path = "../proto/tests/support/random.rs"]
mod random;
#[path = "simulation/script.rs"]
mod script;
#[path = "simulation/server.rs"]
mod server;
#[path = "simulation/sharing.rs"]
mod sharing;
#[path = "simulation/tls.rs"]
mod tls;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use std::cell::Cell;
use std::ops::Range;
use std::panic::{self, catch_unwind};
use std::sync::Once;

use world::{Summary, World};

/// FNV-1a.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

thread_local! {
    /// The seed that this thread runs.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Says with each panic which seed ran: one that meets another ends the process, before `run` could say it.
fn name_seed_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            eprintln!("while seed {} ran:", SEED.get());
            before(panic);
        }));
    });
}

/// Runs a seed; what it came to, or nothing if it found something, which it has said.
fn run(seed: u64) -> Option<Summary> {
    name_seed_of_panics();
    SEED.set(seed);
    let outcome = catch_unwind(|| World::new(seed).run());
    if outcome.is_err() {
        eprintln!(
            "seed {seed} found something; again: RINGPOST_SEEDS={seed}..{} cargo test --release --test simulation -- --ignored --nocapture many",
            seed + 1
        );
    }
    outcome.ok()
}

/// Runs seeds and adds up what they came to; the seeds that found something.
fn run_all(seeds: Range<u64>) -> Vec<u64> {
    let count = seeds.end.saturating_sub(seeds.start);
    let mut total = (0, 0, 0, 0, 0);
    let mut found = Vec::new();
    for seed in seeds {
        match run(seed) {
            Some(summary) => {
                total.0 += summary.events;
                total.1 += summary.records;
                total.2 += summary.connections;
                total.3 += summary.crashes;
                total.4 += summary.drains;
            }
            None => found.push(seed),
        }
    }
    let (events, records, connections, crashes, drains) = total;
    println!(
        "{events} events, {connections} connections, {records} records, {crashes} crashes, {drains} drains"
    );
    // One seed may have a quiet life; many may not.
    if found.is_empty() && count >= 100 {
        assert!(
            records > 0 && crashes > 0 && drains > 0,
            "the seeds go where it is dangerous"
        );
    }
    found
}

#[test]
fn five_hundred_seeds() {
    let found = run_all(1..501);
    assert!(found.is_empty(), "these seeds found something: {found:?}");
}

/// As many as RINGPOST_SEEDS says, `from..to`.
#[test]
#[ignore = "runs for as long as one likes"]
fn many() {
    let text = std::env::var("RINGPOST_SEEDS").unwrap_or("1000..21000".to_owned());
    let (from, to) = text.split_once("..").expect("RINGPOST_SEEDS is from..to");
    let number = |text: &str| text.parse::<u64>().expect("RINGPOST_SEEDS is two numbers");
    let found = run_all(number(from)..number(to));
    assert!(found.is_empty(), "these seeds found something: {found:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..6 {
        let (first, second) = (run(seed), run(seed));
        assert!(
            first.is_some() && first == second,
            "seed {seed}: {first:?} and {second:?}"
        );
    }
}
