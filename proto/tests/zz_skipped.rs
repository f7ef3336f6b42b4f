//! No test: the last target of the workspace, by its package and its name, which says what the run has skipped.

#[path = "../../tests/support/skips.rs"]
#[allow(dead_code, reason = "this target adds nothing to the sum")]
mod skips;

fn main() {
    skips::report();
}
