//! The engines: what a worker runs on. The only folder that names a runtime.
//!
//! | file | owns |
//! |---|---|
//! | `seam` | what an engine is |
//! | `uring` | the engine on io_uring, by tokio-uring |
//! | `operation` | its operations, and what the kernel holds while one is in flight |
//! | `epoll` | the engine on epoll, in a runtime of tokio |
//! | `reactor` | its sockets: which are ready, and who waits |
//! | `choice` | which of them serves |
//! | `probe` | whether the kernel lets us use io_uring, and what to do where it does not |
//! | `socket` | the few calls that go to a socket directly |
//!
//! Everything above is the same on both: [`crate::net::worker`] picks one at its start, and [`crate::net::connection`] sees a
//! [`Transport`](crate::net::transport::Transport).

pub mod choice;
pub(super) mod epoll;
mod operation;
pub mod probe;
mod reactor;
pub(super) mod seam;
mod socket;
pub(super) mod uring;
