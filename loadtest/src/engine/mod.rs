//! The run: threads, what each of them does, and the main thread that looks on.
//!
//! Each thread has one runtime, a share of the connections and of the idle sessions; each connection is a task
//! (see [`sender`]). The main thread flushes the log, takes the threads' intervals away every second, samples the server,
//! and shows progress.
//!
//! ```text
//! run ─→ thread ─→ first, idle            before the run
//!  │        └────→ sender ─→ message      the run
//!  │                  └────→ misbehave
//!  └──→ collector                         the main thread, meanwhile
//! ```

mod collector;
mod context;
mod counting;
mod dispatch;
mod error;
mod first;
mod idle;
mod message;
mod misbehave;
mod refusal;
mod run;
mod sender;
mod shared;
mod silent;
mod thread;
mod timer;

pub(crate) use run::run;
