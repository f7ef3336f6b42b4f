//! How the program is now, as one value: what the status page, `/status.json` and `ringpost top` show.
//!
//! | file | owns |
//! |---|---|
//! | `snapshot` | the value, which is also the form of the JSON |
//! | `source` | what a program says of itself, beside its metrics |
//! | `reading` | the metrics of one moment |
//! | `followed` | which metrics are followed over time, for each command |
//! | `history` | samples of these, and the rates that follow |
//! | `observer` | from all of these to a snapshot |
//! | `plain` | texts without what a terminal or a browser would obey |
//! | `figure` | numbers, sizes and times, for people |
//! | `page` | the snapshot as HTML |
//!
//! ```text
//!   workers ─▶ metrics ─▶ Reading ─▶ History ─┐
//!                            Source ──────────┼─▶ Snapshot ─▶ HTML, JSON ─▶ `ringpost top`
//!                   log ─▶ Recent ────────────┘
//! ```
//!
//! Must not know: HTTP, and who looks.
//!
//! Invariant: a look costs the workers nothing: what is shown is read from the metrics, as a scrape does, and from what the sink has
//! found out anyway.

pub mod figure;
mod followed;
mod history;
pub mod observer;
pub mod page;
pub mod plain;
pub mod reading;
pub mod snapshot;
pub mod source;

pub use followed::{AUTHENTICATE, FORWARD, Followed, SERVE};
pub use observer::Observer;
pub use reading::Reading;
pub use snapshot::Snapshot;
pub use source::{Health, Source, State};
