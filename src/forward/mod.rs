//! Mail from the topic to its receiver: a mailbox, a relay, an application.
//!
//! From the bottom up: `delivery` is one mail on its way and what the receiver said of it; `tls` whom a receiver's certificate has
//! to be signed by; `http` gives it to an application, `smtp` to what speaks SMTP or LMTP, `destination` to one of them; `counts` is
//! what is counted; `gate` whether a receiver is worth trying, `turn` when an attempt begins; `mail` is a record as a delivery,
//! `letter` a dead letter, `failure` why it ends; `step` tries until each recipient is settled.
//!
//! Must not know: flags, the configuration file.

pub mod counts;
pub mod delivery;
pub mod destination;
pub mod failure;
pub mod gate;
pub mod http;
mod letter;
pub mod log;
mod mail;
pub mod smtp;
pub mod step;
pub mod tls;
mod turn;
