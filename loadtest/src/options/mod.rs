//! The command line of a run: its options, and what stands in those that hold more than one value.
//!
//! Must not know what comes of them (see [`crate::plan`]).

pub(crate) mod assertion;
mod flags;
pub(crate) mod misbehaviour;
mod mixture;
pub(crate) mod shape;

pub(crate) use flags::{Options, with_suggestion};
pub(crate) use mixture::{MixPart, parse_mix};
