//! `--search`: the highest rate at which a bound holds.
//!
//! The rate doubles from `--rate` on until the bound breaks, then the gap is halved until it is small. A rate counts only if
//! it was reached: a server that falls behind has not held the bound, whatever the percentile says of what it did. A step
//! that breaks is run again: only one that breaks twice in three runs decides, so that one pause of the machine does not.
//!
//! # BUGS
//! - A bound that breaks at a low rate and holds at a higher one is not understood.

mod found;
mod shown;
mod steps;

pub(super) use steps::main;
