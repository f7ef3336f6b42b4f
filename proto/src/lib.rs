//! The core of ringpost without I/O: SMTP sessions, what a client may say, the end of the data, the envelope, the record.
//!
//! From the bottom up: [`limits`], [`smtp`], [`mail`]; [`proxy`] stands beside them. Bytes, outcomes and the time come in as
//! arguments, replies and actions come out. Nothing here may name a socket, a clock, a random number, a log or a metric.

pub mod limits;
pub mod mail;
pub mod proxy;
pub mod smtp;
