//! What the program is asked to do: one run, a search, a comparison of two servers.

pub mod compare;
pub mod load;
mod output;
mod run;
pub mod search;
