//! ringpost: an inbound SMTP server on io_uring that turns each message into one Kafka record before it says 250.
#![allow(missing_docs)]
pub mod command;
pub mod config;
pub mod limits;
pub mod mail;
pub mod net;
pub mod server;
pub mod sink;
pub mod smtp;
pub mod telemetry;
