//! The one vocabulary of the log: every field that a line may have, and which lines have which.
//!
//! | file | owns |
//! |---|---|
//! | `kind` | what a field may hold, and its unit |
//! | [`field`] | the fields, a row each |
//! | [`lines`] | the lines that come with mail, connections and the life of a process, and their fields |
//!
//! docs/log-fields.md is made from these tables. Must not know: how a value looks in a line.
//!
//! Invariants: a name has one meaning and one kind in all lines; a line that is made by hand can have only fields of the table,
//! by their types. What `tracing` is given is compared with the table by tests/logs.rs.

pub mod field;
mod kind;
pub mod lines;

pub use kind::{Field, Kind, List, Milliseconds, Number, Row, Text, Word};
