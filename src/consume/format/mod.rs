//! One record in each of the text forms, and the file names that are made from a record.
//!
//! Must not know: where the bytes go, or how the record was read.

mod envelope;
mod json;
mod mbox;
mod name;
mod parsed;
#[cfg(test)]
mod sample;
mod summary;

pub use envelope::with_envelope;
pub use json::{json, json_parsed};
pub use mbox::{local_line_ends, mbox, mbox_raw};
pub use name::{eml_name, eml_name_of_place};
pub use summary::{summary, summary_heading};
