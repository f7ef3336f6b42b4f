//! The commands of the program: flags in, exit code out.

pub mod check;
pub mod consume;
mod open_files;
pub mod serve;
