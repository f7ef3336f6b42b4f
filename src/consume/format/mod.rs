//! One record in each of the text forms, and the file names that are made from a record.
//!
//! Must not know: where the bytes go, or how the record was read.

mod json;
mod mbox;
mod name;
#[cfg(test)]
mod sample;
mod summary;

pub use json::json;
pub use mbox::{local_line_ends, mbox};
pub use name::{eml_name, eml_name_of_place};
pub use summary::summary;
