//! Records through steps: read from a topic, each given to a [`step::Step`], and committed in order once they are settled.
//!
//! ```text
//!   thread kafka-read                         the command's thread
//!   ┌──────────────────────────────┐  orders  ┌──────────────────────────┐
//!   │ Reader ─▶ Progress ─▶ filter │ ───────▶ │ Lanes ─▶ one task for    │
//!   │   ▲           │              │          │ each record: Step        │
//!   │   └─ commit ◀─┘              │ ◀─────── │                          │
//!   └──────────────────────────────┘  answers └──────────────────────────┘
//! ```
//!
//! From the bottom up: `progress` is how far each partition is, `lanes` what is kept in sequence, `backoff` and `rate` when
//! something is done, `step` the seam, `job` what is to be done, `held` what is under way, `watch` what others see, `failure` why it
//! ends early, `reading` the thread that reads and commits, `tasks` what settles, `run` both together. Beside them, for steps:
//! `whole` completes a record with its object, and `writer` writes records to another topic.
//!
//! Must not know: flags, what a step does.
//!
//! Invariants: an offset is committed only once every record before it is settled; records and bytes that are held are bounded;
//! a kill at any moment loses nothing, and repeats at most what was not committed.

pub mod backoff;
pub mod failure;
mod held;
pub mod job;
pub mod lanes;
pub mod progress;
pub mod rate;
mod reading;
mod run;
pub mod step;
mod tasks;
pub mod watch;
pub mod whole;
pub mod writer;

pub use run::run;
