//! ringpost: an inbound SMTP server on io_uring that turns each message into one Kafka record before it says 250.
//!
//! A mail is in the sender's queue or in Kafka's log, never only here. How one flows, and where to look:
//!
//! | step | where |
//! |---|---|
//! | a connection is accepted and admitted | [`net::worker`], [`net::admission`] |
//! | it goes to the worker with the fewest, if this one has too many | [`net::loads`], [`net::handover`] |
//! | its bytes become commands and replies | [`net::connection`] drives [`smtp::session`] |
//! | its data is read into the record's own buffer | [`net::connection`], [`smtp::data`] |
//! | its topic is chosen, or several if its recipients are divided | [`sink::routing`] |
//! | the message becomes a record, or several | [`mail::record`], [`net::parts`] |
//! | the record goes to the sink without a copy | [`sink`] |
//! | the delivery report finds its session | [`net::flights`], [`net::hub`] |
//! | the session says 250, or 451 | [`smtp::session::Session::resolve`] |
//!
//! How the server starts and ends is one line, from [`server::Checked`] to [`server::Stopped`]; [`command::serve`] draws it.
//!
//! The layers. A file imports layers that come before its own in this list, or its own folder. From the bottom up:
//! - [`limits`]: every bound that is not an option;
//! - [`failure`]: whose an error is, and the exit code that follows;
//! - [`verdict`]: how a question of `ringpost check` is answered;
//! - [`smtp`]: addresses, commands, sessions, the end of the data, without I/O (the crate `ringpost-proto`);
//! - [`mail`]: envelope, queue id, trace field, record, without I/O (the same crate);
//! - [`config`]: what an operator can set, read and checked;
//! - [`kafka`]: what every client of a cluster needs, whether it writes or reads;
//! - [`objects`]: the store of large messages;
//! - [`sink`]: the seam where records go, and the places that take them;
//! - [`telemetry`]: metrics, logs, the admin listener's pages;
//! - [`recipients`]: whom a topic names, live;
//! - [`net`]: connections on io_uring or epoll, from a socket to a session and back;
//! - [`server`]: from a configuration to a running server and to its end;
//! - [`consume`]: records read back;
//! - [`pipeline`]: records through steps, and commits in their order;
//! - [`forward`]: mail from the topic to a mailbox, a relay or an application;
//! - [`authenticate`]: who a mail is from: SPF, DKIM, DMARC, ARC;
//! - [`command`]: flags in, exit code out.
//!
//! `smtp`, `mail` and the ledger do no I/O: bytes, outcomes and the time come in as arguments.

// `pub` says that other crates see it. Not for the tests, which include files of each other.
#![warn(unreachable_pub)]

pub mod authenticate;
pub mod command;
pub mod config;
pub mod consume;
pub mod failure;
pub mod forward;
pub mod kafka;
pub mod limits;
pub mod net;
pub mod objects;
pub mod pipeline;
pub mod recipients;
pub mod server;
pub mod sink;
pub mod telemetry;
pub mod verdict;

pub use ringpost_proto::{mail, smtp};
