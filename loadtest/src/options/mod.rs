//! The command line of a run: its options, and what stands in those that hold more than one value.
//!
//! Must not know what comes of them (see [`crate::plan`]).

pub mod assertion;
mod flags;
pub mod misbehaviour;
mod mixture;
pub mod shape;

pub use flags::Options;
pub use mixture::{MixPart, parse_mix};
