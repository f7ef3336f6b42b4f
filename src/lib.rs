//! ringpost: an inbound SMTP server on io_uring that turns each message into one Kafka record before it says 250.
//!
//! A mail is in the sender's queue or in Kafka's log, never only here. How one flows, and where to look:
//!
//! | step | where |
//! |---|---|
//! | a connection is accepted and admitted | [`net::worker`] |
//! | its octets become commands and replies | [`net::connection`] drives [`smtp::session`] |
//! | its data is read into the record's own buffer | [`net::connection`], [`smtp::data`] |
//! | the message becomes a record | [`mail::record`] |
//! | the record goes to the sink without a copy | [`sink`] |
//! | the delivery report finds its session | [`sink::ledger`], [`net::hub`] |
//! | the session says 250, or 451 | [`smtp::session::Session::resolve`] |
//!
//! From the bottom up: [`limits`], [`failure`], [`verdict`], [`smtp`], [`mail`], [`config`], [`kafka`], [`sink`] and [`consume`] beside it, [`telemetry::metrics`] and
//! [`telemetry::message_log`] with its queue, [`net`], the rest of [`telemetry`], [`server`], [`reload`], [`command`]. `smtp`,
//! `mail` and the ledger do no I/O: octets, outcomes and the time come in as arguments.

pub mod command;
pub mod config;
pub mod consume;
pub mod failure;
pub mod kafka;
pub mod limits;
pub mod net;
pub mod reload;
pub mod server;
pub mod sink;
pub mod telemetry;
pub mod verdict;

pub use ringpost_proto::{mail, smtp};
