//! ringpost: an inbound SMTP server on io_uring that turns each message into one Kafka record before it says 250.
pub mod config;
pub mod limits;
pub mod mail;
pub mod sink;
pub mod smtp;
