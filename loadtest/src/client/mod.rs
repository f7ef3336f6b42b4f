//! One SMTP connection: the dialogue, the bytes of replies, time limits.
//!
//! Must not know which message is next, nor what the run counts, except that each reply and each step's time is counted
//! where it happens.

mod chunks;
mod connection;
pub(crate) mod deadline;
pub(crate) mod dial;
mod envelope;
mod faults;
mod greeting;
mod message;
mod negative;
mod offers;
mod os_error;
mod tls;

pub(crate) use chunks::Unsent;
pub(crate) use connection::{Connection, Dial};
pub(crate) use envelope::Answer;
pub(crate) use message::Delivered;
pub(crate) use offers::missing;
pub(crate) use ringpost_proto::client::reply::CLOSING;
