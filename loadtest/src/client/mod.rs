//! One SMTP connection: the dialogue, the bytes of replies, time limits.
//!
//! Must not know which message is next, nor what the run counts, except that each reply and each step's time is counted
//! where it happens.

mod chunks;
mod connection;
pub mod deadline;
pub mod dial;
mod envelope;
mod faults;
mod greeting;
mod message;
mod negative;
mod offers;
mod os_error;
mod reply;
mod tls;

pub use chunks::Unsent;
pub use connection::{Connection, Dial};
pub use envelope::Answer;
pub use message::Delivered;
pub use reply::CLOSING;
