//! No test: the last target of the package, which says what the run has skipped.

#[path = "../../tests/support/skips.rs"]
#[allow(dead_code, reason = "this target adds nothing to the sum")]
mod skips;

fn main() {
    skips::report();
}
