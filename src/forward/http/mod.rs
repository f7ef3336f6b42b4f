//! HTTP: each mail is one POST to an application, a CloudEvent in binary mode.
//!
//! From the bottom up: `file` reads the small files of an operator, `signature` and `fields` are what they hold, `place` is where
//! mail is posted to, `settings` is all of that; `binding` is a mail as header fields, `answer` is what an application said,
//! `webhook` posts.
//!
//! Must not know: flags, topics and offsets, when a mail is posted again.

pub mod answer;
pub mod binding;
pub mod fields;
pub mod file;
pub mod place;
pub mod settings;
pub mod signature;
pub mod webhook;
