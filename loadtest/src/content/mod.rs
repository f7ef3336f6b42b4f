//! The messages: generated or from files, their sizes, the fields that name them, their wire form.
//!
//! Must not know sockets or replies.

mod files;
mod generate;
pub(crate) mod identity;
mod messages;
mod sizes;
mod template;

pub(crate) use generate::{Header, date_text};
pub(crate) use messages::{Common, Content};
pub(crate) use template::{Envelope, Needs, OwnPart, Segment, Template, numbered_address};
