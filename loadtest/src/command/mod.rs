//! What the program is asked to do: a run, a search, a comparison of two servers; the files of the result.

pub mod compare;
pub mod load;
mod output;
mod run;
mod search;
