//! The SMTP protocol without any I/O: octets, outcomes and the time come in as arguments, replies and actions come out.
//!
//! ```text
//!   octets ──▶ line ──▶ command ──▶ session ──▶ replies (one write per pipelined group)
//!                        address      │  ▲
//!                        parameter    │  └── outcome of the commit: stored, or not
//!   octets of the body ──▶ data ──────┘
//!                                     └────▶ actions: open a body, commit it, discard it, close
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `line` | where a command line ends |
//! | `command` | the verbs and their arguments |
//! | `address` | paths and mailboxes (RFC 5321 4.1.2, RFC 6531) |
//! | `domain` | domains, and the one form that their spellings share (RFC 5890) |
//! | `decimal` | a number in digits |
//! | `octet` | what an octet of an address may be part of |
//! | `parameter` | the parameters of MAIL and RCPT |
//! | `data` | transparency and the end of the data (RFC 5321 4.5.2, 4.1.1.4) |
//! | `scan` | the one loop over the octets of the data |
//! | `extension` | the one table of what EHLO offers |
//! | `refusal` | the one table of refusals: reply, enhanced status code, metric label |
//! | `positive` | the one table of replies that are no refusals |
//! | `reply` | reply lines |
//! | `access` | networks, and which of them may speak to this server |
//! | `policy` | what the operator set: whom this MX takes mail for, and how much |
//! | `pattern` | which domains a pattern holds |
//! | `list` | the recipients of a domain, as a set over one buffer |
//! | `name` | what one key of a directory names |
//! | `directory` | whom a topic names, as a set that changes while the server runs |
//! | `rate` | how many messages a client may begin in a minute |
//! | `state` | the states of a session and their diagram |
//! | `session` | the one place that moves between them |
//!
//! Nothing here may name a socket, a clock, a random number, a log or a metric.

pub mod access;
pub mod address;
pub mod command;
pub mod data;
pub mod decimal;
pub mod directory;
pub mod domain;
pub mod extension;
pub mod line;
pub mod list;
pub mod name;
mod octet;
pub mod parameter;
pub mod pattern;
pub mod policy;
pub mod positive;
pub mod rate;
pub mod refusal;
pub mod reply;
mod scan;
pub mod session;
pub mod state;
