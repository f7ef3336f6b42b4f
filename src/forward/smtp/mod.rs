//! Receivers that speak SMTP (RFC 5321) or LMTP (RFC 2033): relays, mailboxes.
//!
//! From the bottom up: `address` says where one is, `settings` what else is configured, `content` is the message on the wire,
//! `transaction` the dialogue of one mail without I/O, `stream` the bytes, `connection` one connection, `receiver` the connections of
//! one receiver.
//!
//! Must not know: topics and offsets, when a mail is tried again.
//!
//! BUGS: a message is in memory twice while it goes out. A message of 8-bit text goes as it is to a server that does not offer 8BITMIME, where RFC 6152 asks for a conversion. MX
//! records are not asked for: a receiver is a host. One transaction is one connection's round trip: no mail begins before the reply
//! to the one before.

pub mod address;
mod connection;
mod content;
pub mod receiver;
pub mod settings;
mod stream;
mod transaction;
