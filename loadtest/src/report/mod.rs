//! The result of a run: data, text, JSON and HTML; who was the limit; whether the run passed.
//!
//! ```text
//! Outcome ─→ build, parts, limit ─→ data ─→ judge ─→ text, html
//! ```

mod build;
mod data;
pub(crate) mod html;
mod judge;
mod limit;
mod parts;
pub(crate) mod text;

pub(crate) use build::command_line;
pub(crate) use data::Report;
pub(crate) use limit::LimitedBy;
