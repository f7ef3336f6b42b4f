//! Runs a target so many times, and says which input it fell over.
//!
//! Owns: the numbering of executions, threads, the report of a finding. Must not know: what a target asserts.
//!
//! Invariant: execution number N of a seed has the same input and the same random stream on any machine and with any
//! number of threads.
//!
//! BUGS: nothing guides the mutations by coverage; the corpus and the words of the protocol have to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::mutate::Corpus;
use crate::random::Random;
use crate::targets::Target;

/// Which executions of which seed.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The seed.
    pub seed: u64,
    /// Number of the first execution.
    pub first: u64,
    /// How many.
    pub executions: u64,
    /// Threads that share them.
    pub threads: u64,
}

/// An input that a target fell over.
#[derive(Debug)]
pub struct Finding {
    /// Number of the execution.
    pub number: u64,
    /// Its input.
    pub input: Vec<u8>,
}

/// Runs `target`; the number of executions, counted one by one, or the finding with the lowest number that was met.
///
/// # Errors
/// The finding. What the target said of it has gone to standard error.
pub fn run(target: &Target, range: Range) -> Result<u64, Finding> {
    let corpus = (target.corpus)();
    let (counted, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = |thread: u64| {
        let (mut input, mut done) = (Vec::new(), 0);
        let end = range.first + range.executions;
        let mut number = range.first + thread;
        while number < end && !stop.load(Ordering::Relaxed) {
            if execute(target, &corpus, range.seed, number, &mut input).is_err() {
                stop.store(true, Ordering::Relaxed);
                return Some(Finding { number, input });
            }
            done += 1;
            number += range.threads;
        }
        counted.fetch_add(done, Ordering::Relaxed);
        None
    };
    let finding = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..range.threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        let findings = threads
            .into_iter()
            .filter_map(|thread| thread.join().expect("caught inside"));
        findings.min_by_key(|finding| finding.number)
    });
    finding.map_or(Ok(counted.into_inner()), Err)
}

fn execute(
    target: &Target,
    corpus: &Corpus,
    seed: u64,
    number: u64,
    input: &mut Vec<u8>,
) -> Result<(), ()> {
    let mut random = Random::part(seed, number);
    corpus.input(&mut random, input);
    catch_unwind(AssertUnwindSafe(|| (target.check)(input, &mut random))).map_err(drop)
}
