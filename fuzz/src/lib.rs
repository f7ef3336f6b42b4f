//! Fuzzing of ringpost-proto: one list of [`targets`], run in two ways.
//!
//! | run | inputs | from |
//! |---|---|---|
//! | `cargo run --release -p ringpost-fuzz -- all` | the corpus, changed at random with the words of the protocol | stable Rust, nothing else |
//! | `fuzz/coverage/run all` | libFuzzer's, guided by the branches that they reach | nightly Rust, g++, cargo-fuzz |
//!
//! Owns: targets, corpus, and how an input is made of bytes. Must not know: C code, sockets, files, the rest of ringpost.
//!
//! A target takes an input and a [`Random`], which decides what the input leaves open: where it is cut,
//! what the driver answers. libFuzzer gives bytes alone, so [`execute`] takes the decisions from their end.

#[path = "../../proto/tests/support/driver.rs"]
mod driver;
pub mod harness;
pub mod mutate;
#[path = "../../proto/tests/support/random.rs"]
pub mod random;
pub mod sample;
pub mod targets;

use random::Random;
use targets::Target;

/// The most decisions that an input of libFuzzer's names.
const TAPE_BYTES: usize = 63;

/// One execution with bytes that a coverage-guided fuzzer made: the input, the tape of decisions, the length of the tape.
/// So a change of one byte is a change of one decision, and not of all.
pub fn execute(target: &Target, bytes: &[u8]) {
    let (&length, rest) = bytes.split_last().unwrap_or((&0, &[]));
    let length = (usize::from(length) & TAPE_BYTES).min(rest.len());
    let (input, tape) = rest.split_at(rest.len() - length);
    (target.check)(input, &mut Random::tape(tape));
}

/// The bytes that [`execute`] takes for this input and this tape.
///
/// # Panics
/// If the tape is longer than 63 bytes.
pub fn bytes_of(input: &[u8], tape: &[u8]) -> Vec<u8> {
    let length = u8::try_from(tape.len()).expect("a short tape");
    assert!(usize::from(length) <= TAPE_BYTES, "a short tape");
    [input, tape, &[length]].concat()
}
