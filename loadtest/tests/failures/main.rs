//! Runs that fail: what they say, how soon they end, and that a server which goes away in the middle ends nothing.

mod away;
mod beginning;
mod less;
mod refusals;
mod rings;
mod search;
mod shown;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod usage;
