//! The result of a run: data, text, JSON, CSV and HTML; who was the limit; whether the run passed.
//!
//! ```text
//! Outcome ─→ build, parts, limit ─→ data ─→ judge ─→ text, csv, html
//! ```

mod build;
pub(crate) mod csv;
mod data;
pub(crate) mod html;
mod judge;
mod limit;
mod parts;
pub(crate) mod text;

pub(crate) use build::command_line;
pub(crate) use data::Report;
pub(crate) use limit::LimitedBy;
