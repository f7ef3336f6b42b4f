//! A mail on its way from the session to a record: envelope, trace field, queue id, and the layout of the record.
//!
//! Owns: what a record of version 1 holds. Must not know: sockets, clocks, Kafka's client.

pub mod date;
pub mod decode;
pub mod envelope;
pub mod header;
pub mod id;
pub mod record;
pub mod trace;
