//! The store of large messages, the claim check: whole messages as objects, in a directory, in S3, GCS or Azure.
//!
//! | file | owns |
//! |---|---|
//! | `seam` | what a server asks of a store, and one upload as a worker sees it |
//! | `failure` | why a store does not take or give an object |
//! | `place` | where a store is, and what no text about it may show |
//! | `open` | from the configuration to a store |
//! | `uploader` | the thread of the uploads; `upload` is one of them |
//! | `health` | whether the store is away, and the lines that say so |
//! | `probe` | one small object, written, read and deleted |
//! | `fetch` | an object read back, checked |
//!
//! Must not know: sessions, sockets, records, sinks.
//!
//! BUGS: an object whose record never comes stays: of a process that was killed between the two, and of a message whose record was
//! not confirmed in time. No object that a record may name is ever deleted, so only a lifecycle rule of the store can.

pub mod failure;
pub mod fetch;
mod health;
pub mod open;
pub mod place;
mod probe;
pub mod seam;
mod upload;
mod uploader;

pub use failure::{Failure, Kind};
pub use open::OpenError;
pub use probe::examine;
pub use seam::{Assignment, Claims, Lent, News, Order, Store, Upload, hexadecimal};
pub use uploader::Uploader;
