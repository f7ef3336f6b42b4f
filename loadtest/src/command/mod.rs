//! What the program is asked to do: a run, a search, a comparison of two servers; the files of the result.

pub(crate) mod compare;
pub(crate) mod load;
mod output;
mod run;
mod search;
