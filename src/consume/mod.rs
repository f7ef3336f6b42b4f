//! Reading records back: a layer beside `sink`, below the commands that read.
//!
//! From the bottom up: `stop`, `format`, `output`, `cluster`, `reader`.

pub mod cluster;
pub mod format;
pub mod output;
pub mod reader;
pub mod stop;
