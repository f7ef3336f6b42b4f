//! Mail from the topic to its receiver: a mailbox, a relay, an application.
//!
//! From the bottom up: `delivery` is one mail on its way and what the receiver said of it; `http` gives it to an
//! application.
//!
//! Must not know: flags, the configuration file.

pub mod delivery;
pub mod http;
