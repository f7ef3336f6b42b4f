//! What went wrong: the kinds of errors, the server's words, how often each was said, and what to do about the common ones.
//!
//! Must not know connections, nor what else is counted.

mod hint;
mod kind;
mod reason;
mod trouble;
mod words;

pub(crate) use hint::Addresses;
pub(crate) use kind::{Cause, ErrorKind, Extension, Fault, MAX_WORDS, Step};
pub(crate) use reason::{Reason, ReasonKind};
pub(crate) use trouble::{Trouble, Troubles, What};
pub(crate) use words::{harmless, one_line};
