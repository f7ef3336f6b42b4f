//! From flags to a running server, and to its end, as one straight line. Each step takes the value of the step before.
//!
//! | step | its value | file |
//! |---|---|---|
//! | the configuration is read, and tried as far as possible without other machines | [`Checked`] | `checked` |
//! | the log begins | | `command::serve` |
//! | lists are read, rings made, the sink started, addresses bound | [`Prepared`] | `prepared` |
//! | every worker has said that it serves; "ready" follows once a topic of recipients was read | [`Serving`] | `serving` |
//! | a signal came, and the server has drained | [`Stopped`] | `serving`, `drain` |
//!
//! Beside the line: `addresses` has the sockets and `open_files` their number; `activation` takes those that a supervisor has opened,
//! `takeover` those of the process before, and `succession` says what becomes of them; `supervisor` is told how it goes; `rules`, `shares` and `plans` turn the
//! configuration into what the workers are given, `claims` starts the store of large messages, and `workers` has their threads; `signals` says which signal means what;
//! `admin` is the admin listener, `effective` the configuration that it shows; `upkeep` runs `reload`, `tls_watch` and
//! `heap` while the workers serve.
//!
//! Beside it, `named` follows the topic of recipients.
//!
//! Invariants: everything listens and every worker serves before there is a [`Serving`], and "ready" is said of nothing else; a
//! worker that ends without being stopped ends the program; what fails to start ends it with one line that names it; after a
//! drain the sink has no record in flight.

mod activation;
pub mod addresses;
mod admin;
pub mod checked;
mod claims;
mod drain;
mod effective;
mod heap;
mod named;
pub mod open_files;
mod plans;
mod prepared;
mod reload;
pub mod rules;
mod serving;
pub mod shares;
mod signals;
mod succession;
mod supervisor;
mod takeover;
mod tls_watch;
mod upkeep;
mod workers;

pub use checked::{Checked, Read};
pub use drain::Drained;
pub use prepared::Prepared;
pub use serving::{Facts, Serving, Stopped};
pub use signals::Signal;
