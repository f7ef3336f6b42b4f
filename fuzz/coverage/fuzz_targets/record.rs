//! `record` of ringpost_fuzz::targets, driven by libFuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::{execute, targets};

fuzz_target!(|bytes: &[u8]| execute(targets::named("record").expect("a target"), bytes));
