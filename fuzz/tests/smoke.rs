//! A smoke run of the fuzz targets; the package's program runs as many executions as one likes.

use ringpost_fuzz::harness::{Range, run};
use ringpost_fuzz::{bytes_of, execute, mutate, targets};

fn smoke(name: &str, executions: u64) {
    let target = targets::named(name).expect("a target");
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

/// Both ways into a target, its corpus as libFuzzer gets it and any few bytes at all, come to their end.
#[test]
fn bytes_of_any_length_are_executed() {
    for target in targets::ALL {
        for entry in &(target.corpus)().entries {
            execute(target, &bytes_of(entry, &[7; 63]));
            execute(target, &bytes_of(entry, &[]));
        }
        for bytes in [&b""[..], b"\0", b"\xff", b"\xff\xff\x01", b"QUIT\r\n"] {
            execute(target, bytes);
        }
    }
}

/// The tape decides: a target sees the input without it, and its bytes as the first random numbers.
#[test]
fn the_tape_is_the_decisions() {
    let target = targets::Target {
        name: "tape",
        corpus: || mutate::Corpus::read("x", &["x"], 1),
        check: |input, random| {
            assert_eq!(input, b"input");
            assert_eq!(
                [random.below(256), random.below(2), random.between(1, 4)],
                [7, 1, 3]
            );
        },
    };
    execute(&target, &bytes_of(b"input", &[7, 128, 130]));
}
