//! What went wrong: the kinds of errors, the server's words, how often each was said, and what to do about the common ones.
//!
//! Must not know connections, nor what else is counted.

mod hint;
mod kind;
mod reason;
mod trouble;
mod words;

pub use hint::Addresses;
pub use kind::{Cause, ErrorKind, Extension, Fault, MAX_WORDS, Step};
pub use reason::{Reason, ReasonKind};
pub use trouble::{Trouble, Troubles, What};
pub use words::{harmless, one_line};
