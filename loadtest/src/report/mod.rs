//! The result of a run: data, text, JSON and HTML; who was the limit; whether the run passed.
//!
//! ```text
//! Outcome ─→ build, parts, limit ─→ data ─→ judge ─→ text, html
//! ```

mod build;
mod data;
pub mod html;
mod judge;
mod limit;
mod parts;
pub mod text;

pub use build::command_line;
pub use data::Report;
pub use limit::LimitedBy;
