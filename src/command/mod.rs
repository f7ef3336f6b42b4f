//! The commands of the program: flags in, exit code out.

pub mod check;
pub mod consume;
mod container;
mod open_files;
mod quick_start;
pub mod serve;
