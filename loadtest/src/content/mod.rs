//! The messages: generated or from files, their sizes, the fields that name them, their wire form.
//!
//! Must not know sockets or replies.

mod files;
mod generate;
pub mod identity;
mod messages;
mod sizes;
mod template;

pub use generate::{Header, date_text};
pub use messages::{Common, Content};
pub use template::{Envelope, Needs, OwnPart, Segment, Template, numbered_address};
