//! No test: the last target of this package, by its name, which says what the run has skipped. Where cargo runs the whole
//! workspace, the target of the same name in loadtest/ says it at the very end.

#[path = "support/skips.rs"]
#[allow(dead_code, reason = "this target adds nothing to the sum")]
mod skips;

fn main() {
    if !skips::is_for_the_workspace() {
        skips::report();
    }
}
