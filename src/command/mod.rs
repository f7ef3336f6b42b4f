//! The commands of the program: flags in, exit code out.

pub mod consume;
pub mod serve;
