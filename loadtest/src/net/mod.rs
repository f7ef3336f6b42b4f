//! What the program's sockets go through: io_uring, or epoll where it is not allowed. Only this folder and the timer of
//! [`crate::engine`] tell them apart.
//!
//! | file | owns |
//! |---|---|
//! | [`choice`] | which of them is used, and why it is not io_uring |
//! | [`runtime`] | what a thread's tasks run in |
//! | [`stream`] | a connection, and a socket that listens |
//!
//! Tasks and timers are tokio's on both: [`tokio::task::spawn_local`] and [`tokio::time`].

pub(crate) mod choice;
pub(crate) mod runtime;
pub(crate) mod stream;
