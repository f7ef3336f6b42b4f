//! A smoke run of the fuzz targets; `fuzz/main.rs` runs as many as one likes.

#[path = "../proto/tests/support/driver.rs"]
mod driver;
#[path = "../fuzz/harness.rs"]
mod harness;
#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../proto/tests/support/random.rs"]
mod random;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use harness::{Range, run};

fn smoke(name: &str, executions: u64) {
    let target = targets::ALL
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let range = Range {
        seed: 1,
        first: 0,
        executions,
        threads: 1,
    };
    match run(target, range) {
        Ok(counted) => assert_eq!(counted, executions),
        Err(finding) => panic!(
            "execution {}: {}",
            finding.number,
            finding.input.escape_ascii()
        ),
    }
}

#[test]
fn command() {
    smoke("command", 40_000);
}

#[test]
fn session() {
    smoke("session", 20_000);
}

#[test]
fn chunks() {
    smoke("chunks", 20_000);
}

#[test]
fn record() {
    smoke("record", 20_000);
}

#[test]
fn proxy() {
    smoke("proxy", 40_000);
}

/// What the harness is for: a target that fails is found, at the input that it was given, alone and again.
#[test]
fn a_finding_is_found_and_replays_alone() {
    let target = targets::Target {
        name: "fails",
        corpus: || mutate::Corpus::read("NOOP\\r\\n", &["XYZZY"], 100),
        check: |input, _| assert!(!input.windows(5).any(|five| five == b"XYZZY")),
    };
    let range = |first, executions, threads| Range {
        seed: 7,
        first,
        executions,
        threads,
    };
    let finding = run(&target, range(0, 10_000, 1)).expect_err("the word is inserted at some time");
    let again = run(&target, range(finding.number, 1, 1)).expect_err("the same input");
    assert_eq!(again.input, finding.input);
    assert_eq!(
        run(&target, range(0, finding.number, 2)).ok(),
        Some(finding.number)
    );
}
