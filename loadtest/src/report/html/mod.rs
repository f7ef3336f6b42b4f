//! The report as one self-contained page: style and plots inside, no script, nothing fetched.
//!
//! Invariant: every text goes through maud, which escapes it.

mod charts;
mod page;
mod svg;
mod tables;

pub(crate) use page::{page, page_with};
pub(crate) use tables::grid;
